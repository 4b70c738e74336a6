/**
 * A battle as the page shows it: the snapshot and what else viewers are told (waits, who met whom, what was replaced).
 * Pure as the fold below it; times come in with the events.
 */

import { isAfter } from "./cursor.ts";
import { fold } from "./fold.ts";
import { SIDES, type ArenaEvent, type Side, type Sides, type SideView, type Snapshot, type Vote } from "./types.ts";

/** What a side waits for: its place in line, and when (ms) it is expected to be through. */
export interface Wait { place: number | null; until: number | null; since: number }

/** Something that happened to a side and that its viewer should know. */
export interface Notice { kind: "restarted" | "replaced"; left: string | null }

export interface Play {
  snapshot: Snapshot;
  waits: Sides<Wait | null>;
  notices: Sides<Notice | null>;
  /** Answers of judged rounds, for looking back; only of rounds that this page saw. */
  past: Record<number, Sides<SideView>>;
  /** When (ms) the newest verdict was seen; null when none was, or it was taken back. */
  votedAt: number | null;
  /** The side whose contestant stayed when the round began; null in the first. */
  stayed: Side | null;
}

const NOBODY: Sides<null> = { a: null, b: null };

export function begin(snapshot: Snapshot): Play {
  return { snapshot, waits: NOBODY, notices: NOBODY, past: {}, votedAt: null, stayed: stayedIn(snapshot) };
}

/** The side of the pair on stage that met somebody else in the round before. */
function stayedIn(snapshot: Snapshot): Side | null {
  const before = snapshot.votes.findLast((vote) => vote.round === snapshot.round - 1)?.aliases;
  if (before === undefined) return null;
  return SIDES.find((side) => before[side] === snapshot.sides[side].alias) ?? null;
}

/** Apply an event that arrived at `now` (ms); one that was seen before changes nothing. */
export function step(play: Play, event: ArenaEvent, now: number): Play {
  const seen = play.snapshot.cursor;
  if (event.id !== "" && event.event !== "snapshot" && !isAfter(event.id, seen)) return play;
  const next = { ...play, snapshot: fold(play.snapshot, event) };
  return notedBy(event, play, next, now);
}

/** Take over a snapshot that a call answered with, unless the stream is further already. */
export function adopt(play: Play, snapshot: Snapshot, now: number): Play {
  if (!isAfter(snapshot.cursor, play.snapshot.cursor)) return play;
  const voted = snapshot.votes.length > play.snapshot.votes.length;
  const past = voted ? remembered(play) : play.past;
  const votedAt = voted ? now : snapshot.votes.length < play.snapshot.votes.length ? null : play.votedAt;
  return { ...play, snapshot, waits: NOBODY, past, votedAt, stayed: stayedIn(snapshot) };
}

function remembered(play: Play): Play["past"] {
  return { ...play.past, [play.snapshot.round]: play.snapshot.sides };
}

function notedBy(event: ArenaEvent, before: Play, next: Play, now: number): Play {
  switch (event.event) {
    case "status": {
      const data = event.data as { side: Side; place?: number | null; eta_s?: number | null };
      const wait: Wait = { place: data.place ?? null, until: data.eta_s == null ? null : now + data.eta_s * 1000, since: now };
      return { ...next, waits: { ...next.waits, [data.side]: wait } };
    }
    case "reset": {
      const { side } = event.data as { side: Side };
      return { ...next, notices: { ...next.notices, [side]: { kind: "restarted", left: null } } };
    }
    case "round":
      return { ...next, waits: NOBODY, notices: replacements(before.snapshot, next.snapshot), stayed: stayedIn(next.snapshot) };
    case "vote":
      return { ...next, votedAt: now, past: remembered(before) };
    case "unvote":
      return { ...next, votedAt: null };
    case "snapshot":
      return { ...begin(next.snapshot), past: before.past };
    default:
      return next;
  }
}

/** Who came in for a contestant that failed: the same round opens again with other aliases. */
function replacements(before: Snapshot, after: Snapshot): Sides<Notice | null> {
  if (before.round !== after.round) return NOBODY;
  const of = (side: Side): Notice | null => {
    const failed = before.sides[side].state === "failed" && before.sides[side].alias !== after.sides[side].alias;
    return failed ? { kind: "replaced", left: before.sides[side].alias } : null;
  };
  return { a: of("a"), b: of("b") };
}

export interface Rung { round: number; aliases: Sides<string> | null; vote: Vote | null; now: boolean }

/** The ladder: judged rounds, the pair on stage, and how many more are to come. */
export function ladder(snapshot: Snapshot): { rungs: Rung[]; more: number } {
  const judged = snapshot.votes.map((vote): Rung => ({ round: vote.round, aliases: vote.aliases ?? null, vote, now: false }));
  if (snapshot.status !== "running") return { rungs: judged, more: 0 };
  const aliases = { a: snapshot.sides.a.alias, b: snapshot.sides.b.alias };
  const open: Rung = { round: snapshot.round, aliases, vote: null, now: true };
  return { rungs: [...judged.filter((rung) => rung.round !== snapshot.round), open], more: snapshot.rounds_total - snapshot.round };
}

/** The side whose contestant survives a verdict; of a tie the one that has been there longer. */
export function survivor(vote: Vote): Side | null {
  if (vote.verdict === "a" || vote.verdict === "b") return vote.verdict;
  if (vote.aliases === undefined) return null;
  return order(vote.aliases.a) < order(vote.aliases.b) ? "a" : "b";
}

/** "Model B" is the second to enter; past Z come AA, AB. */
function order(alias: string): number {
  const letters = /([A-Z]+)$/.exec(alias)?.[1] ?? "";
  return [...letters].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0);
}
