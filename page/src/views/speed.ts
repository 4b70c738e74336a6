/** The speed board: how fast each model writes on each host. */

import type { SpeedRow } from "../store/types.ts";
import type { Context } from "../ui/context.ts";
import { h, svg, type Child } from "../ui/dom.ts";
import { visible } from "../ui/names.ts";

export function speedBoard(rows: readonly SpeedRow[], context: Context): Child {
  const words = context.texts.board;
  const { number } = context.figures;
  if (rows.length === 0) return h("p.note", null, words.speedEmpty);
  const most = Math.max(...rows.map((row) => row.tokens_per_s_p50 ?? 0), 1);
  const seconds = (value: number | null): string => (value === null ? "–" : `${number(value, value < 10 ? 2 : 0)} s`);
  const row = (one: SpeedRow): HTMLElement => h(
    "tr",
    null,
    h("th.model", { scope: "row" }, h("strong", { dir: "auto" }, visible(one.model)), h("span.meta", null, one.host)),
    h("td", null, h("span.figure", null, one.tokens_per_s_p50 === null ? "–" : number(one.tokens_per_s_p50)), meter(one.tokens_per_s_p50 ?? 0, most)),
    h("td.figure", null, seconds(one.ttft_s_p50), h("span.meta.roomy", null, ` ${words.firstSlow} ${seconds(one.ttft_s_p95)}`)),
    h("td.roomy.figure", null, number(one.answers)),
  );
  const heads = [words.model, words.rate, words.first].map((label) => h("th", { scope: "col" }, label));
  return h("table.ratings.speed", { "aria-label": words.speed }, h("thead", null, h("tr", null, heads, h("th.roomy", { scope: "col" }, words.answers))), h("tbody", null, rows.map(row)));
}

function meter(value: number, most: number): SVGElement {
  const width = `${((100 * value) / most).toFixed(1)}%`;
  return svg("svg", { class: "meter", height: 8, width: "100%", "aria-hidden": "true" }, svg("rect", { x: 0, y: 1, width, height: 6, rx: 3 }));
}
