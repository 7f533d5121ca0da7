// Reads openapi.yaml in the two forms that the collection needs: the list of operations, and JSON Schemas of responses
// (the validators in Postman's sandbox do not support OpenAPI 3.0's dialect).

const METHODS = ["get", "put", "post", "delete", "patch", "head", "options", "trace"];

/** Resolves a `$ref`. */
export function resolve(contract, value) {
  return value?.$ref
    ? value.$ref.slice(2).split("/").reduce((node, key) => node[key], contract)
    : value;
}

/** Every operation as `{ id, method, path, security, operation }`, in the order of the contract. */
export function operationsOf(contract) {
  return Object.entries(contract.paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([key]) => METHODS.includes(key))
      .map(([key, operation]) => ({
        id: operation.operationId,
        method: key.toUpperCase(),
        path,
        security: operation.security ?? contract.security,
        operation,
      })),
  );
}

/**
 * An OpenAPI 3.0 schema as JSON Schema draft 7, with closed objects: a member that the contract does not name is an error
 * in the service or in the contract.
 */
export function jsonSchema(schema) {
  if (schema.$ref) {
    return { $ref: schema.$ref.replace("#/components/schemas/", "#/definitions/") };
  }
  const { nullable, exclusiveMinimum, exclusiveMaximum, ...made } = schema;
  for (const key of Object.keys(made)) {
    if (["description", "example", "default", "title"].includes(key) || key.startsWith("x-")) {
      delete made[key];
    }
  }
  // `int32`, `int64` and the like are not formats of JSON Schema, and a validator may refuse unknown formats.
  if (made.format && made.format !== "date-time") {
    delete made.format;
  }
  if (exclusiveMinimum) {
    made.exclusiveMinimum = made.minimum;
    delete made.minimum;
  }
  if (exclusiveMaximum) {
    made.exclusiveMaximum = made.maximum;
    delete made.maximum;
  }
  if (nullable) {
    made.type = [made.type, "null"];
  }
  for (const key of ["items", "not"]) {
    if (made[key]) {
      made[key] = jsonSchema(made[key]);
    }
  }
  for (const key of ["allOf", "anyOf", "oneOf"]) {
    if (made[key]) {
      made[key] = made[key].map(jsonSchema);
    }
  }
  if (made.properties) {
    made.properties = Object.fromEntries(
      Object.entries(made.properties).map(([name, property]) => [name, jsonSchema(property)]),
    );
    made.additionalProperties ??= false;
  }
  return made;
}

/** The documented responses for the collection's tests, as source text with a line for each operation and schema. */
export function answersOf(contract) {
  const reached = new Set();
  const reach = (node) => {
    if (typeof node !== "object" || node === null) {
      return;
    }
    const name = node.$ref?.match(/^#\/definitions\/(.+)$/)?.[1];
    if (name && !reached.has(name)) {
      reached.add(name);
      reach(jsonSchema(contract.components.schemas[name]));
    }
    Object.values(node).forEach(reach);
  };

  const operations = operationsOf(contract).map(({ method, path, operation }) => {
    const responses = Object.entries(operation.responses).map(([status, reference]) => {
      const response = resolve(contract, reference);
      // X-Request-Id is in every response. The contract cannot mark it as required, since a layer sets it.
      const headers = Object.entries(response.headers ?? {})
        .map(([name, header]) => [name, resolve(contract, header)])
        .filter(([, header]) => header.required || header["x-set-by-layer"])
        .map(([name, header]) => [name, jsonSchema(header.schema)]);
      const [type, media] = Object.entries(response.content ?? {})[0] ?? [];
      const schema = media && jsonSchema(media.schema);
      reach(schema);
      return [status, { headers: Object.fromEntries(headers), type, schema }];
    });
    return { method, path, responses: Object.fromEntries(responses) };
  });
  const schemas = [...reached].sort().map((name) => [name, jsonSchema(contract.components.schemas[name])]);

  const lines = [
    "{",
    "  operations: [",
    ...operations.map((operation) => `    ${JSON.stringify(operation)},`),
    "  ],",
    "  schemas: {",
    ...schemas.map(([name, schema]) => `    ${name}: ${JSON.stringify(schema)},`),
    "  },",
    "}",
  ];
  return lines.join("\n");
}
