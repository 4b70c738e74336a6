/**
 * An answer in the page, kept as its text grows: blocks that did not change keep their elements, so nothing flickers,
 * selections stay and a long answer costs no more than its newest paragraphs.
 */

import { normalized, type Token, type Tokens } from "./lex.ts";
import { listItem, renderBlock, type Tools } from "./render.ts";
import { StreamLexer, whileWritten } from "./streaming.ts";

interface Block { raw: string; type: string; node: Node; items: string[]; loose: boolean }

export class Answer {
  private readonly lexer = new StreamLexer();
  private blocks: Block[] = [];

  constructor(
    private readonly root: HTMLElement,
    private readonly tools: Tools,
  ) {}

  /** Show `text`; while it is not `complete`, what is undecided at its end is held back. */
  show(text: string, complete: boolean): void {
    const source = normalized(text);
    const before = this.lexer.definitions;
    const tokens = this.lexer.read(complete ? source : whileWritten(source));
    if (this.lexer.definitions !== before) this.patch([]);
    this.patch(tokens);
    if (complete) this.finish(tokens.length);
    else this.finish(tokens.length - 1);
  }

  private patch(tokens: readonly Token[]): void {
    tokens.forEach((token, n) => {
      const block = this.blocks[n];
      if (block?.raw === token.raw && block.type === token.type) return;
      this.blocks[n] = block === undefined ? this.added(token) : this.changed(block, token);
    });
    for (const gone of this.blocks.splice(tokens.length)) gone.node.parentNode?.removeChild(gone.node);
  }

  private added(token: Token): Block {
    const node = renderBlock(token, this.tools);
    this.root.append(node);
    return this.block(token, node);
  }

  private changed(block: Block, token: Token): Block {
    const same = block.type === token.type;
    if (same && token.type === "code" && grow(block, token as Tokens.Code)) return { ...block, raw: token.raw };
    if (same && token.type === "list" && this.growList(block, token as Tokens.List)) {
      return { ...block, raw: token.raw, items: (token as Tokens.List).items.map((item) => item.raw) };
    }
    const node = renderBlock(token, this.tools);
    block.node.parentNode?.replaceChild(node, block.node);
    return this.block(token, node);
  }

  private block(token: Token, node: Node): Block {
    const items = token.type === "list" ? (token as Tokens.List).items.map((item) => item.raw) : [];
    return { raw: token.raw, type: token.type, node, items, loose: token.type === "list" && (token as Tokens.List).loose };
  }

  /** Replace only the items that changed; false when the list itself is another. */
  private growList(block: Block, token: Tokens.List): boolean {
    const list = block.node as HTMLElement;
    const name = token.ordered ? "OL" : "UL";
    // A list that becomes loose has paragraphs in all of its items.
    if (list.tagName !== name || block.items.length > token.items.length || block.loose !== token.loose) return false;
    token.items.forEach((item, n) => {
      if (block.items[n] === item.raw && n < token.items.length - 1) return;
      const made = listItem(item, this.tools, 0);
      const old = list.children[n];
      if (old === undefined) list.append(made);
      else old.replaceWith(made);
    });
    return true;
  }

  /** Colour the code of the first `count` blocks, which are finished. */
  private finish(count: number): void {
    for (const { node, type } of this.blocks.slice(0, count)) {
      if (type === "space" || type === "paragraph" || !(node instanceof HTMLElement)) continue;
      const figures = node.matches("figure.code") ? [node] : [...node.querySelectorAll<HTMLElement>("figure.code")];
      for (const figure of figures) this.colour(figure);
    }
  }

  private colour(figure: HTMLElement): void {
    const code = figure.querySelector("code");
    const language = figure.dataset["language"] ?? "";
    if (code === null || language === "" || figure.dataset["seen"] === code.textContent) return;
    figure.dataset["seen"] = code.textContent ?? "";
    this.tools.highlight(code, code.textContent ?? "", language);
  }
}

/** Append to a code block what came to it; false when it is another. */
function grow(block: Block, token: Tokens.Code): boolean {
  const figure = block.node as HTMLElement;
  const code = figure.querySelector("code");
  const written = code?.firstChild;
  const language = (token.lang ?? "").trim().split(/\s+/)[0] ?? "";
  if (code === null || figure.dataset["language"] !== language || code.childNodes.length > 1) return false;
  if (!(written instanceof Text) || !token.text.startsWith(written.data)) return false;
  written.appendData(token.text.slice(written.data.length));
  return true;
}
