/**
 * Builds the page into app/web/page/built: hashed assets with their gzip and brotli twins, index.html with a place for what
 * the service says about itself, and manifest.json, which the service reads.
 */

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.env.PAGE_OUT ?? join(here, "..", "app", "web", "page", "built");
const assets = join(out, "assets");

rmSync(out, { recursive: true, force: true });
mkdirSync(assets, { recursive: true });

const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: ["src/main.ts", "src/styles/page.css", "src/icon.svg"],
  outdir: assets,
  entryNames: "[name]-[hash]",
  chunkNames: "part-[hash]",
  assetNames: "[name]-[hash]",
  loader: { ".svg": "copy" },
  bundle: true,
  splitting: true,
  format: "esm",
  target: ["es2022", "chrome115", "firefox120", "safari17"],
  minify: true,
  legalComments: "none",
  charset: "utf8",
  metafile: true,
  logLevel: "warning",
});

const name = (path) => relative(assets, join(here, path)).replaceAll("\\", "/");
const outputs = Object.entries(metafile.outputs);
const entry = (source) => name(outputs.find(([, made]) => made.entryPoint === source)[0]);
const [js, css] = [entry("src/main.ts"), entry("src/styles/page.css")];
const icon = readdirSync(assets).find((file) => file.startsWith("icon-"));

/** What the entry loads at once, so that the browser need not find it out step by step. */
function statics(path, seen = new Set()) {
  for (const one of metafile.outputs[path].imports) {
    if (one.kind === "import-statement" && !seen.has(one.path)) {
      seen.add(one.path);
      statics(one.path, seen);
    }
  }
  return seen;
}
const first = [...statics(outputs.find(([, made]) => made.entryPoint === "src/main.ts")[0])].map(name);

/** The licences of what is in the bundle, which those licences ask for. */
function licences() {
  const packages = new Set(
    Object.keys(metafile.inputs)
      .map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1])
      .filter(Boolean),
  );
  return [...packages].sort().map((one) => {
    const folder = join(here, "node_modules", one);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((path) => /^licen[cs]e/i.test(path));
    const text = file === undefined ? "" : readFileSync(join(folder, file), "utf8");
    return `${one} ${version} (${license})\n\n${text}`;
  }).join("\n\n----------------------------------------\n\n");
}
writeFileSync(join(assets, "licences.txt"), licences());
const digest = createHash("sha256").update(readFileSync(join(assets, "licences.txt"))).digest("hex").slice(0, 8);
const licence = `licences-${digest}.txt`;
writeFileSync(join(assets, licence), readFileSync(join(assets, "licences.txt")));
rmSync(join(assets, "licences.txt"));

const html = readFileSync(join(here, "src", "index.html"), "utf8")
  .replace("{{css}}", `/assets/${css}`)
  .replace("{{icon}}", `/assets/${icon}`)
  .replace("{{js}}", `/assets/${js}`)
  .replace("{{preloads}}", first.map((path) => `<link rel="modulepreload" href="/assets/${path}">`).join("\n"));
writeFileSync(join(out, "index.html"), html);

const files = {};
for (const file of readdirSync(assets).sort()) {
  const bytes = readFileSync(join(assets, file));
  const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  const gzip = gzipSync(bytes, { level: 9 });
  writeFileSync(join(assets, `${file}.br`), brotli);
  writeFileSync(join(assets, `${file}.gz`), gzip);
  files[file] = { bytes: bytes.length, gzip: gzip.length, brotli: brotli.length };
}
const manifest = { js, css, icon, licences: licence, first: [js, css, ...first], files };
writeFileSync(join(out, "manifest.json"), `${JSON.stringify(manifest, null, 1)}\n`);

const sum = (kind) => manifest.first.reduce((total, file) => total + files[file][kind], 0);
console.log(`page: ${manifest.first.length} files before the first battle, ${(sum("gzip") / 1024).toFixed(1)} KB gzip, ${(sum("brotli") / 1024).toFixed(1)} KB brotli`);
