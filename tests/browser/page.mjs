// Shared code of the browser tests: opens the service's documentation page in Chromium and checks for errors.
//
//   BASE_URL     the running service                           (http://127.0.0.1:8080)
//   CHROMIUM     the browser                                   (/usr/bin/chromium)
//   SCREENSHOTS  the folder for the screenshots                (target/screenshots in the repository)

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

// With a slash at the end, so that paths below it keep its own path.
export const baseUrl = new URL(`${process.env.BASE_URL ?? "http://127.0.0.1:8080"}`.replace(/\/*$/, "/"));
export const screenshots =
  process.env.SCREENSHOTS ?? fileURLToPath(new URL("../../target/screenshots", import.meta.url));

export const WIDTHS = { desk: { width: 1280, height: 900 }, pocket: { width: 390, height: 844 } };

const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

// The URL of this path of the service, which may be behind a prefix.
export const at = (path) => new URL(`.${path}`, baseUrl);

const response = await fetch(at("/openapi.json"));
assert.equal(response.status, 200);
export const contract = await response.json();

export const operations = Object.entries(contract.paths).flatMap(([path, item]) =>
  Object.entries(item)
    .filter(([method]) => METHODS.includes(method))
    .map(([method, { operationId: id, tags: [tag], parameters = item.parameters }]) => ({
      path,
      method,
      id,
      tag,
      parameters,
    })),
);

let browser;

before(async () => {
  await mkdir(screenshots, { recursive: true });
  // Containers and root lack the privileges for Chromium's sandbox, and the page is trusted.
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
  });
});

after(() => browser?.close());

export async function newContext(options) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(20_000);
  return context;
}

// Opens `path` in a new browser context and waits until the contract is shown. The page is closed when the test ends. The
// test fails if the page had an error on the console, an exception, a request that failed or went to another server, or a
// violation of the Content-Security-Policy.
//
// Chromium logs an error for each response of 400 or above. `refusals` are the expected ones, each `{ status, url }`: each
// of them must have exactly one such line.
export async function open(t, path, { refusals = [], ...options }) {
  const wrong = [];
  const context = await newContext(options);
  const page = await context.newPage();
  t.after(async () => {
    await context.close();
    for (const { status, url } of refusals) {
      const line = `console: Failed to load resource: the server responded with a status of ${status} (`;
      const index = wrong.findIndex((entry) => entry.startsWith(line) && entry.endsWith(` (${url})`));
      assert.notEqual(index, -1, `the console does not report the ${status} at ${url}`);
      wrong.splice(index, 1);
    }
    assert.deepEqual(wrong, []);
  });

  await page.exposeFunction("reportViolation", (violation) => wrong.push(`policy: ${violation}`));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      window.reportViolation(`${event.violatedDirective} stopped ${event.blockedURI} (${event.sourceFile})`);
    });
  });
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) {
      wrong.push(`console: ${message.text()} (${message.location().url})`);
    }
  });
  page.on("pageerror", (error) => wrong.push(`exception: ${error.stack}`));
  page.on("requestfailed", (request) => wrong.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "data:" && url.origin !== baseUrl.origin) {
      wrong.push(`request to another server: ${url}`);
    }
  });

  await page.goto(at(path).href);
  await page.locator(".opblock").nth(operations.length - 1).waitFor();
  return page;
}

// The id of an operation's element in Swagger UI.
export function elementId(tag, operationId) {
  return `operations-${tag}-${operationId}`;
}

export async function assertNoSidewaysScroll(page) {
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(excess, 0, `the page is ${excess} pixels wider than the window`);
}
