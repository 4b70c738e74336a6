/** The leaderboard: who is best and how sure that is; how fast each writes; how it is computed. */

import { read } from "../net/api.ts";
import type { BoardBody, BoardRow, SpeedRow } from "../store/types.ts";
import type { Context, View } from "../ui/context.ts";
import { attribute, fill, h, svg, type Child } from "../ui/dom.ts";
import { sentence } from "./home.ts";

type Sort = "rank" | "p_best" | "votes";

interface Choice { board: "quality" | "speed"; language: string; category: string; sort: Sort }

export function board(context: Context): View {
  const words = context.texts.board;
  const choice: Choice = { board: "quality", language: "", category: "", sort: "rank" };
  const place = h("div.boards", { "aria-live": "off" });
  const filters = h("div.filters");
  let body: BoardBody | null = null;
  let asked = 0;

  const draw = (): void => {
    if (body === null) return;
    for (const [kind, button] of Object.entries(kinds)) attribute(button, "aria-pressed", String(kind === choice.board));
    filters.hidden = choice.board === "speed" || (body.languages.length === 0 && body.categories.length === 0);
    fill(place, choice.board === "speed" ? speedBoard(body.speed, context) : qualityBoard(body, choice, context, draw));
  };
  async function load(): Promise<void> {
    const mine = ++asked;
    const query = new URLSearchParams(Object.entries({ language: choice.language, category: choice.category }).filter(([, value]) => value !== ""));
    try {
      const answer = await read<BoardBody>(`leaderboard?${query}`);
      if (mine !== asked) return;
      if (body === null) fill(filters, pickers(answer));
      body = answer;
      draw();
    } catch (error) {
      if (mine === asked) fill(place, h("p.trouble", { role: "alert" }, sentence(error, context)));
    }
  }
  const pickers = (answer: BoardBody): Child[] => [
    picker("language", words.language, answer.languages, (one) => languageName(one, context.language)),
    picker("category", words.category, answer.categories, (one) => one),
  ];
  const picker = (name: "language" | "category", label: string, values: readonly string[], shown: (value: string) => string): Child => {
    if (values.length === 0) return null;
    const all = h("option", { value: "" }, words.any);
    const select = h("select", { id: `by-${name}` }, all, values.map((value) => h("option", { value }, shown(value))));
    select.addEventListener("change", () => {
      choice[name] = select.value;
      void load();
    });
    return h("label", { for: `by-${name}` }, label, " ", select);
  };
  const kind = (name: Choice["board"], label: string): HTMLButtonElement => {
    const switchTo = (): void => {
      choice.board = name;
      draw();
    };
    return h("button.chip", { type: "button", onclick: switchTo }, label);
  };
  const kinds = { quality: kind("quality", words.quality), speed: kind("speed", words.speed) };
  const head = h("div.head", null, h("div.tools", { role: "group" }, kinds.quality, kinds.speed), filters);
  const how = h("section.how", { "aria-labelledby": "how" }, h("h2", { id: "how" }, words.how), h("p", null, words.howText));
  const element = h("div.page.broad.board", null, h("div.hero", null, h("h1", { tabindex: "-1" }, words.heading), h("p.lead", null, words.lead)), head, place, how);
  void load();
  return { element, title: words.heading };
}

