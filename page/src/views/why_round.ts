/**
 * Why one round was judged so: reasons for each side and a comment. It saves by itself and is never in the way of the next
 * round. What is not saved yet is a draft of this tab, so that neither a reload nor a lost connection loses it.
 */

import { keepFeedback, persistently, readFeedback, Refused } from "../net/api.ts";
import { Saving, type Saved } from "../net/saving.ts";
import { SIDES, type FeedbackBody, type Reason, type Side, type Sides, type Vote } from "../store/types.ts";
import type { Context } from "../ui/context.ts";
import { attribute, fill, h, show, text } from "../ui/dom.ts";
import { drafts } from "../ui/stored.ts";
import { rungText } from "./ladder.ts";

/** A comment is saved this long (ms) after the last letter, or when its field is left. */
const PAUSE_MS = 900;
const MAX_COMMENT = 2000;

type Chips = Sides<Map<Reason, HTMLButtonElement>>;

export class WhyRound {
  readonly element: HTMLElement;
  private readonly toggle: HTMLButtonElement;
  private readonly panel: HTMLElement;
  private readonly said = h("p.said", { role: "status" });
  private readonly again: HTMLButtonElement;
  private readonly comment: HTMLTextAreaElement;
  private readonly chips: Chips;
  private readonly saving: Saving<FeedbackBody>;
  private readonly draft: string;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private loaded = false;
  private unsaved = false;

  constructor(
    private readonly context: Context,
    private readonly battle: string,
    private readonly vote: Vote,
    /** Called when it becomes `busy`, or is no longer. */
    private readonly changed: () => void,
  ) {
    const words = context.texts.why;
    const panel = `why-panel-${vote.round}`;
    const what = rungText({ round: vote.round, aliases: vote.aliases, vote, now: false }, context);
    this.draft = `${battle}.${vote.round}.${vote.verdict}`;
    this.toggle = h("button.quiet.small", { type: "button", "aria-expanded": "false", "aria-controls": panel, onclick: () => this.turn() }, words.open, " ", h("span.judged", null, what));
    this.again = h("button.quiet.small", { type: "button", hidden: true, onclick: () => this.save() }, words.again);
    this.chips = { a: this.chipsOf(), b: this.chipsOf() };
    this.comment = h("textarea", { id: `why-comment-${vote.round}`, rows: "2", maxlength: String(MAX_COMMENT), dir: "auto" });
    this.comment.addEventListener("input", () => this.later());
    this.comment.addEventListener("change", () => this.flush());
    const label = h("label.over", { for: this.comment.id }, words.comment);
    const sides = SIDES.map((side) => this.group(side, vote.aliases[side]));
    this.panel = h("div.reasons", { id: panel, hidden: true }, h("div.sides", null, sides), h("div.comment", null, label, this.comment));
    this.element = h("div.of-round", null, h("div.line", null, this.toggle, this.said, this.again), this.panel);
    this.saving = new Saving((said: FeedbackBody) => persistently(() => this.send(said)), (state) => this.showState(state));
    this.restore();
  }

  /** Whether somebody is at it: it is open, or something of it is not saved. */
  get busy(): boolean {
    return !this.panel.hidden || this.unsaved;
  }

  /** Save at once what is waiting to be saved. */
  flush(): void {
    if (this.timer !== null) this.save();
  }

  /** The verdict was taken back, and what was said of it with it. */
  drop(): void {
    this.stop();
    this.saving.drop();
    drafts.forget(this.draft);
    this.element.remove();
  }

  private send(said: FeedbackBody): Promise<unknown> {
    return this.saving.dropped ? Promise.reject(new Error("taken back")) : keepFeedback(this.battle, this.vote.round, said);
  }

  private group(side: Side, alias: string): HTMLElement {
    const id = `why-${this.vote.round}-${side}`;
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
    show(this.panel, open);
    attribute(this.toggle, "aria-expanded", String(open));
    if (open && !this.loaded) void this.load();
    this.changed();
  }

  /** What was said before, in this tab or another one: saving replaces it as a whole, so nothing can be changed before. */
  private async load(): Promise<void> {
    this.panel.inert = true;
    try {
      const kept = await persistently(() => readFeedback(this.battle, this.vote.round));
      this.fill({ reasons: kept.reasons, comment: kept.comment });
    } catch (error) {
      this.showState({ refused: error });
    }
  }

  private fill(said: FeedbackBody): void {
    for (const side of SIDES) for (const [reason, chip] of this.chips[side]) press(chip, said.reasons?.[side]?.includes(reason) ?? false);
    this.comment.value = said.comment ?? "";
    this.loaded = true;
    this.panel.inert = false;
  }

  /** Take up what was not saved when the page was left. */
  private restore(): void {
    const kept = drafts.of<FeedbackBody>(this.draft);
    if (kept === null) return;
    this.fill(kept);
    this.save();
  }

  private now(): FeedbackBody {
    const of = (side: Side): Reason[] => [...this.chips[side]].filter(([, chip]) => pressed(chip)).map(([reason]) => reason);
    return { reasons: { a: of("a"), b: of("b") }, comment: this.comment.value };
  }

  private keepDraft(): void {
    drafts.keep(this.draft, this.now());
    this.unsaved = true;
  }

  private later(): void {
    this.stop();
    this.keepDraft();
    text(this.said, "");
    this.timer = setTimeout(() => this.save(), PAUSE_MS);
  }

  private stop(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  private save(): void {
    this.stop();
    this.keepDraft();
    this.saving.put(this.now());
  }

  private showState(state: Saved): void {
    const { why, errors } = this.context.texts;
    const refused = typeof state === "string" ? null : state.refused;
    show(this.again, refused !== null && this.loaded);
    if (refused !== null) fill(this.said, `${why.lost} ${refused instanceof Refused && refused.status !== 0 ? refused.message : errors.offline}`);
    else text(this.said, state === "saved" ? why.saved : "");
    // What is refused for good (the battle was erased) would be refused again after each reload.
    const final = refused instanceof Refused && !refused.passing && refused.status < 500;
    if ((state === "saved" && this.timer === null) || final) {
      this.unsaved = final;
      drafts.forget(this.draft);
    }
    this.changed();
  }
}

const pressed = (chip: HTMLElement): boolean => chip.getAttribute("aria-pressed") === "true";
const press = (chip: HTMLElement, on: boolean): void => attribute(chip, "aria-pressed", String(on));
