// Controls the documentation page: opens an operation, fills its form, presses Execute and reads the response.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { elementId, open, operations, screenshots } from "./page.mjs";

// The line that the command `sign` prints for `body`, as a user of the webhook gets it: the name of the signature header, a
// colon, and its value.
export function sign(body) {
  return signed("WEBHOOK_SECRET", "X-Webhook-Signature", ["sign"], body);
}

// The same for Stripe's webhook.
export function signForStripe(body) {
  return signed("STRIPE_WEBHOOK_SECRET", "Stripe-Signature", ["sign", "--stripe"], body);
}

function signed(secret, header, command, body) {
  const { BIN } = process.env;
  assert.ok(BIN, "BIN must be the path of orders-inventory, which signs the webhook");
  assert.ok(process.env[secret], `${secret} must be the service's secret`);
  const { status, stdout, stderr, error } = spawnSync(BIN, command, { input: body, encoding: "utf8" });
  assert.equal(status, 0, `${BIN} ${command.join(" ")}: ${error ?? stderr}`);
  assert.match(stdout, new RegExp(`^${header}: t=\\d+,v1=[0-9a-f]{64}\n$`));
  return stdout.trim();
}

export class Visitor {
  #page;
  #folder;
  #refusals;
  #secrets = [];
  #steps = 0;

  // Opens the page in a window of this size; the screenshots go to a folder of this name.
  static async arrive(t, { viewport, pictures }) {
    const visitor = new Visitor();
    visitor.#refusals = [];
    visitor.#folder = join(screenshots, pictures);
    await mkdir(visitor.#folder, { recursive: true });
    visitor.#page = await open(t, "/docs", { viewport, refusals: visitor.#refusals });
    return visitor;
  }

  get page() {
    return this.#page;
  }

  // Enters a credential in the Authorize dialog and replaces an existing one. `step` names the screenshot, if any.
  async authorize(scheme, value, step) {
    this.#secrets.push(value);
    await this.#page.locator(".auth-wrapper > .authorize").click();
    const dialog = this.#page.locator(".dialog-ux");
    const credential = dialog.locator("form").filter({ has: this.#page.getByText(scheme, { exact: true }) });
    const logout = credential.getByRole("button", { name: "Remove authorization" });
    if (await logout.isVisible()) {
      await logout.click();
    }
    await credential.locator("input").fill(value);
    await credential.getByRole("button", { name: "Apply credentials" }).click();
    await logout.waitFor();
    if (step) {
      await dialog.locator(".modal-ux").screenshot({ path: this.#picture(step) });
    }
    await dialog.locator(".close-modal").click();
    await dialog.waitFor({ state: "detached" });
  }

  // Forgets an entered credential.
  async forget(scheme) {
    await this.#page.locator(".auth-wrapper > .authorize").click();
    const dialog = this.#page.locator(".dialog-ux");
    const credential = dialog.locator("form").filter({ has: this.#page.getByText(scheme, { exact: true }) });
    await credential.getByRole("button", { name: "Remove authorization" }).click();
    await credential.getByRole("button", { name: "Apply credentials" }).waitFor();
    await dialog.locator(".close-modal").click();
    await dialog.waitFor({ state: "detached" });
  }

  // Opens an operation's form.
  async find(operationId) {
    const { tag } = operations.find(({ id }) => id === operationId);
    const block = this.#page.locator(`[id="${elementId(tag, operationId)}"]`);
    const execute = block.getByRole("button", { name: "Execute" });
    if (!(await execute.isVisible())) {
      await block.locator(".opblock-summary-control").click();
      await execute.waitFor();
    }
    return new Form(block);
  }

  // Presses Execute, checks the status and returns the shown response. The contract must document the status for this
  // operation; Swagger UI marks any other as undocumented. `look` gets the operation's block while the response is shown.
  async execute({ block }, status, step, look = () => {}) {
    await pressExecute(block);
    const answer = block.locator(".live-responses-table");
    await answer.waitFor();
    const code = answer.locator("tbody .response-col_status");
    await code.filter({ hasText: /\S/ }).waitFor();

    const body = answer.locator(".highlight-code code");
    const text = (await body.count()) > 0 ? await body.innerText() : "";
    assert.equal((await code.innerText()).trim(), String(status), `${step}: ${text}`);
    if (status >= 400) {
      this.#refusals.push({ status, url: await block.locator(".request-url pre").innerText() });
    }
    await this.#screenshot(block, step);
    await look(block);
    await block.locator(".opblock-summary-control").click(); // closed again, so that the page stays short
    return text.startsWith("<") ? text : text === "" ? null : JSON.parse(text);
  }

  // Presses Execute where the page itself refuses the form, without a request; returns the reason.
  async executeInVain({ block }, step) {
    await pressExecute(block);
    const reason = await block.locator(".validation-errors li").innerText();
    assert.equal(await block.locator(".live-responses-table").count(), 0);
    await this.#screenshot(block, step);
    await block.locator(".opblock-summary-control").click();
    return reason;
  }

  #picture(step) {
    this.#steps += 1;
    return join(this.#folder, `${String(this.#steps).padStart(2, "0")}-${step}.png`);
  }

  // A screenshot of an operation from its head to the response, without the long list of documented responses. Swagger UI
  // shows each request as a curl command; the credentials in it are hidden.
  async #screenshot(block, step) {
    await block.locator(".curl-command").evaluateAll((commands, secrets) => {
      for (const command of commands) {
        const texts = document.createTreeWalker(command, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {
          for (const secret of secrets) {
            texts.currentNode.data = texts.currentNode.data.replaceAll(secret, "(not shown here)");
          }
        }
      }
    }, this.#secrets);
    const head = await block.boundingBox();
    const [scroll, bottom] = await block.evaluate((element) => {
      const last = element.querySelector(".live-responses-table") ?? element.querySelector(".execute-wrapper, .btn-group");
      return [window.scrollY, last.getBoundingClientRect().bottom];
    });
    const margin = 8;
    await this.#page.screenshot({
      path: this.#picture(step),
      fullPage: true,
      animations: "disabled",
      clip: { x: head.x, y: head.y + scroll, width: head.width, height: bottom - head.y + margin },
    });
  }
}

async function pressExecute(block) {
  const clear = block.getByRole("button", { name: "Clear" });
  if (await clear.isVisible()) {
    await clear.click(); // so that the previous response is not taken for the new one
  }
  await block.getByRole("button", { name: "Execute" }).click();
}

class Form {
  constructor(block) {
    this.block = block;
    this.text = block.locator("textarea.body-param__text");
  }

  async parameter(name, value) {
    await this.block.locator(`tr[data-param-name="${name}"] input`).fill(String(value));
    return this;
  }

  // Selects a named example of the request, and replaces the members in `changes`.
  async example(name, changes = {}) {
    const dropdown = this.block.locator(".opblock-section-request-body .examples-select-element");
    await dropdown.selectOption(name);
    if (Object.keys(changes).length > 0) {
      const example = JSON.parse(await this.body());
      await this.type({ ...example, ...changes });
    }
    return this;
  }

  async type(value) {
    await this.text.fill(JSON.stringify(value, null, 2));
    return this;
  }

  body() {
    return this.text.inputValue();
  }
}
