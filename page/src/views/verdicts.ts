/** The four verdicts, always in their place: enabled once both answers are complete, and saying why while they are not. */

import type { Play } from "../store/play.ts";
import { SIDES, type Verdict } from "../store/types.ts";
import type { Context } from "../ui/context.ts";
import { attribute, h, show, text } from "../ui/dom.ts";
import { preferences } from "../ui/stored.ts";

export const ORDER: readonly Verdict[] = ["a", "tie", "both_bad", "b"];

/** Keys: the place of the button, and the letters of `arena demo`. */
const KEYS: Record<string, Verdict> = { "1": "a", "2": "tie", "3": "both_bad", "4": "b", a: "a", t: "tie", n: "both_bad", b: "b" };

/** Twice within this time (ms), Escape stops the battle. */
const TWICE_MS = 800;

export interface VerdictActions {
  vote(verdict: Verdict): void;
  undo(): void;
  stop(): void;
}

export interface BarState {
  play: Play;
  /** A verdict is on its way. */
  sending: boolean;
  /** A sentence that comes before the usual one; empty: none. */
  status: string;
  /** Whether this browser may judge. */
  mayVote: boolean;
  /** Seconds in which the newest verdict can be taken back; 0: it can't. */
  undoLeft: number;
}

export class VerdictBar {
  readonly element: HTMLElement;
  private readonly buttons: Record<Verdict, { button: HTMLButtonElement; label: HTMLElement }>;
  private readonly reason = h("p.reason", { id: "verdict-reason" });
  private readonly undo: HTMLButtonElement;
  private readonly stop: HTMLButtonElement;
  private escaped = 0;

  constructor(
    private readonly context: Context,
    private readonly actions: VerdictActions,
  ) {
    const words = context.texts.verdict;
    const made = ORDER.map((verdict, n) => [verdict, this.verdict(verdict, n)] as const);
    this.buttons = Object.fromEntries(made) as typeof this.buttons;
    this.undo = h("button.quiet", { type: "button", onclick: () => actions.undo() }, words.undo);
    this.stop = h("button.quiet", { type: "button", onclick: () => actions.stop() }, words.stop);
    const row = h("div.choices", null, made.map(([, { button }]) => button));
    const under = h("div.under", null, this.reason, h("span.tools", null, this.undo, this.stop));
    this.element = h("div.verdicts", { id: "verdicts" }, h("fieldset", { "aria-describedby": "verdict-reason" }, h("legend", null, words.legend), row), under);
  }

  private verdict(verdict: Verdict, n: number): { button: HTMLButtonElement; label: HTMLElement } {
    const label = h("span.label");
    const button = h(`button.verdict.is-${verdict}`, { type: "button", "aria-disabled": "true" }, label, h("kbd", { "aria-hidden": "true" }, String(n + 1)));
    button.addEventListener("click", () => this.actions.vote(verdict));
    return { button, label };
  }

  update(state: BarState): void {
    const { snapshot } = state.play;
    const { verdict: words, battle } = this.context.texts;
    const enabled = snapshot.can_vote && state.mayVote && !state.sending;
    text(this.buttons.a.label, words.better(snapshot.sides.a.alias));
    text(this.buttons.b.label, words.better(snapshot.sides.b.alias));
    text(this.buttons.tie.label, words.tie);
    text(this.buttons.both_bad.label, words.bad);
    ORDER.forEach((verdict, n) => {
      attribute(this.buttons[verdict].button, "aria-disabled", enabled ? null : "true");
      attribute(this.buttons[verdict].button, "aria-keyshortcuts", preferences().keys ? String(n + 1) : null);
    });
    attribute(this.element, "data-ready", enabled ? "true" : null);
    text(this.reason, state.status !== "" ? state.status : !state.mayVote ? battle.notYours : state.sending ? words.sending : this.why(state.play));
    show(this.undo, state.undoLeft > 0 && state.mayVote);
    text(this.undo, words.undoLeft(state.undoLeft));
    show(this.stop, state.mayVote);
    this.element.classList.toggle("no-keys", !preferences().keys);
  }

  private why({ snapshot }: Play): string {
    const words = this.context.texts.verdict;
    if (snapshot.can_vote) return words.ready;
    const missing = SIDES.filter((side) => snapshot.sides[side].state !== "done");
    const only = missing.length === 1 ? missing[0] : undefined;
    return only === undefined ? words.waitBoth : words.waitOne(snapshot.sides[only].alias);
  }

  /** Give a verdict by key, unless somebody writes or a dialog is open. */
  readonly key = (event: KeyboardEvent): void => {
    if (!preferences().keys || event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return;
    const target = event.target as Element;
    if (target.closest?.("input, textarea, select, [contenteditable], dialog") || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") return this.escape(event.timeStamp);
    const verdict = KEYS[event.key.toLowerCase()];
    if (verdict === undefined) return;
    event.preventDefault();
    this.actions.vote(verdict);
  };

  private escape(at: number): void {
    if (at - this.escaped < TWICE_MS) this.actions.stop();
    this.escaped = at;
  }
}
