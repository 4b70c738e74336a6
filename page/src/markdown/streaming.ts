/**
 * What of a document that is still being written has to be looked at again.
 *
 * Up to the last *safe boundary* nothing that may still come changes a block: a blank line with two more blocks after it.
 * A document that defines references is always read as a whole, since `[x]: …` changes what stands before it.
 */

import { lex, type Token } from "./lex.ts";

/** How many of `tokens` are settled. */
export function settled(tokens: readonly Token[]): number {
  let blocks = 0;
  for (let n = tokens.length - 1; n > 0; n--) {
    if (tokens[n]?.type !== "space") blocks++;
    if (blocks >= 2 && /\n[ \t]*\n[ \t]*$/.test(`${tokens[n - 2]?.raw ?? ""}${tokens[n - 1]?.raw ?? ""}`)) return n;
  }
  return 0;
}

/** Reads a growing document; `tokens` after each `read` are those of the whole. */
export class StreamLexer {
  private done: Token[] = [];
  private source = "";
  private offset = 0;
  /** The references that the document defines so far, as one text: when it changes, blocks look different that did not change. */
  definitions = "";

  /** The tokens of `source`; cheap when it grew at its end. */
  read(source: string): Token[] {
    if (!source.startsWith(this.source.slice(0, this.offset))) this.restart();
    this.source = source;
    let { tokens, definitions } = lex(source.slice(this.offset));
    if (definitions !== "" && this.offset > 0) {
      this.restart();
      ({ tokens, definitions } = lex(source));
    }
    this.definitions = definitions;
    const all = [...this.done, ...tokens];
    if (definitions === "") this.settle(tokens);
    return all;
  }

  private settle(tokens: Token[]): void {
    const count = settled(tokens);
    for (const token of tokens.slice(0, count)) this.offset += token.raw.length;
    this.done = [...this.done, ...tokens.slice(0, count)];
  }

  private restart(): void {
    this.done = [];
    this.offset = 0;
  }
}

/** At the end of a text: a marker that is not finished yet and would be read as something else. */
const UNDECIDED = [
  /\n {0,3}[-=*_+#>`~]+[ \t]*$/, // a rule, the line under a heading, a bullet, a fence: the next characters tell
  /\n {0,3}\d{1,9}[.)]?[ \t]*$/, // the number of a list
];

/** In a code block: the beginning of the line that may close it, which would be one more line of code for a moment. */
const HALF_A_FENCE = /\n {0,3}(?:`{1,2}|~{1,2})$/;

/** The lines at the end that begin with a bar: a table, or what may become one. */
const BARRED = /(?:^|\n)((?:\|[^\n]*(?:\n|$))+)$/;
/** A table's head waits for the line below it, which is what makes it a table. */
const HEAD_OF_TABLE = /^[^\n]*(?:\n[|:\- \t]*)?$/;

/**
 * The text to show while more is to come: what can't be told yet is held back, what is open at the end is closed.
 * The text that is shown in the end is never changed by this.
 */
export function whileWritten(text: string): string {
  if ((text.match(/^ {0,3}(?:```|~~~)/gm) ?? []).length % 2 === 1) return text.replace(HALF_A_FENCE, "\n");
  let shown = text;
  for (const pattern of UNDECIDED) shown = shown.replace(pattern, "\n");
  const barred = BARRED.exec(shown)?.[1];
  if (barred !== undefined && HEAD_OF_TABLE.test(barred) && !isTable(barred)) shown = shown.slice(0, shown.length - barred.length);
  return closed(shown);
}

const isTable = (text: string): boolean => lex(text).tokens[0]?.type === "table";

/** A bracket that may become a link; one that stays open for long will not. */
const HALF_A_LINK = /!?\[[^\]\n]{0,80}(?:\](?:\([^)\s]*)?)?$/;

/** Close emphasis, code and links that are open in the last paragraph. */
function closed(text: string): string {
  const start = text.lastIndexOf("\n\n") + 2;
  const before = start === 1 ? "" : text.slice(0, start);
  let last = (start === 1 ? text : text.slice(start)).replace(HALF_A_LINK, "").replace(/(?:\*{1,2}|`|\\)$/, "");
  if (odd(last, /`/g)) return `${before}${last}\``;
  const outside = last.replace(/`[^`]*`/g, "");
  if (odd(outside, /\*\*(?=\S)|(?<=\S)\*\*/g)) last += last.endsWith("*") ? "" : "**";
  return before + last;
}

const odd = (text: string, pattern: RegExp): boolean => (text.match(pattern) ?? []).length % 2 === 1;
