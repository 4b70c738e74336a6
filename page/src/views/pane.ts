/** One side of the pair: who it is, how far, and the answer. Not a live region: see the announcer. */

import { Answer } from "../markdown/answer.ts";
import { copyText } from "../markdown/render.ts";
import type { Play } from "../store/play.ts";
import type { Side, SideView } from "../store/types.ts";
import type { Context } from "../ui/context.ts";
import { attribute, h, show, text } from "../ui/dom.ts";
import { visible } from "../ui/names.ts";
import { roundedWait, wordCount } from "../ui/numbers.ts";
import { showsWhole } from "../ui/stored.ts";
import { tools } from "./markdown_tools.ts";

/** How long a pane keeps the answer of who stays while the new round brings it again. */
const KEEP_MS = 1000;

export class Pane {
  readonly element: HTMLElement;
  private readonly name: HTMLElement;
  private readonly badge = h("span.badge", { hidden: true });
  private readonly state = h("p.state");
  private readonly note = h("p.note", { hidden: true });
  private readonly body = h("div.answer");
  private readonly caret = h("span.caret", { "aria-hidden": "true", hidden: true });
  private answer: Answer;
  private alias = "";
  private shown = "";
  private complete = false;
  private since = 0;
  private readonly ahead: HTMLButtonElement;
  /** The round and the name of whom somebody asked to see ahead of the other side. */
  private asked = "";

  constructor(
    private readonly context: Context,
    readonly side: Side,
    private readonly widen: () => void,
    private readonly showAhead: () => void,
  ) {
    const words = context.texts.battle;
    this.name = h("h2", { id: `name-${side}`, tabindex: "-1" });
    this.answer = this.fresh();
    const copy = h("button.quiet.small", { type: "button" }, words.copyAnswer);
    copy.addEventListener("click", () => {
      void copyText(this.shown).then(() => text(copy, words.copied));
      setTimeout(() => text(copy, words.copyAnswer), 2000);
    });
    const wide = h("button.quiet.small.widen", { type: "button", onclick: this.widen }, words.wide);
    this.ahead = h("button.quiet.small.ahead", { type: "button", hidden: true, title: words.aheadWhy, onclick: () => this.askAhead() }, words.ahead);
    const head = h("header", null, h("div.who", null, h("span.dot", { "aria-hidden": "true" }), this.name, this.badge), this.state, h("div.tools", null, this.ahead, wide, copy));
    this.element = h(`section.pane.side-${side}`, { id: `pane-${side}`, "aria-labelledby": `name-${side}` }, head, this.note, this.body, this.caret);
  }

  private fresh(): Answer {
    this.body.replaceChildren();
    this.shown = "";
    this.complete = false;
    return new Answer(this.body, tools(this.context));
  }

  private askAhead(): void {
    this.name.focus({ preventScroll: true }); // the button goes, and with it would the focus
    this.showAhead();
  }

  /** Somebody asked to see this side ahead of the other: there is no more to ask for in this round. */
  shownAhead(round: number): void {
    this.asked = `${round} ${this.alias}`;
  }

  /** Show the side as it is at `now` (ms); `mine`: whoever looks may ask for it ahead of the other. */
  update(play: Play, now: number, mine: boolean): void {
    const view = play.snapshot.sides[this.side];
    if (view.alias !== this.alias) this.enter(view.alias, now);
    const place = this.side === "a" ? this.context.texts.battle.left : this.context.texts.battle.right;
    attribute(this.element, "aria-label", this.context.texts.battle.answerOf(view.alias, place));
    attribute(this.element, "aria-busy", view.state === "writing" ? "true" : null);
    attribute(this.element, "data-state", view.state);
    text(this.state, stateText(play, this.side, this.context, now));
    this.mark(play, view);
    const held = play.snapshot.status === "running" && view.state !== "done" && view.state !== "failed";
    const offered = held && mine && this.context.about.pace === "even" && this.asked !== `${play.snapshot.round} ${view.alias}`;
    show(this.ahead, offered);
    attribute(this.ahead, "aria-label", this.context.texts.battle.aheadOf(view.alias));
    this.write(view, play, now);
  }

  private enter(alias: string, now: number): void {
    const first = this.alias === "";
    this.alias = alias;
    this.since = now;
    text(this.name, alias);
    this.answer = this.fresh();
    this.element.classList.toggle("entering", !first);
    if (!first) setTimeout(() => this.element.classList.remove("entering"), 600);
  }

  private mark(play: Play, view: SideView): void {
    const words = this.context.texts;
    const running = play.snapshot.status === "running" && play.snapshot.round > 1 && play.stayed !== null;
    const model = play.snapshot.reveal?.ranking.find((line) => line.alias === view.alias)?.model;
    const badge = model !== undefined ? visible(model) : !running ? "" : play.stayed === this.side ? words.battle.stays : words.battle.challenger;
    text(this.badge, badge);
    show(this.badge, badge !== "");
    attribute(this.element, "data-role", !running ? null : play.stayed === this.side ? "champion" : "challenger");
    const note = noteText(play, this.side, view, this.context);
    text(this.note, note);
    show(this.note, note !== "");
    show(this.caret, view.state === "writing" && !showsWhole());
  }

  private write(view: SideView, play: Play, now: number): void {
    const complete = view.state === "done" || view.state === "failed";
    const held = view.text === "" && this.shown !== "" && play.stayed === this.side && !complete;
    if (held && now - this.since < KEEP_MS) return;
    const source = !complete && showsWhole() ? "" : view.text;
    if (!held) this.since = now;
    if (source === this.shown && complete === this.complete) return;
    this.answer.show(source, complete);
    this.shown = source;
    this.complete = complete;
  }
}

function stateText(play: Play, side: Side, context: Context, now: number): string {
  const words = context.texts.states;
  const view = play.snapshot.sides[side];
  if (play.snapshot.status !== "running" && view.state !== "done" && view.state !== "failed") return words.stopped;
  switch (view.state) {
    case "queued":
    case "loading": {
      const wait = play.waits[side];
      const what = view.state === "loading" ? words.loading : wait?.place == null ? words.queued : words.place(wait.place);
      if (wait?.until == null) return what;
      const left = (wait.until - now) / 1000;
      return `${what}, ${left < -5 ? words.longer : words.about(roundedWait(left))}`;
    }
    case "writing":
      return showsWhole() ? `${words.writing}, ${words.words(wordCount(view.text))}` : words.writing;
    case "done":
      return view.finish_reason === "length" ? words.cut : words.done;
    case "failed":
      return view.error?.code === "cancelled" ? words.stopped : words.failed;
    default:
      return words.waiting;
  }
}

function noteText(play: Play, side: Side, view: SideView, context: Context): string {
  const words = context.texts.states;
  if (view.error !== null) return words.errors[view.error.code] ?? view.error.message;
  const notice = play.notices[side];
  if (notice === null) return "";
  return notice.kind === "restarted" ? words.restarted : words.replaced(notice.left ?? "");
}
