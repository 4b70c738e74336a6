import assert from "node:assert/strict";
import { test } from "node:test";
import { lex } from "../src/markdown/lex.ts";
import { StreamLexer, whileWritten } from "../src/markdown/streaming.ts";
import { documentOf } from "./documents.ts";

test("for every prefix of 400 documents, reading only the tail gives the tokens of the whole", () => {
  for (let seed = 1; seed <= 400; seed++) {
    const text = documentOf(seed);
    const lexer = new StreamLexer();
    for (let end = 1; end <= text.length; end += end % 3 === 0 ? 2 : 1) {
      const prefix = text.slice(0, end);
      assert.deepEqual(lexer.read(prefix), lex(prefix).tokens, `document ${seed}, ${end} characters:\n${prefix}`);
    }
    assert.deepEqual(lexer.read(text), lex(text).tokens, `document ${seed}`);
  }
});

test("the tail that is read again stays short", () => {
  const lexer = new StreamLexer();
  const paragraph = `${"word ".repeat(20)}\n\n`;
  let text = "";
  for (let n = 0; n < 200; n++) {
    text += paragraph;
    lexer.read(text);
  }
  const offset = Reflect.get(lexer, "offset") as number;
  assert.ok(text.length - offset < 4 * paragraph.length, `${text.length - offset} characters are read again`);
});

test("another text starts anew", () => {
  const lexer = new StreamLexer();
  lexer.read("a\n\nb\n\nc\n\nd\n\n");
  assert.deepEqual(lexer.read("x"), lex("x").tokens);
});

const shown: [string, string, string][] = [
  ["bold is closed", "some **bol", "some **bol**"],
  ["a marker alone waits", "some **", "some "],
  ["code is closed", "call `f(x", "call `f(x`"],
  ["half a link waits", "see [the page](https://exam", "see "],
  ["a bullet waits", "text\n-", "text\n"],
  ["a number waits", "text\n12", "text\n"],
  ["a table's head waits for its line", "text\n\n| a | b |", "text\n\n"],
  ["and for all of that line", "text\n\n| a | b |\n|--", "text\n\n"],
  ["a table shows from its second line", "| a | b |\n|---|---|", "| a | b |\n|---|---|"],
  ["inside a fence all is as it is", "```\n**x\n-", "```\n**x\n-"],
  ["the line that may close a fence waits", "```\nx = 1\n``", "```\nx = 1\n"],
  ["a tilde fence waits as well", "~~~\nx = 1\n  ~", "~~~\nx = 1\n"],
  ["multiplication stays", "2 * 3 = 6", "2 * 3 = 6"],
  ["whole text stays", "All **good** and `well`.", "All **good** and `well`."],
];

for (const [name, text, expected] of shown) {
  test(`while it is written: ${name}`, () => assert.equal(whileWritten(text), expected));
}

test("what is a table stays one at every further character, and a row shows while it is written", () => {
  const text = "before\n\n| head | other |\n|---|---|\n| cell **bold** | `code` |\n| one | two |\n";
  const kinds = [...text].map((_, n) => lex(whileWritten(text.slice(0, n + 1))).tokens.at(-1)?.type);
  const first = kinds.indexOf("table");
  assert.equal(text.slice(0, first + 1), "before\n\n| head | other |\n|---|-");
  assert.ok(kinds.slice(first).every((kind) => kind === "table"), kinds.join(" "));
  const rows = (end: string): number => {
    const table = lex(whileWritten(text.slice(0, text.indexOf(end) + end.length))).tokens.at(-1);
    return table?.type === "table" ? table["rows"].length : -1;
  };
  assert.deepEqual([rows("|---|---|"), rows("| ce"), rows("| one | t")], [0, 1, 2]);
  assert.equal(whileWritten("| no table\n| but lines\n| with bars"), "| no table\n| but lines\n| with bars");
});

test("what is held back is only ever at the end", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const text = documentOf(seed);
    for (let end = 1; end <= text.length; end += 5) {
      const visible = whileWritten(text.slice(0, end));
      let same = 0;
      while (same < visible.length && visible[same] === text[same]) same++;
      assert.ok(visible.length - same <= 3, `document ${seed} at ${end}: ${JSON.stringify(visible.slice(same))} was added`);
    }
  }
});
