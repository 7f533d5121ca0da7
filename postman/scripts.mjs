// The scripts that run in Postman's sandbox before and after every request. `text` converts such a function to the lines
// of a script in a collection. Only its body is copied, so it must not use anything outside of it.

/* global pm, require, CONTRACT */

/** The body of `script` as the lines of a script in a collection; each name in `constants` is replaced by its source. */
export function text(script, constants = {}) {
  const source = script.toString();
  const lines = source.slice(source.indexOf("{") + 1, source.lastIndexOf("}")).split("\n");
  const body = lines.slice(1, -1);
  const indent = Math.min(...body.filter((line) => line.trim()).map((line) => line.search(/\S/)));
  return body.flatMap((line) =>
    Object.entries(constants)
      .reduce((changed, [name, constant]) => changed.replace(name, () => constant), line.slice(indent))
      .split("\n"),
  );
}

/** Before every request: removes the key's header where the key is empty, for services without API keys. */
export function leaveOutEmptyKey() {
  const { RequestAuth } = require("postman-collection");
  if (!pm.variables.get("apiKey")) {
    pm.request.auth = new RequestAuth({ type: "noauth" });
  }
}

/** Before a delivery to a webhook: a new event id, so that it is not a duplicate of an earlier one. */
export function newEvent() {
  pm.collectionVariables.set("eventId", pm.variables.replaceIn("evt_{{$randomUUID}}"));
}

/** Before an event of Stripe: the order as Stripe's objects name it, by a text and with a total in cents. */
export function asStripeDoes() {
  pm.collectionVariables.set("orderReference", String(pm.variables.get("orderId")));
  pm.collectionVariables.set("orderCents", Math.round(100 * Number(pm.variables.get("orderTotal"))));
}

/** Before a step about Stripe: leaves it out where Stripe is not configured. */
export function onlyWithStripe() {
  if (!pm.variables.get("stripeWebhookSecret") || !pm.variables.get("currency")) {
    console.info("Left out: stripeWebhookSecret or currency is empty.");
    pm.execution.skipRequest();
  }
}

/**
 * Before a delivery to a webhook: signs the body that will be sent. This script fills in its variables, as Postman does
 * later, so the body must not have random ones (`{{$…}}`).
 */
export function sign() {
  const name = pm.request.url.getPath().endsWith("/stripe") ? "stripeWebhookSecret" : "webhookSecret";
  const secret = pm.variables.get(name);
  if (!secret) {
    throw new Error(`Set ${name} in the environment: without it nothing can be signed.`);
  }
  const time = Math.floor(Date.now() / 1000);
  const body = pm.variables.replaceIn(pm.request.body.raw);
  const signature = require("crypto-js").HmacSHA256(`${time}.${body}`, secret).toString();
  pm.variables.set("webhookSignature", `t=${time},v1=${signature}`);
}

/** After every request: the contract documents the response, with its headers and its body. */
export function checkContract() {
  const contract = CONTRACT;
  const { code, headers } = pm.response;
  const sent = pm.request.url.getPath().split("/");
  const operation = contract.operations.find(({ method, path }) => {
    const named = path.split("/");
    return (
      method === pm.request.method &&
      named.length === sent.length &&
      named.every((segment, at) => segment.startsWith("{") || segment === sent[at])
    );
  });
  const answer = operation && operation.responses[code];

  pm.test("Contract: the operation and the status are in it", () => {
    pm.expect(operation, `an operation for ${pm.request.method} ${sent.join("/")}`).to.be.an("object");
    pm.expect(Object.keys(operation.responses)).to.include(String(code));
  });

  pm.test("Contract: the headers are there", () => {
    for (const [name, schema] of Object.entries(answer.headers)) {
      const value = headers.get(name);
      pm.expect(value, name).to.be.a("string").that.is.not.empty;
      const read = schema.type === "integer" ? Number(value) : value;
      pm.expect(read, name).to.have.jsonSchema(schema);
    }
  });

  pm.test("Contract: the body has its media type and fits its schema", () => {
    if (!answer.type) {
      pm.expect(pm.response.text()).to.equal("");
      return;
    }
    pm.expect((headers.get("Content-Type") || "").split(";")[0]).to.equal(answer.type);
    const body = answer.type.endsWith("json") ? pm.response.json() : pm.response.text();
    pm.expect(body).to.have.jsonSchema({ ...answer.schema, definitions: contract.schemas });
  });
}
