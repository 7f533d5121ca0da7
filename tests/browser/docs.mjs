// Looks at the documentation page as a person does, in a real Chromium, at the width of a desk and of a pocket.
//
//   BASE_URL     the running service                           (http://127.0.0.1:8080)
//   CHROMIUM     the browser                                   (/usr/bin/chromium)
//   SCREENSHOTS  the folder that gets a picture of each step   (target/screenshots in the repository)
//
// What must be on the page is read from /openapi.json, so a change of the contract needs none here.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const baseUrl = new URL(process.env.BASE_URL ?? "http://127.0.0.1:8080");
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const screenshots = process.env.SCREENSHOTS ?? fileURLToPath(new URL("../../target/screenshots", import.meta.url));

const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
const WIDTHS = { desk: { width: 1280, height: 900 }, pocket: { width: 390, height: 844 } };

let browser;
let contract;
let operations;

before(async () => {
  await mkdir(screenshots, { recursive: true });
  const response = await fetch(new URL("/openapi.json", baseUrl));
  assert.equal(response.status, 200);
  contract = await response.json();
  operations = Object.entries(contract.paths).flatMap(([path, item]) =>
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
  // Chromium's own sandbox needs privileges that containers and root do not have; the page is ours.
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
});

after(() => browser?.close());

for (const [name, viewport] of Object.entries(WIDTHS)) {
  describe(`/docs at ${viewport.width} pixels`, () => {
    test("shows the whole contract, and nothing goes wrong on the way", async (t) => {
      const page = await open(t, "/docs", { viewport });
      assert.equal(await page.title(), contract.info.title);
      assert.deepEqual(
        await page.locator(".opblock-tag-section > h3").evaluateAll((tags) => tags.map((tag) => tag.dataset.tag)),
        contract.tags.map((tag) => tag.name),
      );
      const shown = await page.locator(".opblock").evaluateAll((blocks) =>
        blocks.map((block) => ({
          path: block.querySelector("[data-path]").dataset.path,
          method: block.querySelector(".opblock-summary-method").textContent.toLowerCase(),
          id: block.id,
        })),
      );
      const byTag = contract.tags.flatMap(({ name }) => operations.filter(({ tag }) => tag === name));
      assert.deepEqual(
        shown,
        byTag.map(({ path, method, id, tag }) => ({ path, method, id: elementId(tag, id) })),
      );
      await assertNoSidewaysScroll(page);
      await page.screenshot({ path: join(screenshots, `${name}-list.png`), fullPage: true });
    });

    test("every operation opens, ready to be tried, without the page growing sideways", async (t) => {
      const page = await open(t, "/docs", { viewport });
      for (const { id, tag } of operations) {
        const block = page.locator(`[id="${elementId(tag, id)}"]`);
        await block.locator(".opblock-summary-control").click();
        await block.getByRole("button", { name: "Execute" }).waitFor();
      }
      await assertNoSidewaysScroll(page);
      await page.screenshot({ path: join(screenshots, `${name}-open.png`), fullPage: true });
    });

    test("a deep link opens its operation", async (t) => {
      const { id, tag } = operations.find(({ method }) => method === "put");
      const page = await open(t, `/docs#/${tag}/${id}`, { viewport });
      const block = page.locator(`[id="${elementId(tag, id)}"]`);
      await block.locator(".opblock-body").waitFor();
      assert.equal(await page.locator(".opblock.is-open").count(), 1);
      await block.scrollIntoViewIfNeeded();
      await page.screenshot({ path: join(screenshots, `${name}-deep-link.png`) });
    });

    test("every schema is listed and opens with one click", async (t) => {
      const page = await open(t, "/docs", { viewport });
      const models = page.locator(".models .model-container");
      const names = await models.evaluateAll((containers) => containers.map(({ dataset }) => dataset.name));
      assert.deepEqual(names, Object.keys(contract.components.schemas));
      for (const schema of names) {
        const model = page.locator(`#model-${schema}`);
        await model.locator(".model-box-control").first().click();
        await model.locator('.model-box-control[aria-expanded="true"]').first().waitFor();
      }
      await assertNoSidewaysScroll(page);
      await page.locator(".models").screenshot({ path: join(screenshots, `${name}-models.png`) });
    });
  });
}

test("in dark mode the page is dark", async (t) => {
  const page = await open(t, "/docs", { viewport: WIDTHS.desk, colorScheme: "dark" });
  await page.locator(".opblock-summary-control").first().click();
  const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const brightness = Math.max(...background.match(/\d+/g).slice(0, 3).map(Number));
  assert.ok(brightness < 64, `the body is ${background}`);
  await page.screenshot({ path: join(screenshots, "desk-dark.png") });
});

test("Execute calls this server and shows its answer", async (t) => {
  const { path, id, tag } = operations.find(({ method, parameters }) => method === "get" && !parameters);
  const page = await open(t, `/docs#/${tag}/${id}`, { viewport: WIDTHS.desk });
  // A duration that rounds to 0 ms would not be shown.
  await page.route(new URL(path, baseUrl).href, async (route) => {
    await setTimeout(20);
    await route.continue();
  });
  const block = page.locator(`[id="${elementId(tag, id)}"]`);
  await block.getByRole("button", { name: "Execute" }).click();
  const answer = block.locator(".live-responses-table");
  await answer.waitFor();
  assert.match(await answer.innerText(), /^200\b/m);
  assert.match(await answer.innerText(), /^\d+ ms$/m);
  await page.screenshot({ path: join(screenshots, "desk-executed.png"), fullPage: true });
});

test("an API key outlives a reload", async (t) => {
  const schemes = Object.values(contract.components.securitySchemes ?? {});
  if (!schemes.some(({ type }) => type === "apiKey")) {
    t.skip("the contract asks for none");
    return;
  }
  const page = await open(t, "/docs", { viewport: WIDTHS.desk });
  await page.locator(".auth-wrapper > .authorize").click();
  const dialog = page.locator(".dialog-ux");
  await dialog.locator("input").first().fill("a-key-to-keep");
  await page.screenshot({ path: join(screenshots, "desk-authorize.png") });
  await dialog.getByRole("button", { name: "Apply credentials" }).first().click();
  await page.reload();
  await page.locator(".auth-wrapper > .authorize.locked").waitFor();
});

test("the root leads to the page", async (t) => {
  const page = await open(t, "/", { viewport: WIDTHS.desk });
  assert.equal(new URL(page.url()).pathname, "/docs");
});

// Opens `path` in a browser of its own and waits until the contract is shown. When the test ends, so does the page, and
// the test fails if anything went wrong on it: an error on the console, an exception, a request that failed or went to
// another server, or something that the Content-Security-Policy had to stop.
async function open(t, path, options) {
  const wrong = [];
  const context = await browser.newContext(options);
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  t.after(async () => {
    await context.close();
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

  await page.goto(new URL(path, baseUrl).href);
  await page.locator(".opblock").nth(operations.length - 1).waitFor();
  return page;
}

// The id that Swagger UI gives the element of an operation.
function elementId(tag, operationId) {
  return `operations-${tag}-${operationId}`;
}

async function assertNoSidewaysScroll(page) {
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(excess, 0, `the page is ${excess} pixels wider than the window`);
}
