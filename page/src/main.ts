/** Starts the page: preferences and language, the frame round the views, and which view an address means. */

import { isLanguage, load, preferred, type Language } from "./i18n/index.ts";
import { Announcer } from "./ui/announcer.ts";
import type { About } from "./store/types.ts";
import type { Context, View } from "./ui/context.ts";
import { fill, h } from "./ui/dom.ts";
import { frame, type Frame } from "./ui/frame.ts";
import { figures } from "./ui/numbers.ts";
import { applyTheme, preferences } from "./ui/stored.ts";
import { home } from "./views/home.ts";

applyTheme(preferences().theme);

const ABOUT: About = JSON.parse(document.getElementById("about")?.textContent ?? "{}");
const announcer = new Announcer();

/** Views are loaded when they are looked at; the first prompt waits for none. */
const VIEWS: [RegExp, (context: Context, part: string) => Promise<View>][] = [
  [/^\/$/, async (context) => home(context)],
  [/^\/battle\/([^/]+)$/, async (context, id) => (await import("./views/battle.ts")).battle(context, decodeURIComponent(id))],
  [/^\/leaderboard$/, async (context) => (await import("./views/board.ts")).board(context)],
  [/^\/hosts$/, async (context) => (await import("./views/hosts.ts")).hosts(context)],
];

class App {
  private context!: Context;
  private around!: Frame;
  private view: View | null = null;
  private visit = 0;

  async start(): Promise<void> {
    await this.speak();
    window.addEventListener("popstate", () => void this.show(location.pathname, false));
    document.addEventListener("click", (event) => this.follow(event));
    await this.show(location.pathname, false);
  }

  /** Take the language of the preferences, and build everything anew in it. */
  private async speak(): Promise<void> {
    const chosen = preferences().language ?? "";
    const language: Language = isLanguage(chosen) ? chosen : preferred(navigator.languages);
    const texts = await load(language);
    document.documentElement.lang = language;
    this.context = { texts, language, figures: figures(language), about: ABOUT, announcer, navigate: (path) => void this.navigate(path) };
    this.around = frame(this.context, () => void this.restart());
    fill(document.getElementById("app") ?? document.body, this.around.element, announcer.element);
  }

  private async restart(): Promise<void> {
    this.view?.leave?.();
    this.view = null;
    await this.speak();
    await this.show(location.pathname, false);
  }

  private follow(event: MouseEvent): void {
    const link = (event.target as Element).closest?.("a");
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey && !event.defaultPrevented;
    if (!plain || link === null || link.target === "_blank" || link.origin !== location.origin || link.hash !== "") return;
    if (!VIEWS.some(([pattern]) => pattern.test(link.pathname))) return;
    event.preventDefault();
    this.navigate(link.pathname);
  }

  private navigate(path: string): void {
    if (path !== location.pathname) history.pushState(null, "", path);
    void this.show(path, true);
  }

  private async show(path: string, moved: boolean): Promise<void> {
    const visit = ++this.visit;
    this.view?.leave?.();
    this.view = null;
    this.around.mark(path);
    const [pattern, make] = VIEWS.find(([one]) => one.test(path)) ?? [null, null];
    const view = make === null ? this.nothing() : await make(this.context, pattern.exec(path)?.[1] ?? "");
    if (visit !== this.visit) return view.leave?.();
    this.view = view;
    document.title = `${view.title} · ${this.context.texts.title}`;
    fill(this.around.main, view.element);
    if (moved) this.arrive(view.element);
  }

  /** A new view starts at its top, and its heading is read. */
  private arrive(element: HTMLElement): void {
    window.scrollTo(0, 0);
    element.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
  }

  private nothing(): View {
    const { errors } = this.context.texts;
    const element = h("section.page.nothing", null, h("h1", { tabindex: "-1" }, errors.notFound), h("a.button", { href: "/" }, errors.home));
    return { element, title: errors.notFound };
  }
}

void new App().start();
