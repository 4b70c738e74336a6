/** "Why?" after each verdict: a line for the newest one, and for earlier ones those that are open or not saved yet; all of them on request. */

import type { Vote } from "../store/types.ts";
import type { Context } from "../ui/context.ts";
import { attribute, h, show, text } from "../ui/dom.ts";
import { WhyRound } from "./why_round.ts";

export class Why {
  readonly element: HTMLElement;
  private readonly rounds = new Map<number, { seen: string; line: WhyRound }>();
  private readonly lines = h("div.lines");
  private readonly earlier: HTMLButtonElement;
  private all = false;
  private ended = false;

  constructor(
    private readonly context: Context,
    private readonly battle: string,
  ) {
    this.earlier = h("button.quiet.small.earlier", { type: "button", onclick: () => this.turn() });
    this.element = h("section.why", { "aria-label": context.texts.why.label, hidden: true }, this.earlier, this.lines);
    window.addEventListener("pagehide", this.flush);
    document.addEventListener("visibilitychange", this.flush);
  }

  /** Ask about these verdicts. One that is not among them any more was taken back: what is not saved of it is dropped. */
  update(votes: readonly Vote[]): void {
    for (const [round, { seen, line }] of this.rounds) {
      if (votes.some((vote) => vote.round === round && JSON.stringify(vote) === seen)) continue;
      line.drop();
      this.rounds.delete(round);
    }
    for (const vote of votes) if (!this.rounds.has(vote.round)) this.add(vote);
    this.arrange();
  }

  /** The battle has ended: show the lines of all rounds, for good. */
  end(): void {
    this.ended = true;
    this.arrange();
  }

  leave(): void {
    window.removeEventListener("pagehide", this.flush);
    document.removeEventListener("visibilitychange", this.flush);
    for (const { line } of this.rounds.values()) line.flush();
  }

  private turn(): void {
    this.all = !this.all;
    this.arrange();
  }

  private add(vote: Vote): void {
    for (const { line } of this.rounds.values()) line.flush();
    const line = new WhyRound(this.context, this.battle, vote, () => this.arrange());
    this.rounds.set(vote.round, { seen: JSON.stringify(vote), line });
    this.lines.prepend(line.element); // the others stay where they are: somebody may be writing in one
  }

  private arrange(): void {
    const newest = Math.max(...this.rounds.keys());
    let more = 0;
    for (const [round, { line }] of this.rounds) {
      const shown = this.ended || this.all || round === newest || line.busy;
      if (!shown) more++;
      show(line.element, shown);
    }
    show(this.element, this.rounds.size > 0);
    show(this.earlier, !this.ended && (more > 0 || (this.all && this.rounds.size > 1)));
    text(this.earlier, this.context.texts.why.earlier(this.rounds.size - 1));
    attribute(this.earlier, "aria-expanded", String(this.all));
  }

  /** Who leaves the page or changes the tab in the middle of a comment has said it all the same. */
  private readonly flush = (event: Event): void => {
    if (event.type === "visibilitychange" && !document.hidden) return;
    for (const { line } of this.rounds.values()) line.flush();
  };
}
