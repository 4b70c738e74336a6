import "./dom.ts";
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { en } from "../src/i18n/en.ts";
import { Saving, type Saved } from "../src/net/saving.ts";
import type { Verdict, Vote } from "../src/store/types.ts";
import type { Context } from "../src/ui/context.ts";
import { Why } from "../src/views/why.ts";

const vote = (round: number, verdict: Verdict = "a"): Vote => ({ round, verdict, aliases: { a: "Model A", b: round === 1 ? "Model B" : "Model C" } });
const settled = async (): Promise<void> => {
  for (let n = 0; n < 20; n++) await Promise.resolve();
  await new Promise((done) => setImmediate(done));
};

interface Call { method: string; path: string; body: { reasons: { a: string[]; b: string[] }; comment: string } | undefined }

/** A service that keeps what it is sent; `held` keeps its answers back. */
class Service {
  calls: Call[] = [];
  kept: unknown = { round: 1, verdict: "a", reasons: { a: [], b: ["superficial"] }, comment: "before" };
  refuse: Response | null = null;

  readonly fetch = async (path: string, init: RequestInit): Promise<Response> => {
    const body = init.body === undefined ? undefined : JSON.parse(String(init.body));
    this.calls.push({ method: init.method ?? "GET", path, body });
    if (init.method === "PUT" && this.refuse !== null) return this.refuse;
    return Response.json(this.kept);
  };

  get put(): Call[] {
    return this.calls.filter((call) => call.method === "PUT");
  }
}

let service: Service;
let why: Why;

beforeEach(() => {
  sessionStorage.clear();
  service = new Service();
  globalThis.fetch = service.fetch as typeof fetch;
  why = new Why({ texts: en } as unknown as Context, "b1");
});

const find = <T extends HTMLElement>(selector: string): T => why.element.querySelector<T>(selector) ?? assert.fail(selector);
const chip = (side: string, label: string): HTMLElement =>
  [...find(`.side-${side}`).querySelectorAll<HTMLElement>("button")].find((one) => one.textContent === label) ?? assert.fail(label);
const said = (): string => find(".said").textContent ?? "";

async function open(): Promise<void> {
  find(".line button").click();
  await settled();
}

test("nothing is asked before a verdict, and nothing is sent or read until somebody wants to say something", async () => {
  why.update([]);
  assert.equal(why.element.hidden, true);
  why.update([vote(1)]);
  assert.equal(why.element.hidden, false);
  assert.equal(find(".reasons").hidden, true);
  assert.deepEqual(service.calls, []);
});

test("what was said before is shown, and each chip saves the whole", async () => {
  why.update([vote(1)]);
  await open();
  assert.equal(find(".line button").getAttribute("aria-expanded"), "true");
  assert.equal(find<HTMLTextAreaElement>("textarea").value, "before");
  assert.equal(chip("b", "Superficial").getAttribute("aria-pressed"), "true");
  chip("a", "Useful").click();
  chip("b", "Superficial").click();
  await settled();
  assert.deepEqual(service.put.at(-1), {
    method: "PUT", path: "/api/arena/battles/b1/votes/1/feedback",
    body: { reasons: { a: ["useful"], b: [] }, comment: "before" },
  });
  assert.equal(said(), "Saved");
});

test("both groups bear the names of those who were judged", () => {
  why.update([vote(2)]);
  const names = ["a", "b"].map((side) => find(`.side-${side} .over`).textContent);
  assert.deepEqual(names, ["Model A", "Model C"]);
  assert.equal(find(".side-b").getAttribute("aria-labelledby"), find(".side-b .over").id);
});

const write = (words: string): void => {
  find<HTMLTextAreaElement>("textarea").value = words;
  find("textarea").dispatchEvent(new window.Event("input"));
};
const shownLines = (): string[] => [...why.element.querySelectorAll<HTMLElement>(".of-round")].filter((one) => !one.hidden).map((one) => one.querySelector(".judged")?.textContent ?? "");

