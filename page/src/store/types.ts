/** What the native API says, as the page uses it. `page/src/api.d.ts` is generated from openapi.json; a test holds both together. */

export type Side = "a" | "b";
export const SIDES: readonly Side[] = ["a", "b"];

export type Verdict = "a" | "b" | "tie" | "both_bad";
export type SideState = "waiting" | "queued" | "loading" | "writing" | "done" | "failed";
export type Status = "running" | "finished" | "stopped" | "failed";
export type FinishReason = "stop" | "length" | "error" | "cancelled";

export interface AnswerError {
  code: string;
  message: string;
}

export interface SideView {
  alias: string;
  state: SideState;
  text: string;
  finish_reason: FinishReason | null;
  error: AnswerError | null;
}

export type Sides<T> = Record<Side, T>;

export interface Vote {
  round: number;
  verdict: Verdict;
  aliases?: Sides<string>;
  models?: Sides<string>;
}

export interface Timing {
  ttft_s?: number | null;
  tokens_per_s?: number | null;
  load_s?: number | null;
  total_s?: number | null;
  tokens?: number | null;
  cold?: boolean | null;
}

export interface RankingLine {
  place: number | null;
  alias: string;
  model: string;
  host: string | null;
  timing: Timing | null;
  fallback: boolean;
  failed: boolean;
}

export interface Reveal {
  champion: string | null;
  ranking: RankingLine[];
}

export interface Snapshot {
  battle_id: string;
  status: Status;
  message: string;
  round: number;
  rounds_total: number;
  sides: Sides<SideView>;
  votes: Vote[];
  can_vote: boolean;
  events: string;
  cursor: string;
  reveal: Reveal | null;
}

/** One server-sent event: its name, its data and its id, which is the cursor to resume after. */
export interface ArenaEvent {
  event: string;
  data: unknown;
  id: string;
}
