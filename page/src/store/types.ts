/** What the native API says, under the page's own short names; `api.d.ts` is made from docs/openapi.json, and a test holds them together. */

import type { components, paths } from "../api.d.ts";

type Schemas = components["schemas"];
/** What a GET answers with 200; names of schemas may change, paths don't. */
type Answer<Path extends keyof paths> = paths[Path] extends { get: { responses: { 200: { content: { "application/json": infer Body } } } } } ? Body : never;

export type Side = "a" | "b";
export const SIDES: readonly Side[] = ["a", "b"];
export type Sides<T> = Record<Side, T>;

export type Snapshot = Answer<"/api/arena/battles/{battle_id}">;
export type SideView = Snapshot["sides"]["a"];
export type Vote = Snapshot["votes"][number];
export type Feedback = Answer<"/api/arena/battles/{battle_id}/votes/{round_number}/feedback">;
export type BoardChange = Answer<"/api/arena/battles/{battle_id}/board-change">;
export type BoardStanding = NonNullable<BoardChange["models"][number]["after"]>;
export type FeedbackBody = Schemas["FeedbackBody"];
export type WholeBody = Schemas["WholeBody"];
export type Reason = Feedback["reasons"]["a"][number];
export type Verdict = Vote["verdict"];
export type Status = Snapshot["status"];
export type Reveal = NonNullable<Snapshot["reveal"]>;
export type RankingLine = Reveal["ranking"][number];
export type About = Answer<"/api/arena/about">;

/** The data of each event, by its name. */
export interface EventData {
  round: Schemas["RoundEvent"];
  status: Schemas["StatusEvent"];
  delta: Schemas["DeltaEvent"];
  reset: Schemas["ResetEvent"];
  answer: Schemas["AnswerEvent"];
  ready: Schemas["ReadyEvent"];
  vote: Schemas["VoteEvent"];
  unvote: Schemas["UnvoteEvent"];
  end: Schemas["EndEvent"];
  snapshot: Schemas["SnapshotEvent"];
}

/** One server-sent event: its name, its data and its id, which is the cursor to resume after. */
export interface ArenaEvent {
  event: string;
  data: unknown;
  id: string;
}

type Boards = Answer<"/api/arena/leaderboard">;
export type BoardBody = Extract<Boards, { finding: unknown }>;
export type BoardBeingMade = Schemas["LeaderboardBeingMade"];
export type BoardRow = BoardBody["leaderboard"][number];
export type SpeedBody = Exclude<Boards, BoardBody>;
export type SpeedRow = SpeedBody["speed"][number];
export type HostsBody = Answer<"/api/arena/hosts">;
export type FullHosts = Extract<HostsBody, { view: "full" }>;
export type HostView = Extract<HostsBody, { view: "public" }>["hosts"][number];
export type FullHost = FullHosts["hosts"][number];
export type Finding = FullHosts["findings"][number];
export type ModelsBody = Answer<"/api/arena/models">;
export type OpenBody = Schemas["OpenBody"];
