// Reads every kind of answer with what hey-api makes of the contract: its client hands each answer to zod's schema first.
// Runs after shop.ts, against the same service.

import { ZodError } from "zod";
import { client } from "./generated/hey-api/client.gen.js";
import {
  createOrder, getHealth, getOrder, getProduct, getReadiness, listOrders, listPaymentEvents, listPayments, listProducts,
  listStockMovements, receivePaymentEvent,
} from "./generated/hey-api/index.js";
import { zProblem } from "./generated/hey-api/zod.gen.js";

client.setConfig({ baseUrl: process.env.BASE_URL, auth: () => process.env.API_KEY });

function items<T>(what: string, page: { items: T[] }): T {
  const [first] = page.items;
  if (first === undefined) throw new Error(`${what}: the list is empty`);
  console.log(`${what}: ${page.items.length} parsed`);
  return first;
}

/** Reads a refusal as a problem; `error` may be whatever went wrong, so that zod says whether it is one. */
async function refused(what: string, answer: Promise<{ error?: unknown }>) {
  const { error } = await answer;
  console.log(`${what}: ${zProblem.parse(error).type} parsed`);
}

const throwOnError = true;
const product = items("products", (await listProducts({ throwOnError })).data);
const order = items("orders", (await listOrders({ throwOnError })).data);
items("stock movements", (await listStockMovements({ path: { id: product.id }, throwOnError })).data);
items("payment events", (await listPaymentEvents({ query: { order_id: order.id }, throwOnError })).data);
items("payments", (await listPayments({ query: { open: true }, throwOnError })).data);
for (const [what, answer] of Object.entries({
  "a product": await getProduct({ path: { id: product.id }, throwOnError }),
  "an order": await getOrder({ path: { id: order.id }, throwOnError }),
  health: await getHealth({ throwOnError }),
  readiness: await getReadiness({ throwOnError }),
})) {
  console.log(`${what}: ${Object.keys(answer.data).length} members parsed`);
}

await refused("too large an order", createOrder({ body: { product_id: product.id, quantity: 100 } }));
await refused("an unknown order", getOrder({ path: { id: 1_000_000 } }));
await refused("an unsigned event", receivePaymentEvent({ body: { id: "evt_0", type: "payment.succeeded" } }));
// Zod refuses an invalid request before it is sent.
const isSent = await createOrder({ body: { product_id: product.id, quantity: 0 } }).then(() => true, (error: unknown) => {
  if (error instanceof ZodError) return false;
  throw error;
});
if (isSent) throw new Error("an order of nothing was sent");
console.log("an order of nothing: refused before it is sent");