test("a comment that is being written when the next round is judged stays where it is and goes to its own round", async () => {
  why.update([vote(1)]);
  await open();
  write("half a thought");
  const field = find("textarea");
  why.update([vote(1), vote(2)]);
  await settled();
  assert.deepEqual(service.put.map((call) => [call.path, call.body?.comment]), [["/api/arena/battles/b1/votes/1/feedback", "half a thought"]]);
  assert.deepEqual(shownLines(), ["Model A beat Model C", "Model A beat Model B"]);
  assert.ok(why.element.contains(field) && field.closest<HTMLElement>(".reasons")?.hidden === false, "who writes is not disturbed");
  field.dispatchEvent(new window.Event("change"));
  assert.equal(service.put.length, 1, "it is saved already");
});

test("of earlier rounds it can be said later", async () => {
  why.update([vote(1), vote(2), vote(3)]);
  assert.deepEqual(shownLines(), ["Model A beat Model C"]);
  assert.equal(find(".earlier").textContent, "2 earlier rounds");
  find(".earlier").click();
  assert.equal(shownLines().length, 3);
  why.element.querySelectorAll<HTMLButtonElement>(".line button")[4]?.click();
  await settled();
  assert.deepEqual(service.calls.map((call) => call.path), ["/api/arena/battles/b1/votes/1/feedback"]);
});

test("what is not saved when the page is left is taken up by the next visit, and its round is shown", async () => {
  why.update([vote(1)]);
  await open();
  service.refuse = new Response("", { status: 500 });
  write("a thought");
  find("textarea").dispatchEvent(new window.Event("change"));
  await settled();
  assert.ok(said().startsWith("Not saved."));
  assert.equal(find(".line button:last-of-type").textContent, "Save again");
  service.refuse = null;
  write("a whole thought");
  const next = new Why({ texts: en } as unknown as Context, "b1");
  next.update([vote(1), vote(2)]);
  await settled();
  assert.equal(service.put.at(-1)?.body?.comment, "a whole thought");
  const another = new Why({ texts: en } as unknown as Context, "b1");
  const before = service.put.length;
  another.update([vote(1), vote(2)]);
  await settled();
  assert.equal(service.put.length, before, "what is saved is no draft any more");
});

test("who leaves the page in the middle of a comment has said it", async () => {
  why.update([vote(1)]);
  await open();
  write("on the way out");
  window.dispatchEvent(new window.Event("pagehide"));
  assert.equal(service.put.at(-1)?.body?.comment, "on the way out");
  await settled();
  why.leave();
});

test("a comment is saved when its writer pauses, and dropped when the verdict is taken back", async () => {
  why.update([vote(1)]);
  await open();
  mock.timers.enable({ apis: ["setTimeout"] });
  find<HTMLTextAreaElement>("textarea").value = "so";
  find("textarea").dispatchEvent(new window.Event("input"));
  assert.equal(service.put.length, 0);
  mock.timers.tick(1000);
  assert.equal(service.put.length, 1);
  find("textarea").dispatchEvent(new window.Event("input"));
  why.update([]);
  mock.timers.tick(1000);
  mock.timers.reset();
  assert.equal(service.put.length, 1);
  assert.equal(why.element.hidden, true);
});

test("what is refused is said", async () => {
  why.update([vote(1)]);
  await open();
  service.refuse = Response.json({ error: "what was said in this battle was erased", code: "erased" }, { status: 409 });
  chip("a", "Clear").click();
  await settled();
  assert.equal(said(), "Not saved. what was said in this battle was erased");
});

test("one call at a time, and of what came meanwhile the newest", async () => {
  const sent: number[] = [];
  const states: Saved[] = [];
  const ends: (() => void)[] = [];
  const saving = new Saving<number>((value) => {
    sent.push(value);
    return new Promise<void>((done) => ends.push(done));
  }, (state) => states.push(state));
  for (const value of [1, 2, 3]) saving.put(value);
  assert.deepEqual(sent, [1]);
  ends[0]?.();
  await settled();
  assert.deepEqual([sent, states], [[1, 3], ["saving"]]);
  ends[1]?.();
  await settled();
  assert.deepEqual(states, ["saving", "saved"]);
  saving.drop();
  saving.put(4);
  assert.deepEqual(sent, [1, 3]);
});
