// Tests that the check can fail: each of these pages has one broken link.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, test } from "node:test";

const here = fileURLToPath(new URL(".", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "links-"));
after(() => rmSync(folder, { recursive: true }));

/** Runs the check over a page beside another one, `other.md`, which has the heading "Some place". */
function check(page) {
  writeFileSync(join(folder, "other.md"), "# Other\n\n## Some place\n");
  writeFileSync(join(folder, "page.md"), page);
  const remark = join(here, "node_modules/.bin/remark");
  const options = ["--rc-path", join(here, "remark.mjs"), "--frail", "--quiet", "--no-stdout"];
  return spawnSync(remark, [...options, "page.md"], { cwd: folder, encoding: "utf8" });
}

test("valid links pass", () => {
  const ran = check("# Page\n\n[a](other.md), [b](other.md#some-place), [c](#page), [d](https://example.com/x), ![e](other.md)\n<img src=\"other.md\">\n");
  assert.equal(ran.status, 0, ran.stderr);
});

for (const [what, link] of Object.entries({
  "a file that is not there": "[x](another.md)",
  "a picture that is not there": "![x](another.png)",
  "an anchor of this page that is not there": "[x](#nowhere)",
  "an anchor of another page that is not there": "[x](other.md#nowhere)",
  "a file that a definition names": "[x][y]\n\n[y]: another.md",
  "a file that a table names": "| a | b |\n|---|---|\n| [x](another.md) | c |",
  "a picture in HTML that is not there": '<img src="another.png">',
  "an address without protection": "[x](http://example.com)",
  "an address without a domain": "[x](https://localhost/x)",
  "an address with a blank": "[x](<https://example.com/a b>)",
})) {
  test(`${what} is found`, () => {
    const ran = check(`# Page\n\n${link}\n`);
    assert.notEqual(ran.status, 0);
    assert.match(ran.stderr, /1 warning/, ran.stderr);
  });
}
