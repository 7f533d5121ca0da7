// Whether a service can be reached at all: without this, a wrong address fails every test of a flow, and none says why.
//
//   node tests/reachable.mjs        ends with status 1 and one line where nobody answers at BASE_URL
//
// Any answer will do; the tests look into them. A free instance may sleep for a minute.

import { pathToFileURL } from "node:url";

export const DEFAULT_URL = "http://127.0.0.1:8080";
const WAKE_MS_MAX = 90_000;

/** Why there is no answer at this address, in one line; undefined where there is one. */
export async function unreachable(url) {
  try {
    await fetch(new URL("/healthz", url), { redirect: "manual", signal: AbortSignal.timeout(WAKE_MS_MAX) });
    return undefined;
  } catch (error) {
    const cause = error.cause ?? error;
    return `cannot connect to ${url}: ${cause.message || cause.code || cause}`;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const why = await unreachable(process.env.BASE_URL || DEFAULT_URL);
  if (why) {
    console.error(why);
    process.exit(1);
  }
}
