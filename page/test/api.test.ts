import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { newKey, persistently, Refused } from "../src/net/api.ts";
import { apiTypes } from "../tools/api-types.mjs";

test("the types are those of docs/openapi.json (else: make openapi)", async () => {
  assert.equal(await apiTypes(), readFileSync("src/api.d.ts", "utf8"));
});

test("what may pass is tried again with the same key, what may not is not", async () => {
  let calls = 0;
  const told: string[] = [];
  const answer = await persistently(async () => {
    if (++calls < 3) throw new Refused(503, "busy", "busy", null, 0.001);
    return "done";
  }, (refused) => told.push(refused.code));
  assert.deepEqual([answer, calls, told], ["done", 3, ["busy", "busy"]]);
  calls = 0;
  const refused = persistently(async () => {
    calls++;
    throw new Refused(409, "already_judged", "no");
  });
  await assert.rejects(refused, { code: "already_judged" });
  assert.equal(calls, 1);
});

test("keys differ", () => assert.equal(new Set(Array.from({ length: 100 }, newKey)).size, 100));
