// The checks of remark for the project's Markdown: relative links and anchors exist, those in HTML refer to a file, and
// external links are valid addresses. No network is used.

import { existsSync } from "node:fs";
import { join } from "node:path";

import validateLinks from "remark-validate-links";

/** External links: https, with a host that has a domain. */
function addresses() {
  const walk = (node, file) => {
    if (typeof node.url === "string" && /^([a-z][a-z0-9+.-]*:|\/\/)/i.test(node.url)) {
      const address = URL.canParse(node.url) ? new URL(node.url) : undefined;
      if (address?.protocol !== "https:" || !address.hostname.includes(".") || /\s/.test(node.url)) {
        file.message(`Not an address to link to: ${node.url}`, node);
      }
    }
    for (const child of node.children ?? []) walk(child, file);
  };
  return walk;
}

/** Links and images in HTML. */
function html() {
  const walk = (node, file) => {
    if (node.type === "html") {
      for (const [, target] of node.value.matchAll(/\b(?:src|href)="([^"#:]+)"/g)) {
        if (!existsSync(join(file.dirname ?? ".", target))) file.message(`Cannot find file: ${target}`, node);
      }
    }
    for (const child of node.children ?? []) walk(child, file);
  };
  return walk;
}

export default { plugins: [[validateLinks, { repository: false }], addresses, html] };
