import "./dom.ts";
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { HIDDEN_MS, Link, QUIET_MS, retryDelay, SILENT_MS, type LinkState, type Source, type World } from "../src/net/link.ts";

class FakeSource implements Source {
  static all: FakeSource[] = [];
  closed = false;
  onopen: ((event: Event) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  readonly listeners = new Map<string, (event: MessageEvent<string>) => void>();
  constructor(readonly url: string) {
    FakeSource.all.push(this);
  }
  close(): void {
    this.closed = true;
  }
  addEventListener(name: string, listener: (event: MessageEvent<string>) => void): void {
    this.listeners.set(name, listener);
  }
  tell(name: string, data: unknown, lastEventId: string): void {
    this.listeners.get(name)?.({ data: JSON.stringify(data), lastEventId } as MessageEvent<string>);
  }
}

const WORLD: World = { open: (url) => new FakeSource(url), random: () => 1 };
let cursor = "";
let states: LinkState[] = [];
let there: () => Promise<boolean>;
let hidden = false;

const open = (): FakeSource[] => FakeSource.all.filter((source) => !source.closed);
const newest = (): FakeSource => FakeSource.all.at(-1) as FakeSource;

function linked(): Link {
  const link = new Link("/events", () => cursor, {
    event: (event) => (cursor = event.id),
    state: (state) => states.push(state),
    reload: () => there(),
  }, WORLD);
  link.start();
  return link;
}

async function pass(ms: number): Promise<void> {
  mock.timers.tick(ms);
  for (let n = 0; n < 5; n++) await Promise.resolve();
}

function see(visible: boolean): void {
  hidden = !visible;
  document.dispatchEvent(new (window as unknown as { Event: typeof Event }).Event("visibilitychange"));
}

Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });

let link: Link | null = null;
beforeEach(() => {
  link?.close();
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  FakeSource.all = [];
  [cursor, states, hidden] = ["k-3", [], false];
  there = () => Promise.resolve(true);
});

test("there is one stream, from the cursor on", () => {
  link = linked();
  assert.deepEqual(FakeSource.all.map((source) => source.url), ["/events?after=k-3"]);
  newest().onopen?.({} as Event);
  assert.deepEqual(states, ["open"]);
});

test("a stream that breaks is opened again after its newest event, later each time", async () => {
  link = linked();
  newest().tell("delta", {}, "k-9");
  newest().onerror?.({} as Event);
  assert.equal(open().length, 0);
  await pass(999);
  assert.equal(FakeSource.all.length, 1);
  await pass(1);
  assert.equal(newest().url, "/events?after=k-9");
  newest().onerror?.({} as Event);
  await pass(1999);
  assert.equal(FakeSource.all.length, 2);
  await pass(1);
  assert.equal(FakeSource.all.length, 3);
});

test("short troubles are not worth a word, long ones are", async () => {
  link = linked();
  newest().onerror?.({} as Event);
  await pass(1000);
  newest().onopen?.({} as Event);
  await pass(QUIET_MS);
  assert.deepEqual(states, ["open"]);
  newest().onerror?.({} as Event);
  await pass(1000);
  newest().onerror?.({} as Event);
  await pass(1000);
  assert.deepEqual(states, ["open", "lost"]);
  link.again();
  newest().onopen?.({} as Event);
  assert.deepEqual(states, ["open", "lost", "open"]);
});

test("when the battle is over or gone nothing is tried again", async () => {
  link = linked();
  there = () => Promise.resolve(false);
  newest().onerror?.({} as Event);
  await pass(60_000);
  assert.equal(FakeSource.all.length, 1);
  assert.equal(states.at(-1), "over");
});

test("the end closes the stream", () => {
  link = linked();
  newest().tell("end", {}, "k-20-end");
  assert.equal(open().length, 0);
  assert.deepEqual(states, ["over"]);
});

test("a hidden tab lets go after half a minute and comes back where it was", async () => {
  link = linked();
  see(false);
  await pass(HIDDEN_MS - 1);
  assert.equal(open().length, 1);
  await pass(1);
  assert.equal(open().length, 0);
  await pass(600_000);
  assert.equal(FakeSource.all.length, 1, "nothing is opened behind one's back");
  cursor = "k-12";
  see(true);
  assert.equal(newest().url, "/events?after=k-12");
});

test("a quick look elsewhere changes nothing", async () => {
  link = linked();
  see(false);
  await pass(5000);
  see(true);
  assert.equal(FakeSource.all.length, 1);
  assert.equal(open().length, 1);
});

test("a tab that was opened in the background attaches when it is looked at", () => {
  hidden = true;
  link = linked();
  assert.equal(FakeSource.all.length, 0);
  see(true);
  assert.equal(open().length, 1);
});

test("silence is mistrusted: the socket may have died in its sleep", async () => {
  link = linked();
  await pass(SILENT_MS);
  assert.equal(FakeSource.all.length, 2);
  assert.equal(open().length, 1);
  newest().tell("delta", {}, "k-4");
  await pass(SILENT_MS - 1);
  assert.equal(FakeSource.all.length, 2);
});

test("a closed link holds nothing", async () => {
  link = linked();
  link.close();
  await pass(600_000);
  see(false);
  see(true);
  assert.equal(FakeSource.all.length, 1);
  assert.equal(open().length, 0);
});

test("delays double up to half a minute and spread", () => {
  assert.deepEqual([0, 1, 2, 5, 20].map((attempt) => retryDelay(attempt, 1)), [1000, 2000, 4000, 30_000, 30_000]);
  assert.equal(retryDelay(3, 0), 4000);
});
