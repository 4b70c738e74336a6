/** Languages: one module of texts each, loaded when it is spoken. */

import { en, type Texts } from "./en.ts";

export type { Texts };

/** What there is, in its own words. A new language is one file and one line here. */
export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;

const LOADERS: Record<Language, () => Promise<Texts>> = {
  en: () => Promise.resolve(en),
  de: async () => (await import("./de.ts")).de,
};

export const isLanguage = (name: string): name is Language => Object.hasOwn(LANGUAGES, name);

/** The first of the browser's languages that we have. */
export function preferred(asked: readonly string[]): Language {
  const short = asked.map((name) => name.toLowerCase().split("-")[0] ?? "");
  return short.find(isLanguage) ?? "en";
}

export const load = (language: Language): Promise<Texts> => LOADERS[language]();
