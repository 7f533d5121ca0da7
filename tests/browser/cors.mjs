// A web page on another origin calls the service: what Chromium lets it do, and what it lets it read.
//
//   SHOP_URL  the page, whose origin the service allows; the same address as `localhost` is an origin that it does not allow
//   API_KEY   one of the service's keys

import assert from "node:assert/strict";
import { test } from "node:test";

import { at, baseUrl, newContext } from "./page.mjs";

const { SHOP_URL, API_KEY } = process.env;
const KEYED = { "X-API-Key": API_KEY };
const JSON_BODY = { "Content-Type": "application/json" };

const OTHER_URL = new URL(SHOP_URL);
OTHER_URL.hostname = "localhost";

// Opens the page; returns a function that makes the page send a request. It returns what the page can read: status, body and
// headers, or the error that `fetch` throws.
async function visit(t, url) {
  const context = await newContext({});
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(url.href);
  assert.notEqual(new URL(page.url()).origin, baseUrl.origin);
  return (path, { method = "GET", headers = {}, body } = {}) =>
    page.evaluate(
      async ([address, options]) => {
        try {
          const response = await fetch(address, options);
          const text = await response.text();
          return {
            status: response.status,
            body: text === "" ? null : JSON.parse(text),
            headers: Object.fromEntries(response.headers),
          };
        } catch (error) {
          return { error: error.name };
        }
      },
      [at(path).href, { method, headers, body: body && JSON.stringify(body) }],
    );
}

test("a page of an allowed origin lists products, places an order, and reads what it needs", async (t) => {
  const send = await visit(t, new URL(SHOP_URL));
  for (const [sku, price] of [["MUG", 12.5], ["TEAPOT", 40]]) {
    const body = { sku, name: sku, price, stock: 5 };
    const created = await send("/products", { method: "POST", headers: { ...JSON_BODY, ...KEYED }, body });
    assert.equal(created.status, 201);
  }

  const page = await send("/products?limit=1");
  assert.deepEqual([page.status, page.body.items.map(({ sku }) => sku)], [200, ["MUG"]]);
  assert.match(page.headers.link, /rel="next"/);
  assert.ok(page.headers["x-request-id"]);

  const order = {
    method: "POST",
    headers: { ...JSON_BODY, ...KEYED, "Idempotency-Key": "an-order", "X-Request-Id": "from-a-page" },
    body: { product_id: page.body.items[0].id, quantity: 2 },
  };
  const placed = await send("/orders", order);
  assert.deepEqual([placed.status, placed.body.total], [201, 25]);
  assert.equal(placed.headers["x-request-id"], "from-a-page");
  assert.equal(placed.headers.location, `/orders/${placed.body.id}`);
  const again = await send("/orders/", order);
  assert.deepEqual([again.status, again.body], [201, placed.body]);
  assert.equal(again.headers["idempotency-replayed"], "true");

  const path = placed.headers.location;
  const { etag } = placed.headers;
  const same = await send(path, { headers: { ...KEYED, "If-None-Match": etag } });
  assert.equal(same.status, 304);
  const canceled = await send(path, {
    method: "PUT",
    headers: { ...JSON_BODY, ...KEYED, "If-Match": etag },
    body: { status: "CANCELED" },
  });
  assert.deepEqual([canceled.status, canceled.body.status], [200, "CANCELED"]);
  assert.notEqual(canceled.headers.etag, etag);
  assert.equal((await send(path, { method: "DELETE", headers: KEYED })).status, 204);

  // Refusals can be read, too.
  for (const [refused, status, type] of [
    [await send(path, { headers: KEYED }), 404, "order-not-found"],
    [await send("/orders"), 401, "missing-api-key"],
    [await send("/nope"), 404, "not-found"],
    [await send("/orders", { ...order, body: { ...order.body, quantity: 3 } }), 422, "idempotency-key-reused"],
  ]) {
    assert.deepEqual([refused.status, refused.body?.type], [status, `/problems/${type}`]);
  }
});

test("a page of another origin reads nothing, and its orders do not reach the service", async (t) => {
  const [send, shop] = [await visit(t, OTHER_URL), await visit(t, new URL(SHOP_URL))];
  const before = await shop("/orders", { headers: KEYED });
  assert.equal(before.status, 200);
  assert.deepEqual(await send("/products"), { error: "TypeError" });
  const body = { product_id: 1, quantity: 1 };
  const order = await send("/orders", { method: "POST", headers: { ...JSON_BODY, ...KEYED }, body });
  assert.deepEqual(order, { error: "TypeError" });
  assert.deepEqual((await shop("/orders", { headers: KEYED })).body, before.body);
});
