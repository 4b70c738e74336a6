/** What every view works with. */

import type { About } from "../store/types.ts";
import type { Texts } from "../i18n/index.ts";
import type { Announcer } from "./announcer.ts";
import type { Figures } from "./numbers.ts";

export interface Context {
  texts: Texts;
  language: string;
  figures: Figures;
  about: About;
  announcer: Announcer;
  navigate(path: string): void;
}

/** A view in its place; `leave` ends what it started. */
export interface View {
  element: HTMLElement;
  title: string;
  leave?(): void;
}
