/** The native API's calls. Every refusal is `{error, code, field?}`; what never arrived is code `offline`. */

import type { BoardChange, Feedback, FeedbackBody, Side, Snapshot, Verdict, Vote, WholeBody } from "../store/types.ts";

const ROOT = "/api/arena";

/** A call that was refused, or never arrived (`status` 0). */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    sentence: string,
    readonly field: string | null = null,
    /** Seconds to wait before the next try, when the service said so. */
    readonly retryAfter: number | null = null,
    /** The verdict that stands, when a round was judged already. */
    readonly vote: Vote | null = null,
  ) {
    super(sentence);
  }

  /** Whether the same call may succeed in a moment. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status === 502 || this.status === 503;
  }
}

interface ErrorBody { error?: string; code?: string; field?: string; vote?: Vote }

async function refusal(response: Response): Promise<Refused> {
  const body: ErrorBody = await response.json().catch(() => ({}));
  const wait = Number(response.headers.get("Retry-After"));
  return new Refused(
    response.status,
    body.code ?? `http_${response.status}`,
    body.error ?? `HTTP ${response.status}`,
    body.field ?? null,
    Number.isFinite(wait) && wait > 0 ? wait : null,
    body.vote ?? null,
  );
}

/** Longer than any call of ours may take; what takes longer is as good as lost. */
const LIMIT_MS = 20_000;

async function call<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}, keepalive = false): Promise<T> {
  const init: RequestInit = { method, headers: { ...headers }, signal: AbortSignal.timeout(LIMIT_MS), keepalive };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "Content-Type": "application/json", ...headers };
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new Refused(0, "offline", "the service can't be reached");
  }
  if (!response.ok) throw await refusal(response);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

export interface Opening {
  message: string;
  num_models?: number;
  models?: string[];
  system?: string;
}

const battle = (id: string): string => `${ROOT}/battles/${encodeURIComponent(id)}`;

export const openBattle = (opening: Opening, key: string): Promise<Snapshot> =>
  call("POST", `${ROOT}/battles`, opening, { "Idempotency-Key": key });

/** Erase an ended battle on the server: its words and who voted. */
export const eraseBattle = (id: string): Promise<void> => call("DELETE", battle(id));

export const readBattle = (id: string): Promise<Snapshot> => call("GET", battle(id));

export const sendVote = (id: string, round: number, verdict: Verdict, key: string): Promise<Snapshot> =>
  call("POST", `${battle(id)}/votes`, { round, verdict }, { "Idempotency-Key": key });

export const undoVote = (id: string, round: number): Promise<Snapshot> => call("DELETE", `${battle(id)}/votes/${round}`);

const feedback = (id: string, round: number): string => `${battle(id)}/votes/${round}/feedback`;

export const readFeedback = (id: string, round: number): Promise<Feedback> => call("GET", feedback(id, round));

/** It goes on when the page is left. */
export const keepFeedback = (id: string, round: number, said: FeedbackBody): Promise<Feedback> => call("PUT", feedback(id, round), said, {}, true);

export const readBoardChange = (id: string): Promise<BoardChange> => call("GET", `${battle(id)}/board-change`);

/** Show one side as it comes from now on, ahead of the other. */
export const showWhole = (id: string, round: number, side: Side): Promise<Snapshot> =>
  call("POST", `${battle(id)}/whole`, { round, side } satisfies WholeBody);

export const stopBattle = (id: string): Promise<Snapshot> => call("POST", `${battle(id)}/stop`);

export const read = <T>(path: string, headers: Record<string, string> = {}): Promise<T> =>
  call("GET", `${ROOT}/${path}`, undefined, headers);

/** Ask for models to be in memory before they are needed; nobody waits for it and a refusal means nothing. */
export const warm = (): void => void call("POST", `${ROOT}/warm`).catch(() => undefined);

/** Ids for requests that may be sent twice; also where the page is not served over HTTPS. */
export function newKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Send the same call again while its refusal is a passing one; `onRefused` is called for each. */
export async function persistently<T>(
  attempt: () => Promise<T>,
  onRefused: (refused: Refused, waitS: number) => void = () => undefined,
  tries = 8,
): Promise<T> {
  for (let round = 0; ; round++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Refused) || !error.passing || round + 1 >= tries) throw error;
      const wait = error.retryAfter ?? Math.min(10, 0.5 * 2 ** round);
      onRefused(error, wait);
      await new Promise((done) => setTimeout(done, wait * 1000));
    }
  }
}
