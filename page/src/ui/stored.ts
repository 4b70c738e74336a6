/** What this browser remembers: preferences and its own battles. Without storage (private windows) all works for this visit. */

const memory = new Map<string, string>();

function readText(key: string): string | null {
  try {
    return localStorage.getItem(key) ?? memory.get(key) ?? null;
  } catch {
    return memory.get(key) ?? null;
  }
}

function writeText(key: string, value: string): void {
  memory.set(key, value);
  try {
    localStorage.setItem(key, value);
  } catch {
    // Full or forbidden: the copy in memory serves this visit.
  }
}

function readJson<T>(key: string, otherwise: T): T {
  try {
    return (JSON.parse(readText(key) ?? "null") as T | null) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export interface Preferences {
  language: string | null;
  theme: "system" | "light" | "dark";
  /** Whether single keys give verdicts (WCAG 2.1.4 wants a way to switch them off). */
  keys: boolean;
  /** Show answers when complete; null: as the system's "reduced motion" says. */
  whole: boolean | null;
}

const PREFERENCES = "arena.preferences";
const BATTLES = "arena.battles";
const DEFAULTS: Preferences = { language: null, theme: "system", keys: true, whole: null };

export const preferences = (): Preferences => ({ ...DEFAULTS, ...readJson<Partial<Preferences>>(PREFERENCES, {}) });

export function prefer(changes: Partial<Preferences>): Preferences {
  const next = { ...preferences(), ...changes };
  writeText(PREFERENCES, JSON.stringify(next));
  return next;
}

export const reducedMotion = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches;
export const showsWhole = (): boolean => preferences().whole ?? reducedMotion();

export function applyTheme(theme: Preferences["theme"]): void {
  document.documentElement.dataset["theme"] = theme;
}

/** A battle that this browser opened. */
export interface Mine { id: string; prompt: string; at: number; status: string; models?: string[]; system?: string }

/** Browsers keep about 180 cookies of a site, and each battle's proof is one: what is older could not be erased from here. */
const MOST_BATTLES = 150;

export const myBattles = (): Mine[] => readJson<Mine[]>(BATTLES, []);
export const isMine = (id: string): boolean => myBattles().some((one) => one.id === id);

export function remember(one: Mine): void {
  const rest = myBattles().filter((other) => other.id !== one.id);
  writeText(BATTLES, JSON.stringify([one, ...rest].slice(0, MOST_BATTLES)));
}

export function noteStatus(id: string, status: string): void {
  writeText(BATTLES, JSON.stringify(myBattles().map((one) => (one.id === id ? { ...one, status } : one))));
}

/** Forget battles, and whatever this tab still knows of them. */
export function forget(ids: readonly string[]): void {
  writeText(BATTLES, JSON.stringify(myBattles().filter((one) => !ids.includes(one.id))));
  for (const id of ids) drafts.forgetAll(id);
}

const SAID = "arena.said.";

/** What was said of verdicts and is not saved on the server yet; it lives as long as the tab. */
export const drafts = {
  of<T>(name: string): T | null {
    try {
      return JSON.parse(sessionText(SAID + name) || "null") as T | null;
    } catch {
      return null;
    }
  },
  keep: (name: string, said: unknown): void => keepSessionText(SAID + name, JSON.stringify(said)),
  forget: (name: string): void => keepSessionText(SAID + name, ""),
  forgetAll(battle: string): void {
    for (const key of sessionKeys()) if (key.startsWith(`${SAID}${battle}.`) || key === `arena.voted.${battle}`) keepSessionText(key, "");
  },
};

const DRAFT = "arena.draft";
const KEY = "arena.key";

/** What lives as long as the tab: the question being written, and the admin key, which must not outlive it. */
export const tab = {
  draft: (): string => sessionText(DRAFT),
  keepDraft: (text: string): void => keepSessionText(DRAFT, text),
  adminKey: (): string => sessionText(KEY),
  keepAdminKey: (text: string): void => keepSessionText(KEY, text),
};

function sessionKeys(): string[] {
  try {
    return Object.keys(sessionStorage);
  } catch {
    return [...memory.keys()];
  }
}

function sessionText(key: string): string {
  try {
    return sessionStorage.getItem(key) ?? "";
  } catch {
    return memory.get(key) ?? "";
  }
}

function keepSessionText(key: string, text: string): void {
  memory.set(key, text);
  try {
    if (text === "") sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, text);
  } catch {
    // Forbidden: the copy in memory serves this visit.
  }
}
