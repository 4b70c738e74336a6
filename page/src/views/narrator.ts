/** What a screen reader hears of a battle: who begins, who is complete, when to vote, what was counted, who won. */

import { SIDES, type Snapshot } from "../store/types.ts";
import type { Context } from "../ui/context.ts";
import { visible } from "../ui/names.ts";
import { wordCount } from "../ui/numbers.ts";
import { rungText } from "./ladder.ts";

export class Narrator {
  constructor(private readonly context: Context) {}

  /** Say what changed from `before` to `after`, if it is worth a sentence. */
  narrate(before: Snapshot, after: Snapshot): void {
    const sentence = this.sentence(before, after);
    if (sentence === null) return;
    if (after.status === "failed" && before.status === "running") this.context.announcer.alert(sentence);
    else this.context.announcer.say(sentence);
  }

  private sentence(before: Snapshot, after: Snapshot): string | null {
    const words = this.context.texts.say;
    if (before.status === "running" && after.status !== "running") {
      const champion = after.reveal?.champion ?? null;
      return champion === null ? words.over : words.ended(visible(champion));
    }
    const vote = after.votes.length > before.votes.length ? after.votes.at(-1) : undefined;
    if (vote !== undefined) {
      const what = rungText({ round: vote.round, aliases: vote.aliases ?? null, vote, now: false }, this.context);
      return words.voted(what, after.sides.a.alias, after.sides.b.alias);
    }
    if (after.can_vote && !before.can_vote) return words.ready;
    return this.onSides(before, after);
  }

  private onSides(before: Snapshot, after: Snapshot): string | null {
    const words = this.context.texts.say;
    for (const side of SIDES) {
      const [was, is] = [before.sides[side], after.sides[side]];
      // A contestant that stays is written anew into the log, but says nothing new.
      if (was.alias !== is.alias || was.state === is.state || before.round !== after.round) continue;
      if (is.state === "writing") return words.writing(is.alias);
      if (is.state === "failed") return words.failed(is.alias);
      if (is.state === "done" && was.state === "writing") return words.complete(is.alias, wordCount(is.text));
    }
    return null;
  }
}
