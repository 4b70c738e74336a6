import "./dom.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BoardRow } from "../src/store/types.ts";
import { figures, roundedWait, wordCount } from "../src/ui/numbers.ts";
import { axis, grouped } from "../src/views/board.ts";

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
