/** What is round every view: skip link, name, navigation, preferences. */

import { LANGUAGES } from "../i18n/index.ts";
import type { Context } from "./context.ts";
import { attribute, h, svg } from "./dom.ts";
import { applyTheme, prefer, preferences, showsWhole, type Preferences } from "./stored.ts";

export interface Frame {
  element: HTMLElement;
  main: HTMLElement;
  /** Mark where we are in the navigation. */
  mark(path: string): void;
}

export function frame(context: Context, restart: () => void): Frame {
  const { nav, title } = context.texts;
  const main = h("main", { id: "main", tabindex: "-1" });
  const links = [["/", nav.battle], ["/leaderboard", nav.board], ["/hosts", nav.hosts]].map(([href, label]) => h("a", { href }, label));
  const dialog = preferencesDialog(context, restart);
  const open = h("button.quiet.gear", { type: "button", "aria-haspopup": "dialog", "aria-label": context.texts.preferences.open }, gear());
  open.addEventListener("click", () => dialog.showModal());
  const skip = h("a.skip", { href: "#main" }, nav.skip);
  skip.addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  const name = h("a.name", { href: "/" }, mark(), h("span", null, title));
  const header = h("header.top", null, name, h("nav", { "aria-label": nav.main }, links), open);
  const element = h("div.frame", null, skip, header, main, dialog);
  return { element, main, mark: (path) => links.forEach((link) => attribute(link, "aria-current", isAt(link, path) ? "page" : null)) };
}

const isAt = (link: HTMLAnchorElement, path: string): boolean =>
  link.pathname === path || (link.pathname === "/" && path.startsWith("/battle/"));

function mark(): SVGElement {
  const half = (x: number, name: string): SVGElement => svg("rect", { x, y: 4, width: 9, height: 16, rx: 3, class: name });
  return svg("svg", { viewBox: "0 0 24 24", width: 22, height: 22, "aria-hidden": "true" }, half(2, "fill-a"), half(13, "fill-b"));
}

function gear(): SVGElement {
  const line = (y: number, x: number): SVGElement[] => [
    svg("line", { x1: 3, x2: 21, y1: y, y2: y }),
    svg("circle", { cx: x, cy: y, r: 2.6 }),
  ];
  return svg("svg", { viewBox: "0 0 24 24", width: 20, height: 20, "aria-hidden": "true", class: "line" }, ...line(7, 15), ...line(17, 9));
}

function preferencesDialog(context: Context, restart: () => void): HTMLDialogElement {
  const { preferences: words } = context.texts;
  const now = preferences();
  const languages = Object.entries(LANGUAGES).map(([value, label]) => h("option", { value, selected: value === context.language, lang: value }, label));
  const language = h("select", { id: "preferred-language" }, languages);
  language.addEventListener("change", () => {
    prefer({ language: language.value });
    restart();
  });
  const themes = Object.entries(words.themes).map(([value, label]) => h("option", { value, selected: value === now.theme }, label));
  const theme = h("select", { id: "preferred-theme" }, themes);
  theme.addEventListener("change", () => applyTheme(prefer({ theme: theme.value as Preferences["theme"] }).theme));
  const row = (label: string, input: HTMLElement): HTMLElement => h("p.row", null, h("label", { for: input.id }, label), input);
  const element = h(
    "dialog.preferences",
    { "aria-labelledby": "preferences-title" },
    h("h2", { id: "preferences-title" }, words.open),
    row(words.language, language),
    row(words.theme, theme),
    check("preferred-keys", words.keys, now.keys, (keys) => prefer({ keys })),
    check("preferred-whole", words.whole, showsWhole(), (whole) => prefer({ whole })),
    h("form", { method: "dialog" }, h("button.button", null, words.close)),
  );
  // The policy forbids to submit forms, also those that only close a dialog.
  element.querySelector("form")?.addEventListener("submit", (event) => {
    event.preventDefault();
    element.close();
  });
  return element as HTMLDialogElement;
}

function check(id: string, label: string, checked: boolean, changed: (checked: boolean) => void): HTMLElement {
  const box = h("input", { type: "checkbox", id, checked });
  box.addEventListener("change", () => changed(box.checked));
  return h("p.row.check", null, box, h("label", { for: id }, label));
}
