/** Makes the page's types from docs/openapi.json, the API's document; runs in the page's folder, as npm does. */

import { readFileSync } from "node:fs";
import openapiTypescript, { astToString } from "openapi-typescript";

/** The calls that the page makes; what they take and answer is made a type, and with it what that is made of. */
const CALLS = [
  "/api/arena/about", "/api/arena/battles", "/api/arena/battles/{battle_id}", "/api/arena/battles/{battle_id}/votes",
  "/api/arena/battles/{battle_id}/votes/{round_number}/feedback", "/api/arena/battles/{battle_id}/board-change",
  "/api/arena/battles/{battle_id}/whole",
  "/api/arena/leaderboard", "/api/arena/hosts", "/api/arena/models",
];

/** The schemas that `part` refers to, and those that they refer to. */
function collect(part, schemas, found) {
  for (const [, name] of JSON.stringify(part).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
    if (name in found) continue;
    if (!(name in schemas)) throw new Error(`docs/openapi.json has no schema ${name}`);
    found[name] = schemas[name];
    collect(schemas[name], schemas, found);
  }
  return found;
}

const WORDS = new Set(["title", "description", "summary", "example", "examples"]);

/** The document without its words: types change when the API does, not when a sentence does. */
function bare(part) {
  if (Array.isArray(part)) return part.map(bare);
  if (part === null || typeof part !== "object") return part;
  const said = (name, value) => WORDS.has(name) && (typeof value === "string" || name.startsWith("example"));
  return Object.fromEntries(Object.entries(part).filter(([name, value]) => !said(name, value)).map(([name, value]) => [name, bare(value)]));
}

/** The types as text. */
export async function apiTypes() {
  const document = JSON.parse(readFileSync("../docs/openapi.json", "utf8"));
  const paths = Object.fromEntries(CALLS.map((path) => [path, document.paths[path]]));
  const events = Object.keys(document.components.schemas).filter((name) => name.endsWith("Event")).map((name) => ({ $ref: `#/components/schemas/${name}` }));
  const schemas = collect([paths, events], document.components.schemas, {});
  const native = { openapi: document.openapi, info: { title: "", version: "" }, ...bare({ paths, components: { schemas } }) };
  return `// Made from docs/openapi.json by \`npm run api\`: do not edit.\n\n${astToString(await openapiTypescript(native, { alphabetize: true }))}`;
}
