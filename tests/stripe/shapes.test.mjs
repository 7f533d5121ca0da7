// The fixtures have the shape of Stripe's events, and the comparison can fail.

import assert from "node:assert/strict";
import { test } from "node:test";
import { differencesFromDocument, differencesFromTypes, fixtures } from "./shapes.mjs";

const events = fixtures();

/** Asserts that each change to an event makes one difference that says so. */
function assertFound(differencesFrom, cases) {
  const damaged = new Map();
  cases.forEach(([name, , change], at) => {
    const event = structuredClone(events.get(name));
    change(event, event.data?.object);
    damaged.set(`case ${at}, ${name}`, event);
  });
  const differences = differencesFrom(damaged);
  [...damaged.keys()].forEach((name, at) => {
    const its = differences.filter((difference) => difference.startsWith(`${name}: `));
    assert.equal(its.length, 1, `${name}: ${its.join("\n") || "no difference"}`);
    assert.match(its[0], cases[at][1]);
  });
}

test("there is an event for each row of the service's rules", () => {
  const types = new Set([...events.values()].map((event) => event.type));
  for (const type of [
    "charge.dispute.closed", "charge.dispute.created", "charge.refund.updated", "charge.refunded", "charge.succeeded",
    "checkout.session.async_payment_failed", "checkout.session.async_payment_succeeded", "checkout.session.completed",
    "checkout.session.expired", "customer.created", "payment_intent.amount_capturable_updated", "payment_intent.canceled",
    "payment_intent.payment_failed", "payment_intent.processing", "payment_intent.succeeded", "payout.paid", "refund.created",
    "refund.failed", "refund.updated", "v1.payment_intent.succeeded",
  ]) {
    assert.ok(types.delete(type), `no event of the type ${type}`);
  }
  assert.deepEqual([...types], [], "types that this list does not name");
});

test("no two events have the same id, and all are test events", () => {
  assert.equal(new Set([...events.values()].map((event) => event.id)).size, events.size);
  for (const [name, event] of events) assert.equal(event.livemode, false, name);
});

test("the events have the types of Stripe's library", () => assert.deepEqual(differencesFromTypes(events), []));

test("their objects fit Stripe's document", () => assert.deepEqual(differencesFromDocument(events), []));

test("what the types tell apart is found", () => {
  assertFound(differencesFromTypes, [
    ["charge.refunded.part", /'amount_refunded' is missing/, (_, charge) => delete charge.amount_refunded],
    ["charge.refunded.part", /'review' is missing/, (_, charge) => delete charge.review],
    ["charge.refunded.part", /'"amount_refundet"' does not exist/, (_, charge) => (charge.amount_refundet = 1)],
    ["refund.failed", /not assignable to type 'number'/, (_, refund) => (refund.amount = "500")],
    ["customer.created", /not assignable to type 'never'/, (event) => (event.type = "customer.made")],
    ["customer.created", /'pending_webhooks' is missing/, (event) => delete event.pending_webhooks],
    ["v2.core.event", /'related_object' is missing/, (event) => delete event.related_object],
  ]);
});

test("what the document tells apart is found", () => {
  assertFound(differencesFromDocument, [
    ["checkout.session.expired", /\/mode must be equal to one of/, (_, session) => (session.mode = "loan")],
    ["charge.refunded.part", /must have required property 'amount_refunded'/, (_, charge) => delete charge.amount_refunded],
    ["payment_intent.succeeded", /\/metadata\/order_id must be string/, (_, intent) => (intent.metadata.order_id = 1)],
    ["customer.created", /the document has no buyer/, (_, customer) => (customer.object = "buyer")],
  ]);
});
