/** A battle: its question, the ladder, both answers as they are written, the verdicts, and at the end the names. */

import { newKey, persistently, readBattle, Refused, sendVote, showWhole, stopBattle, undoVote } from "../net/api.ts";
import { Link, type LinkState } from "../net/link.ts";
import { adopt, begin, step, type Play } from "../store/play.ts";
import { SIDES, type ArenaEvent, type Side, type Snapshot, type Verdict } from "../store/types.ts";
import { confirmed } from "../ui/confirm.ts";
import type { Context, View } from "../ui/context.ts";
import { attribute, fill, h, show, text } from "../ui/dom.ts";
import { isMine, myBattles, noteStatus } from "../ui/stored.ts";
import { endActions } from "./battle_parts.ts";
import { Effect } from "./effect.ts";
import { Ladder } from "./ladder.ts";
import { Narrator } from "./narrator.ts";
import { Pane } from "./pane.ts";
import { Pacer } from "./pacer.ts";
import { reveal } from "./reveal.ts";
import { Switch } from "./switch.ts";
import { VerdictBar } from "./verdicts.ts";
import { Why } from "./why.ts";

export async function battle(context: Context, id: string): Promise<View> {
  const words = context.texts.battle;
  try {
    return new BattleView(context, await persistently(() => readBattle(id)));
  } catch (error) {
    const known = error instanceof Refused && error.status === 404;
    const sentence = known ? words.unknown : context.texts.errors.offline;
    const element = h("section.page.nothing", null, h("h1", { tabindex: "-1" }, sentence), h("a.button", { href: "/" }, words.fresh));
    return { element, title: sentence };
  }
}

class BattleView implements View {
  readonly element: HTMLElement;
  readonly title: string;
  private readonly id: string;
  private readonly panes: Record<Side, Pane>;
  private readonly pair: HTMLElement;
  private readonly ladder: Ladder;
  private readonly bar: VerdictBar;
  private readonly switch: Switch;
  private readonly why: Why;
  private readonly round = h("p.round");
  private readonly trouble = h("div.trouble.link", { hidden: true });
  private readonly after = h("div.after");
  private readonly narrator: Narrator;
  private readonly pacer: Pacer;
  private readonly link: Link | null;
  private readonly clock: ReturnType<typeof setInterval>;
  private play: Play;
  private sending = false;
  private status = "";
  private mayVote: boolean;
  private ended = false;
  private effect: Effect | null = null;
  private warned = false;

  constructor(
    private readonly context: Context,
    opened: Snapshot,
  ) {
    const words = context.texts.battle;
    this.id = opened.battle_id;
    this.title = opened.message.slice(0, 60);
    this.play = { ...begin(opened), votedAt: votedAt(this.id) };
    this.mayVote = context.about.open || isMine(this.id);
    this.panes = { a: this.pane("a"), b: this.pane("b") };
    this.pair = h("div.pair", null, SIDES.map((side) => this.panes[side].element));
    this.ladder = new Ladder(context);
    this.bar = new VerdictBar(context, { vote: (one) => void this.vote(one), undo: () => void this.undo(), stop: () => void this.stop() });
    this.switch = new Switch(context, this.pair, this.panes);
    this.why = new Why(context, this.id);
    this.bar.element.prepend(this.why.element);
    this.narrator = new Narrator(context);
    this.pacer = new Pacer(() => this.draw());
    const question = h("h1", { tabindex: "-1", dir: "auto" }, opened.message);
    const head = h("header.question", null, h("p.over", null, words.question), question, h("div.course", null, this.round, this.ladder.element), context.about.pace === "live" && opened.status === "running" ? h("p.meta", null, context.texts.pace.live) : null);
    this.element = h("article.battle", null, head, this.trouble, this.switch.element, this.pair, this.after, this.bar.element);
    document.addEventListener("keydown", this.bar.key);
    this.clock = setInterval(() => this.pacer.ask(), 1000);
    this.link = opened.status === "running" ? this.attached(opened.events) : null;
    this.draw();
  }

