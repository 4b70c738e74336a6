import "./dom.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { Answer } from "../src/markdown/answer.ts";
import { safeLink, type Tools } from "../src/markdown/render.ts";
import { documentOf } from "./documents.ts";

const TOOLS: Tools = {
  words: { copy: "Copy", copied: "Copied", code: "Code", table: "Table", formula: "Formula" },
  highlight: () => undefined,
  typeset: () => undefined,
};

function drawn(text: string): HTMLElement {
  const root = document.createElement("div");
  new Answer(root, TOOLS).show(text, true);
  return root;
}

test("an answer that grew by pieces is the answer that was shown at once", () => {
  for (let seed = 1; seed <= 150; seed++) {
    const text = documentOf(seed);
    const root = document.createElement("div");
    const answer = new Answer(root, TOOLS);
    for (let end = 1; end < text.length; end += 7) answer.show(text.slice(0, end), false);
    answer.show(text, true);
    assert.equal(root.innerHTML, drawn(text).innerHTML, `document ${seed}:\n${text}`);
  }
});

test("blocks that did not change keep their elements", () => {
  const root = document.createElement("div");
  const answer = new Answer(root, TOOLS);
  answer.show("# Title\n\nfirst\n\n- a\n- b", false);
  const [title, item] = [root.querySelector("h3"), root.querySelector("li")];
  const code = "# Title\n\nfirst\n\n- a\n- b\n- c\n\n```js\nlet x";
  answer.show(code, false);
  const pre = root.querySelector("pre");
  answer.show(`${code} = 1;\n`, false);
  assert.equal(root.querySelector("h3"), title);
  assert.equal(root.querySelector("li"), item);
  assert.equal(root.querySelector("pre"), pre);
  assert.equal(pre?.textContent, "let x = 1;");
});

const HOSTILE = [
  "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "<a href='javascript:alert(1)'>x</a>", "[x](javascript:alert(1))",
  "[x](JaVaScRiPt:alert(1))", "[x](&#106;avascript:alert(1))", "[x](java\tscript:alert(1))", "[x](data:text/html,<script>alert(1)</script>)", "![x](http://beacon.test/a.png)",
  "<iframe src=//x.test></iframe>", "<style>*{display:none}</style>", "<b style='position:fixed'>x</b>", "[x](vbscript:a)", "<javascript:alert(1)>", "[x](/api/arena/battles)",
  "[x](//evil.test)", "<form action=//x><button>Vote</button></form>", "`<script>`", "```html\n<script>alert(1)</script>\n```", "$$\\href{javascript:alert(1)}{x}$$",
];

test("nothing that a model writes becomes more than text, links to the web and plain structure", () => {
  for (const text of [...HOSTILE, HOSTILE.join("\n\n"), HOSTILE.join(" ")]) {
    const root = drawn(text);
    assert.equal(root.querySelectorAll("script, img, iframe, style, form, svg, object, embed, link, base, video").length, 0, text);
    for (const element of root.querySelectorAll("*")) {
      for (const { name, value } of element.attributes) {
        assert.ok(!name.startsWith("on") && name !== "style" && name !== "id", `${text}: ${name}`);
        if (name === "href") assert.match(value, /^(https?:|mailto:)/);
      }
    }
    for (const link of root.querySelectorAll("a")) assert.equal(link.rel, "noopener noreferrer nofollow");
  }
});

test("what was written as HTML is shown as it was written", () => {
  assert.equal(drawn("<script>alert(1)</script>").textContent, "<script>alert(1)</script>");
  assert.equal(drawn("a <b>bold</b> b").textContent, "a <b>bold</b> b");
});

test("a picture is a link, since loading it would tell who reads", () => {
  const link = drawn("![a cat](https://x.test/cat.png)").querySelector("a");
  assert.deepEqual([link?.getAttribute("href"), link?.textContent], ["https://x.test/cat.png", "a cat"]);
});

test("answers are not bent", () => {
  const text = (source: string): string => drawn(source).textContent ?? "";
  assert.equal(text("arr[0] and snake_case_name"), "arr[0] and snake_case_name");
  assert.equal(text("&amp; &lt;tag&gt; &copy; &#8364; &unknown;"), "& <tag> © € &unknown;");
  assert.equal(text("`&amp;`"), "&amp;");
  assert.equal(text("it costs $5 or $6"), "it costs $5 or $6");
  assert.equal(drawn("Title\n===").querySelector("h3")?.textContent, "Title");
  assert.equal(drawn("3. three\n4. four").querySelector("ol")?.getAttribute("start"), "3");
});

test("mathematics needs two dollars or a backslash", () => {
  const found = (source: string): number => drawn(source).querySelectorAll(".math").length;
  assert.equal(found("\\(x\\) and $$y$$ and \\[z\\]"), 3);
  assert.equal(found("\\[\nx\n\\]"), 1);
  assert.equal(found("$x$ and \\( not closed"), 0);
});

test("deep nesting ends in text instead of a stack overflow", () => {
  assert.ok((drawn(`${"> ".repeat(300)}deep`).textContent ?? "").includes("deep"));
  assert.ok((drawn(`${"*a ".repeat(2000)}`).textContent ?? "").length > 100);
});

test("wide things scroll by themselves and by keyboard", () => {
  const wide = drawn("| a | b |\n|---|---|\n| 1 | 2 |").querySelector(".wide");
  assert.equal(wide?.getAttribute("tabindex"), "0");
  assert.equal(wide?.getAttribute("aria-label"), "Table");
});

test("every block finds its own direction, code is left to right", () => {
  const root = drawn("مرحبا\n\n- שלום\n\n`x`\n\n```\nx\n```");
  assert.equal(root.querySelector("p")?.getAttribute("dir"), "auto");
  assert.equal(root.querySelector("li")?.getAttribute("dir"), "auto");
  assert.equal(root.querySelector("code")?.getAttribute("dir"), "ltr");
  assert.equal(root.querySelector("pre")?.getAttribute("dir"), "ltr");
});

test("only addresses of the web and of mail are followed", () => {
  assert.equal(safeLink("https://example.org/?a=1&amp;b=2"), "https://example.org/?a=1&b=2");
  assert.equal(safeLink("mailto:a@example.org"), "mailto:a@example.org");
  for (const bad of ["javascript:x", "/path", "//host", "data:x", "ftp://x", " java\nscript:x"]) assert.equal(safeLink(bad), null);
});

const GROWING = "# Title\n\nSome **bold** text with `code`, a [link](https://example.org) and arr[0] more.\n\n- one\n- two with *words*\n- three\n\n"
  + "| head | other |\n|---|---|\n| cell | cell |\n\nParagraph\n- at once a list\n\n```js\nlet first = 1;\n```\n\n![picture](https://example.org/x.png)\n\nThe end.\n";

test("what was shown is never taken away while more comes", () => {
  const root = document.createElement("div");
  const answer = new Answer(root, TOOLS);
  let seen = "";
  for (let end = 1; end <= GROWING.length; end++) {
    answer.show(GROWING.slice(0, end), false);
    const copy = root.cloneNode(true) as HTMLElement;
    for (const caption of copy.querySelectorAll("figcaption")) caption.remove();
    const letters = (copy.textContent ?? "").replace(/[^a-z]/gi, "");
    assert.ok(letters.startsWith(seen), `${seen} became ${letters}`);
    seen = letters;
  }
});
