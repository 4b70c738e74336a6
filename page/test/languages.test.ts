import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { de } from "../src/i18n/de.ts";
import { en } from "../src/i18n/en.ts";
import { isLanguage, load, preferred } from "../src/i18n/index.ts";

/** All texts by their path; functions with figures put in. */
function texts(part: unknown, path = ""): [string, string][] {
  if (typeof part === "function") return [[path, String((part as (...values: unknown[]) => unknown)(...Array.from({ length: part.length }, (_, n) => n + 2)))]];
  if (typeof part === "string") return [[path, part]];
  return Object.entries(part as object).flatMap(([name, one]) => texts(one, `${path}.${name}`));
}

test("each language has all texts, none is empty, and those in German are German", () => {
  const [english, german] = [texts(en), texts(de)];
  assert.deepEqual(german.map(([path]) => path), english.map(([path]) => path));
  assert.ok(german.every(([, text]) => text.trim() !== ""));
  const same = german.filter(([, text], n) => text === english[n]?.[1] && /[a-z]{4}/i.test(text)).map(([path]) => path);
  assert.ok(same.length < 12, `not translated: ${same.join(", ")}`);
});

test("a language's texts use the figures that they are given", () => {
  for (const all of [en, de]) {
    assert.ok(all.states.about(25).includes("25"));
    assert.ok(all.verdict.better("Model C").includes("Model C"));
    assert.ok(all.states.place(2) !== all.states.place(3));
  }
});

test("the browser's first language that we speak is taken, else English", async () => {
  assert.equal(preferred(["fr-FR", "de-AT", "en"]), "de");
  assert.equal(preferred(["fr"]), "en");
  assert.equal(isLanguage("toString"), false);
  assert.equal((await load("de")).language, "Deutsch");
});

test("no text is kept that nothing shows", () => {
  const files = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts") && !file.startsWith("i18n"));
  const source = files.map((file) => readFileSync(`src/${file}`, "utf8")).join("\n");
  const keys = Object.entries(en).flatMap(([group, part]) => (typeof part === "string" ? [group] : Object.keys(part)));
  const used = (key: string): boolean => new RegExp(`\\.${key}\\b|[{,] ${key}[ ,:}]`).test(source);
  assert.deepEqual(keys.filter((key) => key !== "language" && !used(key)), []);
});
