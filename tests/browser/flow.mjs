// The life of products and orders on the documentation page with "Try it out": every status and body that the page shows,
// and a screenshot of each step. Runs against any service, new or in use: it creates what it needs under its own SKU, and
// leaves products and their orders: one shipped, one paid, one paid at Stripe and refunded.
//
//   API_KEY                one of the service's keys; without it the service must be open
//   WEBHOOK_SECRET         the service's secret
//   STRIPE_WEBHOOK_SECRET  its secret for Stripe, whose currency is CURRENCY; without it Stripe is left out
//   BIN                    orders-inventory, whose command `sign` signs the webhooks

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";

import { WIDTHS } from "./page.mjs";
import { Visitor, sign, signForStripe } from "./try-it-out.mjs";

const { API_KEY, STRIPE_WEBHOOK_SECRET, CURRENCY, STRIPE_LIVEMODE } = process.env;

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

  // Without the credential, the operation's own field signs.
  await visitor.forget("WebhookSignature");
  form = await visitor.find("receivePaymentEvent");
  await form.example("succeeded", event);
  await visitor.execute(form, 401, "replay-without-signature");
  form = await visitor.find("receivePaymentEvent");
  await form.example("succeeded", event);
  await form.parameter("X-Webhook-Signature", sign(await form.body()));
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
  // Without the name before the colon: the value alone is fine, too.
  const [, value] = sign(await form.body()).split(": ");
  await visitor.authorize("WebhookSignature", value, "enter-signature");
  const { result } = await visitor.execute(form, 200, "pay-order");
  assert.equal(result, "applied");

  form = await visitor.find("getOrder");
  await form.parameter("id", order_id);
  const { status } = await visitor.execute(form, 200, "order-is-paid");
  assert.equal(status, "PAID");
});

test("an order is paid and refunded at Stripe", { skip: STRIPE_WEBHOOK_SECRET ? false : "no STRIPE_WEBHOOK_SECRET" }, async (t) => {
  const visitor = await arrive(t, "desk", "stripe");

  let form = await visitor.find("createProduct");
  await form.example("mug", { sku: `MUG-${unique().toUpperCase()}` });
  const { id: product_id } = await visitor.execute(form, 201, "create-product");

  form = await visitor.find("createOrder");
  await form.example("two", { product_id });
  const { id: order_id, total } = await visitor.execute(form, 201, "place-order");

  const payment_intent = `pi_${unique()}`;
  const event = (members) => ({
    id: `evt_${unique()}`,
    livemode: STRIPE_LIVEMODE !== "false",
    data: { object: { payment_intent, currency: CURRENCY, ...members } },
  });
  const cents = Math.round(100 * total);
  const session = { id: `cs_${unique()}`, mode: "payment", payment_status: "paid", amount_total: cents };
  const metadata = { order_id: String(order_id) };
  form = await visitor.find("receiveStripeEvent");
  await form.example("paid", event({ ...session, metadata }));
  const line = signForStripe(await form.body());
  await form.parameter("Stripe-Signature", line);
  const paid = await visitor.execute(form, 200, "pay-in-the-field");
  assertShows(paid, { result: "applied", order_id, order_status: "PAID" });

  // Metadata is missing: the order is found by its payment.
  form = await visitor.find("receiveStripeEvent");
  const refund = event({ id: `ch_${unique()}`, amount: cents, amount_refunded: cents });
  await form.example("refunded", refund);
  await visitor.authorize("StripeSignature", line);
  await visitor.execute(form, 401, "signature-of-another-body");
  form = await visitor.find("receiveStripeEvent");
  await form.example("refunded", refund);
  await visitor.authorize("StripeSignature", signForStripe(await form.body()), "enter-stripe-signature");
  const refunded = await visitor.execute(form, 200, "refund-with-authorize");
  assertShows(refunded, { result: "applied", order_id, order_status: "CANCELED" });

  form = await visitor.find("listPayments");
  await form.parameter("order_id", order_id);
  const { items } = await visitor.execute(form, 200, "list-payments");
  assert.equal(items.length, 1);
  assertShows(items[0], { payment_id: payment_intent, provider: "stripe", amount: total, refunded: total, open: false });
});

// Checks the members that `expected` has.
function assertShows(body, expected) {
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((member) => [member, body[member]])), expected);
}

async function arrive(t, width, pictures = width) {
  const visitor = await Visitor.arrive(t, { viewport: WIDTHS[width], pictures: `flow-${pictures}` });
  if (API_KEY) {
    await visitor.authorize("ApiKey", API_KEY, "enter-api-key");
  }
  return visitor;
}
