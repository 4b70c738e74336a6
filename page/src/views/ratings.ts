/** The table of ratings: groups of equals, each interval on one common axis, and what is missing where something is. */

import type { BoardBody, BoardRow, BoardStanding } from "../store/types.ts";
import type { Context } from "../ui/context.ts";
import { h, svg, type Child } from "../ui/dom.ts";

export type Sort = "rank" | "p_best" | "votes";

/** The rows in the order of `by`; `sortBy` is called when somebody asks for another one. */
export function ratings(body: BoardBody, by: Sort, sortBy: (by: Sort) => void, context: Context): HTMLElement {
  const words = context.texts.board;
  const rows = sorted(body.leaderboard, by);
  const scale = axis(body.leaderboard);
  const heading = (label: string, column: Sort | null, name = ""): HTMLElement => {
    if (column === null) return h(`th${name}`, { scope: "col" }, label);
    const button = h("button", { type: "button", id: `sort-${column}`, title: words.sortBy(label), onclick: () => sortBy(column) }, label);
    return h(`th${name}`, { scope: "col", "aria-sort": by === column ? (column === "rank" ? "ascending" : "descending") : null }, button);
  };
  const head = h("tr", null, heading(words.rank, "rank"), heading(words.model, null), heading(words.rating, null), heading(words.pBest, "p_best", ".roomy"), heading(words.votes, "votes", ".roomy"));
  const groups = by === "rank" ? grouped(rows) : [rows];
  const bodies = groups.map((group) => h("tbody", null, group.map((row) => ratingRow(row, body.method.minimum_votes, scale, context))));
  return h("table.ratings.quality", { "aria-label": words.tableLabel }, h("thead", null, head), bodies);
}

function sorted(rows: readonly BoardRow[], by: Sort): BoardRow[] {
  if (by === "rank") return [...rows];
  return [...rows].sort((one, other) => (other[by] ?? 0) - (one[by] ?? 0));
}

/** Rows that can't be told apart stand together: the service says so by `rank_low`, which they share. */
export function grouped(rows: readonly BoardRow[]): BoardRow[][] {
  const groups: BoardRow[][] = [];
  for (const row of rows) {
    const last = groups.at(-1)?.[0];
    if (last !== undefined && last.rank_low === row.rank_low && last.provisional === row.provisional) groups.at(-1)?.push(row);
    else groups.push([row]);
  }
  return groups;
}

interface Axis { at(rating: number): string }

/** One axis for all rows, so that bars can be compared by eye. */
export function axis(rows: readonly BoardRow[]): Axis {
  const ends = rows.flatMap((row) => [row.rating_lower, row.rating_upper, row.elo_rating].filter((value) => value !== null));
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const width = Math.max(high - low, 1);
  return { at: (rating) => `${(2 + (96 * (rating - low)) / width).toFixed(2)}%` };
}

function ratingRow(row: BoardRow, minimum: number, scale: Axis, context: Context): HTMLElement {
  const words = context.texts.board;
  const { number, chance } = context.figures;
  const votes = number(row.votes);
  const best = row.provisional || row.p_best === null ? "–" : chance(row.p_best);
  const more = notes(row, minimum, context).join(" · ");
  const narrow = row.provisional ? `${words.votes}: ${votes}` : `${words.pBest}: ${best} · ${words.votes}: ${votes}`;
  const { figure, bounds } = rated(row, context);
  return h(
    row.provisional ? "tr.provisional" : "tr",
    null,
    h("td.rank", null, row.provisional ? "–" : words.group(row.rank_low, row.rank_high)),
    h("th.model", { scope: "row" }, h("strong", { dir: "auto" }, row.display_name), more === "" ? null : h("span.meta", null, more), h("span.meta.narrow", null, narrow)),
    h("td.rating", null, h("span.figure", null, figure, bounds === "" ? null : h("span.meta", null, ` ${bounds}`)), bar(row, scale)),
    h("td.roomy.figure", null, best),
    h("td.roomy.figure", null, votes),
  );
}

/** What is to be known of a row beside its figures; of a provisional one, what is missing. */
export function notes(row: BoardRow, minimum: number, context: Context): string[] {
  const words = context.texts.board;
  const newcomer = row.provisional && row.reasons.length === 1 && row.reasons[0] === "few_votes" && row.votes < minimum;
  const missing = newcomer ? words.votesMissing(minimum - row.votes) : "";
  const reasons = row.reasons.map((one) => words.reasons[one] ?? one).join(", ");
  const why = reasons === "" ? "" : row.provisional ? `${words.provisional}: ${reasons}` : reasons;
  return [why, missing, row.tied_with > 0 ? words.tied(row.tied_with) : "", row.retired ? words.retired : ""].filter((one) => one !== "");
}

/** The rating and its interval in words; of a model that never lost only the lower end is known, and it is the figure. */
export function rated(row: BoardStanding, context: Context): { figure: string; bounds: string } {
  const words = context.texts.board;
  const { number } = context.figures;
  const [lower, upper] = [row.rating_lower, row.rating_upper];
  if (row.bounds === "unknown") return { figure: "–", bounds: "" };
  if (row.bounds === "fixed") return { figure: number(row.elo_rating), bounds: words.fixed };
  if (lower !== null && upper !== null) return { figure: number(row.elo_rating), bounds: `(${words.interval(number(lower), number(upper))})` };
  if (lower !== null) return { figure: words.atLeast(number(lower)), bounds: "" };
  return upper !== null ? { figure: words.atMost(number(upper)), bounds: "" } : { figure: "–", bounds: words.openEnds };
}

/** The interval and the rating in it, an open end as an arrow to the edge; the figures beside it say the same. */
function bar(row: BoardRow, scale: Axis): SVGElement | null {
  const [lower, upper] = [row.rating_lower, row.rating_upper];
  if (row.votes === 0 || row.bounds === "unknown" || row.bounds === "open") return null;
  const parts: SVGElement[] = [];
  if (row.bounds !== "fixed") {
    parts.push(svg("line", { x1: lower === null ? "0%" : scale.at(lower), x2: upper === null ? "100%" : scale.at(upper), y1: 8, y2: 8 }));
    if (upper === null) parts.push(arrow("100%", "M-6 3 L0 8 L-6 13"));
    if (lower === null) parts.push(arrow("0%", "M6 3 L0 8 L6 13"));
  }
  const known = lower !== null && upper !== null;
  const end = lower ?? upper ?? row.elo_rating;
  parts.push(svg("circle", { cx: scale.at(known || row.bounds === "fixed" ? row.elo_rating : end), cy: 8, r: 4.5 }));
  return svg("svg", { class: "interval", height: 16, width: "100%", "aria-hidden": "true" }, ...parts);
}

/** An open end: `path` from its tip, which lies at `x`. */
function arrow(x: string, path: string): SVGElement {
  return svg("svg", { x, y: 0, overflow: "visible", class: "arrow" }, svg("path", { d: path }));
}

/** How old the figures are. */
export function foot({ last_updated }: BoardBody, context: Context): Child {
  return last_updated === 0 ? null : h("p.meta", null, context.texts.board.updated(context.figures.ago(last_updated * 1000, Date.now())));
}
