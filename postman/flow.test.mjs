// Tests that the collection's tests can fail: a proxy between newman and the service at BASE_URL breaks the contract in a
// different way at each request, and exactly the responsible tests must fail. The service must have API keys, one of which
// is API_KEY, and Stripe's secret and currency.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import newman from "newman";

const { BASE_URL, API_KEY, WEBHOOK_SECRET, STRIPE_WEBHOOK_SECRET, CURRENCY } = process.env;

const collection = JSON.parse(
  readFileSync(new URL("orders-inventory.postman_collection.json", import.meta.url), "utf8"),
);
const steps = collection.item.find(({ name }) => name === "Flow").item.flatMap(({ item }) => item.map(({ name }) => name));

// The tests of every request.
const STATUS = "Contract: the operation and the status are in it";
const HEADERS = "Contract: the headers are there";
const BODY = "Contract: the body has its media type and fits its schema";

// The requests that passed the proxy, and the change of the n-th response.
let seen;
let change;
let proxy;

before(async () => {
  proxy = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) {
      chunks.push(chunk);
    }
    const { method, url } = request;
    const { host, connection, "content-length": length, ...headers } = request.headers;
    const body = chunks.length > 0 ? Buffer.concat(chunks) : undefined;
    const answer = await fetch(new URL(url, BASE_URL), { method, headers, body });
    const made = { status: answer.status, headers: new Headers(answer.headers), body: await answer.text() };
    change(seen.length, made);
    seen.push({ method, url, headers: request.headers, status: answer.status });
    // Both headers describe the original body, which was decompressed and perhaps changed.
    made.headers.delete("content-length");
    made.headers.delete("content-encoding");
    response.writeHead(made.status, Object.fromEntries(made.headers)).end(made.body);
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
});

after(() => proxy.close());

/** Runs `folders` through the proxy; returns the names of the failed tests, by request. */
async function run(folders, { using = collection, changing = () => {}, ...others } = {}) {
  seen = [];
  change = changing;
  const values = {
    baseUrl: `http://127.0.0.1:${proxy.address().port}`,
    apiKey: API_KEY,
    webhookSecret: WEBHOOK_SECRET,
    stripeWebhookSecret: STRIPE_WEBHOOK_SECRET,
    currency: CURRENCY,
    stripeLivemode: "true",
    ...others,
  };
  const envVar = Object.entries(values).map(([key, value]) => ({ key, value }));
  const summary = await new Promise((resolve, reject) => {
    newman.run({ collection: using, envVar, folder: folders, timeoutRequest: 30_000 }, (error, result) =>
      error ? reject(error) : resolve(result),
    );
  });
  const failures = {};
  for (const { error, source } of summary.run.failures) {
    (failures[source.name] ??= []).push(error.test ?? error.message);
  }
  return failures;
}

// Ways to break a response.
const member = (edit) => (answer) => {
  answer.body = JSON.stringify(edit(JSON.parse(answer.body)));
};
const without = (name) => (answer) => answer.headers.delete(name);
const header = (name, value) => (answer) => answer.headers.set(name, value);
const status = (code) => (answer) => (answer.status = code);

const BROKEN = {
  "Create a product": [header("location", "/products/0"), ["Location leads to it"]],
  "Find it in the list": [member((page) => ({ ...page, items: [{ ...page.items[0], stock: -1 }] })), [BODY]],
  "List a page of products": [without("x-request-id"), [HEADERS]],
  "Get the product": [member((product) => ({ ...product, price: "12.5" })), [BODY]],
  "Get it only if it is new": [header("etag", ""), [HEADERS]],
  "Change its price": [member((product) => ({ ...product, cost: 1 })), [BODY]],
  "Change a version that is gone": [status(400), ["Status is 412"]],
  "Delete the product": [status(202), [STATUS, HEADERS, BODY, "Status is 204"]],
  "It is gone": [member((problem) => ({ ...problem, type: "/problems/none" })), [BODY, "Problem is product-not-found"]],
  "Create a product to order": [member(({ updated_at: _, ...product }) => product), [BODY]],
  "Place an order": [without("location"), [HEADERS, "Location leads to it"]],
  "Send it again": [without("idempotency-replayed"), ["It is the stored response, no second order"]],
  "Get the order": [member((order) => ({ ...order, created_at: "today" })), [BODY]],
  "Find it among its product's orders": [member((page) => ({ ...page, items: [] })), ["It is the only one"]],
  "Change its quantity": [member((order) => ({ ...order, total: "37.50" })), [BODY, "Quantity and total follow"]],
  "Its units are reserved": [without("etag"), [HEADERS]],
  "Cancel the order": [member((order) => ({ ...order, refund_due: null })), [BODY]],
  "Its units are back": [member((page) => ({ ...page, items: page.items.slice(1) })), ["The ledger tells it, newest first"]],
  "Ship before it is paid": [member(({ allowed: _, ...problem }) => problem), ["It says what is possible"]],
  "Pay with a wrong signature": [without("www-authenticate"), [HEADERS]],
  "It is still unpaid": [member((order) => ({ ...order, status: "OPEN" })), [BODY, "It is pending"]],
  "Pay it": [member((receipt) => ({ ...receipt, result: "ignored" })), ["The payment is applied"]],
  "See that it is paid": [header("content-type", "text/plain"), [BODY]],
  "Deliver the event again": [member((receipt) => ({ ...receipt, result: "applied" })), ["It is a duplicate and changes nothing"]],
  "List its events": [(answer) => (answer.body = "<html>"), [BODY, "There is one"]],
  "Order one more": [without("etag"), [HEADERS]],
  "Pay it at Stripe with a wrong signature": [
    member((problem) => ({ ...problem, type: "/problems/none" })),
    [BODY, "Problem is invalid-signature"],
  ],
  "Pay it at Stripe": [member((receipt) => ({ ...receipt, order_id: null })), ["The payment at Stripe is applied"]],
  "List its payments": [
    member((page) => ({ ...page, items: [{ ...page.items[0], provider: "own" }] })),
    ["There is one, and it is open"],
  ],
  "Refund it at Stripe": [
    member((receipt) => ({ ...receipt, order_status: "PAID" })),
    ["The refund is applied, and the order is canceled"],
  ],
  "See that the payment is closed": [
    member((page) => ({ ...page, items: [{ ...page.items[0], refunded: "12.5" }] })),
    [BODY, "All of it is refunded"],
  ],
  "Order more than there is": [member((problem) => ({ ...problem, available: 9 })), ["It says how many there are"]],
  "Use a SKU twice": [member((problem) => ({ ...problem, type: "/problems/product-in-use" })), ["Problem is duplicate-sku"]],
  "Send an invalid body": [
    member((problem) => ({ ...problem, errors: problem.errors.slice(1) })),
    ["Every failure is named"],
  ],
  "Get an unknown product": [status(422), ["Status is 404"]],
  "Get an unknown order": [header("content-type", "application/json"), [BODY]],
  "Delete the order that was paid": [status(204), ["Status is 409", "Problem is order-not-deletable"]],
  "Send no key": [
    member((problem) => ({ ...problem, type: "/problems/invalid-api-key" })),
    ["It is 401 where the service has keys"],
  ],
  "Send an unknown key": [status(403), [STATUS, HEADERS, BODY, "It is 401 where the service has keys"]],
};

