// Places, pays and ships an order, and is refused twice.

import { createHmac, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/shop.js";

type Order = components["schemas"]["Order"];
type PaymentData = components["schemas"]["PaymentData"];
type Problem = components["schemas"]["Problem"];

const { BASE_URL = "http://127.0.0.1:8080", API_KEY = "", WEBHOOK_SECRET = "" } = process.env;
const service = createClient<paths>({ baseUrl: BASE_URL, headers: { "X-API-Key": API_KEY } });

/** The service refused a request, for the reason in `problem`. */
class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

type Answer<T> = { data?: T; error?: Problem; response: Response };

/** Sends a request until its outcome is known. A POST needs an Idempotency-Key, so that it is done once at most. */
async function settle<T>(send: () => Promise<Answer<T>>): Promise<T> {
  for (let attemptsLeft = 4; ; attemptsLeft--) {
    try {
      const { data, error, response } = await send();
      if (data !== undefined) return data;
      if (!error) throw new Error(`${response.status} without a problem`);
      if (attemptsLeft === 0 || ![408, 429, 500, 503].includes(response.status)) throw new Refused(error);
      await sleep(1000 * Number(response.headers.get("Retry-After") ?? 1));
    } catch (failure) {
      // This is what fetch throws where no answer came, or only a part of it.
      if (attemptsLeft === 0 || !(failure instanceof TypeError)) throw failure;
      await sleep(1000);
    }
  }
}

/** What a request is refused with; fails where it is not refused. */
async function problemOf(refused: Promise<unknown>): Promise<Problem> {
  const outcome = await refused.then(() => new Error("it was not refused"), (failure: unknown) => failure);
  if (outcome instanceof Refused) return outcome.problem;
  throw outcome;
}

/** Reports a payment as a payment provider does: signed over the bytes that are sent. */
async function reportPayment(order: Order) {
  const data: PaymentData = { order_id: order.id, payment_id: `pay_${order.id}`, amount: order.total };
  const body = { id: `evt_${order.id}`, type: "payment.succeeded", data };
  const text = JSON.stringify(body);
  const time = Math.floor(Date.now() / 1000);
  const mac = createHmac("sha256", WEBHOOK_SECRET).update(`${time}.${text}`).digest("hex");
  const header = { "X-Webhook-Signature": `t=${time},v1=${mac}` };
  return settle(() => service.POST("/webhooks/payment", { body, bodySerializer: () => text, params: { header } }));
}

async function main() {
  const mug = { sku: "MUG-BLUE", name: "Blue mug", price: 12.5, stock: 40 };
  const createKey = { "Idempotency-Key": randomUUID() };
  const product = await settle(() => service.POST("/products", { body: mug, params: { header: createKey } }));
  console.log(`product ${product.id}: ${product.stock} in stock`);

  const two = { product_id: product.id, quantity: 2 };
  const checkoutKey = { "Idempotency-Key": randomUUID() };
  const placed = await settle(() => service.POST("/orders", { body: two, params: { header: checkoutKey } }));
  console.log(`order ${placed.id}: ${placed.status}, ${placed.total.toFixed(2)} to pay`);

  const { result } = await reportPayment(placed);
  const path = { id: placed.id };
  const paid = await settle(() => service.GET("/orders/{id}", { params: { path } }));
  console.log(`payment ${result}, order ${paid.id}: ${paid.status}`);

  const shipped = await settle(() => service.PUT("/orders/{id}", { body: { status: "SHIPPED" }, params: { path } }));
  console.log(`order ${shipped.id}: ${shipped.status}`);

  const many = { product_id: product.id, quantity: 100 };
  const short = await problemOf(settle(() => service.POST("/orders", { body: many })));
  if (short.type === "/problems/insufficient-stock") {
    console.log(`${short.status}: ${short.requested} requested, ${short.available} available`);
  }

  const inexact = { sku: "MUG-RED", name: "Red mug", price: 12.345, stock: 1 };
  const invalid = await problemOf(settle(() => service.POST("/products", { body: inexact })));
  if (invalid.type === "/problems/validation-failed") {
    for (const { pointer, detail } of invalid.errors ?? []) console.log(`${invalid.status}: ${pointer} ${detail}`);
  }
}

await main();
