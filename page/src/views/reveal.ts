/** The end: who they were, from the last to the first, and how fast. */

import type { RankingLine, Reveal, Snapshot } from "../store/types.ts";
import type { Context } from "../ui/context.ts";
import { h } from "../ui/dom.ts";
import { visible } from "../ui/names.ts";
import { reducedMotion } from "../ui/stored.ts";

const STEP_MS = 300;

/** Draw the reveal; `fresh` when the end was seen just now, so that it is worth a little suspense. */
export function reveal(snapshot: Snapshot, context: Context, fresh: boolean): HTMLElement {
  const words = context.texts.reveal;
  const result: Reveal = snapshot.reveal ?? { champion: null, ranking: [] };
  const lines = result.ranking.map((line) => row(line, context));
  if (fresh && !reducedMotion()) unveil(lines);
  const heading = h("h2", { id: "reveal-heading", tabindex: "-1" }, words.heading[snapshot.status] ?? "");
  const champion = h("p.champion", null, result.champion === null ? words.none : words.champion(visible(result.champion)));
  const why = snapshot.status === "failed" ? h("p.note", null, words.why) : null;
  return h("section.reveal", { "aria-labelledby": "reveal-heading" }, heading, champion, why, h("ol.ranking", null, lines));
}

function unveil(lines: readonly HTMLElement[]): void {
  [...lines].reverse().forEach((line, n) => {
    line.classList.add("veiled");
    setTimeout(() => line.classList.remove("veiled"), STEP_MS * (n + 1));
  });
}

function row(line: RankingLine, context: Context): HTMLElement {
  const words = context.texts.reveal;
  const place = line.failed ? words.failed : line.place === null ? words.unjudged : context.figures.number(line.place);
  return h(
    `li${line.place === 1 ? ".first" : ""}${line.place === null ? ".unplaced" : ""}`,
    null,
    h("span.place", null, h("span.unseen", null, `${words.place} `), place),
    h("div.who", null, h("strong", { dir: "auto" }, visible(line.model)), h("span.alias", null, words.was(line.alias))),
    h("ul.facts", null, facts(line, context).map((fact) => h("li", null, fact))),
  );
}

function facts(line: RankingLine, context: Context): string[] {
  const { reveal: words } = context.texts;
  const { number } = context.figures;
  const timing = line.timing;
  const all = [
    timing?.ttft_s == null ? null : words.first(number(timing.ttft_s, timing.ttft_s < 10 ? 1 : 0)),
    timing?.tokens_per_s == null ? null : words.rate(number(timing.tokens_per_s)),
    timing?.cold == null ? null : timing.cold ? words.cold : words.warm,
    line.host === null || line.host === undefined ? null : words.on(line.host),
    line.fallback ? words.fallback : null,
    timing?.cost == null ? null : words.cost(number(timing.cost, 4)),
  ];
  return all.filter((fact) => fact !== null);
}
