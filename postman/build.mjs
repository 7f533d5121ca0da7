// Generates the collection and its environments from openapi.yaml and flow.mjs. `make postman` writes them; with --check
// it fails where the files are not up to date.
//
// Postman's converter makes the requests. This adds what it leaves out (all named examples, which operations need a key,
// variables, tests) and removes what differs from run to run.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import converter from "openapi-to-postmanv2";
import { parse } from "yaml";

import { answersOf, operationsOf, resolve } from "./contract.mjs";
import { flow } from "./flow.mjs";
import { asStripeDoes, checkContract, leaveOutEmptyKey, newEvent, sign, text } from "./scripts.mjs";

const NAME = "Orders & Inventory";

// The environments differ only in these values. The local secrets are public: `make run` sets them.
const ENVIRONMENTS = {
  local: {
    baseUrl: "http://127.0.0.1:8080",
    apiKey: "",
    webhookSecret: "dev-webhook-secret-not-for-production",
    stripeWebhookSecret: "dev-stripe-secret-not-for-production",
    currency: "EUR",
    stripeLivemode: "true",
  },
  render: {
    baseUrl: "https://<your-service>.onrender.com",
    apiKey: "",
    webhookSecret: "",
    stripeWebhookSecret: "",
    currency: "",
    stripeLivemode: "true",
  },
};

// The headers that sign, by security scheme. The contract shows them as parameters, too. A script makes the first one; the
// others are another way to sign, and a request must not be signed in two ways.
const SIGNATURES = {
  WebhookSignature: ["X-Webhook-Signature", "webhook-id", "webhook-timestamp", "webhook-signature"],
  StripeSignature: ["Stripe-Signature"],
};

// Any operation can return these statuses with the same text; saved with each request, they would hide the others.
const COMMON_STATUSES = [400, 408, 413, 415, 429, 500, 503];

// Variables that are no texts, so they have no quotes in a body.
const NO_TEXTS = /"\{\{(productId|orderId|orderTotal|orderCents|stripeLivemode)\}\}"/g;

/** The same id for the same place in each build, so that an import replaces the items of an earlier import. */
function idOf(place) {
  const hex = createHash("sha256").update(place).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join("-");
}

const script = (listen, exec) => ({ listen, script: { type: "text/javascript", exec } });

const json = (value) => JSON.stringify(value, null, 2).replace(NO_TEXTS, "{{$1}}");

/** The id variable that a path or query parameter, or a member of a body, is filled from. */
function variableOf(name, path) {
  if (name === "id") {
    return path.startsWith("/orders") ? "{{orderId}}" : "{{productId}}";
  }
  return { product_id: "{{productId}}", order_id: "{{orderId}}" }[name];
}

/** An example body of the contract, with variables for ids and amounts of existing data. */
function usable(operation, body) {
  if (operation === "createProduct") {
    return { ...body, sku: `${body.sku}-{{$randomUUID}}` };
  }
  if (operation === "createOrder") {
    return { ...body, product_id: "{{productId}}" };
  }
  if (operation === "receivePaymentEvent") {
    const { data } = body;
    const filled = {
      ...data,
      order_id: "{{orderId}}",
      ...(data.payment_id && { payment_id: "pay_{{orderId}}" }),
      ...(data.amount && { amount: "{{orderTotal}}" }),
    };
    return { ...body, id: "{{eventId}}", data: filled };
  }
  if (operation === "receiveStripeEvent") {
    const { object } = body.data;
    const filled = {
      ...object,
      payment_intent: "pi_{{orderId}}",
      ...(object.amount && { amount: "{{orderCents}}" }),
      ...(object.amount_total && { amount_total: "{{orderCents}}" }),
      currency: "{{currency}}",
      ...(object.metadata.order_id && { metadata: { order_id: "{{orderReference}}" } }),
    };
    return { ...body, id: "{{eventId}}", livemode: "{{stripeLivemode}}", data: { object: filled } };
  }
  return body;
}

/** A URL with the text that Postman shows, which has the enabled query parameters. */
function addressed({ host, path, query = [], variable = [] }) {
  const sent = query.filter(({ disabled }) => !disabled).map(({ key, value }) => `${key}=${value}`);
  return { raw: `${host}/${path.join("/")}${sent.length > 0 ? "?" : ""}${sent.join("&")}`, host, path, query, variable };
}