function languageName(code: string, inLanguage: string): string {
  try {
    return new Intl.DisplayNames([inLanguage], { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}

function qualityBoard(body: BoardBody, choice: Choice, context: Context, again: () => void): Child {
  const words = context.texts.board;
  if (body.leaderboard.length === 0) {
    const filtered = choice.language !== "" || choice.category !== "";
    if (filtered) return h("p.note", null, words.filterEmpty);
    return h("div.empty", null, h("h2", null, words.empty), h("p", null, words.emptyText), h("a.button.main", { href: "/" }, context.texts.nav.battle));
  }
  const rows = sorted(body.leaderboard, choice.sort);
  const scale = axis(body.leaderboard);
  const heading = (label: string, by: Sort | null, name = ""): HTMLElement => {
    if (by === null) return h(`th${name}`, { scope: "col" }, label);
    const use = (): void => {
      choice.sort = by;
      again();
    };
    const button = h("button", { type: "button", title: words.sortBy(label), onclick: use }, label);
    return h(`th${name}`, { scope: "col", "aria-sort": choice.sort === by ? (by === "rank" ? "ascending" : "descending") : null }, button);
  };
  const head = h("tr", null, heading(words.rank, "rank"), heading(words.model, null), heading(words.rating, null), heading(words.pBest, "p_best", ".roomy"), heading(words.votes, "votes", ".roomy"));
  const groups = choice.sort === "rank" ? grouped(rows) : [rows];
  const bodies = groups.map((group) => h("tbody", null, group.map((row) => qualityRow(row, scale, context))));
  return [finding(body, context), h("table.ratings", { "aria-label": words.tableLabel }, h("thead", null, head), bodies), foot(body, context)];
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

function qualityRow(row: BoardRow, scale: Axis, context: Context): HTMLElement {
  const words = context.texts.board;
  const { number, percent } = context.figures;
  const votes = number(row.votes);
  const best = row.provisional || row.p_best === null ? "–" : percent(row.p_best);
  const why = row.provisional ? `${words.provisional}: ${row.reasons.map((one) => words.reasons[one] ?? one).join(", ")}` : "";
  const more = [why, row.tied_with > 0 ? words.tied(row.tied_with) : "", row.retired ? words.retired : ""].filter((one) => one !== "");
  const rating = row.votes === 0 ? "–" : number(row.elo_rating);
  const bounds = row.rating_lower === null || row.rating_upper === null ? "" : words.interval(number(row.rating_lower), number(row.rating_upper));
  return h(
    row.provisional ? "tr.provisional" : "tr",
    null,
    h("td.rank", null, row.provisional ? "–" : words.group(row.rank_low, row.rank_high)),
    h("th.model", { scope: "row" }, h("strong", null, row.display_name), more.length > 0 ? h("span.meta", null, more.join(" · ")) : null,
      h("span.meta.narrow", null, row.provisional ? `${words.votes}: ${votes}` : `${words.pBest}: ${best} · ${words.votes}: ${votes}`)),
    h("td.rating", null, h("span.figure", null, rating, bounds === "" ? null : h("span.meta", null, ` (${bounds})`)), bar(row, scale)),
    h("td.roomy.figure", null, best),
    h("td.roomy.figure", null, votes),
  );
}

/** The interval and the rating in it; the figures beside it say the same. */
function bar(row: BoardRow, scale: Axis): SVGElement | null {
  if (row.votes === 0) return null;
  const dot = svg("circle", { cx: scale.at(row.elo_rating), cy: 8, r: 4.5 });
  const parts = row.rating_lower === null || row.rating_upper === null ? [dot] : [svg("line", { x1: scale.at(row.rating_lower), x2: scale.at(row.rating_upper), y1: 8, y2: 8 }), dot];
  return svg("svg", { class: "interval", height: 16, width: "100%", "aria-hidden": "true" }, ...parts);
}

/** What can be said of the first place, and what is missing. */
function finding({ finding: found, method, counts }: BoardBody, context: Context): HTMLElement {
  const words = context.texts.board;
  const said = found.first === null || found.second === null || found.state === "not_enough_data"
    ? words.found.not_enough_data
    : words.found[found.state](found.first, found.second);
  const needed = found.state === "open" && found.votes_to_separate !== null ? words.needed(found.votes_to_separate) : "";
  const missing = found.state === "not_enough_data" ? words.missing(method.minimum_votes) : "";
  return h("div.finding", null, h("p.said-first", null, said), h("p.meta", null, [needed, missing, words.of(counts.votes, counts.battles)].filter((one) => one !== "").join(" · ")));
}

function foot({ last_updated }: BoardBody, context: Context): Child {
  return last_updated === 0 ? null : h("p.meta", null, context.texts.board.updated(context.figures.ago(last_updated * 1000, Date.now())));
}

function speedBoard(rows: readonly SpeedRow[], context: Context): Child {
  const words = context.texts.board;
  const { number } = context.figures;
  if (rows.length === 0) return h("p.note", null, words.speedEmpty);
  const most = Math.max(...rows.map((row) => row.tokens_per_s_p50 ?? 0), 1);
  const seconds = (value: number | null): string => (value === null ? "–" : `${number(value, value < 10 ? 2 : 0)} s`);
  const row = (one: SpeedRow): HTMLElement => h(
    "tr",
    null,
    h("th.model", { scope: "row" }, h("strong", null, one.model), h("span.meta", null, one.host)),
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
