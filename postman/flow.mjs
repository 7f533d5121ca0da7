// The folder "Flow": the life of products and orders, in order. A step names an operation of the contract; its request is
// the converted one with the step's values. `tests` run in Postman's sandbox, after the check against the contract that
// every request has.
//
//   operation    its operationId
//   name         the request's name
//   params       values of path and query parameters, in place of the contract's examples
//   headers      headers to send in addition
//   body         the body, in place of the contract's example
//   noKey        send no API key
//   before       scripts to run before
//   status       the expected status
//   problem      the expected error type
//   keep         collection variables to set: variable → member of the response
//   tests        further tests: name → function

import { asStripeDoes, newEvent, onlyWithStripe, sign } from "./scripts.mjs";

/* global pm */

// Clears the ids of an earlier run: if creating fails, later requests must not hit an existing product. The SKU is new in
// each run, so that runs do not conflict.
function startAnew() {
  for (const name of ["productId", "orderId", "orderTotal", "orderCents", "orderReference", "eventId", "etag"]) {
    pm.collectionVariables.unset(name);
  }
  pm.collectionVariables.set("sku", pm.variables.replaceIn("FLOW-{{$randomUUID}}"));
}

function newSku() {
  pm.collectionVariables.set("sku", pm.variables.replaceIn("FLOW-{{$randomUUID}}"));
}

function newIdempotencyKey() {
  pm.collectionVariables.set("idempotencyKey", pm.variables.replaceIn("flow-{{$randomUUID}}"));
}

function falsify() {
  const digit = (last) => (last === "0" ? "1" : "0");
  pm.variables.set("webhookSignature", pm.variables.get("webhookSignature").replace(/.$/, digit));
}

function keyIsMissing() {
  const keys = Boolean(pm.variables.get("apiKey"));
  pm.response.to.have.status(keys ? 401 : 200);
  if (keys) {
    pm.expect(pm.response.json().type).to.equal("/problems/missing-api-key");
  }
}

function keyIsUnknown() {
  const keys = Boolean(pm.variables.get("apiKey"));
  pm.response.to.have.status(keys ? 401 : 200);
  if (keys) {
    pm.expect(pm.response.json().type).to.equal("/problems/invalid-api-key");
  }
}

function etagIsStrong() {
  pm.expect(pm.response.headers.get("ETag")).to.match(/^"[^"]+"$/);
}

function productIsAtItsLocation() {
  pm.expect(pm.response.headers.get("Location")).to.equal(`/products/${pm.response.json().id}`);
}

function orderIsAtItsLocation() {
  pm.expect(pm.response.headers.get("Location")).to.equal(`/orders/${pm.response.json().id}`);
}

const payment = {
  id: "{{eventId}}",
  type: "payment.succeeded",
  created: 1772359200,
  data: { order_id: "{{orderId}}", payment_id: "pay_{{orderId}}", amount: "{{orderTotal}}" },
};

/** An event of Stripe about this object. */
const stripeEvent = (type, object) => ({
  id: "{{eventId}}",
  object: "event",
  type,
  created: 1772359200,
  livemode: "{{stripeLivemode}}",
  data: { object: { payment_intent: "pi_{{orderId}}", currency: "{{currency}}", ...object } },
});

const stripePayment = stripeEvent("checkout.session.completed", {
  id: "cs_{{orderId}}",
  object: "checkout.session",
  mode: "payment",
  payment_status: "paid",
  amount_total: "{{orderCents}}",
  metadata: { order_id: "{{orderReference}}" },
});

// Its metadata is empty: the order is found by the payment.
const stripeRefund = stripeEvent("charge.refunded", {
  id: "ch_{{orderId}}",
  object: "charge",
  amount: "{{orderCents}}",
  amount_refunded: "{{orderCents}}",
  metadata: {},
});

// An id that no database will reach.
const UNKNOWN = "9223372036854775807";