/** A converted request for the collection: with variables, without the converter's empty fields. */
function tidy(converted, { path, security }) {
  const { url, method, description } = converted;
  const [signature, ...otherSignatures] = security.flatMap((scheme) => SIGNATURES[Object.keys(scheme)[0]] ?? []);
  const request = {
    method,
    description: description.content,
    url: addressed({
      ...url,
      // The converter makes up a cursor, since the contract has no example for it.
      query: url.query.map(({ key, value: example, description: { content }, disabled }) => ({
        key,
        value: key === "cursor" ? "" : (variableOf(key, path) ?? example),
        description: content,
        disabled,
      })),
      variable: url.variable.map(({ key, value: example, description: { content } }) => ({
        key,
        value: variableOf(key, path) ?? example,
        description: content,
      })),
    }),
    header: converted.header
      .filter(({ key }) => key !== signature && !otherSignatures.includes(key))
      .map(({ key, value: example, description: about, disabled }) => ({
        key,
        value: example,
        ...(about && { description: about.content }),
        ...(disabled && { disabled }),
      })),
  };
  if (!security.some((scheme) => "ApiKey" in scheme)) {
    request.auth = { type: "noauth" };
  }
  if (signature) {
    request.header.push({ key: signature, value: "{{webhookSignature}}", description: "Made by the script." });
  }
  return request;
}

function withBody(request, body) {
  return {
    ...request,
    body: { mode: "raw", raw: json(body), options: { raw: { language: "json" } } },
  };
}

/** The scripts of a request in its tag's folder, which store or use the ids that requests share. */
function plainScripts(operation) {
  if (operation === "receivePaymentEvent") {
    return [script("prerequest", [...text(newEvent), ...text(sign)])];
  }
  if (operation === "receiveStripeEvent") {
    return [script("prerequest", [...text(newEvent), ...text(asStripeDoes), ...text(sign)])];
  }
  const keep = { createProduct: { productId: "id" }, createOrder: { orderId: "id", orderTotal: "total" } }[operation];
  return keep ? [script("test", ["if (pm.response.code === 201) {", ...keeping(keep).map((line) => `  ${line}`), "}"])] : [];
}

function keeping(keep) {
  return Object.entries(keep).map(
    ([variable, member]) => `pm.collectionVariables.set("${variable}", pm.response.json().${member});`,
  );
}

/** The example responses that the converter took from the contract, without its additions. */
function savedResponses(converted) {
  return converted
    .filter(({ code }) => !COMMON_STATUSES.includes(code))
    .map(({ name, originalRequest, status, code, header, body, _postman_previewlanguage }) => ({
      name,
      originalRequest: {
        method: originalRequest.method,
        url: addressed({
          ...originalRequest.url,
          variable: originalRequest.url.variable.map(({ key, value }) => ({ key, value })),
        }),
        header: originalRequest.header.filter(({ disabled }) => !disabled),
        ...(originalRequest.body?.raw && { body: originalRequest.body }),
      },
      status,
      code,
      _postman_previewlanguage,
      header: header.filter(({ value }) => value),
      cookie: [],
      body,
    }));
}

/** An operation in its tag's folder: one request for each named example of its body, or one. */
function plainItems({ id, operation }, request, responses) {
  const examples = Object.values(operation.requestBody?.content["application/json"].examples ?? {});
  if (examples.length === 0) {
    return [{ name: operation.summary, event: plainScripts(id), request, response: responses }];
  }
  return examples.map(({ summary, value }, at) => ({
    name: `${operation.summary}: ${summary}`,
    // Only the first stores its ids: the others are variations, which later requests do not use.
    event: at === 0 || id.startsWith("receive") ? plainScripts(id) : [],
    request: withBody(request, usable(id, value)),
    response: at === 0 ? responses : [],
  }));
}

/** Replaces the contract's examples with a step's values, and enables the parameters that it sends. */
function filled(request, { params = {}, headers = {}, body, noKey }, name) {
  const unused = new Set(Object.keys(params));
  const fill = (parameter) => {
    const { disabled, ...rest } = parameter;
    return unused.delete(parameter.key) ? { ...rest, value: params[parameter.key] } : parameter;
  };
  const changed = {
    ...request,
    url: addressed({
      ...request.url,
      variable: request.url.variable.map(fill),
      query: request.url.query.map(fill).filter(({ disabled }) => !disabled),
    }),
    header: [
      ...request.header.filter(({ key, disabled }) => !disabled && !(key in headers)),
      ...Object.entries(headers).map(([key, value]) => ({ key, value })),
    ],
    ...(noKey && { auth: { type: "noauth" } }),
  };
  if (unused.size > 0) {
    throw new Error(`flow.mjs, "${name}": the contract has no parameter ${[...unused].join(", ")}`);
  }
  return body === undefined ? changed : withBody(changed, body);
}

/** The tests of a step: first status, problem and variables, then its own functions. */
function stepTests({ status, problem, keep, tests = {} }) {
  const lines = [];
  const add = (name, body) =>
    lines.push(`pm.test(${JSON.stringify(name)}, () => {`, ...body.map((line) => `  ${line}`), "});");
  if (status) {
    add(`Status is ${status}`, [`pm.response.to.have.status(${status});`]);
  }
  if (problem) {
    add(`Problem is ${problem}`, [`pm.expect(pm.response.json().type).to.equal("/problems/${problem}");`]);
  }
  if (keep) {
    add(`Kept: ${Object.keys(keep).join(", ")}`, [`pm.response.to.have.status(${status});`, ...keeping(keep)]);
  }
  for (const [name, body] of Object.entries(tests)) {
    add(name, text(body));
  }
  return lines;
}

