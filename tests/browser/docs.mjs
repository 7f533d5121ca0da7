// Tests the documentation page in a real Chromium, at the widths of a desktop and of a phone. The expected content is read
// from /openapi.json, so a change of the contract needs no change here.

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";

import {
  WIDTHS,
  assertNoSidewaysScroll,
  at,
  contract,
  elementId,
  open,
  operations,
  screenshots,
} from "./page.mjs";

for (const [name, viewport] of Object.entries(WIDTHS)) {
  describe(`/docs at ${viewport.width} pixels`, () => {
    test("shows the whole contract without errors", async (t) => {
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

    test("the first operation is on the first screen, and the rest of the description behind one click", async (t) => {
      const page = await open(t, "/docs", { viewport });
      const { y, height } = await page.locator(".opblock").first().boundingBox();
      assert.ok(y + height <= viewport.height, `the first operation ends at ${y + height} pixels`);
      await page.screenshot({ path: join(screenshots, `${name}-first-screen.png`) });

      const [first, ...rest] = contract.info.description.trim().split("\n\n");
      const description = page.locator(".info-container, .information-container").first();
      const words = (markdown) => markdown.replace(/[*`]/g, "").replace(/\s+/g, " ").trim();
      assert.ok(words(await description.innerText()).includes(words(first)));
      const folded = description.locator(".description-rest p");
      assert.equal(await folded.first().isVisible(), false);
      await description.locator(".description-rest summary").click();
      await folded.first().waitFor();
      assert.deepEqual((await folded.allInnerTexts()).map(words), rest.map(words));
      await assertNoSidewaysScroll(page);
    });

    test("a documented response is one line, which opens with a click and closes with another", async (t) => {
      const { id, tag, path, method } = operations.find((operation) => operation.method === "post");
      const page = await open(t, `/docs#/${tag}/${id}`, { viewport });
      const block = page.locator(`[id="${elementId(tag, id)}"]`);
      const { responses } = contract.paths[path][method];
      const lines = block.locator(".response-fold");
      await lines.first().waitFor();
      assert.equal(await lines.count(), Object.keys(responses).length);
      const example = block.locator(".responses-table .highlight-code");
      const visible = () => example.filter({ visible: true }).count();
      assert.equal(await visible(), 0);
      for (const line of [lines.first(), lines.last()]) {
        await line.click();
        await example.filter({ visible: true }).first().waitFor();
        assert.equal(await visible(), 1);
        await assertNoSidewaysScroll(page);
        await line.click();
        assert.equal(await visible(), 0);
      }
    });

    test("every operation opens with its form, without horizontal scrolling", async (t) => {
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

    test("every schema is listed behind one click and opens with another", async (t) => {
      const page = await open(t, "/docs", { viewport });
      const models = page.locator(".models .model-container");
      assert.equal(await models.count(), 0);
      await page.locator(".models > h4 button").click();
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

test("Execute calls this server and shows its response", async (t) => {
  const { path, id, tag } = operations.find(({ method, parameters }) => method === "get" && !parameters);
  const page = await open(t, `/docs#/${tag}/${id}`, { viewport: WIDTHS.desk });
  // A duration that rounds to 0 ms would not be shown.
  await page.route(at(path).href, async (route) => {
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

test("an API key outlives a reload, and a signature does not", async (t) => {
  const page = await open(t, "/docs", { viewport: WIDTHS.desk });
  const dialog = page.locator(".dialog-ux");
  const scheme = (name) =>
    dialog.locator(".auth-container", { has: page.locator("h4 code", { hasText: new RegExp(`^${name}$`) }) });
  await page.locator(".auth-wrapper > .authorize").click();
  for (const [name, value] of [["WebhookSignature", "t=1,v1=00"], ["ApiKey", "a-key-to-keep"]]) {
    await scheme(name).locator("input").fill(value);
    await scheme(name).getByRole("button", { name: "Apply credentials" }).click();
    await scheme(name).getByRole("button", { name: "Remove" }).waitFor();
  }
  await page.screenshot({ path: join(screenshots, "desk-authorize.png") });
  await page.reload();
  await page.locator(".auth-wrapper > .authorize.locked").waitFor();
  await page.locator(".auth-wrapper > .authorize").click();
  await scheme("ApiKey").getByRole("button", { name: "Remove" }).waitFor();
  await scheme("WebhookSignature").getByRole("button", { name: "Apply credentials" }).waitFor();
});

test("the root redirects to the page", async (t) => {
  const page = await open(t, "/", { viewport: WIDTHS.desk });
  assert.equal(page.url(), at("/docs").href);
});
