// The first steps of a new user: a new database, no API key, and nothing typed. The examples of the requests and the
// prefilled fields must work unchanged, one after another. The signatures are pasted as `sign` prints them.
//
//   WEBHOOK_SECRET, STRIPE_WEBHOOK_SECRET  the service's secrets; its currency is EUR
//   BIN                                    orders-inventory, whose command `sign` signs the webhooks

import assert from "node:assert/strict";
import { test } from "node:test";

import { WIDTHS } from "./page.mjs";
import { Visitor, sign, signForStripe } from "./try-it-out.mjs";

test("on a new database the examples work unchanged", async (t) => {
  const visitor = await Visitor.arrive(t, { viewport: WIDTHS.desk, pictures: "first-steps" });

  let form = await visitor.find("createProduct");
  const product = await visitor.execute(form, 201, "create-product");
  assert.equal(product.id, 1, "the database is not new");

  form = await visitor.find("createProduct");
  await form.example("announced");
  const announced = await visitor.execute(form, 201, "create-another");

  form = await visitor.find("listProducts");
  const { items } = await visitor.execute(form, 200, "list-products");
  assert.deepEqual(items, [product, announced]);

  form = await visitor.find("getProduct");
  assert.deepEqual(await visitor.execute(form, 200, "get-product"), product);

  form = await visitor.find("updateProduct");
  const { price, stock } = await visitor.execute(form, 200, "change-product");
  assert.deepEqual([price, stock], [13.95, 38]);

  // The page has filled in the id of the second product, and later of the second order.
  form = await visitor.find("deleteProduct");
  await visitor.execute(form, 204, "delete-product");

  form = await visitor.find("createStockMovement");
  await visitor.execute(form, 201, "restock");

  form = await visitor.find("listStockMovements");
  const movements = (await visitor.execute(form, 200, "list-stock-movements")).items;
  assert.deepEqual(movements.map(({ stock_after }) => stock_after), [138, 38, 40]);

  form = await visitor.find("createOrder");
  const order = await visitor.execute(form, 201, "place-order");
  assert.deepEqual([order.product_id, order.total], [product.id, 27.9]);

  form = await visitor.find("createOrder");
  await form.example("one");
  const another = await visitor.execute(form, 201, "place-another-order");

  form = await visitor.find("createOrder");
  await form.example("too-many");
  await visitor.execute(form, 409, "order-too-many");

  form = await visitor.find("listOrders");
  assert.deepEqual((await visitor.execute(form, 200, "list-orders")).items, [another, order]);

  form = await visitor.find("getOrder");
  assert.deepEqual(await visitor.execute(form, 200, "get-order"), order);

  form = await visitor.find("updateOrder");
  assert.equal((await visitor.execute(form, 200, "change-order")).quantity, 3);

  form = await visitor.find("deleteOrder");
  await visitor.execute(form, 204, "delete-order");

  // Paid as it is now, with its new quantity.
  form = await visitor.find("receivePaymentEvent");
  await form.parameter("X-Webhook-Signature", sign(await form.body()));
  const receipt = await visitor.execute(form, 200, "pay-order");
  assert.deepEqual(receipt, { event_id: "evt_1", result: "applied", order_id: order.id, order_status: "PAID" });

  form = await visitor.find("listPaymentEvents");
  const events = (await visitor.execute(form, 200, "list-payment-events")).items;
  assert.deepEqual(events.map(({ event_id }) => event_id), ["evt_1"]);

  // The examples of Stripe are a second payment of that order, and a refund of a part of it.
  form = await visitor.find("receiveStripeEvent");
  await form.parameter("Stripe-Signature", signForStripe(await form.body()));
  const again = await visitor.execute(form, 200, "pay-order-at-stripe");
  assert.deepEqual(again, { event_id: "evt_4", result: "duplicate_payment", order_id: order.id, order_status: "PAID" });

  form = await visitor.find("receiveStripeEvent");
  await form.example("refunded");
  await form.parameter("Stripe-Signature", signForStripe(await form.body()));
  const refund = await visitor.execute(form, 200, "refund-a-part-at-stripe");
  assert.deepEqual(refund, { event_id: "evt_5", result: "partial_refund", order_id: order.id, order_status: "PAID" });

  form = await visitor.find("listPayments");
  const payments = (await visitor.execute(form, 200, "list-payments")).items;
  assert.deepEqual(
    payments.map(({ provider, amount, refunded, own }) => [provider, amount, refunded, own]),
    [["stripe", 25, 5, false], ["own", 41.85, 0, true]],
  );

  form = await visitor.find("updateOrder");
  await form.example("ship");
  assert.equal((await visitor.execute(form, 200, "ship-order")).status, "SHIPPED");
});
