// The life of products and orders on the documentation page with "Try it out": every status and body that the page shows,
// and a screenshot of each step. Runs against any service, new or in use: it creates what it needs under its own SKU, and
// leaves one product and its orders, the last of which is shipped.
//
//   API_KEY         one of the service's keys; without it the service must be open
//   WEBHOOK_SECRET  the service's secret
//   BIN             orders-inventory, whose command `sign` signs the webhook

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";

import { WIDTHS } from "./page.mjs";
import { Visitor, sign } from "./try-it-out.mjs";

const { API_KEY } = process.env;

const unique = () => randomBytes(4).toString("hex");

test("the whole flow, on a desktop", async (t) => {
  const visitor = await arrive(t, "desk");
  const mug = { sku: `MUG-${unique().toUpperCase()}` };

  // The life of a product.
  let form = await visitor.find("createProduct");
  await form.example("mug", mug);
  const product = await visitor.execute(form, 201, "create-product");
  assertShows(product, { ...mug, name: "Blue mug", price: 12.5, stock: 40 });

  form = await visitor.find("createProduct");
  await form.example("announced", mug);
  const taken = await visitor.execute(form, 409, "sku-is-taken");
  assertShows(taken, { type: "/problems/duplicate-sku", ...mug });

  form = await visitor.find("createProduct");
  await form.type({ sku: "MUG BLUE", name: "Blue mug", price: 19.999 });
  const invalid = await visitor.execute(form, 422, "body-is-invalid");
  assert.equal(invalid.type, "/problems/validation-failed");
  assert.deepEqual(invalid.errors.map(({ pointer }) => pointer).sort(), ["/price", "/sku", "/stock"]);

  form = await visitor.find("listProducts");
  await form.parameter("sku", mug.sku);
  assert.deepEqual(await visitor.execute(form, 200, "list-products"), { items: [product], next_cursor: null });

  form = await visitor.find("getProduct");
  await form.parameter("id", product.id);
  assert.deepEqual(await visitor.execute(form, 200, "get-product"), product);

  form = await visitor.find("updateProduct");
  await form.parameter("id", product.id);
  await form.example("price");
  const dearer = await visitor.execute(form, 200, "change-product");
  assert.deepEqual({ ...dearer, updated_at: product.updated_at }, { ...product, price: 13.95, stock: 38 });

  form = await visitor.find("deleteProduct");
  await form.parameter("id", product.id);
  assert.equal(await visitor.execute(form, 204, "delete-product"), null);

  form = await visitor.find("getProduct");
  await form.parameter("id", product.id);
  const gone = await visitor.execute(form, 404, "product-is-gone");
  assert.equal(gone.type, "/problems/product-not-found");

  form = await visitor.find("getProduct");
  await form.parameter("id", 0);
  const reason = await visitor.executeInVain(form, "page-refuses-id");
  assert.equal(reason, "For 'id': Value must be greater than or equal to 1.");

  // An order that is canceled.
  form = await visitor.find("createProduct");
  await form.example("mug", mug);
  const { id: product_id } = await visitor.execute(form, 201, "create-product-again");

  form = await visitor.find("createOrder");
  await form.example("two", { product_id });
  const order = await visitor.execute(form, 201, "place-order");
  assertShows(order, { product_id, quantity: 2, total: 25, status: "PENDING" });

  form = await visitor.find("getOrder");
  await form.parameter("id", order.id);
  assert.deepEqual(await visitor.execute(form, 200, "get-order"), order);

  form = await visitor.find("updateOrder");
  await form.parameter("id", order.id);
  await form.example("quantity");
  const larger = await visitor.execute(form, 200, "change-quantity");
  assertShows(larger, { id: order.id, quantity: 3, total: 37.5, status: "PENDING" });

  form = await visitor.find("updateOrder");
  await form.parameter("id", order.id);
  await form.example("cancel");
  const canceled = await visitor.execute(form, 200, "cancel-order");
  assertShows(canceled, { id: order.id, status: "CANCELED", refund_due: false });

  // An order that is paid and shipped.
  form = await visitor.find("createOrder");
  await form.example("two", { product_id });
  const { id: order_id, total } = await visitor.execute(form, 201, "order-again");

  form = await visitor.find("createOrder");
  await form.example("too-many", { product_id });
  const tooMany = await visitor.execute(form, 409, "order-too-many");
  assertShows(tooMany, {
    type: "/problems/insufficient-stock",
    requested: 10_000,
    available: 38, // the canceled order's units were returned
  });

  form = await visitor.find("receivePaymentEvent");
  const event = { id: `evt_${unique()}`, data: { order_id, payment_id: `pay_${unique()}`, amount: total } };
  await form.example("succeeded", event);
  const signature = sign(await form.body());
  await visitor.authorize("WebhookSignature", sign("another body"));
  const forged = await visitor.execute(form, 401, "pay-with-wrong-signature");
  assert.equal(forged.type, "/problems/invalid-signature");

  await visitor.authorize("WebhookSignature", signature, "enter-signature");
  form = await visitor.find("receivePaymentEvent");
  await form.example("succeeded", event);
  const receipt = { event_id: event.id, result: "applied", order_id, order_status: "PAID" };
  assert.deepEqual(await visitor.execute(form, 200, "pay-order"), receipt);

  form = await visitor.find("getOrder");
  await form.parameter("id", order_id);
  const paid = await visitor.execute(form, 200, "order-is-paid");
  assert.equal(paid.status, "PAID");
  assert.ok(paid.paid_at);

  form = await visitor.find("receivePaymentEvent");
  await form.example("succeeded", event);
  assert.deepEqual(await visitor.execute(form, 200, "replay-payment"), { ...receipt, result: "duplicate" });

  form = await visitor.find("updateOrder");
  await form.parameter("id", order_id);
  await form.example("ship");
  const shipped = await visitor.execute(form, 200, "ship-order");
  assertShows(shipped, { id: order_id, status: "SHIPPED", paid_at: paid.paid_at });
  assert.ok(shipped.shipped_at);

  form = await visitor.find("getOrder");
  await form.parameter("id", Number.MAX_SAFE_INTEGER);
  const unknown = await visitor.execute(form, 404, "order-is-unknown");
  assert.equal(unknown.type, "/problems/order-not-found");
});

