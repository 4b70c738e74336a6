/** Colours for code: highlight.js finds the tokens, and they become spans; its own way would set innerHTML. Loaded when first needed. */

import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import cpp from "highlight.js/lib/languages/cpp";
import csharp from "highlight.js/lib/languages/csharp";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import go from "highlight.js/lib/languages/go";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import kotlin from "highlight.js/lib/languages/kotlin";
import php from "highlight.js/lib/languages/php";
import python from "highlight.js/lib/languages/python";
import r from "highlight.js/lib/languages/r";
import ruby from "highlight.js/lib/languages/ruby";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import swift from "highlight.js/lib/languages/swift";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";
import { h } from "../ui/dom.ts";

const LANGUAGES = {
  bash, c, cpp, csharp, css, diff, go, java, javascript, json, kotlin, php, python, r, ruby, rust, sql, swift, typescript, xml, yaml,
};
for (const [name, language] of Object.entries(LANGUAGES)) hljs.registerLanguage(name, language);

/** More than this is shown without colours: it would hold the page up. */
const MOST_CHARACTERS = 20_000;

/** highlight.js' own tree; not part of its public interface, so its version is pinned and a test holds this shape. */
interface Branch { scope?: string; children: (Branch | string)[] }

function spans(branch: Branch): (Node | string)[] {
  return branch.children.map((child) => {
    if (typeof child === "string") return child;
    if (child.scope === undefined) return h("span", null, ...spans(child));
    return h("span", { class: child.scope.split(".").map((part) => `hl-${part}`).join(" ") }, ...spans(child));
  });
}

/** Colour `code`, which shows `source`; an unknown language changes nothing. */
export function colour(code: HTMLElement, source: string, language: string): void {
  if (source.length > MOST_CHARACTERS || hljs.getLanguage(language) === undefined || code.textContent !== source) return;
  const { _emitter: emitter } = hljs.highlight(source, { language, ignoreIllegals: true }) as unknown as { _emitter: { rootNode: Branch } };
  code.replaceChildren(...spans(emitter.rootNode));
}
