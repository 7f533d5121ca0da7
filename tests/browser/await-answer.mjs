// Waits until the service answers at BASE_URL, through the proxy in front that is just starting; fails after 10 seconds.

import { setTimeout } from "node:timers/promises";

const health = `${process.env.BASE_URL}/healthz`;
const end = Date.now() + 10_000;
for (;;) {
  const answer = await fetch(health).catch((error) => error);
  if (answer.status === 200) {
    break;
  }
  if (Date.now() > end) {
    console.error(`no answer at ${health}: ${answer.status ?? answer.cause?.message ?? answer}`);
    process.exit(1);
  }
  await setTimeout(50);
}