  leave(): void {
    document.removeEventListener("keydown", this.bar.key);
    clearInterval(this.clock);
    this.link?.close();
    this.pacer.stop();
    this.switch.leave();
    this.why.leave();
    this.effect?.leave();
  }

  private pane(side: Side): Pane {
    return new Pane(this.context, side, () => {
      const wide = this.pair.dataset["wide"] === side ? null : side;
      attribute(this.pair, "data-wide", wide);
      const words = this.context.texts.battle;
      const button = this.panes[side].element.querySelector(".widen");
      if (button !== null) text(button, wide === null ? words.wide : words.narrow);
    }, () => void this.ahead(side));
  }

  private attached(events: string): Link {
    const link = new Link(events, () => this.play.snapshot.cursor, {
      event: (event) => this.arrived(event),
      state: (state) => this.linked(state),
      reload: () => this.reload(),
    });
    link.start();
    return link;
  }

  private arrived(event: ArenaEvent): void {
    this.become(step(this.play, event, Date.now()));
  }

  private async reload(): Promise<boolean> {
    try {
      const snapshot = await readBattle(this.id);
      this.become(adopt(this.play, snapshot, Date.now()));
      return snapshot.status === "running";
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 404) throw error;
      this.status = this.context.texts.battle.unknown;
      return false;
    }
  }

  private become(play: Play): void {
    if (play === this.play) return;
    const before = this.play;
    this.play = play;
    if (play.snapshot.votes.length !== before.snapshot.votes.length || play.snapshot.round !== before.snapshot.round) this.status = "";
    keepVotedAt(this.id, play.votedAt);
    this.narrator.narrate(before.snapshot, play.snapshot);
    this.pacer.ask();
  }

  private linked(state: LinkState): void {
    const words = this.context.texts.link;
    const lost = state === "lost";
    if (lost) {
      const now = h("button.quiet", { type: "button", onclick: () => this.link?.again() }, words.now);
      fill(this.trouble, h("p", { role: "status" }, words.lost), now);
    }
    show(this.trouble, lost);
  }

  private draw(): void {
    const now = Date.now();
    const { snapshot } = this.play;
    for (const side of SIDES) this.panes[side].update(this.play, now, this.mayVote);
    this.switch.update(snapshot);
    this.ladder.update(this.play);
    this.why.update(this.mayVote ? snapshot.votes : []);
    text(this.round, snapshot.status === "running" ? this.context.texts.battle.round(snapshot.round, snapshot.rounds_total) : "");
    if (snapshot.status === "running") {
      const { play, sending, status, mayVote } = this;
      this.bar.update({ play, sending, status, mayVote, undoLeft: this.undoLeft(now) });
    } else if (!this.ended) this.end(snapshot);
  }

  private undoLeft(now: number): number {
    const { votedAt: at, snapshot } = this.play;
    const newest = snapshot.votes.at(-1);
    if (at === null || newest === undefined || newest.models !== undefined || this.sending) return 0;
    return Math.max(0, Math.ceil((at + this.context.about.undo_s * 1000 - now) / 1000));
  }

  private end(snapshot: Snapshot): void {
    this.ended = true;
    const fresh = this.link !== null;
    // Who votes by key stands on the question or nowhere: he is led to the names. Who reads or writes elsewhere is not.
    const focus = document.activeElement;
    const led = focus === document.body || focus?.tagName === "H1" || (this.bar.element.contains(focus) && !this.why.element.contains(focus));
    const names = reveal(snapshot, this.context, fresh);
    if (snapshot.votes.length > 0) {
      this.effect = new Effect(this.context, this.id);
      names.append(this.effect.element);
    }
    this.why.end();
    fill(this.after, names, this.why.element, endActions(this.context, snapshot, myBattles().find((one) => one.id === this.id)));
    this.bar.element.hidden = true;
    attribute(this.element, "data-ended", snapshot.status);
    noteStatus(this.id, snapshot.status);
    if (!fresh) return;
    if (this.why.element.contains(focus)) (focus as HTMLElement).focus({ preventScroll: true });
    const heading = this.after.querySelector<HTMLElement>("h2");
    if (led) heading?.focus({ preventScroll: true });
    this.after.scrollIntoView({ block: "nearest" });
  }

  private async vote(verdict: Verdict): Promise<void> {
    const { snapshot } = this.play;
    const words = this.context.texts.verdict;
    if (!snapshot.can_vote || this.sending || !this.mayVote) return this.context.announcer.say(this.bar.element.querySelector(".reason")?.textContent ?? "");
    const unread = this.switch.unread();
    if (unread !== null && !this.warned) {
      this.warned = true;
      return this.showStatus(words.unread(snapshot.sides[unread].alias));
    }
    const key = newKey();
    await this.act(
      () => persistently(() => sendVote(this.id, snapshot.round, verdict, key), () => this.showStatus(words.resend, true)),
      (refused) => (refused.code === "already_judged" ? words.already : null),
    );
  }

  private undo(): Promise<void> {
    const round = this.play.snapshot.votes.at(-1)?.round ?? 0;
    const words = this.context.texts.verdict;
    const done = this.act(() => undoVote(this.id, round), (refused) => (refused.status === 409 ? words.undoLate : null));
    return done.then(() => this.context.announcer.say(this.status === "" ? words.undone : this.status));
  }

  private async stop(): Promise<void> {
    if (this.play.snapshot.status !== "running" || !this.mayVote || !(await this.sureToStop())) return;
    await this.act(() => persistently(() => stopBattle(this.id)), () => null);
  }

  private sureToStop(): Promise<boolean> {
    const words = this.context.texts.verdict;
    return confirmed(words.stopSure, words.stopYes, words.stopNo);
  }

  /** Show a side whole without the other; that its round is over by now needs no words. */
  private ahead(side: Side): Promise<void> {
    const { round, sides } = this.play.snapshot;
    return this.act(async () => {
      const snapshot = await showWhole(this.id, round, side);
      this.panes[side].shownAhead(round);
      this.context.announcer.say(this.context.texts.battle.aheadSaid(sides[side].alias));
      return snapshot;
    }, (refused) => (refused.status === 409 ? "" : null));
  }

  /** Send something that moves the battle; what it answers is taken over, what refuses it is said. */
  private async act(call: () => Promise<Snapshot>, meaning: (refused: Refused) => string | null): Promise<void> {
    this.sending = true;
    this.status = "";
    this.draw();
    try {
      const snapshot = await call();
      this.status = "";
      this.become(adopt(this.play, snapshot, Date.now()));
    } catch (error) {
      const refused = error instanceof Refused ? error : new Refused(0, "offline", String(error));
      if (refused.status === 403) this.mayVote = false;
      const sentence = meaning(refused) ?? (refused.status === 0 ? this.context.texts.errors.offline : refused.message);
      if (refused.status === 409) await this.reload().catch(() => undefined);
      this.showStatus(refused.status === 403 ? "" : sentence);
    } finally {
      this.sending = false;
      this.pacer.ask();
    }
  }

  private showStatus(sentence: string, sending = false): void {
    this.status = sentence;
    if (sentence !== "") this.context.announcer.say(sentence);
    this.sending = sending;
    this.draw();
  }
}

const VOTED = "arena.voted.";

/** When the newest verdict was given, over a reload: it can be taken back for a while. */
function votedAt(id: string): number | null {
  try {
    return Number(sessionStorage.getItem(VOTED + id)) || null;
  } catch {
    return null;
  }
}

function keepVotedAt(id: string, at: number | null): void {
  try {
    if (at === null) sessionStorage.removeItem(VOTED + id);
    else sessionStorage.setItem(VOTED + id, String(at));
  } catch {
    // Forbidden: after a reload there is no undo.
  }
}
