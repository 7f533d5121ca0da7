// This project's own lint rules for openapi.yaml, which Redocly's built-in rules and assertions cannot express.

const isJson = (mediaType) => /^application\/([\w.-]+\+)?json$/.test(mediaType);
const isBlank = (text) => typeof text !== 'string' || text.trim() === '';
const endpoint = (method, path) => `${method.toUpperCase()} ${path}`;

// Calls `visit(operation, 'GET /path', ctx)` for every operation.
const eachOperation = (visit) => {
  let path;
  return {
    PathItem: { enter: (_, { key }) => void (path = key) },
    Operation: { enter: (operation, ctx) => visit(operation, endpoint(ctx.key, path), ctx) },
  };
};

// Every schema under components and every property has a description; for a $ref, its target has it.
const schemaDescription = () => {
  const check = (schemas, { report, location }) => {
    for (const [name, schema] of Object.entries(schemas)) {
      if (!schema.$ref && isBlank(schema.description)) {
        report({ message: `\`${name}\` must have a description.`, location: location.child(name).key() });
      }
    }
  };
  return { NamedSchemas: check, SchemaProperties: check };
};

// Every operation except those in `except` has a 4xx response. An unnecessary exception is an error, too.
const operationRefuses = ({ except }) => {
  const unused = new Set(except);
  return {
    ...eachOperation((operation, name, { report, location }) => {
      if (Object.keys(operation.responses ?? {}).some((status) => status.startsWith('4'))) return;
      if (unused.delete(name)) return;
      report({ message: `${name} must have a 4xx response.`, location: location.child('responses').key() });
    }),
    Root: {
      leave(_, { report }) {
        for (const name of unused) report({ message: `${name} is excepted from having a 4xx response, which is not needed.` });
      },
    },
  };
};

// Every JSON body, of a request or of a response, has an example.
const jsonExample = () => {
  const MediaType = ({ example, examples }, { report, key }) => {
    if (!isJson(key) || example !== undefined || Object.keys(examples ?? {}).length > 0) return;
    report({ message: `\`${key}\` must have an example.`, location: { reportOnKey: true } });
  };
  return { RequestBody: { MediaType }, Response: { MediaType } };
};

// The endpoints in `at-least` have at least that many named request examples, in each media type.
const namedRequestExamples = ({ 'at-least': atLeast }) => {
  const missing = new Set(Object.keys(atLeast));
  return {
    ...eachOperation((operation, name, { report, location, resolve }) => {
      if (!missing.delete(name)) return;
      const body = operation.requestBody?.$ref ? resolve(operation.requestBody).node : operation.requestBody;
      const counts = Object.values(body?.content ?? {}).map(({ examples }) => Object.keys(examples ?? {}).length);
      const least = counts.length === 0 ? 0 : Math.min(...counts);
      if (least >= atLeast[name]) return;
      report({
        message: `${name} must have at least ${atLeast[name]} named request examples, it has ${least}.`,
        location: location.child('requestBody').key(),
      });
    }),
    Root: {
      leave(_, { report }) {
        for (const name of missing) report({ message: `${name} must have named request examples, but there is no such endpoint.` });
      },
    },
  };
};

// A problem in an example of a response has that response's status. The check starts from the operation's responses, since
// Redocly visits a shared response only once, under one of its statuses.
const problemStatus = () => ({
  Responses(responses, { report, location, resolve }) {
    const follow = (node) => (node?.$ref ? resolve(node).node : node);
    for (const [status, response] of Object.entries(responses)) {
      for (const { example, examples = {} } of Object.values(follow(response)?.content ?? {})) {
        for (const value of [example, ...Object.values(examples).map((it) => follow(it)?.value)]) {
          if (value?.type === undefined || value.status === undefined || String(value.status) === status) continue;
          report({
            message: `${status} shows \`${value.type}\` with status ${value.status}.`,
            location: location.child(status).key(),
          });
        }
      }
    }
  },
});

// Every value of ProblemType except those in `except` has an example under components, whose title is the type's name in
// words. All examples of one type have the same title and status. An unnecessary exception is an error, too.
// (no-invalid-media-type-examples checks that an example's type is in ProblemType.)
const problemExamples = ({ except }) => ({
  Root: {
    leave({ components = {} }, { report, location }) {
      const types = components.schemas?.ProblemType?.enum ?? [];
      const at = location.child(['components', 'examples']);
      const first = new Map();
      for (const [name, { value }] of Object.entries(components.examples ?? {})) {
        if (!types.includes(value?.type)) continue;
        const { type, title, status } = value;
        if (String(title).toLowerCase().replaceAll(' ', '-') !== type.split('/').at(-1)) {
          report({ message: `The title "${title}" is not \`${type}\` in words.`, location: at.child([name, 'value', 'title']) });
        }
        const twin = first.get(type) ?? value;
        first.set(type, twin);
        if (twin.title !== title || twin.status !== status) {
          report({ message: `Examples of \`${type}\` differ in title or status.`, location: at.child(name).key() });
        }
      }
      for (const [index, type] of types.entries()) {
        if (first.has(type) || except.includes(type)) continue;
        report({
          message: `\`${type}\` must have an example in components/examples.`,
          location: location.child(['components', 'schemas', 'ProblemType', 'enum', index]),
        });
      }
      for (const type of except) {
        if (types.includes(type) && !first.has(type)) continue;
        report({ message: `\`${type}\` is excepted from having an example, which is not needed.` });
      }
    },
  },
});

export default () => ({
  id: 'contract',
  rules: {
    oas3: {
      'schema-description': schemaDescription,
      'operation-refuses': operationRefuses,
      'json-example': jsonExample,
      'named-request-examples': namedRequestExamples,
      'problem-status': problemStatus,
      'problem-examples': problemExamples,
    },
  },
});