test("from a product to a paid order, on a phone", async (t) => {
  const visitor = await arrive(t, "pocket");

  let form = await visitor.find("createProduct");
  await form.example("mug", { sku: `MUG-${unique().toUpperCase()}` });
  const { id: product_id } = await visitor.execute(form, 201, "create-product");

  form = await visitor.find("createOrder");
  await form.example("two", { product_id });
  const { id: order_id, total } = await visitor.execute(form, 201, "place-order");

  form = await visitor.find("receivePaymentEvent");
  const event = { id: `evt_${unique()}`, data: { order_id, payment_id: `pay_${unique()}`, amount: total } };
  await form.example("succeeded", event);
  await visitor.authorize("WebhookSignature", sign(await form.body()), "enter-signature");
  const { result } = await visitor.execute(form, 200, "pay-order");
  assert.equal(result, "applied");

  form = await visitor.find("getOrder");
  await form.parameter("id", order_id);
  const { status } = await visitor.execute(form, 200, "order-is-paid");
  assert.equal(status, "PAID");
});

// Checks the members that `expected` has.
function assertShows(body, expected) {
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((member) => [member, body[member]])), expected);
}

async function arrive(t, width) {
  const visitor = await Visitor.arrive(t, { viewport: WIDTHS[width], pictures: `flow-${width}` });
  if (API_KEY) {
    await visitor.authorize("ApiKey", API_KEY, "enter-api-key");
  }
  return visitor;
}
