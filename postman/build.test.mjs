// The collection follows the contract: a change of the contract changes it, and the same contract makes the same bytes.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { collectionOf } from "./build.mjs";
import { jsonSchema } from "./contract.mjs";

const openapi = readFileSync(new URL("../openapi.yaml", import.meta.url), "utf8");
const build = async (text) => JSON.stringify(await collectionOf(text));

function replaced(from, to) {
  assert.ok(openapi.includes(from), `openapi.yaml has no ${from}`);
  return openapi.replace(from, to);
}

test("the same contract makes the same bytes", async () => {
  assert.equal(await build(openapi), await build(openapi));
});

for (const [what, from, to] of [
  ["a schema", "enum: [PENDING, PAID, SHIPPED, CANCELED]", "enum: [PENDING, PAID, SHIPPED]"],
  ["a request's example", "name: Blue mug, price: 12.5,", "name: Red mug, price: 12.5,"],
  ["a second named example", "value: { quantity: 3 }", "value: { quantity: 4 }"],
  ["a summary", "summary: Place an order", "summary: Order something"],
  ["who needs a key", "operationId: getProduct\n      security: []", "operationId: getProduct"],
]) {
  test(`a change of ${what} changes the collection`, async () => {
    assert.notEqual(await build(replaced(from, to)), await build(openapi));
  });
}

test("the headers that sign are in a request once, though the contract shows them as parameters", async () => {
  const requests = (items) => items.flatMap(({ item, request }) => (item ? requests(item) : [request]));
  const ways = {
    "webhooks/payment": ["X-Webhook-Signature"],
    "webhooks/stripe": ["Stripe-Signature"],
  };
  const every = requests((await collectionOf(openapi)).item);
  for (const [path, signatures] of Object.entries(ways)) {
    const signed = every.filter(({ url }) => url.path.join("/") === path);
    assert.ok(signed.length > 0);
    for (const { header } of signed) {
      const names = header.map(({ key }) => key).filter((key) => /signature|webhook/i.test(key));
      assert.deepEqual(names, signatures);
    }
  }
});

test("a step of an operation that is not in the contract stops the build", async () => {
  await assert.rejects(build(replaced("operationId: deleteOrder", "operationId: removeOrder")), /no operation deleteOrder/);
});

test("a step's parameter that is not in the contract stops the build", async () => {
  await assert.rejects(build(replaced("- name: product_id\n", "- name: product\n")), /no parameter product_id/);
});

test("OpenAPI's dialect becomes JSON Schema", () => {
  assert.deepEqual(jsonSchema({ type: "string", format: "date-time", nullable: true, example: null }), {
    type: ["string", "null"],
    format: "date-time",
  });
  assert.deepEqual(jsonSchema({ type: "integer", format: "int64", minimum: 0, exclusiveMinimum: true, "x-a": 1 }), {
    type: "integer",
    exclusiveMinimum: 0,
  });
  assert.deepEqual(jsonSchema({ type: "object", properties: { a: { $ref: "#/components/schemas/Id" } } }), {
    type: "object",
    properties: { a: { $ref: "#/definitions/Id" } },
    additionalProperties: false,
  });
});
