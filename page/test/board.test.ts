import "./dom.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BoardRow } from "../src/store/types.ts";
import { en } from "../src/i18n/en.ts";
import type { Context } from "../src/ui/context.ts";
import { visible } from "../src/ui/names.ts";
import { figures, roundedWait, wordCount } from "../src/ui/numbers.ts";
import { pairsOf, type Pair } from "../src/views/pairs.ts";
import { axis, grouped, notes, rated } from "../src/views/ratings.ts";

const context = { texts: en, figures: figures("en") } as Context;
const row = (model: string, rank_low: number, provisional = false, changes: Partial<BoardRow> = {}): BoardRow =>
  ({ model, rank_low, provisional, elo_rating: 1000, rating_lower: 900, rating_upper: 1100, ...changes }) as BoardRow;

test("models that share a rank are a group, provisional ones are another", () => {
  const rows = [row("a", 1), row("b", 1), row("c", 3), row("d", 4, true), row("e", 4, true)];
  assert.deepEqual(grouped(rows).map((group) => group.map((one) => one.model)), [["a", "b"], ["c"], ["d", "e"]]);
  assert.deepEqual(grouped([]), []);
});

test("all intervals lie on one axis, and one without bounds too", () => {
  const rows = [row("a", 1, false, { rating_lower: 900, rating_upper: 1100 }), row("b", 1, false, { elo_rating: 1200, rating_lower: null, rating_upper: null })];
  const scale = axis(rows);
  assert.deepEqual([900, 1050, 1200].map(scale.at), ["2.00%", "50.00%", "98.00%"]);
  assert.equal(axis([row("a", 1, true, { rating_lower: null, rating_upper: null })]).at(1000), "2.00%");
});

test("figures are written as in the language", () => {
  assert.equal(figures("de").number(1.25, 2), "1,25");
  assert.equal(figures("en").percent(0.004), "0.4%");
  assert.equal(figures("en").bytes(24 * 1024 ** 3), "24 GB");
  assert.equal(figures("en").ago(0, 3 * 3_600_000), "3 hours ago");
  assert.equal(figures("de").ago(1000, 1000), "jetzt");
});

test("waits go in steps of five seconds, words are counted in any script", () => {
  assert.deepEqual([-3, 0, 3, 12, 38].map(roundedWait), [5, 5, 5, 15, 40]);
  assert.equal(wordCount("It's **two** words, isn't it? Grüße"), 6);
});

test("of a model that never lost only the lower end is told, and it is the figure", () => {
  const unbeaten = row("a", 1, false, { votes: 30, bounds: "at_least", rating_lower: 1204.4, rating_upper: null });
  assert.deepEqual(rated(unbeaten, context), { figure: "at least 1204", bounds: "" });
  assert.deepEqual(rated(row("a", 1, false, { votes: 30, bounds: "at_most", rating_lower: null, rating_upper: 850 }), context), { figure: "at most 850", bounds: "" });
  assert.deepEqual(rated(row("a", 1, false, { votes: 30, bounds: "both" }), context), { figure: "1000", bounds: "(900 to 1100)" });
  assert.deepEqual(rated(row("a", 1, false, { votes: 30, bounds: "fixed", rating_lower: null, rating_upper: null }), context), { figure: "1000", bounds: "(fixed)" });
  assert.deepEqual(rated(row("a", 1, true, { votes: 0, bounds: "unknown" }), context), { figure: "–", bounds: "" });
});

test("a provisional row says how many votes it lacks", () => {
  const few = row("a", 4, true, { votes: 3, reasons: ["few_votes"], tied_with: 0, retired: false });
  assert.deepEqual(notes(few, 10, context), ["Provisional: too few votes", "ranked after 7 more votes at the latest"]);
  const ranked = row("a", 4, false, { votes: 3, reasons: ["few_votes"], tied_with: 0, retired: false });
  assert.deepEqual(notes(ranked, 10, context), ["too few votes"], "it has its rank, and the same reason");
  const apart = row("a", 4, true, { votes: 3, reasons: ["few_votes", "unconnected"], tied_with: 0, retired: false });
  assert.deepEqual(notes(apart, 10, context), ["Provisional: too few votes, not compared with the ranked models"], "votes alone would not rank it");
  assert.deepEqual(notes(row("a", 1, false, { votes: 30, reasons: ["unbeaten"], tied_with: 1, retired: true }), 10, context), ["never lost", "level with 1 other", "no longer drawn"]);
});

test("a chance is never called certain", () => {
  assert.deepEqual([0.9999, 0.995, 0.5, 0.004, 0].map(figures("en").chance), ["> 99%", "> 99%", "50%", "< 1%", "< 1%"]);
});

test("the pairs of a model are told as it saw them", () => {
  const pair = (model: string, opponent: string, wins: number, losses: number): Pair => ({ model, opponent, wins, losses, ties: 1, both_bad: 0, share: 0.75, expected: 0.6, surprise: 1.5 });
  const all = [pair("a", "b", 3, 1), pair("a", "c", 2, 2), pair("b", "c", 5, 0)];
  assert.deepEqual(pairsOf(all, "").length, 3);
  assert.deepEqual(pairsOf(all, "b").map((one) => [one.model, one.opponent, one.wins, one.losses, one.share, one.surprise]), [["b", "a", 1, 3, 0.25, -1.5], ["b", "c", 5, 0, 0.75, 1.5]]);
});

test("a name shows what is in it, as on the server", () => {
  const names = ["llama3.1:8b", "a\nb", "evil\u202egpj", "ok\u200bname", " lead", "two  blanks", "", "no\u00a0break", "مرحبا", "tag\u{e0041}"];
  const shown = ["llama3.1:8b", "a\\nb", "evil\\u202egpj", "ok\\u200bname", '" lead"', '"two  blanks"', '""', "no\\xa0break", "مرحبا", "tag\\U000e0041"];
  assert.deepEqual(names.map(visible), shown);
});