function flowItem(step, requests) {
  const request = requests.get(step.operation);
  if (!request) {
    throw new Error(`flow.mjs, "${step.name}": the contract has no operation ${step.operation}`);
  }
  const { before = [] } = step;
  return {
    name: step.name,
    event: [
      ...(before.length > 0 ? [script("prerequest", before.flatMap((each) => text(each)))] : []),
      script("test", stepTests(step)),
    ],
    request: filled(request, step, step.name),
    response: [],
  };
}

/** Sets the id of every folder, request and saved response. */
function identify(items, place) {
  return items.map((item) => {
    const here = `${place}/${item.name}`;
    const responses = item.response?.map((response) => ({ id: idOf(`${here}/${response.code}`), ...response }));
    return {
      id: idOf(here),
      ...item,
      ...(responses && { response: responses }),
      ...(item.item && { item: identify(item.item, here) }),
    };
  });
}

/** The collection for the text of openapi.yaml. */
export async function collectionOf(openapi) {
  const contract = parse(openapi);
  const operations = operationsOf(contract);

  const { result, reason, output } = await promisify(converter.convertV2)(
    { type: "string", data: openapi },
    {
      folderStrategy: "Tags",
      parametersResolution: "Example",
      enableOptionalParameters: false,
      includeAuthInfoInExample: false,
    },
  );
  if (!result) {
    throw new Error(`openapi.yaml cannot be converted: ${reason}`);
  }
  const converted = output[0].data.item.flatMap((folder) => folder.item);

  const requests = new Map();
  const folders = contract.tags.map(({ name, description }) => ({ name, description, item: [] }));
  for (const each of operations) {
    const found = converted.find(({ request: { method, url } }) => {
      const path = `/${url.path.join("/")}`.replaceAll(/:(\w+)/g, "{$1}");
      return method === each.method && path === each.path;
    });
    if (!found) {
      throw new Error(`The converter left out ${each.method} ${each.path}`);
    }
    const request = tidy(found.request, each);
    requests.set(each.id, request);
    const folder = folders.find(({ name }) => name === each.operation.tags[0]);
    folder.item.push(...plainItems(each, request, savedResponses(found.response)));
  }

  const flowFolder = {
    name: "Flow",
    description: "The whole life of products and orders, to be run from top to bottom, as often as you like.",
    item: flow.map(({ name, steps }) => ({ name, item: steps.map((step) => flowItem(step, requests)) })),
  };

  return {
    info: {
      _postman_id: idOf(NAME),
      name: NAME,
      description: contract.info.description,
      schema: "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
    },
    item: identify([flowFolder, ...folders], NAME),
    auth: {
      type: "apikey",
      apikey: [
        { key: "key", value: resolve(contract, contract.components.securitySchemes.ApiKey).name, type: "string" },
        { key: "value", value: "{{apiKey}}", type: "string" },
        { key: "in", value: "header", type: "string" },
      ],
    },
    event: [
      script("prerequest", text(leaveOutEmptyKey)),
      script("test", text(checkContract, { CONTRACT: answersOf(contract) })),
    ],
    // The ids of the contract's examples; creating a product or an order replaces them.
    variable: [
      { key: "baseUrl", value: ENVIRONMENTS.local.baseUrl },
      { key: "productId", value: "1" },
      { key: "orderId", value: "1" },
      { key: "orderTotal", value: "25" },
    ],
  };
}

function environmentOf(name) {
  const secrets = ["apiKey", "webhookSecret", "stripeWebhookSecret"];
  return {
    id: idOf(`environment/${name}`),
    name: `${NAME}: ${name}`,
    values: Object.entries(ENVIRONMENTS[name]).map(([key, value]) => ({
      key,
      value,
      type: secrets.includes(key) ? "secret" : "default",
      enabled: true,
    })),
    _postman_variable_scope: "environment",
  };
}

async function main() {
  const openapi = readFileSync(new URL("../openapi.yaml", import.meta.url), "utf8");
  const files = {
    "orders-inventory.postman_collection.json": await collectionOf(openapi),
    "local.postman_environment.json": environmentOf("local"),
    "render.postman_environment.json": environmentOf("render"),
  };
  for (const [name, content] of Object.entries(files)) {
    const path = new URL(name, import.meta.url);
    const made = `${JSON.stringify(content, null, 2)}\n`;
    if (!process.argv.includes("--check")) {
      writeFileSync(path, made);
      continue;
    }
    let there;
    try {
      there = readFileSync(path, "utf8");
    } catch {
      // A missing file differs, too.
    }
    if (there !== made) {
      console.error(`postman/${name} is not up to date with openapi.yaml and postman/; run: make postman`);
      process.exitCode = 1;
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main();
}
