/** The start: the question, who answers it, what is stored, and this browser's battles. */

import { newKey, openBattle, persistently, read, Refused, warm, type Opening } from "../net/api.ts";
import type { ModelsBody } from "../store/types.ts";
import type { Context, View } from "../ui/context.ts";
import { fill, h, show, text } from "../ui/dom.ts";
import { visible } from "../ui/names.ts";
import { remember, tab } from "../ui/stored.ts";
import { mine } from "./mine.ts";

export function home(context: Context): View {
  const { texts, about } = context;
  const words = texts.home;
  const question = h("textarea", {
    id: "question", rows: 3, dir: "auto", placeholder: words.placeholder, "aria-describedby": "question-hint question-trouble", enterkeyhint: "go",
  });
  question.value = tab.draft();
  question.addEventListener("input", () => tab.keepDraft(question.value));
  const start = h("button.button.main", { type: "submit" }, words.start);
  const trouble = h("p.trouble", { id: "question-trouble", role: "alert" });
  const choice = options(context);
  const form = h(
    "form.composer",
    { novalidate: true },
    h("label.over", { for: "question" }, words.prompt),
    question,
    h("div.under", null, h("p.hint", { id: "question-hint" }, words.enter), start),
    trouble,
    choice.element,
  );

  async function submit(): Promise<void> {
    const wrong = problem(question.value, choice, about.max_message, context);
    text(trouble, wrong ?? "");
    if (wrong !== null) return question.focus();
    start.disabled = true;
    text(start, words.starting);
    try {
      const opening = { message: question.value.trim(), ...choice.chosen() };
      const path = await begin(context, opening, (wait) => text(trouble, words.retryIn(Math.ceil(wait))));
      tab.keepDraft("");
      context.navigate(path);
    } catch (error) {
      text(trouble, sentence(error, context));
      start.disabled = false;
      text(start, words.start);
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!start.disabled) void submit();
  });
  question.addEventListener("keydown", (event) => {
    // Enter also ends a composition (Japanese, Chinese, Korean): then it is not meant for us.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  const example = (one: string): HTMLElement =>
    h("li", null, h("button.chip", { type: "button", onclick: () => {
      question.value = one;
      tab.keepDraft(one);
      question.focus();
    } }, one));
  warm();
  const element = h(
    "div.page.home",
    null,
    h("section.hero", null, h("h1", { tabindex: "-1" }, words.heading), h("p.lead", null, words.lead), h("p.meta", null, about.pace === "live" ? texts.pace.live : texts.pace.even)),
    form,
    h("section.examples", { "aria-label": words.examplesLabel }, h("ul", null, words.examples.map(example))),
    h("section.stored", { "aria-labelledby": "stored" }, h("h2", { id: "stored" }, texts.stored.label), h("p", null, notice(context))),
    mine(context),
  );
  return { element, title: words.heading };
}

/** The operator's words, else ours by how long things are kept. */
function notice(context: Context): string {
  const { about, texts } = context;
  if (about.notice !== "") return about.notice;
  const kept = about.retention_days === null ? texts.stored.forever : texts.stored.until(about.retention_days);
  return `${kept} ${texts.stored.advice}`;
}

function problem(message: string, choice: Options, max: number, context: Context): string | null {
  const words = context.texts.home;
  if (message.trim() === "") return words.empty;
  if ([...message].length > max) return words.tooLong(max);
  return choice.valid() ? null : words.chooseTwo;
}

export const sentence = (error: unknown, context: Context): string =>
  error instanceof Refused && error.status !== 0 ? error.message : context.texts.errors.offline;

/** Open a battle, once even if it is sent twice; answers the address of its view. */
export async function begin(context: Context, opening: Opening, waiting: (s: number) => void): Promise<string> {
  const key = newKey();
  const snapshot = await persistently(() => openBattle(opening, key), (refused, wait) => waiting(refused.retryAfter ?? wait));
  const { models, system } = opening;
  remember({
    id: snapshot.battle_id, prompt: opening.message.slice(0, 80), at: Date.now(), status: snapshot.status,
    ...(models === undefined ? {} : { models }), ...(system === undefined ? {} : { system }),
  });
  context.announcer.say(context.texts.say.opened);
  return `/battle/${snapshot.battle_id}`;
}

interface Options {
  element: HTMLElement;
  chosen(): Partial<Opening>;
  valid(): boolean;
}

/** Who meets: a surprise of so many, or models by name; and a system prompt. */
function options(context: Context): Options {
  const words = context.texts.home;
  const count = h("select", { id: "count" }, [2, 3, 4, 5].map((n) => h("option", { value: String(n), selected: n === context.about.num_models }, String(n))));
  const system = h("textarea", { id: "system", rows: 2, dir: "auto", placeholder: words.systemPlaceholder });
  const surprise = h("input", { type: "radio", name: "who", id: "who-surprise", checked: true });
  const named = h("input", { type: "radio", name: "who", id: "who-named" });
  const names = h("ul.models", { hidden: true });
  const hint = h("p.hint", { hidden: true }, context.about.named_votes === "count" ? words.chooseHint : `${words.chooseHint} ${words.chosenLeftOut}`);
  const changed = (): void => {
    show(names, named.checked);
    show(hint, named.checked);
    count.disabled = named.checked;
  };
  surprise.addEventListener("change", changed);
  named.addEventListener("change", changed);
  let touched = false;
  count.addEventListener("change", () => (touched = true));
  const element = h(
    "details.options",
    null,
    h("summary", null, words.options),
    h(
      "fieldset",
      null,
      h("legend", null, words.who),
      h("p.row.check", null, surprise, h("label", { for: "who-surprise" }, words.surprise), h("label.unseen", { for: "count" }, words.count), count),
      h("p.row.check", null, named, h("label", { for: "who-named" }, words.choose)),
      hint,
      names,
    ),
    h("label.over", { for: "system" }, words.system),
    system,
  );
  element.addEventListener("toggle", () => void list(names, context), { once: true });
  const picked = (): string[] => [...names.querySelectorAll<HTMLInputElement>("input:checked")].map((box) => box.value);
  return {
    element,
    valid: () => !named.checked || picked().length >= 2,
    chosen: () => ({
      ...(named.checked ? { models: picked() } : touched ? { num_models: Number(count.value) } : {}),
      ...(system.value.trim() === "" ? {} : { system: system.value.trim() }),
    }),
  };
}

async function list(names: HTMLElement, context: Context): Promise<void> {
  const answer = await read<ModelsBody>("models").catch(() => ({ models: [] }));
  const box = ({ model }: { model: string }, n: number): HTMLElement =>
    h("li.check", null, h("input", { type: "checkbox", id: `model-${n}`, value: model }), h("label", { for: `model-${n}` }, visible(model)));
  fill(names, answer.models.length === 0 ? h("li", null, context.texts.home.noModels) : answer.models.map(box));
}
