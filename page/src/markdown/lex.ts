/** Markdown to tokens: marked's lexer with GFM and three forms of mathematics, `\(…\)`, `\[…\]` and `$$…$$` (a single `$` is money). */

import { Marked, type Token, type TokenizerExtension, type Tokens } from "marked";

export type { Token, Tokens };

export interface MathToken { type: "math"; raw: string; text: string; display: boolean }

const BLOCK_MATH = /^ {0,3}(?:\\\[([\s\S]+?)\\\]|\$\$([\s\S]+?)\$\$)[ \t]*(?:\n|$)/;
const INLINE_MATH = /^(?:\\\(([\s\S]+?)\\\)|\\\[([\s\S]+?)\\\]|\$\$([^$]+?)\$\$)/;

function math(found: RegExpExecArray | null, display: boolean): MathToken | undefined {
  if (found === null) return undefined;
  const text = found.slice(1).find((group) => group !== undefined) ?? "";
  // A blank line ends a formula: without that an unclosed one would swallow the text up to the next.
  if (/\n[ \t]*\n/.test(text)) return undefined;
  return { type: "math", raw: found[0], text: text.trim(), display };
}

const blockMath: TokenizerExtension = {
  name: "math",
  level: "block",
  start: (source) => /(?:^|\n) {0,3}(?:\\\[|\$\$)/.exec(source)?.index,
  tokenizer: (source) => math(BLOCK_MATH.exec(source), true),
};

const inlineMath: TokenizerExtension = {
  name: "math",
  level: "inline",
  start: (source) => /\\\(|\\\[|\$\$/.exec(source)?.index,
  tokenizer(source) {
    const found = INLINE_MATH.exec(source);
    return math(found, found?.[2] !== undefined);
  },
};

const marked = new Marked({ gfm: true, breaks: false });
marked.use({ extensions: [blockMath, inlineMath] });

/** Line ends as marked sees them; the raw texts of tokens then add up to the source. */
export const normalized = (source: string): string => source.replace(/\r\n?/g, "\n");

/** The blocks of a document, and the references that it defines (empty: none): those may be used anywhere before and after. */
export function lex(source: string): { tokens: Token[]; definitions: string } {
  const tokens = marked.lexer(source);
  return { tokens: [...tokens], definitions: Object.keys(tokens.links).length > 0 ? JSON.stringify(tokens.links) : "" };
}
