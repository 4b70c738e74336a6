/**
 * One battle's event stream, kept alive: it resumes after the newest event whatever broke it.
 *
 * A browser allows six connections to a server over HTTP/1.1, so there is one stream a battle, and it is closed once the
 * tab was hidden for half a minute. An EventSource gives up for good on any status but 200, and a socket that died with
 * the network can look open for ever: so it is opened again after errors, after sleep and after silence.
 */

import { EVENTS } from "../store/fold.ts";
import type { ArenaEvent } from "../store/types.ts";

export const HIDDEN_MS = 30_000;
export const SILENT_MS = 30_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;
/** A shorter trouble is not worth a word. */
export const QUIET_MS = 2_000;

/** How long to wait before try number `attempt` (from 0): doubling, at most half a minute, with jitter so that a crowd spreads. */
export function retryDelay(attempt: number, random: number): number {
  return Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** attempt) * (0.5 + random / 2);
}

export type LinkState = "connecting" | "open" | "lost" | "paused" | "over";

export interface LinkEvents {
  /** An event arrived. */
  event(event: ArenaEvent): void;
  /** The state changed; `lost` only after it lasted. */
  state(state: LinkState): void;
  /** The stream broke: read the battle again; whether there is anything left to attach to. */
  reload(): Promise<boolean>;
}

export interface Source {
  close(): void;
  addEventListener(name: string, listener: (event: MessageEvent<string>) => void): void;
  onopen: ((event: Event) => void) | null;
  onerror: ((event: Event) => void) | null;
}

export interface World {
  open(url: string): Source;
  random(): number;
}

const BROWSER: World = { open: (url) => new EventSource(url), random: Math.random };

export class Link {
  private source: Source | null = null;
  private attempt = 0;
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();
  private now: LinkState = "connecting";
  private ended = false;
  private hiddenSince: number | null = null;

  constructor(
    private readonly url: string,
    private readonly cursor: () => string,
    private readonly events: LinkEvents,
    private readonly world: World = BROWSER,
  ) {}

  /** Attach and stay attached until `close`. */
  start(): void {
    document.addEventListener("visibilitychange", this.visibility);
    document.addEventListener("resume", this.again);
    window.addEventListener("online", this.again);
    window.addEventListener("pageshow", this.restored);
    window.addEventListener("pagehide", this.left);
    this.visibility();
    if (this.source === null && !document.hidden) this.attach();
  }

  /** Let go for good. */
  close(): void {
    this.ended = true;
    this.drop();
    for (const name of [...this.timers.keys()]) this.forget(name);
    document.removeEventListener("visibilitychange", this.visibility);
    document.removeEventListener("resume", this.again);
    window.removeEventListener("online", this.again);
    window.removeEventListener("pageshow", this.restored);
    window.removeEventListener("pagehide", this.left);
  }

  /** Try at once, from the newest event on. */
  readonly again = (): void => {
    if (this.ended) return;
    this.attempt = 0;
    this.attach();
  };

  private readonly restored = (event: PageTransitionEvent): void => {
    if (event.persisted) this.again();
  };

  private readonly left = (): void => this.drop();

  private readonly visibility = (): void => {
    if (this.ended) return;
    if (document.hidden) {
      this.hiddenSince = Date.now();
      this.after("hidden", HIDDEN_MS, () => this.pause());
      return;
    }
    this.forget("hidden");
    const away = this.hiddenSince === null ? 0 : Date.now() - this.hiddenSince;
    this.hiddenSince = null;
    if (this.now === "paused" || away > HIDDEN_MS || (this.source === null && !this.timers.has("retry"))) this.again();
  };

  private pause(): void {
    this.drop();
    this.forget("retry");
    this.become("paused");
  }

  private attach(): void {
    this.drop();
    this.forget("retry");
    if (this.now === "paused") this.become("connecting");
    const source = this.world.open(`${this.url}?after=${encodeURIComponent(this.cursor())}`);
    this.source = source;
    source.onopen = () => this.opened();
    source.onerror = () => this.broken(source);
    for (const name of EVENTS) source.addEventListener(name, (message) => this.arrived(source, name, message));
    this.listenForSilence();
  }

  private arrived(source: Source, event: string, message: MessageEvent<string>): void {
    if (source !== this.source) return;
    this.listenForSilence();
    this.events.event({ event, data: JSON.parse(message.data), id: message.lastEventId });
    if (event === "end") this.over();
  }

  private opened(): void {
    this.attempt = 0;
    this.forget("lost");
    this.become("open");
  }

  private broken(source: Source): void {
    if (source !== this.source || this.ended) return;
    if (!this.timers.has("lost") && this.now !== "lost") this.after("lost", QUIET_MS, () => this.become("lost"));
    this.drop();
    this.after("retry", retryDelay(this.attempt++, this.world.random()), () => void this.retry());
  }

  /** The stream says nothing of why it was refused (over, away, unknown): a plain call does. */
  private async retry(): Promise<void> {
    const goesOn = await this.events.reload().catch(() => true);
    if (this.ended || document.hidden) return;
    if (goesOn) this.attach();
    else this.over();
  }

  private over(): void {
    this.close();
    this.become("over");
  }

  private listenForSilence(): void {
    this.after("silence", SILENT_MS, () => {
      if (!document.hidden) this.again();
    });
  }

  private drop(): void {
    this.forget("silence");
    this.source?.close();
    this.source = null;
  }

  private become(state: LinkState): void {
    if (state === this.now) return;
    this.now = state;
    this.events.state(state);
  }

  private after(name: string, ms: number, then: () => void): void {
    this.forget(name);
    const run = (): void => {
      this.timers.delete(name);
      then();
    };
    this.timers.set(name, setTimeout(run, ms));
  }

  private forget(name: string): void {
    clearTimeout(this.timers.get(name));
    this.timers.delete(name);
  }
}
