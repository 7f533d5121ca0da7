// Tests every lint rule: the contract passes, and a copy with one fault fails with that rule's name.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';

const here = import.meta.dirname;
const python = join(here, '../../.venv/bin/python');
const contract = parse(await readFile(join(here, '../../openapi.yaml'), 'utf8'));
const config = parse(await readFile(join(here, 'redocly.yaml'), 'utf8'));
const run = promisify(execFile);

const getHealth = (c) => c.paths['/healthz'].get;
const createProduct = (c) => c.paths['/products'].post;
const refuseNothing = ({ responses }) => Object.keys(responses).filter((status) => status.startsWith('4')).forEach((status) => delete responses[status]);
const json = (body) => body.content['application/json'];

// [rule, description of the fault, edit]; every rule of redocly.yaml is here at least once.
const redoclyCases = [
  ['struct', 'an operation has a member that OpenAPI does not know', (c) => (getHealth(c).colour = 'red')],
  ['struct', 'a response has no description', (c) => delete c.components.responses.InternalError.description],
  ['no-unresolved-refs', 'a reference leads nowhere', (c) => (c.components.schemas.Order.properties.id.$ref += 'x')],
  ['spec-components-invalid-map-name', "a component's name has a blank", (c) => (c.components.schemas['A B'] = { type: 'string', description: 'x' })],
  ['no-unused-components', 'a schema is not used', (c) => (c.components.schemas.Unused = { type: 'string', description: 'x' })],
  ['no-unused-components', 'an example is not used', (c) => (c.components.examples.Unused = { value: 1 })],
  ['no-unused-components', 'a header is not used', (c) => (c.components.headers.Unused = { description: 'x', schema: { type: 'string' } })],
  ['no-unused-components', 'a response is not used', (c) => (c.components.responses.Unused = { description: 'x' })],
  ['no-ambiguous-paths', 'two paths match one request', (c) => addPath(c, '/{kind}/all', ['kind'])],
  ['no-identical-paths', "two paths differ in a parameter's name only", (c) => addPath(c, '/orders/{order}', ['order'])],
  ['no-path-trailing-slash', 'a path ends in a slash', (c) => addPath(c, '/more/')],
  ['path-not-include-query', 'a path has a query', (c) => addPath(c, '/more?all')],
  ['path-parameters-defined', 'a path parameter is not described', (c) => delete c.paths['/products/{id}/stock-movements'].parameters],
  ['operation-parameters-unique', 'a parameter is given twice', (c) => c.paths['/orders'].get.parameters.push(c.paths['/orders'].get.parameters[0])],
  ['no-duplicated-enum-values', 'an enum has a value twice', (c) => c.components.schemas.OrderStatus.enum.push('PAID')],
  ['no-enum-type-mismatch', 'an enum of strings has a number', (c) => c.components.schemas.OrderStatus.enum.push(7)],
  ['no-required-schema-properties-undefined', 'a required property is not described', (c) => c.components.schemas.NewOrder.required.push('colour')],
  ['no-schema-type-mismatch', 'a string has items', (c) => (c.components.schemas.Note.items = { type: 'string' })],
  ['nullable-type-sibling', 'a nullable property has no type', (c) => delete c.components.schemas.Order.properties.paid_at.type],
  ['operation-2xx-response', 'an operation never succeeds', (c) => delete getHealth(c).responses['200']],
  ['operation-description', 'an operation has no description', (c) => delete getHealth(c).description],
  ['operation-description', "an operation's description is empty", (c) => (getHealth(c).description = '')],
  ['operation-operationId', 'an operation has no operationId', (c) => delete getHealth(c).operationId],
  ['operation-operationId-unique', 'two operations share an operationId', (c) => (getHealth(c).operationId = 'getOrder')],
  ['operation-operationId-url-safe', 'an operationId has a blank', (c) => (getHealth(c).operationId = 'get health')],
  ['operation-summary', 'an operation has no summary', (c) => delete getHealth(c).summary],
  ['operation-tag-defined', 'an operation has a tag that is not described', (c) => (getHealth(c).tags = ['Others'])],
  ['no-duplicated-tag-names', 'a tag is described twice', (c) => c.tags.push(c.tags[0])],
  ['tag-description', 'a tag has no description', (c) => delete c.tags[0].description],
  ['parameter-description', 'a parameter has no description', (c) => delete c.components.parameters.Limit.description],
  ['parameter-description', "a parameter's description is empty", (c) => (c.components.parameters.Limit.description = '')],
  ['info-license', 'the contract has no licence', (c) => delete c.info.license],
  ['security-defined', 'an operation names a security scheme that is not defined', (c) => (getHealth(c).security = [{ nobody: [] }])],
  ['rule/operation-has-one-tag', 'an operation has no tags', (c) => delete getHealth(c).tags],
  ['rule/operation-has-one-tag', "an operation's tags are empty", (c) => (getHealth(c).tags = [])],
  ['rule/operation-has-one-tag', 'an operation has two tags', (c) => getHealth(c).tags.push('Orders')],
  ['rule/header-description', 'a header has no description', (c) => delete c.components.headers.Link.description],
  ['rule/response-description', "a response's description is empty", (c) => (c.components.responses.InternalError.description = '')],
  ['contract/schema-description', 'a schema has no description', (c) => delete c.components.schemas.Order.description],
  ['contract/schema-description', 'a property has no description', (c) => delete c.components.schemas.Order.properties.total.description],
  ['contract/schema-description', "a property's description is blank", (c) => (c.components.schemas.Order.properties.total.description = ' ')],
  ['response-contains-header', 'a success does not have X-Request-Id', (c) => delete getHealth(c).responses['200'].headers['X-Request-Id']],
  ['response-contains-header', 'an error does not have X-Request-Id', (c) => delete c.components.responses.InvalidPage.headers['X-Request-Id']],
  ['response-contains-header', '503 does not have X-Request-Id', (c) => delete c.components.responses.Unavailable.headers['X-Request-Id']],
  ['response-contains-header', '503 does not have Retry-After', (c) => delete c.components.responses.Unavailable.headers['Retry-After']],
  ['contract/operation-refuses', 'an operation has no 4xx response', (c) => refuseNothing(c.paths['/orders/{id}'].get)],
  ['contract/operation-refuses', 'an exception is not needed', (c) => (getHealth(c).responses['404'] = { $ref: '#/components/responses/OrderNotFound' })],
  ['no-example-value-and-externalValue', 'an example has both a value and an external value', (c) => (c.components.examples.Healthy.externalValue = '/health.json')],
  ['no-invalid-media-type-examples', 'a request example has price 0', (c) => (json(createProduct(c).requestBody).examples.mug.value.price = 0)],
  ['no-invalid-media-type-examples', 'a request example has an unknown member', (c) => (json(createProduct(c).requestBody).examples.mug.value.colour = 'red')],
  ['no-invalid-media-type-examples', 'a response example has an unknown member', (c) => (c.components.examples.PendingOrder.value.colour = 'red')],
  ['no-invalid-media-type-examples', 'a response example misses a member', (c) => delete c.components.examples.PendingOrder.value.total],
  ['no-invalid-media-type-examples', 'a response example has an invalid time', (c) => (c.components.examples.PendingOrder.value.created_at = 'noon')],
  ['no-invalid-media-type-examples', 'a problem has a type that is not listed', (c) => (c.components.examples.NotFound.value.type = '/problems/lost')],
  ['no-invalid-parameter-examples', "a parameter's example is out of range", (c) => (c.components.parameters.Limit.example = 101)],
  ['no-invalid-schema-examples', "a schema's example breaks its pattern", (c) => (c.components.schemas.Sku.example = '-x')],
  ['contract/json-example', 'a request body has no example', (c) => delete json(createProduct(c).requestBody).examples],
  ['contract/json-example', "a success's body has no example", (c) => (json(getHealth(c).responses['200']).examples = {})],
  ['contract/json-example', "an error's body has no example", (c) => delete c.components.responses.InternalError.content['application/problem+json'].examples],
  ['contract/named-request-examples', 'POST /products has one request example', (c) => keep(1, createProduct(c))],
  ['contract/named-request-examples', 'POST /orders has one request example', (c) => keep(1, c.paths['/orders'].post)],
  ['contract/named-request-examples', 'PUT /orders/{id} has two request examples', (c) => keep(2, c.paths['/orders/{id}'].put)],
  ['contract/named-request-examples', 'an endpoint that needs request examples is gone', (c) => delete c.paths['/orders'].post],
  ['contract/problem-status', 'an example is below another status', (c) => (c.components.examples.NotFound.value.status = 410)],
  ['contract/problem-status', 'a shared response has an example of another status', (c) => (c.components.examples.OrderNotFound.value.status = 410)],
  ['contract/problem-status', 'a shared response is below another status', (c) => (c.paths['/orders'].get.responses['502'] = { $ref: '#/components/responses/Unavailable' })],
  ['contract/problem-examples', 'an error type has no example', (c) => delete c.components.examples.StockLimit],
  ['contract/problem-examples', "a title is not its type's name", (c) => (c.components.examples.StockLimit.value.title = 'Too much')],
  ['contract/problem-examples', 'two examples of one type differ in status', (c) => (c.components.examples.InvalidPage.value.status = 400)],
  ['contract/problem-examples', 'two examples of one type differ in title', (c) => (c.components.examples.InvalidPage.value.title = 'Validation Failed')],
  ['contract/problem-examples', 'an exception is not needed', (c) => c.components.schemas.ProblemType.enum.splice(c.components.schemas.ProblemType.enum.indexOf('/problems/method-not-allowed'), 1)],
];

