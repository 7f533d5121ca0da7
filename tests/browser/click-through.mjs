// A visitor of a new database opens one operation after another, from the top of the page to its end, and presses Execute
// once: every answer is a success. Only signatures are pasted, as `sign` prints them. What would delete the only product or
// order has no id yet, so the page refuses it without a request.
//
//   WEBHOOK_SECRET, STRIPE_WEBHOOK_SECRET  the service's secrets; its currency is EUR
//   BIN                                    orders-inventory, whose command `sign` signs the webhooks

import assert from "node:assert/strict";
import { test } from "node:test";

import { WIDTHS, contract, operations } from "./page.mjs";
import { Visitor, sign, signForStripe } from "./try-it-out.mjs";

// How many windows tall an executed operation may be. With all responses unfolded they are up to eight.
const WINDOWS_MAX = 3.5;

const SIGNATURES = {
  receivePaymentEvent: ["X-Webhook-Signature", sign],
  receiveStripeEvent: ["Stripe-Signature", signForStripe],
};

test("every operation succeeds in the order of the page, and an executed one is not long", async (t) => {
  const viewport = WIDTHS.desk;
  const visitor = await Visitor.arrive(t, { viewport, pictures: "click-through" });
  const tall = [];
  const inOrder = contract.tags.flatMap(({ name }) => operations.filter(({ tag }) => tag === name));
  for (const { id, path, method } of inOrder) {
    const form = await visitor.find(id);
    if (method === "delete") {
      const reason = await visitor.executeInVain(form, id);
      assert.equal(reason, "For 'id': Required field is not provided.");
      continue;
    }
    const signature = SIGNATURES[id];
    if (signature) {
      const [header, signed] = signature;
      await form.parameter(header, signed(await form.body()));
    }
    const { responses } = contract.paths[path][method];
    const success = Number(Object.keys(responses).find((status) => status.startsWith("2")));
    await visitor.execute(form, success, id, async (block) => {
      const windows = (await block.boundingBox()).height / viewport.height;
      if (!(windows <= WINDOWS_MAX)) {
        tall.push(`${id}: ${windows}`);
      }
    });
  }
  assert.deepEqual(tall, []);
});