export const flow = [
  {
    name: "1 Products",
    steps: [
      {
        operation: "createProduct",
        name: "Create a product",
        before: [startAnew],
        body: { sku: "{{sku}}", name: "Blue mug", price: 12.5, stock: 40 },
        status: 201,
        keep: { productId: "id" },
        tests: {
          "Location leads to it": productIsAtItsLocation,
          "ETag is a strong version": etagIsStrong,
          "It is what was sent"() {
            pm.expect(pm.response.json()).to.include({
              sku: pm.collectionVariables.get("sku"),
              name: "Blue mug",
              price: 12.5,
              stock: 40,
            });
          },
        },
      },
      {
        operation: "listProducts",
        name: "Find it in the list",
        params: { sku: "{{sku}}" },
        status: 200,
        tests: {
          "It is the only one with its SKU"() {
            const { items, next_cursor } = pm.response.json();
            pm.expect(items.map(({ id }) => id)).to.eql([pm.collectionVariables.get("productId")]);
            pm.expect(next_cursor).to.equal(null);
          },
        },
      },
      {
        operation: "listProducts",
        name: "List a page of products",
        params: { limit: "1" },
        status: 200,
        tests: {
          "It holds one product"() {
            pm.expect(pm.response.json().items).to.have.lengthOf(1);
          },
          "Link and next_cursor agree"() {
            const cursor = pm.response.json().next_cursor;
            const link = pm.response.headers.get("Link") || "";
            pm.expect(link.includes('rel="next"')).to.equal(cursor !== null);
            pm.expect(link).to.include(cursor || "");
          },
        },
      },
      {
        operation: "getProduct",
        name: "Get the product",
        status: 200,
        tests: {
          "ETag is a strong version"() {
            const etag = pm.response.headers.get("ETag");
            pm.expect(etag).to.match(/^"[^"]+"$/);
            pm.collectionVariables.set("etag", etag);
          },
        },
      },
      {
        operation: "getProduct",
        name: "Get it only if it is new",
        headers: { "If-None-Match": "{{etag}}" },
        status: 304,
      },
      {
        operation: "updateProduct",
        name: "Change its price",
        headers: { "If-Match": "{{etag}}" },
        body: { price: 13.95 },
        status: 200,
        tests: {
          "Only the price changed"() {
            pm.expect(pm.response.json()).to.include({ name: "Blue mug", price: 13.95, stock: 40 });
          },
          "ETag is another version"() {
            pm.expect(pm.response.headers.get("ETag")).not.to.equal(pm.collectionVariables.get("etag"));
          },
        },
      },
      {
        operation: "updateProduct",
        name: "Change a version that is gone",
        headers: { "If-Match": "{{etag}}" },
        body: { price: 14 },
        status: 412,
        problem: "stale-version",
      },
      { operation: "deleteProduct", name: "Delete the product", status: 204 },
      { operation: "getProduct", name: "It is gone", status: 404, problem: "product-not-found" },
    ],
  },
  {
    name: "2 Orders",
    steps: [
      {
        operation: "createProduct",
        name: "Create a product to order",
        before: [newSku],
        body: { sku: "{{sku}}", name: "Teapot", price: 12.5, stock: 5 },
        status: 201,
        keep: { productId: "id" },
      },
      {
        operation: "createOrder",
        name: "Place an order",
        before: [newIdempotencyKey],
        headers: { "Idempotency-Key": "{{idempotencyKey}}" },
        body: { product_id: "{{productId}}", quantity: 2 },
        status: 201,
        keep: { orderId: "id", orderTotal: "total" },
        tests: {
          "Location leads to it": orderIsAtItsLocation,
          "ETag is a strong version": etagIsStrong,
          "It waits for 25.00"() {
            pm.expect(pm.response.json()).to.include({
              product_id: pm.collectionVariables.get("productId"),
              quantity: 2,
              unit_price: 12.5,
              total: 25,
              status: "PENDING",
              refund_due: false,
            });
          },
        },
      },
      {
        operation: "createOrder",
        name: "Send it again",
        headers: { "Idempotency-Key": "{{idempotencyKey}}" },
        body: { product_id: "{{productId}}", quantity: 2 },
        status: 201,
        tests: {
          "It is the stored response, no second order"() {
            pm.expect(pm.response.headers.get("Idempotency-Replayed")).to.equal("true");
            pm.expect(pm.response.json().id).to.equal(pm.collectionVariables.get("orderId"));
          },
        },
      },
      {
        operation: "getOrder",
        name: "Get the order",
        status: 200,
        tests: {
          "It is pending"() {
            pm.expect(pm.response.json()).to.include({ id: pm.collectionVariables.get("orderId"), status: "PENDING" });
          },
        },
      },
      {
        operation: "listOrders",
        name: "Find it among its product's orders",
        params: { product_id: "{{productId}}", status: "PENDING" },
        status: 200,
        tests: {
          "It is the only one"() {
            const ids = pm.response.json().items.map(({ id }) => id);
            pm.expect(ids).to.eql([pm.collectionVariables.get("orderId")]);
          },
        },
      },
      {
        operation: "updateOrder",
        name: "Change its quantity",
        body: { quantity: 3 },
        status: 200,
        tests: {
          "Quantity and total follow"() {
            pm.expect(pm.response.json()).to.include({ quantity: 3, total: 37.5, status: "PENDING" });
          },
        },
      },
      {
        operation: "getProduct",
        name: "Its units are reserved",
        status: 200,
        tests: {
          "Stock is 2"() {
            pm.expect(pm.response.json().stock).to.equal(2);
          },
        },
      },
      {
        operation: "updateOrder",
        name: "Cancel the order",
        body: { status: "CANCELED" },
        status: 200,
        tests: {
          "It is canceled"() {
            const { status, canceled_at } = pm.response.json();
            pm.expect(status).to.equal("CANCELED");
            pm.expect(canceled_at).to.be.a("string");
          },
        },
      },
      {
        operation: "listStockMovements",
        name: "Its units are back",
        status: 200,
        tests: {
          "The ledger tells it, newest first"() {
            const entries = pm.response.json().items.map(({ reason, delta, stock_after }) => [reason, delta, stock_after]);
            pm.expect(entries).to.eql([
              ["order_canceled", 3, 5],
              ["order_changed", -1, 2],
              ["order_placed", -2, 3],
              ["initial", 5, 5],
            ]);
          },
        },
      },
      { operation: "deleteOrder", name: "Delete the canceled order", status: 204 },
      { operation: "getOrder", name: "The order is gone", status: 404, problem: "order-not-found" },
    ],
  },
  {
    name: "3 Payment",
    steps: [
      {
        operation: "createOrder",
        name: "Order again",
        body: { product_id: "{{productId}}", quantity: 2 },
        status: 201,
        keep: { orderId: "id", orderTotal: "total" },
      },
      {
        operation: "updateOrder",
        name: "Ship before it is paid",
        body: { status: "SHIPPED" },
        status: 409,
        problem: "invalid-transition",
        tests: {
          "It says what is possible"() {
            pm.expect(pm.response.json().allowed).to.eql(["CANCELED"]);
          },
        },
      },
      {
        operation: "receivePaymentEvent",
        name: "Pay with a wrong signature",
        before: [newEvent, sign, falsify],
        body: payment,
        status: 401,
        problem: "invalid-signature",
      },
      {
        operation: "getOrder",
        name: "It is still unpaid",
        status: 200,
        tests: {
          "It is pending"() {
            pm.expect(pm.response.json()).to.include({ status: "PENDING", paid_at: null });
          },
        },
      },
      {
        operation: "receivePaymentEvent",
        name: "Pay it",
        before: [newEvent, sign],
        body: payment,
        status: 200,
        tests: {
          "The payment is applied"() {
            pm.expect(pm.response.json()).to.eql({
              event_id: pm.collectionVariables.get("eventId"),
              result: "applied",
              order_id: pm.collectionVariables.get("orderId"),
              order_status: "PAID",
            });
          },
        },
      },
      {
        operation: "getOrder",
        name: "See that it is paid",
        status: 200,
        tests: {
          "It is paid"() {
            const { status, paid_at, expires_at } = pm.response.json();
            pm.expect(status).to.equal("PAID");
            pm.expect(paid_at).to.be.a("string");
            pm.expect(expires_at).to.equal(null);
          },
        },
      },
      {
        operation: "receivePaymentEvent",
        name: "Deliver the event again",
        before: [sign],
        body: payment,
        status: 200,
        tests: {
          "It is a duplicate and changes nothing"() {
            pm.expect(pm.response.json()).to.include({ result: "duplicate", order_status: "PAID" });
          },
        },
      },
      {
        operation: "listPaymentEvents",
        name: "List its events",
        params: { order_id: "{{orderId}}" },
        status: 200,
        tests: {
          "There is one"() {
            const { items } = pm.response.json();
            pm.expect(items).to.have.lengthOf(1);
            pm.expect(items[0]).to.include({
              event_id: pm.collectionVariables.get("eventId"),
              amount: 25,
              result: "applied",
            });
          },
        },
      },
      {
        operation: "updateOrder",
        name: "Ship it",
        body: { status: "SHIPPED" },
        status: 200,
        tests: {
          "It is shipped"() {
            const { status, shipped_at } = pm.response.json();
            pm.expect(status).to.equal("SHIPPED");
            pm.expect(shipped_at).to.be.a("string");
          },
        },
      },
    ],
  },
  {
    name: "4 Stripe",
    steps: [
      {
        operation: "createOrder",
        name: "Order one more",
        before: [onlyWithStripe],
        body: { product_id: "{{productId}}", quantity: 1 },
        status: 201,
        keep: { orderId: "id", orderTotal: "total" },
      },
      {
        operation: "receiveStripeEvent",
        name: "Pay it at Stripe with a wrong signature",
        before: [onlyWithStripe, newEvent, asStripeDoes, sign, falsify],
        body: stripePayment,
        status: 401,
        problem: "invalid-signature",
      },
      {
        operation: "receiveStripeEvent",
        name: "Pay it at Stripe",
        before: [onlyWithStripe, newEvent, asStripeDoes, sign],
        body: stripePayment,
        status: 200,
        tests: {
          "The payment at Stripe is applied"() {
            pm.expect(pm.response.json()).to.eql({
              event_id: pm.collectionVariables.get("eventId"),
              result: "applied",
              order_id: pm.collectionVariables.get("orderId"),
              order_status: "PAID",
            });
          },
        },
      },
      {
        operation: "listPayments",
        name: "List its payments",
        before: [onlyWithStripe],
        params: { order_id: "{{orderId}}", open: "true" },
        status: 200,
        tests: {
          "There is one, and it is open"() {
            const { items } = pm.response.json();
            pm.expect(items).to.have.lengthOf(1);
            pm.expect(items[0]).to.include({
              payment_id: `pi_${pm.collectionVariables.get("orderId")}`,
              provider: "stripe",
              amount: 12.5,
              currency: pm.variables.get("currency"),
              refunded: 0,
              own: true,
              disputed: false,
            });
          },
        },
      },
      {
        operation: "receiveStripeEvent",
        name: "Refund it at Stripe",
        before: [onlyWithStripe, newEvent, asStripeDoes, sign],
        body: stripeRefund,
        status: 200,
        tests: {
          "The refund is applied, and the order is canceled"() {
            pm.expect(pm.response.json()).to.include({
              result: "applied",
              order_id: pm.collectionVariables.get("orderId"),
              order_status: "CANCELED",
            });
          },
        },
      },
      {
        operation: "listPayments",
        name: "See that the payment is closed",
        before: [onlyWithStripe],
        params: { order_id: "{{orderId}}", open: "false" },
        status: 200,
        tests: {
          "All of it is refunded"() {
            const payments = pm.response.json().items.map(({ amount, refunded, open }) => [amount, refunded, open]);
            pm.expect(payments).to.eql([[12.5, 12.5, false]]);
          },
        },
      },
    ],
  },
  {
    name: "5 Refusals",
    steps: [
      {
        operation: "createOrder",
        name: "Order more than there is",
        body: { product_id: "{{productId}}", quantity: 4 },
        status: 409,
        problem: "insufficient-stock",
        tests: {
          "It says how many there are"() {
            pm.expect(pm.response.json()).to.include({ requested: 4, available: 3 });
          },
        },
      },
      {
        operation: "createProduct",
        name: "Use a SKU twice",
        body: { sku: "{{sku}}", name: "Another teapot", price: 15, stock: 1 },
        status: 409,
        problem: "duplicate-sku",
        tests: {
          "It names the SKU"() {
            pm.expect(pm.response.json().sku).to.equal(pm.collectionVariables.get("sku"));
          },
        },
      },
      {
        operation: "createProduct",
        name: "Send an invalid body",
        body: { sku: "no blanks", name: "Teapot", price: 19.999, colour: "blue" },
        status: 422,
        problem: "validation-failed",
        tests: {
          "Every failure is named"() {
            const pointers = pm.response.json().errors.map(({ pointer }) => pointer);
            pm.expect(pointers).to.have.members(["/sku", "/price", "/stock", "/colour"]);
          },
        },
      },
      {
        operation: "listProducts",
        name: "Send an invalid parameter",
        params: { limit: "0" },
        status: 422,
        problem: "validation-failed",
        tests: {
          "The parameter is named"() {
            pm.expect(pm.response.json().errors.map(({ parameter }) => parameter)).to.eql(["limit"]);
          },
        },
      },
      {
        operation: "getProduct",
        name: "Get an unknown product",
        params: { id: UNKNOWN },
        status: 404,
        problem: "product-not-found",
      },
      {
        operation: "getOrder",
        name: "Get an unknown order",
        params: { id: UNKNOWN },
        status: 404,
        problem: "order-not-found",
      },
      {
        operation: "deleteOrder",
        name: "Delete the order that was paid",
        status: 409,
        problem: "order-not-deletable",
      },
      {
        operation: "deleteProduct",
        name: "Delete the product that was ordered",
        status: 409,
        problem: "product-in-use",
      },
    ],
  },
  {
    name: "6 API keys",
    steps: [
      {
        operation: "listOrders",
        name: "Send no key",
        noKey: true,
        tests: { "It is 401 where the service has keys": keyIsMissing },
      },
      {
        operation: "listOrders",
        name: "Send an unknown key",
        noKey: true,
        headers: { "X-API-Key": "no-such-key" },
        tests: { "It is 401 where the service has keys": keyIsUnknown },
      },
      { operation: "getProduct", name: "Read a product without a key", noKey: true, status: 200 },
    ],
  },
  {
    name: "7 Clean up",
    steps: [
      {
        operation: "updateProduct",
        name: "Take what is left off sale",
        body: { stock: 0 },
        status: 200,
        tests: {
          "Nobody can order it"() {
            pm.expect(pm.response.json().stock).to.equal(0);
          },
        },
      },
    ],
  },
];
