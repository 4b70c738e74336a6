/** This browser's battles: go back to one, export them, erase them here and on the server. */

import { eraseBattle, persistently, readBattle, Refused, stopBattle } from "../net/api.ts";
import type { Context } from "../ui/context.ts";
import { confirmed } from "../ui/confirm.ts";
import { fill, h, show, text } from "../ui/dom.ts";
import { forget, myBattles, type Mine } from "../ui/stored.ts";

/** So many are listed until somebody asks for all. */
const FEW = 8;
/** Calls at a time, when many battles are erased. */
const AT_ONCE = 4;

export function mine(context: Context): HTMLElement {
  const words = context.texts.mine;
  const list = h("ul.battles");
  const said = h("p.said", { role: "status" });
  const save = h("button.quiet", { type: "button" }, words.export);
  const erase = h("button.quiet", { type: "button" }, words.erase);
  const more = h("button.quiet", { type: "button" });
  const tools = h("div.tools", null, save, erase);
  let all = false;
  const draw = (): void => {
    const battles = myBattles();
    fill(list, (all ? battles : battles.slice(0, FEW)).map((one) => row(one)));
    text(more, words.more(battles.length - FEW));
    show(more, !all && battles.length > FEW);
    show(tools, battles.length > 0);
    show(element, battles.length > 0 || said.textContent !== "");
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
    if (!(await confirmed(context.texts.mine.eraseSure, words.eraseYes, words.eraseNo))) return;
    erase.disabled = true;
    text(said, words.erasing);
    const outcomes = await eraseAll(battles.map((one) => one.id));
    forget([...outcomes].filter(([, outcome]) => outcome !== "failed").map(([id]) => id));
    const count = (what: Outcome): number => [...outcomes.values()].filter((one) => one === what).length;
    const sentences = [count("not_ours") > 0 ? words.kept(count("not_ours")) : "", count("failed") > 0 ? words.failed(count("failed")) : ""].filter((one) => one !== "");
    text(said, sentences.length === 0 ? words.erased : sentences.join(" "));
    erase.disabled = false;
    draw();
  }
  save.addEventListener("click", () => void exportAll());
  erase.addEventListener("click", () => void remove(myBattles()));
  more.addEventListener("click", () => {
    all = true;
    draw();
    list.querySelectorAll<HTMLElement>("a")[FEW]?.focus();
  });
  const element = h("section.mine", { "aria-labelledby": "mine" }, h("div.head", null, h("h2", { id: "mine" }, words.heading), tools), list, more, said);
  draw();
  return element;
}

/** `not_ours`: the server does not take this browser for the battle's owner; `failed`: nothing was erased, it can be tried again. */
export type Outcome = "erased" | "not_ours" | "failed";

/** Erase battles on the server, a few at a time. */
export async function eraseAll(ids: readonly string[]): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>();
  const left = [...ids];
  const worker = async (): Promise<void> => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) outcomes.set(id, await eraseOne(id));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return outcomes;
}

/** One that still runs is stopped first: the server erases ended battles only. */
async function eraseOne(id: string): Promise<Outcome> {
  const erased = (): Promise<void> => persistently(() => eraseBattle(id), undefined, 3);
  try {
    await erased().catch(async (error: unknown) => {
      if (!(error instanceof Refused) || error.code !== "still_running") throw error;
      await stopBattle(id);
      await erased();
    });
    return "erased";
  } catch (error) {
    const status = error instanceof Refused ? error.status : 0;
    return status === 404 ? "erased" : status === 403 ? "not_ours" : "failed";
  }
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
