// Runs the folder "Flow" with newman against a running service; exit code 1 where a test fails.
//
//   BASE_URL         the service                       (http://127.0.0.1:8080)
//   API_KEY          one of its keys, if it has any    (none)
//   WEBHOOK_SECRET   its webhook secret                (the one that `make run` sets)
//   RUNS             the number of runs                (1)
//   REPORT           a file for a JUnit report         (none)
//   REPORT_HTML      a file for a report as a page     (none)
//   STRIPE_WEBHOOK_SECRET, CURRENCY, STRIPE_LIVEMODE   what it has; without the secret nothing is sent as Stripe
//                                                      (what `make run` sets)
//
// The report has the JUnit format, which names the tests; newman's JSON report would contain the key and the secrets. The page
// is without what was sent and answered, for the same reason.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import newman from "newman";

import { DEFAULT_URL, unreachable } from "../tests/reachable.mjs";

const { BASE_URL, API_KEY, WEBHOOK_SECRET, STRIPE_WEBHOOK_SECRET, CURRENCY, STRIPE_LIVEMODE, RUNS, REPORT, REPORT_HTML } =
  process.env;

// The local secrets are wrong for another service, and a flow that stops halfway leaves a pending order.
const isLocal = !BASE_URL || ["127.0.0.1", "localhost", "[::1]"].includes(new URL(BASE_URL).hostname);
if (!isLocal && !WEBHOOK_SECRET) {
  console.error(`WEBHOOK_SECRET must be set to the webhook secret of ${BASE_URL}`);
  process.exit(1);
}

const why = await unreachable(BASE_URL || DEFAULT_URL);
if (why) {
  console.error(why);
  process.exit(1);
}

const file = (name) => fileURLToPath(new URL(name, import.meta.url));
const given = Object.entries({
  baseUrl: BASE_URL?.replace(/\/+$/, ""),
  apiKey: API_KEY,
  webhookSecret: WEBHOOK_SECRET,
  stripeWebhookSecret: STRIPE_WEBHOOK_SECRET,
  currency: CURRENCY,
  stripeLivemode: STRIPE_LIVEMODE,
}).filter(([, value]) => value);
const ofAnother = isLocal ? [] : [["stripeWebhookSecret", ""]];

newman.run(
  {
    collection: file("orders-inventory.postman_collection.json"),
    environment: file("local.postman_environment.json"),
    envVar: Object.entries(Object.fromEntries([...ofAnother, ...given])).map(([key, value]) => ({ key, value })),
    folder: "Flow",
    iterationCount: Number(RUNS || 1),
    timeoutRequest: 30_000,
    reporters: ["cli", ...(REPORT ? ["junit"] : []), ...(REPORT_HTML ? ["htmlextra"] : [])],
    reporter: {
      cli: { noSuccessAssertions: true, noBanner: true },
      junit: { export: REPORT },
      htmlextra: {
        export: REPORT_HTML,
        title: "Orders & Inventory: the Postman flow, run by newman",
        titleSize: 4,
        skipSensitiveData: true,
        noSyntaxHighlighting: true,
        silentProgressBar: true,
      },
    },
  },
  (error, summary) => {
    if (error) {
      console.error(error.message);
    }
    if (REPORT_HTML && !error) {
      withoutNetwork(REPORT_HTML);
    }
    process.exitCode = error || summary.run.failures.length > 0 ? 1 : 0;
  },
);

// The page's styles and icons come from the network; those of the packages take their place.
function withoutNetwork(page) {
  const packages = new URL("node_modules/", import.meta.url);
  let html = readFileSync(page, "utf8");
  for (const [address, here] of [
    ["https://stackpath.bootstrapcdn.com/bootstrap/4.1.3/", "bootstrap/dist/"],
    ["https://cdnjs.cloudflare.com/ajax/libs/font-awesome/5.13.0/", "@fortawesome/fontawesome-free/"],
  ]) {
    html = html.replaceAll(address, new URL(here, packages).href);
  }
  writeFileSync(page, html);
}
