import assert from "node:assert/strict";
import { test } from "node:test";
import { isAfter } from "../src/store/cursor.ts";
import { EVENTS, fold } from "../src/store/fold.ts";
import { adopt, begin, ladder, step, survivor, type Play } from "../src/store/play.ts";
import type { ArenaEvent, Snapshot, Vote } from "../src/store/types.ts";
import logs from "./data/logs.json" with { type: "json" };

interface Log { name: string; what: string; opened: Snapshot; events: ArenaEvent[]; cuts: Snapshot[] }
const LOGS = logs as unknown as Log[];
const log = (name: string): Log => LOGS.find((one) => one.name === name) as Log;

for (const { name, what, opened, events, cuts } of LOGS) {
  test(`the fold is the battle at every cut: ${name} (${what})`, () => {
    let now = opened;
    events.forEach((event, n) => {
      now = fold(now, event);
      assert.deepEqual(now, cuts[n], `after event ${n + 1}, ${event.event}`);
    });
  });

  test(`whoever attaches at any cut ends where the others do: ${name}`, () => {
    for (const cut of [opened, ...cuts]) {
      const rest = events.filter((event) => isAfter(event.id, cut.cursor));
      assert.deepEqual(rest.reduce(fold, cut), cuts.at(-1));
    }
  });

  test(`events that come twice, and snapshots from anywhere, change nothing: ${name}`, () => {
    let play = begin(opened);
    events.forEach((event, n) => {
      play = step(step(play, event, 0), event, 0);
      for (const older of [opened, cuts[Math.max(0, n - 3)] as Snapshot]) play = adopt(play, older, 0);
      assert.deepEqual(play.snapshot, cuts[n]);
    });
    for (const cut of cuts) assert.deepEqual(adopt(begin(opened), cut, 0).snapshot, cut);
  });
}

test("every event that the store writes is known here", () => {
  const written = new Set(LOGS.flatMap(({ events }) => events.map((event) => event.event)));
  assert.ok([...written].every((name) => EVENTS.includes(name)));
  assert.ok(written.size >= 9, `the logs hold ${[...written].join(", ")}`);
});

test("an unknown event moves the cursor only", () => {
  const { opened } = log("whole");
  const after = fold(opened, { event: "weather", data: { rain: true }, id: "x-99" });
  assert.deepEqual(after, { ...opened, cursor: "x-99" });
  assert.deepEqual(fold(opened, { event: "constructor", data: {}, id: "" }), opened);
});

test("a snapshot event replaces everything, whatever was before", () => {
  const [{ opened }, { cuts }] = [log("whole"), log("stopped")] as const;
  const other = cuts.at(-1) as Snapshot;
  const play = step(begin(opened), { event: "snapshot", data: other, id: other.cursor }, 0);
  assert.deepEqual(play.snapshot, other);
});

test("cursors of one log are compared by number, another log is always news", () => {
  assert.equal(isAfter("k-10", "k-9"), true);
  assert.equal(isAfter("k-9", "k-9"), false);
  assert.equal(isAfter("k-10-end", "k-9"), true);
  assert.equal(isAfter("n-1", "k-9"), true);
  assert.equal(isAfter("sql-0-end", "k-9"), true);
});

/** Play a log to its event number `count`; each event a second after the one before. */
function played(name: string, count = Infinity): Play {
  const { opened, events } = log(name);
  return events.slice(0, count).reduce((play, event, n) => step(play, event, n * 1000), begin(opened));
}

test("what a side waits for is told with the time when it should be over", () => {
  // Both sides are told the same, so that nothing tells which of them is loaded.
  assert.deepEqual(played("whole", 2).waits, {
    a: { place: 2, until: 12_000, since: 0 },
    b: { place: 2, until: 1000 + 12_000, since: 1000 },
  });
  assert.deepEqual(played("whole", 4).waits.b, { place: null, until: 3000 + 7000, since: 3000 });
});

test("a replaced side says who left, a restarted one says that", () => {
  const { events } = log("failed_side");
  const at = events.findIndex((event) => event.event === "round") + 1;
  assert.deepEqual(played("failed_side", at).notices, { a: { kind: "replaced", left: "Model A" }, b: null });
  const reset = log("taken_over").events.findIndex((event) => event.event === "reset") + 1;
  assert.deepEqual(played("taken_over", reset).notices.a, { kind: "restarted", left: null });
});

test("the ladder tells who met whom, also to who comes later", () => {
  const { cuts } = log("whole");
  const first = cuts.find((cut) => cut.round === 2 && cut.status === "running") as Snapshot;
  const { rungs, more } = ladder(first);
  assert.deepEqual(rungs.map((rung) => [rung.round, rung.now, rung.vote?.verdict]), [[1, false, "b"], [2, true, undefined]]);
  assert.deepEqual([rungs[0]?.aliases, more], [{ a: "Model A", b: "Model B" }, 0]);
  assert.equal(begin(first).stayed, "b");
  assert.deepEqual(ladder(cuts.at(-1) as Snapshot).rungs.length, 2);
});

test("answers of judged rounds can be read again, and a verdict taken back is gone", () => {
  const play = played("undone");
  assert.deepEqual(Object.keys(play.past), ["1", "2"]);
  assert.equal(play.past[1]?.b.text, "text 1");
  const at = log("undone").events.findIndex((event) => event.event === "unvote");
  assert.equal(played("undone", at).votedAt !== null, true);
  assert.equal(played("undone", at + 1).votedAt, null);
});

test("a tie keeps who came first", () => {
  const vote = (verdict: Vote["verdict"], a: string, b: string): Vote => ({ round: 1, verdict, aliases: { a, b } });
  assert.equal(survivor(vote("tie", "Model A", "Model B")), "a");
  assert.equal(survivor(vote("both_bad", "Model C", "Model B")), "b");
  assert.equal(survivor(vote("tie", "Model AA", "Model Z")), "b");
  assert.equal(survivor(vote("b", "Model A", "Model B")), "b");
});
