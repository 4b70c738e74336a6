/**
 * The fold of the native API, word for word: start from the snapshot of the opened battle, apply every event, and at every
 * cut the result is the snapshot of that place. Pure: values in, values out. `app/battle/events.py` is the same fold.
 */

import type { ArenaEvent, EventData, Side, SideView, Snapshot } from "./types.ts";

type Folders = { [Name in keyof EventData]: (snapshot: Snapshot, data: EventData[Name]) => Snapshot };

function onSide(snapshot: Snapshot, side: Side, changes: Partial<SideView>): Snapshot {
  return { ...snapshot, sides: { ...snapshot.sides, [side]: { ...snapshot.sides[side], ...changes } } };
}

function empty(alias: string): SideView {
  return { alias, state: "waiting", text: "", finish_reason: null, error: null };
}

const FOLDERS: Folders = {
  round: (snapshot, data) => ({
    ...snapshot,
    status: "running",
    round: data.round,
    rounds_total: data.rounds_total,
    sides: { a: empty(data.sides.a.alias), b: empty(data.sides.b.alias) },
    can_vote: false,
  }),
  status: (snapshot, data) => onSide(snapshot, data.side, { state: data.state }),
  delta: (snapshot, data) =>
    onSide(snapshot, data.side, { text: snapshot.sides[data.side].text + data.text }),
  reset: (snapshot, data) => onSide(snapshot, data.side, empty(snapshot.sides[data.side].alias)),
  answer: (snapshot, data) =>
    onSide(snapshot, data.side, {
      state: data.finish_reason === "stop" || data.finish_reason === "length" ? "done" : "failed",
      finish_reason: data.finish_reason,
      error: data.error ?? null,
    }),
  ready: (snapshot) => ({ ...snapshot, can_vote: true }),
  vote: (snapshot, data) => ({ ...snapshot, votes: [...snapshot.votes, data], can_vote: false }),
  unvote: (snapshot, data) => ({
    ...snapshot,
    votes: snapshot.votes.filter((vote) => vote.round !== data.round),
    can_vote: false,
  }),
  end: (snapshot, data) => ({
    ...snapshot,
    status: data.status,
    reveal: data.reveal,
    can_vote: false,
  }),
  snapshot: (_, data) => data,
};

/** The names of the events that change anything; others are to be ignored. */
export const EVENTS: readonly string[] = Object.keys(FOLDERS);

/** Apply one event; an unknown one changes nothing but the cursor. */
export function fold(snapshot: Snapshot, event: ArenaEvent): Snapshot {
  const folder = Object.hasOwn(FOLDERS, event.event) ? FOLDERS[event.event as keyof EventData] : undefined;
  // The name chooses the data's type, which the compiler can't follow.
  const folded = folder === undefined ? snapshot : (folder as (snapshot: Snapshot, data: unknown) => Snapshot)(snapshot, event.data);
  return event.id === "" ? folded : { ...folded, cursor: event.id };
}
