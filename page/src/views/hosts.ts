/** The hosts, for who runs the arena: what is in memory where, who waits, loads as they happen, and what the doctor found. */

import { copyText } from "../markdown/render.ts";
import { read, Refused } from "../net/api.ts";
import type { Finding, FullHost, HostsBody, HostView } from "../store/types.ts";
import type { Context, View } from "../ui/context.ts";
import { fill, h, show, text, type Child } from "../ui/dom.ts";
import { visible } from "../ui/names.ts";
import { tab } from "../ui/stored.ts";
import { sentence } from "./home.ts";

const EVERY_MS = 5000;
/** Newest events that are shown of a host. */
const MOST_EVENTS = 6;

const isFull = (host: HostView | FullHost): host is FullHost => "running_by_model" in host;

export function hosts(context: Context): View {
  const words = context.texts.hosts;
  const place = h("div.hosts");
  const trouble = h("p.trouble", { role: "alert" });
  const admin = adminKey(context, () => void load());
  let drawn = "";

  async function load(): Promise<void> {
    const key = tab.adminKey();
    try {
      const body = await read<HostsBody>("hosts", key === "" ? {} : { "X-Admin-Key": key });
      text(trouble, "");
      admin.confirm(body.view, key);
      draw(body);
    } catch (error) {
      text(trouble, error instanceof Refused ? sentence(error, context) : String(error));
    }
  }
  function draw(body: HostsBody): void {
    // When a host told something is no news; what it told is.
    const now = JSON.stringify(body, (name, value: unknown) => (name === "told_at" ? undefined : value));
    if (now === drawn) return;
    drawn = now;
    const focused = document.activeElement?.id ?? "";
    const found = body.view === "full" ? findings(body.findings, context) : null;
    const totals = body.view === "full" || body.waiting + body.running > 0 ? h("p.totals", null, `${words.running}: ${body.running} · ${words.waiting}: ${body.waiting}`) : null;
    const cards = body.hosts.length === 0 ? h("p.note", null, words.empty) : h("ul.cards", null, body.hosts.map((one) => card(one, context)));
    fill(place, totals, cards, found);
    if (focused !== "" && document.activeElement === document.body) document.getElementById(focused)?.focus();
  }
  const timer = setInterval(() => {
    if (!document.hidden) void load();
  }, EVERY_MS);
  void load();
  const element = h(
    "div.page.broad.hosts-page",
    null,
    h("div.hero", null, h("h1", { tabindex: "-1" }, words.heading), h("p.meta", null, words.refreshed)),
    trouble,
    place,
    admin.element,
  );
  return { element, title: words.heading, leave: () => clearInterval(timer) };
}

/** The admin key lives as long as the tab and goes in a header only. */
function adminKey(context: Context, changed: () => void): { element: HTMLElement; confirm(view: string, key: string): void } {
  const words = context.texts.hosts;
  const input = h("input", { type: "password", id: "admin-key", autocomplete: "off" });
  const use = h("button.button", { type: "submit" }, words.keyUse);
  const forget = h("button.quiet", { type: "button" }, words.keyForget);
  const said = h("p.hint");
  const form = h("form.key", null, h("label.over", { for: "admin-key" }, words.key), h("div.tools", null, input, use));
  const keep = (key: string): void => {
    tab.keepAdminKey(key);
    input.value = "";
    changed();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keep(input.value);
  });
  forget.addEventListener("click", () => keep(""));
  const element = h("section.admin", { "aria-label": words.key }, said, form, forget);
  return {
    element,
    confirm(view, key) {
      const wrong = key !== "" && view === "public";
      text(said, wrong ? words.keyWrong : view === "public" ? words.public : "");
      show(form, view === "public");
      show(forget, key !== "");
    },
  };
}

function card(host: HostView | FullHost, context: Context): HTMLElement {
  const words = context.texts.hosts;
  const since = host.since === null ? "" : ` ${words.since(context.figures.lasting(Date.parse(host.since), Date.now()))}`;
  const health = h("span.health", { "data-health": host.health }, `${words.health[host.health] ?? host.health}${since}`);
  const name = h("h2", null, host.name, host.fallback ? h("span.badge", null, words.fallback) : null);
  return h("li.host", null, h("div.head", null, name, health), address(host), loading(host, context), memory(host, context), planned(host, context), jobs(host, context), unloads(host, context), events(host, context));
}

function address(host: HostView | FullHost): Child {
  return isFull(host) ? h("p.meta.address", null, host.why === "" ? host.url : `${host.url} · ${host.why}`) : null;
}

const when = (time: string, context: Context): string => context.figures.ago(Date.parse(time), Date.now());

