/** What a battle's verdicts did to the leaderboard, as the service tells it from two of its fits; nothing is computed here. */

import { readBoardChange } from "../net/api.ts";
import type { BoardChange, BoardStanding } from "../store/types.ts";
import type { Context } from "../ui/context.ts";
import { fill, h, type Child } from "../ui/dom.ts";
import { visible } from "../ui/names.ts";
import { rated } from "./ratings.ts";

/** When (ms after the last check) it is checked again, while the verdicts wait for the next fit. */
const CHECK_AFTER_MS = [1_500, 2_000, 3_000, 5_000, 10_000, 20_000, 30_000];

export class Effect {
  readonly element = h("div.effect");
  private timer: ReturnType<typeof setTimeout> | null = null;
  private checks = 0;

  constructor(
    private readonly context: Context,
    private readonly battle: string,
  ) {
    this.show(h("p", null, context.texts.effect.pending));
    void this.check();
  }

  leave(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.checks = CHECK_AFTER_MS.length;
  }

  private async check(): Promise<void> {
    const change = await readBoardChange(this.battle).catch(() => null);
    if (change !== null && change.state !== "not_yet") return this.show(changeText(change, this.context));
    const pause = CHECK_AFTER_MS[this.checks++];
    if (pause !== undefined) this.timer = setTimeout(() => void this.check(), pause);
  }

  private show(what: Child): void {
    const link = h("a", { href: "/leaderboard" }, this.context.texts.effect.toBoard);
    fill(this.element, h("h3.over", null, this.context.texts.effect.heading), what, h("p", null, link));
  }
}

/** A line for each model that was judged, and who else moved it. */
export function changeText(change: BoardChange, context: Context): Child {
  const words = context.texts.effect;
  if (change.state === "none") return h("p", null, words.none);
  if (change.state === "past") return h("p", null, words.past);
  const reasons = Object.keys(change.left_out).map((reason) => words.reasons[reason] ?? reason).join(", ");
  if (change.votes === 0) return h("p", null, words.leftOut(reasons));
  const lines = change.models.map((one) => h("li", null, h("strong", { dir: "auto" }, visible(one.model)), moved(one.before, one.after, context)));
  const rest = [change.other_votes > 0 ? words.others(change.other_votes) : "", reasons === "" ? "" : words.someLeftOut(reasons)].filter((one) => one !== "");
  return [h("ul.moves", null, lines), rest.length === 0 ? null : h("p.meta", null, rest.join(" "))];
}

function moved(before: BoardStanding | null, after: BoardStanding | null, context: Context): Child {
  const words = context.texts.effect;
  const [was, is] = [before, after].map((one) => (one === null ? null : rated(one, context).figure));
  if (is == null) return null;
  const way = before === null || after === null || before.bounds !== after.bounds ? "" : after.elo_rating > before.elo_rating ? "up" : after.elo_rating < before.elo_rating ? "down" : "";
  const figures = was == null || was === is ? [is] : [h("span", null, was), h("span.arrow", { "aria-hidden": "true" }, "→"), h("span.unseen", null, ` ${words.to} `), h("span.is", { "data-way": way }, is)];
  return [h("span.move", null, figures), h("span.meta", null, standing(before, after, context))];
}

/** The rank in words: where it is, and where it was if that differs. */
function standing(before: BoardStanding | null, after: BoardStanding | null, context: Context): string {
  const { effect: words, board } = context.texts;
  const rank = (one: BoardStanding | null): string => (one === null ? words.unlisted : one.provisional ? board.provisional : words.rank(board.group(one.rank_low, one.rank_high)));
  const [was, is] = [rank(before), rank(after)];
  return was === is ? is : words.before(is, was);
}
