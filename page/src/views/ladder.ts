/** The rounds so far, the pair on stage, and how many are to come; of judged rounds the answers can be read again. */

import { Answer } from "../markdown/answer.ts";
import { ladder, survivor, type Play, type Rung } from "../store/play.ts";
import { SIDES, type Sides, type SideView } from "../store/types.ts";
import type { Context } from "../ui/context.ts";
import { fill, h } from "../ui/dom.ts";
import { tools } from "./markdown_tools.ts";

export class Ladder {
  readonly element: HTMLElement;
  private readonly list = h("ol");
  private drawn = "";

  constructor(private readonly context: Context) {
    this.element = h("section.ladder", { "aria-label": context.texts.battle.ladder }, this.list);
  }

  update(play: Play): void {
    const { rungs, more } = ladder(play.snapshot);
    const seen = JSON.stringify([rungs, more, Object.keys(play.past)]);
    if (seen === this.drawn) return;
    this.drawn = seen;
    const words = this.context.texts.battle;
    const last = more > 0 ? [h("li.more", null, h("span", null, words.more(more)))] : [];
    fill(this.list, rungs.map((rung) => this.rung(rung, play.past[rung.round])), last);
  }

  private rung(rung: Rung, past: Sides<SideView> | undefined): HTMLElement {
    const words = this.context.texts.battle;
    const label = h("span", null, rungText(rung, this.context), rung.now ? h("em", null, ` ${words.now}`) : null);
    const known = past !== undefined && SIDES.every((side) => past[side].alias === rung.aliases?.[side]);
    const again = known && !rung.now ? h("button.quiet.small", { type: "button", "aria-label": `${words.again}: ${rungText(rung, this.context)}` }, "↩") : null;
    again?.setAttribute("title", words.again);
    again?.addEventListener("click", () => past !== undefined && this.open(rung, past));
    return h(rung.now ? "li.now" : "li", rung.now ? { "aria-current": "step" } : null, label, again);
  }

  /** The answers of a judged round, in a dialog. */
  private open(rung: Rung, past: Sides<SideView>): void {
    const column = (view: SideView): HTMLElement => {
      const body = h("div.answer");
      new Answer(body, tools(this.context)).show(view.text, true);
      return h("section", null, h("h3", null, view.alias), body);
    };
    const close = h("button.button", { type: "button" }, this.context.texts.preferences.close);
    const title = rungText(rung, this.context);
    const dialog = h("dialog.past", { "aria-label": title }, h("h2", null, title), h("div.columns", null, SIDES.map((side) => column(past[side]))), close);
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }
}

/** A round in a few words: "Model A beat Model B". */
export function rungText(rung: Rung, context: Context): string {
  const words = context.texts.battle;
  const aliases = rung.aliases ?? { a: "A", b: "B" };
  if (rung.vote === null) return words.versus(aliases.a, aliases.b);
  if (rung.vote.verdict === "tie") return words.tied(aliases.a, aliases.b);
  if (rung.vote.verdict === "both_bad") return words.bad(aliases.a, aliases.b);
  return survivor(rung.vote) === "a" ? words.beat(aliases.a, aliases.b) : words.beat(aliases.b, aliases.a);
}