// The same for validate.py.
const pythonCases = [
  ['openapi-schema', 'an operation has no responses', (c) => delete getHealth(c).responses],
  ['openapi-schema', 'two operations share an operationId', (c) => (getHealth(c).operationId = 'getOrder')],
  ['header-example', "a header's example is too small", (c) => (c.components.headers.RetryAfter.example = 0)],
  ['amounts', 'prices are multiples of 0.01', (c) => (c.components.schemas.Price.multipleOf = 0.01)],
  ['header-example', 'a header has no example', (c) => delete c.components.headers.Link.example],
];

function addPath(c, path, parameters = []) {
  c.paths[path] = structuredClone(c.paths['/products/{id}/stock-movements']);
  c.paths[path].parameters = parameters.map((name) => ({ name, in: 'path', required: true, description: 'x', schema: { type: 'string' } }));
}

function keep(count, operation) {
  const body = json(operation.requestBody);
  body.examples = Object.fromEntries(Object.entries(body.examples).slice(0, count));
}

// Writes the faulty copy as JSON, which is also YAML.
async function write(name, breakIt) {
  const copy = structuredClone(contract);
  breakIt(copy);
  assert.notDeepEqual(copy, contract, 'the edit changes nothing');
  const file = join(folder, name);
  await writeFile(file, JSON.stringify(copy));
  return file;
}

