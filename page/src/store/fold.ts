/**
 * The fold of the native API, word for word: start from the snapshot of the opened battle, apply every event, and at every
 * cut the result is the snapshot of that place. Pure: values in, values out. `app/battle/events.py` is the same fold.
 */

import type { AnswerError, ArenaEvent, FinishReason, Reveal, Side, Sides, SideState, SideView, Snapshot, Status, Vote } from "./types.ts";

interface RoundData { round: number; rounds_total: number; sides: Sides<{ alias: string }> }
interface OnSide { round: number; side: Side }

type Folder = (snapshot: Snapshot, data: never) => Snapshot;

function onSide(snapshot: Snapshot, side: Side, changes: Partial<SideView>): Snapshot {
  return { ...snapshot, sides: { ...snapshot.sides, [side]: { ...snapshot.sides[side], ...changes } } };
}

function empty(alias: string): SideView {
  return { alias, state: "waiting", text: "", finish_reason: null, error: null };
}

const FOLDERS: Record<string, Folder> = {
  round: (snapshot, data: RoundData) => ({
    ...snapshot,
    status: "running",
    round: data.round,
    rounds_total: data.rounds_total,
    sides: { a: empty(data.sides.a.alias), b: empty(data.sides.b.alias) },
    can_vote: false,
  }),
  status: (snapshot, data: OnSide & { state: SideState }) => onSide(snapshot, data.side, { state: data.state }),
  delta: (snapshot, data: OnSide & { text: string }) =>
    onSide(snapshot, data.side, { text: snapshot.sides[data.side].text + data.text }),
  reset: (snapshot, data: OnSide) => onSide(snapshot, data.side, empty(snapshot.sides[data.side].alias)),
  answer: (snapshot, data: OnSide & { finish_reason: FinishReason; error?: AnswerError | null }) =>
    onSide(snapshot, data.side, {
      state: data.finish_reason === "stop" || data.finish_reason === "length" ? "done" : "failed",
      finish_reason: data.finish_reason,
      error: data.error ?? null,
    }),
  ready: (snapshot) => ({ ...snapshot, can_vote: true }),
  vote: (snapshot, data: Vote) => ({ ...snapshot, votes: [...snapshot.votes, data], can_vote: false }),
  unvote: (snapshot, data: { round: number }) => ({
    ...snapshot,
    votes: snapshot.votes.filter((vote) => vote.round !== data.round),
    can_vote: false,
  }),
  end: (snapshot, data: { status: Status; reveal: Reveal | null }) => ({
    ...snapshot,
    status: data.status,
    reveal: data.reveal,
    can_vote: false,
  }),
  snapshot: (_, data: Snapshot) => data,
};

/** The names of the events that change anything; others are to be ignored. */
export const EVENTS: readonly string[] = Object.keys(FOLDERS);

/** Apply one event; an unknown one changes nothing but the cursor. */
export function fold(snapshot: Snapshot, event: ArenaEvent): Snapshot {
  const folder = Object.hasOwn(FOLDERS, event.event) ? FOLDERS[event.event] : undefined;
  const folded = folder === undefined ? snapshot : folder(snapshot, event.data as never);
  return event.id === "" ? folded : { ...folded, cursor: event.id };
}
