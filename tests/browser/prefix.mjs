// The service behind a proxy that removes a path prefix from requests: every link and redirect keeps the prefix.

import assert from "node:assert/strict";
import { test } from "node:test";

import { at, baseUrl, newContext } from "./page.mjs";

const PREFIX = baseUrl.pathname;

test("the proxy has a prefix", () => {
  assert.notEqual(PREFIX, "/");
});

test("redirects lead to pages below the prefix", async (t) => {
  const context = await newContext({});
  t.after(() => context.close());
  const page = await context.newPage();
  for (const [path, end] of [["/", "/docs"], ["/docs/", "/docs"], ["/problems/", "/problems"]]) {
    await page.goto(at(path).href);
    assert.equal(page.url(), at(end).href);
  }
});

test("the links of pages lead to pages below the prefix", async (t) => {
  const context = await newContext({});
  t.after(() => context.close());
  const page = await context.newPage();
  for (const [path, least] of [["/problems", 20], ["/problems/not-found", 2]]) {
    await page.goto(at(path).href);
    const links = await page.locator("a").evaluateAll((elements) => elements.map(({ href }) => href));
    assert.ok(links.length >= least, `${path} has ${links.length} links`);
    for (const link of links) {
      assert.ok(new URL(link).pathname.startsWith(PREFIX), link);
      assert.equal((await fetch(link)).status, 200, link);
    }
  }
});

test("Location and Link can be followed", async () => {
  for (const sku of ["PREFIX-1", "PREFIX-2"]) {
    const created = await fetch(at("/products/"), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ sku, name: sku, price: 1, stock: 1 }),
    });
    assert.equal(created.status, 201);
    const location = new URL(created.headers.get("location"), created.url);
    assert.equal((await (await fetch(location)).json()).sku, sku);
  }
  const page = await fetch(at("/products?limit=1"));
  const [, next] = page.headers.get("link").match(/^<([^>]+)>; rel="next"$/);
  const second = await fetch(new URL(next, page.url));
  assert.equal(second.status, 200);
  assert.equal((await second.json()).items.length, 1);
});
