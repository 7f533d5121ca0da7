// Tests what clients make of the contract: validators of JSON Schema, and generators that copy patterns into source code.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import Ajv from 'ajv';
import { parse } from 'yaml';

const contract = parse(await readFile(join(import.meta.dirname, '../../openapi.yaml'), 'utf8'));
const { schemas } = contract.components;

// Every object in the contract with this member.
function* having(key, node = contract) {
  if (node === null || typeof node !== 'object') return;
  if (key in node) yield node;
  for (const child of Object.values(node)) yield* having(key, child);
}

// A number of OpenAPI 3.0, where `exclusiveMinimum` is true or false, as JSON Schema.
const jsonSchema = ({ exclusiveMinimum, minimum, nullable, example, ...rest }) => ({
  ...rest,
  ...(exclusiveMinimum ? { exclusiveMinimum: minimum } : { minimum }),
});
// As a client reads 0.07 from a body.
const prices = Array.from({ length: 10_000 }, (_, index) => JSON.parse(((index + 1) / 100).toFixed(2)));

const refusedBy = (schema) => {
  const valid = new Ajv({ strict: false }).compile(jsonSchema(schema));
  return prices.filter((price) => !valid(price));
};

test('ajv accepts every price from 0.01 to 100.00', () => {
  const amounts = [...having('x-decimals-max')];
  assert.ok(amounts.includes(schemas.Price) && amounts.length >= 4);
  for (const schema of amounts) {
    assert.deepEqual(refusedBy(schema), []);
  }
});

test('ajv would refuse good prices as multiples of 0.01, since it divides doubles', () => {
  const refused = refusedBy({ ...schemas.Price, multipleOf: 0.01 });
  assert.ok(refused.includes(0.07), `${refused.length} refused`);
  assert.deepEqual([...having('multipleOf')], []);
});

// Some generators write \uHHHH as the character itself.
const unescaped = (pattern) => pattern.replaceAll(/\\u([0-9a-f]{4})/gi, (_, code) => String.fromCharCode(parseInt(code, 16)));

test('every pattern is a literal of JavaScript, with and without its escapes and the flag u', () => {
  const patterns = [...having('pattern')].map(({ pattern }) => pattern);
  assert.ok(patterns.length >= 5);
  for (const pattern of patterns) {
    assert.match(pattern, /^[ -~]+$/);
    for (const flag of ['', 'u']) {
      new RegExp(pattern, flag);
      // Between slashes, where a line must not end. Generators escape the slashes themselves.
      for (const source of [pattern, unescaped(pattern)]) new Function(`return /${source.replaceAll('/', '\\/')}/${flag}`);
    }
  }
});

test('a name or note shows something and holds no controls, in JavaScript as well', () => {
  for (const { pattern } of [schemas.ProductName, schemas.Note]) {
    for (const expression of [new RegExp(pattern), new RegExp(pattern, 'u'), new RegExp(unescaped(pattern))]) {
      for (const name of ['a', 'Blue mug', '  é ', '机器人', '🎉', 'a\u00adb', '\ufffd', '\uffff']) assert.match(name, expression);
      const empty = ['', ' ', '\u200b', '\u2800', '\u3164', '\u00ad', '\u202e', '\ufe0f\ufeff'];
      const controls = ['a\0', '\u001b[31m', 'a\nb', 'a\n', 'a\u007f', 'a\u0085', 'a\u2028b', '\u2029'];
      for (const name of [...empty, ...controls]) assert.doesNotMatch(name, expression);
    }
  }
});