test("each broken response fails the responsible tests and no other", async () => {
  assert.equal(new Set(steps).size, steps.length, "the names of the steps are unique");
  const failures = await run(["Flow"], { changing: (at, answer) => BROKEN[steps[at]]?.[0](answer) });
  assert.deepEqual(failures, Object.fromEntries(Object.entries(BROKEN).map(([name, [, expected]]) => [name, expected])));
});

test("without changes nothing fails, and the key is sent where one is needed", async () => {
  assert.deepEqual(await run(["Flow"]), {});
  const creates = seen.filter(({ method, url }) => method === "POST" && url === "/products");
  assert.ok(creates.every(({ headers }) => headers["x-api-key"] === API_KEY));
  const reads = seen.filter(({ method, url }) => method === "GET" && url.startsWith("/products?"));
  assert.ok(reads.every(({ headers }) => !("x-api-key" in headers)));
  assert.ok(creates.length > 0 && reads.length > 0);
});

test("each webhook has one signature", async () => {
  await run(["3 Payment", "4 Stripe"]);
  const names = ["x-webhook-signature", "webhook-id", "webhook-timestamp", "webhook-signature", "stripe-signature"];
  const webhooks = seen.filter(({ url }) => url.startsWith("/webhooks/"));
  const signed = webhooks.map(({ url, headers }) => [url, ...names.filter((name) => name in headers)].join(" "));
  const ways = ["/webhooks/payment x-webhook-signature", "/webhooks/stripe stripe-signature"];
  assert.deepEqual([...new Set(signed)], ways);
});

for (const unset of ["stripeWebhookSecret", "currency"]) {
  test(`without ${unset} Stripe is left out, and the rest goes on`, async () => {
    assert.deepEqual(await run(["Flow"], { [unset]: "" }), {});
    const left = steps.length - collection.item[0].item.find(({ name }) => name === "4 Stripe").item.length;
    assert.equal(seen.length, left);
    assert.ok(!seen.some(({ url }) => url === "/webhooks/stripe"));
  });
}

test("an empty key is left out, and if creating fails, no existing resource is touched", async () => {
  await run(["1 Products", "2 Orders", "3 Payment"], { apiKey: "" });
  assert.ok(seen.length > 0);
  assert.ok(seen.every(({ headers }) => !("x-api-key" in headers)));
  assert.deepEqual(
    seen.filter(({ url }) => /^\/(products|orders)\/\d/.test(url)),
    [],
  );
});

test("each request in the tags' folders is valid", async () => {
  // Deletions would remove what later folders need.
  const copy = structuredClone(collection);
  const tags = copy.item.filter(({ name }) => name !== "Flow");
  for (const folder of tags) {
    folder.item = folder.item.filter(({ request }) => request.method !== "DELETE");
  }
  const failures = await run(
    tags.map(({ name }) => name),
    { using: copy },
  );
  assert.deepEqual(failures, {});
  assert.equal(seen.length, tags.flatMap(({ item }) => item).length);
  // Some examples show a 409.
  assert.deepEqual(
    seen.filter(({ status: code }) => code >= 400 && code !== 409),
    [],
  );
});
