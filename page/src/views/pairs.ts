/** Head to head: what each pair's votes were, and where a pair goes another way than its ratings say. */

import type { BoardBody } from "../store/types.ts";
import type { Context } from "../ui/context.ts";
import { fill, h, svg, type Child } from "../ui/dom.ts";

export type Pair = BoardBody["head_to_head"][number];

/** With more pairs than this, one model's are shown first. */
const MOST_AT_ONCE = 12;
/** Standard errors between what a pair's votes and its ratings say, from which on it is worth a word. */
const SURPRISING = 3;

/** The pairs of `model` as it saw them; of everybody when it is empty. */
export function pairsOf(pairs: readonly Pair[], model: string): Pair[] {
  if (model === "") return [...pairs];
  return pairs.filter((pair) => pair.model === model || pair.opponent === model).map((pair) => (pair.model === model ? pair : turned(pair)));
}

function turned(pair: Pair): Pair {
  const other = (share: number | null): number | null => (share === null ? null : 1 - share);
  return {
    ...pair,
    model: pair.opponent,
    opponent: pair.model,
    wins: pair.losses,
    losses: pair.wins,
    share: other(pair.share),
    expected: other(pair.expected),
    surprise: pair.surprise === null ? null : -pair.surprise,
  };
}

/** The table with a choice of whose pairs; `whose` is the choice before, which the next drawing keeps. */
export function headToHead(body: BoardBody, whose: { model: string | null }, context: Context): Child {
  const words = context.texts.pairs;
  const pairs = body.head_to_head;
  if (pairs.length === 0) return null;
  const names = new Map(body.leaderboard.map((row) => [row.model, row.display_name]));
  const models = [...names.keys()].filter((model) => pairs.some((pair) => pair.model === model || pair.opponent === model));
  if (whose.model === null || !["", ...models].includes(whose.model)) whose.model = pairs.length > MOST_AT_ONCE ? (models[0] ?? "") : "";
  const place = h("div");
  const draw = (): void => fill(place, table(pairsOf(pairs, whose.model ?? ""), names, context));
  const options = [h("option", { value: "", selected: whose.model === "" }, words.all), models.map((model) => h("option", { value: model, selected: model === whose.model }, names.get(model)))];
  const select = h("select", { id: "whose" }, options);
  select.addEventListener("change", () => {
    whose.model = select.value;
    draw();
  });
  draw();
  const picker = models.length < 3 ? null : h("label", { for: "whose" }, `${words.of} `, select);
  return h("section.pairs", { "aria-labelledby": "pairs" }, h("div.head", null, h("h2", { id: "pairs" }, words.heading), picker), h("p.meta", null, words.lead), place);
}

function table(pairs: readonly Pair[], names: ReadonlyMap<string, string>, context: Context): HTMLElement {
  const words = context.texts.pairs;
  const heads = [h("th", { scope: "col" }, words.pair), h("th.roomy", { scope: "col" }, words.share), [words.wins, words.ties, words.losses].map((label) => h("th.count", { scope: "col" }, label)), h("th.count.roomy", { scope: "col" }, words.bad)];
  const bodies = pairs.map((pair) => row(pair, names, context));
  return h("table.ratings", { "aria-labelledby": "pairs" }, h("thead", null, h("tr", null, heads)), h("tbody", null, bodies));
}

function row(pair: Pair, names: ReadonlyMap<string, string>, context: Context): HTMLElement {
  const words = context.texts.pairs;
  const { number, percent } = context.figures;
  const name = (model: string): string => names.get(model) ?? model;
  const odd = pair.surprise !== null && Math.abs(pair.surprise) >= SURPRISING;
  const shares = pair.share === null || pair.expected === null ? "–" : words.shares(percent(pair.share), percent(pair.expected));
  return h(
    "tr",
    null,
    h("th.model", { scope: "row" }, h("strong", { dir: "auto" }, name(pair.model)), h("span.meta", null, words.against, " ", h("bdi", null, name(pair.opponent))), odd ? h("span.meta.odd", null, words.odd) : null, h("span.narrow", null, record(pair))),
    h("td.roomy.share", null, record(pair), h("span.meta", null, shares)),
    [pair.wins, pair.ties, pair.losses].map((count) => h("td.count.figure", null, number(count))),
    h("td.count.roomy.figure", null, number(pair.both_bad)),
  );
}

/** Wins, ties and losses to scale, and a mark where the ratings expect the border; the figures beside it say the same. */
function record({ wins, ties, losses, expected }: Pair): SVGElement | null {
  const all = wins + ties + losses;
  if (all === 0) return null;
  const at = (count: number): string => `${((100 * count) / all).toFixed(2)}%`;
  const part = (name: string, from: number, count: number): SVGElement => svg("rect", { class: name, x: at(from), width: at(count), y: 3, height: 8 });
  const mark = expected === null ? [] : [svg("line", { x1: at(expected * all), x2: at(expected * all), y1: 0, y2: 14 })];
  return svg("svg", { class: "record", height: 14, width: "100%", "aria-hidden": "true" }, part("won", 0, wins), part("tied", wins, ties), part("lost", wins + ties, losses), ...mark);
}
