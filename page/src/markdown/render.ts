/**
 * Tokens to DOM, with `createElement` and text nodes only: nothing that a model writes is ever parsed as HTML, so there is
 * nothing to sanitise. HTML in an answer shows as the text that it is; a remote image, which would be a beacon, as a link.
 */

import { h, type Child } from "../ui/dom.ts";
import { decoded } from "./entities.ts";
import type { MathToken, Token, Tokens } from "./lex.ts";

/** What a block needs beside its DOM: words for its buttons, and work that waits until the block is finished. */
export interface Tools {
  words: { copy: string; copied: string; code: string; table: string; formula: string };
  /** Colour a code block that is finished. */
  highlight(code: HTMLElement, source: string, language: string): void;
  /** Typeset a formula into its element. */
  typeset(target: HTMLElement, source: string, display: boolean): void;
}

const SAFE_LINK = /^(?:https?:|mailto:)/i;
const MAX_DEPTH = 24;
const CJK = /[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/;

/** The address if it may be followed; relative ones would lead into our own site. */
export function safeLink(href: string): string | null {
  const plain = decoded(href).replace(/[\u0000-\u0020]/g, "");
  return SAFE_LINK.test(plain) ? plain : null;
}

export function renderBlock(token: Token, tools: Tools, depth = 0): Node {
  if (depth > MAX_DEPTH) return document.createTextNode(token.raw);
  switch (token.type) {
    case "space":
    case "def":
      return document.createTextNode("");
    case "heading": {
      const { depth: level, tokens } = token as Tokens.Heading;
      return h(`h${Math.min(6, level + 2)}`, { dir: "auto" }, inlines(tokens, tools, depth));
    }
    case "code":
      return codeBlock(token as Tokens.Code, tools);
    case "table":
      return table(token as Tokens.Table, tools, depth);
    case "hr":
      return h("hr");
    case "blockquote":
      return h("blockquote", { dir: "auto" }, blocks((token as Tokens.Blockquote).tokens, tools, depth));
    case "list":
      return list(token as Tokens.List, tools, depth);
    case "math":
      return formula(token as unknown as MathToken, tools);
    case "html":
      return h("p.raw", { dir: "auto" }, token.raw.trimEnd());
    case "paragraph":
      return h("p", { dir: "auto" }, inlines((token as Tokens.Paragraph).tokens, tools, depth));
    case "text":
      return inlineText(token as Tokens.Text, tools, depth);
    default:
      return inline(token, tools, depth);
  }
}

function blocks(tokens: readonly Token[], tools: Tools, depth: number): Node[] {
  return tokens.map((token) => renderBlock(token, tools, depth + 1));
}

function inlineText(token: Tokens.Text, tools: Tools, depth: number): Node {
  if (token.tokens === undefined) return document.createTextNode(decoded(token.text));
  const fragment = document.createDocumentFragment();
  fragment.append(...inlines(token.tokens, tools, depth));
  return fragment;
}

function list(token: Tokens.List, tools: Tools, depth: number): HTMLElement {
  const start = token.ordered && token.start !== 1 && token.start !== "" ? Number(token.start) : undefined;
  return h(token.ordered ? "ol" : "ul", { start }, token.items.map((item) => listItem(item, tools, depth)));
}

export function listItem(item: Tokens.ListItem, tools: Tools, depth: number): HTMLElement {
  return h(item.task ? "li.task" : "li", { dir: "auto" }, blocks(item.tokens, tools, depth));
}

function table(token: Tokens.Table, tools: Tools, depth: number): HTMLElement {
  const cell = (name: string, one: Tokens.TableCell): HTMLElement =>
    h(one.align === null ? name : `${name}.${one.align}`, { dir: "auto" }, inlines(one.tokens, tools, depth));
  const head = h("thead", null, h("tr", null, token.header.map((one) => cell("th", one))));
  const body = h("tbody", null, token.rows.map((row) => h("tr", null, row.map((one) => cell("td", one)))));
  return scrollable(tools.words.table, h("table", null, head, body));
}

/** A box that scrolls sideways, reachable by keyboard. */
function scrollable(label: string, ...children: Child[]): HTMLElement {
  return h("div.wide", { tabindex: "0", role: "group", "aria-label": label }, children);
}

function codeBlock(token: Tokens.Code, tools: Tools): HTMLElement {
  const language = (token.lang ?? "").trim().split(/\s+/)[0] ?? "";
  const code = h("code", null, token.text);
  const copy = h("button.copy", { type: "button" }, tools.words.copy);
  copy.addEventListener("click", () => {
    const done = (): void => {
      copy.textContent = tools.words.copied;
      setTimeout(() => (copy.textContent = tools.words.copy), 2000);
    };
    void copyText(code.textContent ?? "").then(done);
  });
  const label = language === "" ? tools.words.code : `${tools.words.code}: ${language}`;
  const pre = h("pre", { tabindex: "0", role: "group", "aria-label": label, dir: "ltr" }, code);
  const block = h("figure.code", { "data-language": language }, h("figcaption", null, h("span", { dir: "ltr" }, language), copy), pre);
  return block;
}

/** Put text on the clipboard; also where the page is not served over HTTPS. */
export async function copyText(source: string): Promise<void> {
  if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(source);
  const area = h("textarea", { readonly: true, "aria-hidden": "true" });
  area.value = source;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

function formula(token: MathToken, tools: Tools): HTMLElement {
  const target = h(token.display ? "div.math" : "span.math", null, token.raw.trim());
  tools.typeset(target, token.text, token.display);
  return token.display ? scrollable(tools.words.formula, target) : target;
}

function inlines(tokens: readonly Token[] | undefined, tools: Tools, depth: number): Node[] {
  return (tokens ?? []).map((token) => inline(token, tools, depth + 1));
}

function inline(token: Token, tools: Tools, depth: number): Node {
  if (depth > MAX_DEPTH) return document.createTextNode(token.raw);
  switch (token.type) {
    case "text":
      return inlineText(token as Tokens.Text, tools, depth);
    case "escape":
      return document.createTextNode((token as Tokens.Escape).text);
    case "strong":
      return h("strong", null, inlines((token as Tokens.Strong).tokens, tools, depth));
    case "em":
      return h(CJK.test(token.raw) ? "em.cjk" : "em", null, inlines((token as Tokens.Em).tokens, tools, depth));
    case "del":
      return h("del", null, inlines((token as Tokens.Del).tokens, tools, depth));
    case "codespan":
      return h("code", { dir: "ltr" }, (token as Tokens.Codespan).text);
    case "br":
      return h("br");
    case "link":
      return link(token as Tokens.Link, tools, depth);
    case "image": {
      const { href, text } = token as Tokens.Image;
      return anchor(href, [document.createTextNode(decoded(text) === "" ? href : decoded(text))]);
    }
    case "checkbox":
      return h("input", { type: "checkbox", disabled: true, checked: (token as Tokens.Checkbox).checked, "aria-label": token.raw.trim() });
    case "math":
      return formula(token as unknown as MathToken, tools);
    case "html":
      return /^<br\s*\/?>$/i.test(token.raw) ? h("br") : document.createTextNode(token.raw);
    default:
      return document.createTextNode(token.raw);
  }
}

function link(token: Tokens.Link, tools: Tools, depth: number): Node {
  return anchor(token.href, inlines(token.tokens, tools, depth));
}

function anchor(href: string, children: Node[]): Node {
  const target = safeLink(href);
  if (target === null) return h("span", { title: href }, children);
  return h("a", { href: target, target: "_blank", rel: "noopener noreferrer nofollow" }, children);
}
