/** "Why?" after a verdict: reasons for each side and a comment. It saves by itself and is never in the way of the next round. */

import { keepFeedback, persistently, readFeedback, Refused } from "../net/api.ts";
import { Saving, type Saved } from "../net/saving.ts";
import { SIDES, type FeedbackBody, type Reason, type Side, type Sides, type Vote } from "../store/types.ts";
import type { Context } from "../ui/context.ts";
import { attribute, fill, h, show, text } from "../ui/dom.ts";

/** A comment is saved this long (ms) after the last letter, or when its field is left. */
const PAUSE_MS = 900;
const MAX_COMMENT = 2000;

type Chips = Sides<Map<Reason, HTMLButtonElement>>;

export class Why {
  readonly element: HTMLElement;
  private readonly toggle: HTMLButtonElement;
  private readonly panel = h("div.reasons", { id: "why-panel", hidden: true });
  private readonly said = h("p.said", { role: "status" });
  private readonly comment: HTMLTextAreaElement;
  private chips: Chips = { a: new Map(), b: new Map() };
  private saving: Saving<FeedbackBody> | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private shown = "";
  private round = 0;
  private loaded = false;

  constructor(
    private readonly context: Context,
    private readonly battle: string,
  ) {
    const words = context.texts.why;
    this.toggle = h("button.quiet.small", { type: "button", "aria-expanded": "false", "aria-controls": "why-panel", onclick: () => this.turn() }, words.open);
    this.comment = h("textarea", { id: "why-comment", rows: "2", maxlength: String(MAX_COMMENT), dir: "auto" });
    this.comment.addEventListener("input", () => this.later());
    this.comment.addEventListener("change", () => this.flush());
    this.element = h("section.why", { "aria-label": words.label, hidden: true }, h("div.line", null, this.toggle, this.said), this.panel);
  }

  /** Ask about the newest verdict; `null`: there is none, or it was taken back, and what is not saved yet is dropped. */
  update(vote: Vote | null): void {
    const seen = JSON.stringify(vote);
    if (seen === this.shown) return;
    if (vote !== null && vote.round > this.round) this.flush();
    else this.saving?.drop();
    this.shown = seen;
    this.stop();
    this.round = vote?.round ?? 0;
    this.loaded = false;
    this.expand(false);
    text(this.said, "");
    show(this.element, vote !== null);
    this.saving = vote === null ? null : this.savingOf(vote.round);
    if (vote !== null) this.ask(vote);
  }

  leave(): void {
    this.flush();
  }

  private ask(vote: Vote): void {
    const words = this.context.texts.why;
    this.chips = { a: this.chipsOf(), b: this.chipsOf() };
    this.comment.value = "";
    const sides = SIDES.map((side) => this.group(side, vote.aliases[side]));
    const label = h("label.over", { for: "why-comment" }, words.comment);
    fill(this.panel, h("div.sides", null, sides), h("div.comment", null, label, this.comment));
  }

  private group(side: Side, alias: string): HTMLElement {
    const id = `why-${side}`;
    const chips = [...this.chips[side].values()];
    return h(`div.group.side-${side}`, { role: "group", "aria-labelledby": id }, h("p.over", { id }, alias), h("div.chips", null, chips));
  }

  private chipsOf(): Map<Reason, HTMLButtonElement> {
    const { reasons } = this.context.texts.why;
    return new Map((Object.keys(reasons) as Reason[]).map((reason) => [reason, this.chip(reasons[reason])]));
  }

  private chip(label: string): HTMLButtonElement {
    const chip = h("button.chip", { type: "button", "aria-pressed": "false" }, label);
    chip.addEventListener("click", () => {
      press(chip, !pressed(chip));
      this.save();
    });
    return chip;
  }

  private turn(): void {
    const open = this.panel.hidden;
    this.expand(open);
    if (open && !this.loaded) void this.load();
  }

  private expand(open: boolean): void {
    show(this.panel, open);
    attribute(this.toggle, "aria-expanded", String(open));
  }

  /** What was said before, in this tab or another one: saving replaces it as a whole, so nothing can be changed before. */
  private async load(): Promise<void> {
    const { shown, round } = this;
    this.panel.inert = true;
    try {
      const kept = await persistently(() => readFeedback(this.battle, round));
      if (shown !== this.shown) return;
      for (const side of SIDES) for (const [reason, chip] of this.chips[side]) press(chip, kept.reasons[side].includes(reason));
      this.comment.value = kept.comment ?? "";
      this.loaded = true;
      this.panel.inert = false;
    } catch (error) {
      if (shown === this.shown) this.tell({ refused: error });
    }
  }

  private later(): void {
    this.stop();
    text(this.said, "");
    this.timer = setTimeout(() => this.save(), PAUSE_MS);
  }

  private flush(): void {
    if (this.timer !== null) this.save();
  }

  private stop(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  private save(): void {
    this.stop();
    const of = (side: Side): Reason[] => [...this.chips[side]].filter(([, chip]) => pressed(chip)).map(([reason]) => reason);
    this.saving?.put({ reasons: { a: of("a"), b: of("b") }, comment: this.comment.value });
  }

  private savingOf(round: number): Saving<FeedbackBody> {
    const once = (said: FeedbackBody): Promise<unknown> =>
      saving.dropped ? Promise.reject(new Error("taken back")) : keepFeedback(this.battle, round, said);
    const saving = new Saving((said: FeedbackBody) => persistently(() => once(said)), (state) => saving === this.saving && this.tell(state));
    return saving;
  }

  private tell(state: Saved): void {
    const { why, errors } = this.context.texts;
    if (typeof state === "string") return text(this.said, state === "saved" ? why.saved : "");
    const refused = state.refused;
    text(this.said, `${why.lost} ${refused instanceof Refused && refused.status !== 0 ? refused.message : errors.offline}`);
  }
}

const pressed = (chip: HTMLElement): boolean => chip.getAttribute("aria-pressed") === "true";
const press = (chip: HTMLElement, on: boolean): void => attribute(chip, "aria-pressed", String(on));
