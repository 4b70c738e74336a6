/** Mathematics as MathML, which browsers typeset themselves: no fonts, no styles, no HTML strings. Loaded when first needed. */

import temml from "temml";

/** Typeset `source` into `target`; what can't be read stays as it was written. */
export function typeset(target: HTMLElement, source: string, display: boolean): void {
  const made = document.createElement("span");
  try {
    temml.render(source, made, { displayMode: display, throwOnError: true, trust: false, maxExpand: 500, maxSize: [30, 200] });
  } catch {
    return;
  }
  target.replaceChildren(...made.childNodes);
}
