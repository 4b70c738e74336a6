/** What every view works with. */

import type { Texts } from "../i18n/index.ts";
import type { Announcer } from "./announcer.ts";
import type { Figures } from "./numbers.ts";

/** What the service says about itself; it is in the page's HTML, so that nobody waits for it. */
export interface About {
  max_message: number;
  num_models: number;
  undo_s: number;
  retention_days: number | null;
  notice: string;
  open: boolean;
}

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
