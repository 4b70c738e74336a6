/** Bundles each test with what it needs and runs all with node's own runner; the tests need no other. */

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = join(dirname(fileURLToPath(import.meta.url)), "..");
const made = join(here, ".made", "test");
rmSync(made, { recursive: true, force: true });
mkdirSync(made, { recursive: true });
const wanted = process.argv.slice(2);
const tests = readdirSync(join(here, "test")).filter((file) => file.endsWith(".test.ts") && (wanted.length === 0 || wanted.some((one) => file.includes(one))));
await build({
  absWorkingDir: here,
  entryPoints: tests.map((file) => join("test", file)),
  outdir: made,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  external: ["happy-dom", "openapi-typescript", "typescript"],
  sourcemap: "inline",
  logLevel: "warning",
});
const files = readdirSync(made).filter((file) => file.endsWith(".mjs")).map((file) => join(made, file));
process.exit(spawnSync(process.execPath, ["--enable-source-maps", "--test", ...files], { cwd: here, stdio: "inherit" }).status ?? 1);
