/** Random Markdown as models write it, and worse: the same documents on every machine. */

/** A small generator with a seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const PIECES = [
  "Plain words about the weather.", "Some **bold** and *soft* words with `code` in `them`.", "# Heading", "### Third & more", "- one\n- two\n- three",
  "1. first\n2. second\n   with more\n3. third", "- a\n\n  loose\n- b\n  - nested\n    - deeper", "```python\ndef f(x):\n    return x\n```",
  "```\nunclosed\n\nstill code", "~~~js\nlet a = `b`;\n~~~", "> quoted\n> twice\n\nand after", "| a | b |\n|---|:-:|\n| 1 | 2 |\n| 3 | **4** |",
  "---", "Setext\n===", "Setext two\n---", "a line\nbroken in two", "    indented code\n\n    more of it", "<div onclick=\"x()\">\nhtml\n</div>",
  "inline <b>html</b> and <br> break", "\\(a^2 + b^2\\) and \\[ c \\]", "$$\nx = y\n$$", "cost $5 and $6", "[link](https://example.org) and ![i](http://x/y.png)",
  "snake_case_name and arr[0] and 2 * 3 * 4", "- [ ] todo\n- [x] done", "* * *", "text\n- list right after", "مرحبا بالعالم", "你好，**世界**。", "&amp; &lt;x&gt; &copy;",
  "[ref]: https://example.org/a", "see [ref] here", "`unclosed code", "**unclosed bold", "| head only |", "1) one\n2) two", "+ plus\n+ plus two", "\t- tab list",
];

export function documentOf(seed: number): string {
  const next = random(seed);
  const count = 2 + Math.floor(next() * 9);
  let text = "";
  for (let n = 0; n < count; n++) {
    text += PIECES[Math.floor(next() * PIECES.length)] ?? "";
    const joint = next();
    text += joint < 0.75 ? "\n\n" : joint < 0.9 ? "\n" : joint < 0.95 ? "\n \n" : "\n\n\n";
  }
  return text;
}
