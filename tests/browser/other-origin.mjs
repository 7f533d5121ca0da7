// Runs a command beside a web page that is on another origin than the service: node other-origin.mjs COMMAND [ARGUMENT…]
//
// For the command SHOP_URL is the page's address, and CORS_ALLOWED_ORIGINS its origin.

import { spawn } from "node:child_process";
import { createServer } from "node:http";

const page = createServer((_request, response) => {
  response.setHeader("Content-Type", "text/html; charset=utf-8");
  response.end("<!doctype html><html lang=en><title>Shop</title><link rel=icon href=data:,><h1>Shop</h1></html>");
});
page.listen(0, "127.0.0.1", () => {
  const origin = `http://127.0.0.1:${page.address().port}`;
  const [command, ...rest] = process.argv.slice(2);
  const environment = { ...process.env, SHOP_URL: `${origin}/`, CORS_ALLOWED_ORIGINS: origin };
  const child = spawn(command, rest, { env: environment, stdio: "inherit" });
  child.on("exit", (status) => process.exit(status ?? 1));
  child.on("error", ({ message }) => {
    console.error(`${command}: ${message}`);
    process.exit(1);
  });
});
