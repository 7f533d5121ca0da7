// Stripe's and Standard Webhooks' libraries for Node sign events that the service takes, and verify what it signs.
//
// BASE_URL and BIN name a fresh service without API keys that takes test events in EUR; its STRIPE_WEBHOOK_SECRET and
// WEBHOOK_SECRET must be in the environment.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Webhook, WebhookVerificationError } from "standardwebhooks";
import Stripe from "stripe";

const { BASE_URL, BIN, STRIPE_WEBHOOK_SECRET: secret, WEBHOOK_SECRET: ownSecret } = process.env;
const stripe = new Stripe("sk_test_none_is_needed");
const invalid = [401, "/problems/invalid-signature"];
const now = () => Math.floor(Date.now() / 1000);

async function call(method, path, body, headers = {}) {
  const sent = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const answer = await fetch(BASE_URL + path, { method, body: sent, headers: { "Content-Type": "application/json", ...headers } });
  const text = await answer.text();
  return { status: answer.status, text, said: JSON.parse(text) };
}

/** Posts these bytes; the status, and the result or the type of the problem, must be as expected. */
async function expectAnswer(path, body, headers, expected) {
  const { status, text, said } = await call("POST", path, body, headers);
  assert.deepEqual([status, said.result ?? said.type], expected, text);
}

/** A new order of 25.00; returns its id. */
async function order() {
  const mug = { sku: `mug-${process.hrtime.bigint()}`, name: "Mug", price: 12.5, stock: 10 };
  const product = (await call("POST", "/products", mug)).said;
  const placed = await call("POST", "/orders", { product_id: product.id, quantity: 2 });
  assert.equal(placed.status, 201, placed.text);
  return placed.said.id;
}

const orderStatus = async (id) => (await call("GET", `/orders/${id}`)).said.status;

/** Stripe's event that the payment of this order succeeded, as Stripe sends it now. */
function paid(id) {
  const text = readFileSync(new URL("fixtures/payment_intent.succeeded.json", import.meta.url), "utf8");
  const event = JSON.parse(text.replaceAll("order_1", `order_${id}`));
  event.id += `_${id}`;
  event.created = now();
  event.data.object.metadata.order_id = `${id}`;
  return JSON.stringify(event, null, 2);
}

const byStripe = (payload, more = {}) =>
  ({ "Stripe-Signature": stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp: now(), ...more }) });

/** The headers that `orders-inventory sign` prints for a body. */
function signedByUs(body, option) {
  const printed = execFileSync(BIN, ["sign", option], { input: body, encoding: "utf8" });
  return Object.fromEntries(printed.trimEnd().split("\n").map((line) => line.split(/: (.*)/, 2)));
}

test("what stripe-node signs is taken", async () => {
  const id = await order();
  const body = paid(id);
  await expectAnswer("/webhooks/stripe", body, byStripe(body), [200, "applied"]);
  assert.equal(await orderStatus(id), "PAID");
});

test("what stripe-node signed otherwise is refused", async () => {
  const id = await order();
  const body = paid(id);
  await expectAnswer("/webhooks/stripe", body, byStripe(body, { secret: "whsec_another" }), invalid);
  await expectAnswer("/webhooks/stripe", body, byStripe(body, { timestamp: now() - 310 }), invalid);
  await expectAnswer("/webhooks/stripe", body, byStripe(body, { timestamp: now() + 310 }), invalid);
  await expectAnswer("/webhooks/stripe", body, byStripe(body, { scheme: "v0" }), invalid);
  await expectAnswer("/webhooks/stripe", `${body} `, byStripe(body), invalid);
  assert.equal(await orderStatus(id), "PENDING");
});

test("stripe-node verifies what `sign --stripe` prints", async () => {
  const id = await order();
  const body = paid(id);
  const headers = signedByUs(body, "--stripe");
  const header = headers["Stripe-Signature"];
  assert.equal(stripe.webhooks.constructEvent(body, header, secret).id, JSON.parse(body).id);
  const refused = Stripe.errors.StripeSignatureVerificationError;
  assert.throws(() => stripe.webhooks.constructEvent(body, header, "whsec_another"), refused);
  assert.throws(() => stripe.webhooks.constructEvent(`${body} `, header, secret), refused);
  await expectAnswer("/webhooks/stripe", body, headers, [200, "applied"]);
});

test("what standardwebhooks for Node signs is taken, and it verifies what `sign --standard` prints", async () => {
  const id = await order();
  const body = JSON.stringify({ id: `evt_${id}`, type: "payment.succeeded", data: { order_id: id, payment_id: `pay_${id}`, amount: 25 } });
  const byStandard = (of, by = ownSecret, at = new Date()) => ({
    "webhook-id": `evt_${id}`,
    "webhook-timestamp": `${Math.floor(at.getTime() / 1000)}`,
    "webhook-signature": new Webhook(by).sign(`evt_${id}`, at, of),
  });
  const another = `whsec_${"A".repeat(32)}`;
  await expectAnswer("/webhooks/payment", body, byStandard(body, another), invalid);
  await expectAnswer("/webhooks/payment", body, byStandard(body, ownSecret, new Date(Date.now() - 310_000)), invalid);
  await expectAnswer("/webhooks/payment", `${body} `, byStandard(body), invalid);
  assert.equal(await orderStatus(id), "PENDING");
  await expectAnswer("/webhooks/payment", body, byStandard(body), [200, "applied"]);
  assert.equal(await orderStatus(id), "PAID");

  const headers = signedByUs(body, "--standard");
  assert.deepEqual(new Webhook(ownSecret).verify(body, headers), JSON.parse(body));
  assert.throws(() => new Webhook(another).verify(body, headers), WebhookVerificationError);
  assert.throws(() => new Webhook(ownSecret).verify(`${body} `, headers), WebhookVerificationError);
});