/** What is in memory: a bar to scale, and the same in words. */
function memory(host: HostView | FullHost, context: Context): Child {
  const words = context.texts.hosts;
  const { bytes } = context.figures;
  if (!isFull(host)) return null; // only operators are told
  if (host.residents.length === 0) return h("p.meta", null, words.none);
  const all = Math.max(host.memory_bytes ?? 0, host.residents.reduce((sum, one) => sum + one.size_bytes, 0));
  const segment = (size: number, spilled: boolean): HTMLElement => {
    const part = h(spilled ? "i.spilled" : "i");
    part.style.setProperty("--share", String(size / all));
    return part;
  };
  const bar = h("div.bar", { "aria-hidden": "true" }, host.residents.map((one) => [segment(one.vram_bytes, false), one.size_bytes > one.vram_bytes ? segment(one.size_bytes - one.vram_bytes, true) : null]));
  const line = (one: HostView["residents"][number]): HTMLElement => {
    const spilled = one.size_bytes - one.vram_bytes;
    const facts = [words.inVram(bytes(one.vram_bytes)), spilled > 0 ? words.spilled(bytes(spilled)) : "", one.ours ? "" : words.foreign].filter((fact) => fact !== "");
    return h("li", null, h("strong", null, visible(one.model)), h("span.meta", null, ` ${facts.join(" · ")}`));
  };
  const used = host.memory_bytes === null ? bytes(host.resident_vram_bytes) : words.used(bytes(host.resident_vram_bytes), bytes(host.memory_bytes));
  return h("div.memory", null, h("p.over", null, `${words.memory}: ${used}`), bar, h("ul.residents", null, host.residents.map(line)));
}

function loading(host: HostView | FullHost, context: Context): Child {
  const words = context.texts.hosts;
  if (isFull(host) && host.loading_model !== null) return h("p.loading", null, words.loadingModel(visible(host.loading_model), context.figures.number(host.loading_for_s ?? 0)));
  return host.loading ? h("p.loading", null, words.loading) : null;
}

/** What should be in memory when nobody waits. */
function planned(host: HostView | FullHost, context: Context): Child {
  if (!isFull(host) || host.planned.length === 0) return null;
  return h("p.jobs", null, h("span.over", null, context.texts.hosts.planned), " ", host.planned.map(visible).join(", "));
}

/** What the service itself took out of memory, and why. */
function unloads(host: HostView | FullHost, context: Context): Child {
  if (!isFull(host) || host.unloads.length === 0) return null;
  const words = context.texts.hosts;
  const line = (one: FullHost["unloads"][number]): HTMLElement => {
    const reason = one.reason === null ? one.why : (words.unloadReasons[one.reason] ?? one.why);
    return h("li", { title: one.why }, h("span.meta", null, one.at === null ? "" : `${when(one.at, context)} `), `${visible(one.model)}: ${reason}`);
  };
  return h("div.events", null, h("p.over", null, words.unloaded), h("ul", null, [...host.unloads].slice(-MOST_EVENTS).reverse().map(line)));
}

/** Who waits and who is written, by model; the public view has no jobs, and shows no empty zeros. */
function jobs(host: HostView | FullHost, context: Context): Child {
  if (!isFull(host)) return null;
  const words = context.texts.hosts;
  const line = (label: string, count: number, by: Record<string, number>): HTMLElement => {
    const names = Object.entries(by).map(([model, n]) => `${visible(model)} ${n}`).join(", ");
    return h("p.jobs", null, h("span.over", null, label), ` ${count}`, names === "" ? null : h("span.meta", null, ` (${names})`));
  };
  return h("div.two", null, line(words.running, host.running, host.running_by_model), line(words.waiting, host.waiting, host.waiting_by_model));
}

function events(host: HostView | FullHost, context: Context): Child {
  const words = context.texts.hosts;
  if (host.events.length === 0) return null;
  const line = (one: HostView["events"][number] | FullHost["events"][number]): HTMLElement => {
    const model = "model" in one && one.model !== "" ? `${visible(one.model)} ` : "";
    return h("li", null, h("span.meta", null, one.at === null ? "" : `${when(one.at, context)} `), `${model}${words.kinds[one.kind] ?? one.kind}`);
  };
  return h("div.events", null, h("p.over", null, words.events), h("ul", null, [...host.events].slice(-MOST_EVENTS).reverse().map(line)));
}

function findings(found: readonly Finding[], context: Context): HTMLElement {
  const words = context.texts.hosts;
  const item = (one: Finding, n: number): HTMLElement => h(
    "li.found",
    { "data-severity": one.severity },
    h("p", null, h("strong", null, `${words.severities[one.severity] ?? one.severity} · ${one.subject}`)),
    h("p", null, one.cause),
    h("p", null, one.remedy),
    one.command === null ? null : command(one.command, n, context),
  );
  const list = found.length === 0 ? h("p.meta", null, words.noFindings) : h("ul", null, found.map(item));
  return h("section.findings", { "aria-labelledby": "findings" }, h("h2", { id: "findings" }, words.findings), list);
}

function command(source: string, n: number, context: Context): HTMLElement {
  const copy = h("button.quiet.small", { type: "button", id: `copy-${n}` }, context.texts.hosts.copy);
  copy.addEventListener("click", () => void copyText(source).then(() => text(copy, context.texts.markdown.copied)));
  return h("div.command", null, h("pre", { tabindex: "0", role: "group", "aria-label": context.texts.markdown.code, dir: "ltr" }, source), copy);
}
