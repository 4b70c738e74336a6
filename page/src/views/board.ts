/** The leaderboard: who is best and how sure that is; how fast each writes; how it is computed. */

import { read } from "../net/api.ts";
import type { BoardBeingMade, BoardBody } from "../store/types.ts";
import type { Context, View } from "../ui/context.ts";
import { attribute, fill, h, text, type Child } from "../ui/dom.ts";
import { visible } from "../ui/names.ts";
import { sentence } from "./home.ts";
import { headToHead } from "./pairs.ts";
import { foot, ratings, type Sort } from "./ratings.ts";
import { speedBoard } from "./speed.ts";

interface Choice { board: "quality" | "speed"; language: string; category: string; sort: Sort; whose: { model: string | null } }

export function board(context: Context): View {
  const words = context.texts.board;
  const choice: Choice = { board: "quality", language: "", category: "", sort: "rank", whose: { model: null } };
  const place = h("div.boards", { "aria-live": "off" });
  const filters = h("div.filters");
  let body: BoardBody | null = null;
  let asked = 0;
  let later: ReturnType<typeof setTimeout> | undefined;

  const draw = (): void => {
    text(explained, choice.board === "speed" ? words.howSpeed : words.howText);
    if (body === null) return;
    for (const [kind, button] of Object.entries(kinds)) attribute(button, "aria-pressed", String(kind === choice.board));
    filters.hidden = choice.board === "speed" || (body.languages.length === 0 && body.categories.length === 0);
    fill(place, choice.board === "speed" ? speedBoard(body.speed, context) : qualityBoard(body, choice, context, draw));
  };
  async function load(): Promise<void> {
    const mine = ++asked;
    clearTimeout(later);
    const query = new URLSearchParams(Object.entries({ language: choice.language, category: choice.category }).filter(([, value]) => value !== ""));
    try {
      const answer = await read<BoardBody | BoardBeingMade>(`leaderboard?${query}`);
      if (mine !== asked) return;
      if ("state" in answer) {
        fill(place, h("p.note", { role: "status" }, words.beingMade));
        later = setTimeout(() => void load(), answer.retry_after_s * 1000);
        return;
      }
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
  const explained = h("p");
  const how = h("section.how", { "aria-labelledby": "how" }, h("h2", { id: "how" }, words.how), explained);
  const element = h("div.page.broad.board", null, h("div.hero", null, h("h1", { tabindex: "-1" }, words.heading), h("p.lead", null, words.lead)), head, place, how);
  draw();
  void load();
  const leave = (): void => {
    asked++;
    clearTimeout(later);
  };
  return { element, title: words.heading, leave };
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
    return h("div.empty", null, h("h2", null, words.empty), h("p", null, words.emptyText), h("a.button.main", { href: "/" }, context.texts.battle.fresh));
  }
  const sortBy = (by: Sort): void => {
    choice.sort = by;
    again();
    document.getElementById(`sort-${by}`)?.focus();
  };
  return [finding(body, context), ratings(body, choice.sort, sortBy, context), foot(body, context), headToHead(body, choice.whose, context)];
}

/** What can be said of the first place, what is missing, and what makes it doubtful. */
function finding(body: BoardBody, context: Context): HTMLElement {
  const words = context.texts.board;
  const { finding: found, method } = body;
  const said = found.first === null || found.second === null || found.state === "not_enough_data"
    ? words.found.not_enough_data
    : words.found[found.state](visible(found.first), visible(found.second));
  const needed = found.state === "open" && found.votes_to_separate !== null ? words.needed(found.votes_to_separate) : "";
  const missing = found.state === "not_enough_data" ? words.missing(method.minimum_votes) : "";
  const facts = [needed, missing, ...votesBehind(body, context)].filter((one) => one !== "");
  const doubts = body.warnings.map((one) => h("li", null, doubt(one, context)));
  return h("div.finding", null, h("p.said-first", null, said), h("p.meta", null, facts.join(" · ")), doubts.length === 0 ? null : h("ul.doubts", { "aria-label": words.doubts }, doubts));
}

/** How many votes there are and who cast them: a few voters speak for nobody else. */
function votesBehind({ counts, method }: BoardBody, context: Context): string[] {
  const words = context.texts.board;
  const { percent } = context.figures;
  const voters = counts.voters === 0 ? "" : counts.largest_voter_share === null || counts.largest_voter_share > 0.995 ? words.oneVoter : words.voters(counts.voters, percent(counts.largest_voter_share));
  const prompts = counts.prompts === null || counts.largest_prompt_share === null ? "" : words.prompts(counts.prompts, percent(counts.largest_prompt_share));
  return [words.of(counts.votes, counts.battles), voters, prompts, method.clustered_by.includes("voter") ? words.byVoter : ""];
}

function doubt({ kind, models }: BoardBody["warnings"][number], context: Context): string {
  const words = context.texts.board;
  if (kind === "lack_of_fit") return words.misfit(visible(models[0] ?? ""), visible(models[1] ?? ""));
  const steps = models.map((one, n) => words.beats(visible(one), visible(models[(n + 1) % models.length] ?? "")));
  return words.circle(new Intl.ListFormat(context.language).format(steps));
}
