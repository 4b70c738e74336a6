/** This browser's battles: go back to one, export them, erase them here and on the server. */

import { readBattle, send } from "../net/api.ts";
import type { Context } from "../ui/context.ts";
import { fill, h, text } from "../ui/dom.ts";
import { forget, myBattles, type Mine } from "../ui/stored.ts";

export function mine(context: Context): HTMLElement {
  const words = context.texts.mine;
  const list = h("ul.battles");
  const said = h("p.said", { role: "status" });
  const save = h("button.quiet", { type: "button" }, words.export);
  const erase = h("button.quiet", { type: "button" }, words.erase);
  const tools = h("div.tools", null, save, erase);
  const draw = (): void => {
    const all = myBattles();
    fill(list, all.map((one) => row(one)));
    tools.hidden = all.length === 0;
    element.hidden = all.length === 0 && said.textContent === "";
  };
  const row = (one: Mine): HTMLElement => {
    const gone = h("button.quiet.small", { type: "button", "aria-label": `${words.eraseOne}: ${one.prompt}` }, words.eraseOne);
    gone.addEventListener("click", () => void remove([one]));
    return h(
      "li",
      null,
      h("a", { href: `/battle/${one.id}`, dir: "auto" }, one.prompt),
      h("span.meta", null, `${context.figures.ago(one.at, Date.now())} · ${words.statuses[one.status] ?? one.status}`),
      gone,
    );
  };
  async function remove(battles: readonly Mine[]): Promise<void> {
    if (!confirm(words.eraseSure)) return;
    const outcomes = await Promise.allSettled(battles.map((one) => send("DELETE", `battles/${encodeURIComponent(one.id)}`)));
    forget(battles.map((one) => one.id));
    const kept = outcomes.filter((one) => one.status === "rejected" && (one.reason as { status?: number }).status !== 404).length;
    text(said, kept === 0 ? words.erased : words.kept(kept));
    draw();
  }
  save.addEventListener("click", () => void exportAll());
  erase.addEventListener("click", () => void remove(myBattles()));
  const element = h("section.mine", { "aria-labelledby": "mine" }, h("div.head", null, h("h2", { id: "mine" }, words.heading), tools), list, said);
  draw();
  return element;
}

/** A file with each battle as the server tells it now; what it no longer has, as this browser remembers it. */
async function exportAll(): Promise<void> {
  const battles = await Promise.all(
    myBattles().map(async (one) => ({ ...one, at: new Date(one.at).toISOString(), battle: await readBattle(one.id).catch(() => null) })),
  );
  const url = URL.createObjectURL(new Blob([JSON.stringify({ battles }, null, 2)], { type: "application/json" }));
  const link = h("a", { href: url, download: "arena-battles.json" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