// The ids of the rules that each file breaks. One run of Redocly for all files, since most of a run is start-up.
async function lint(files) {
  const options = ['--config', 'redocly.yaml', '--format', 'json', '--max-problems', '100000'];
  const { stdout } = await run('node_modules/.bin/redocly', ['lint', ...files, ...options], {
    cwd: here,
    env: { ...process.env, REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
    maxBuffer: 1 << 28,
  }).catch((failure) => (failure.stdout ? failure : Promise.reject(failure)));
  const broken = new Map(files.map((file) => [file, new Set()]));
  // Redocly prints one JSON object per file, without separators.
  for (const { ruleId, location } of stdout.split(/(?<=^\})(?=\{$)/m).flatMap((object) => JSON.parse(object).problems)) {
    broken.get(join(here, location[0].source.ref)).add(ruleId);
  }
  return broken;
}

let folder;
let files;
let broken;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'contract-lint-'));
  files = await Promise.all(redoclyCases.map(([, , breakIt], index) => write(`redocly-${index}.json`, breakIt)));
  broken = await lint(files);
});
after(() => rm(folder, { recursive: true }));

test('redocly: the contract passes', () => run('npm', ['run', '--silent', 'lint', '--', '../../openapi.yaml'], { cwd: here }));
test('redocly: every rule has a case', () => {
  assert.deepEqual(new Set(redoclyCases.map(([rule]) => rule)), new Set(Object.keys(config.rules)));
});
for (const [index, [rule, what]] of redoclyCases.entries()) {
  test(`${rule}: ${what}`, () => assert.ok(broken.get(files[index]).has(rule), `broken: ${[...broken.get(files[index])]}`));
}

test('validate.py: the contract passes', () => run(python, ['validate.py', '../../openapi.yaml'], { cwd: here }));
for (const [index, [rule, what, breakIt]] of pythonCases.entries()) {
  test(`${rule}: ${what}`, async () => {
    const file = await write(`python-${index}.json`, breakIt);
    await assert.rejects(run(python, ['validate.py', file], { cwd: here }), (failure) => {
      assert.equal(failure.code, 1);
      assert.match(failure.stdout, new RegExp(`^${rule}: `, 'm'));
      return true;
    });
  });
}
