"""Battles that only the browser believes in: their calls are answered by the test, so that answers can be anything."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Page, Route

BATTLE = "0123456789abcdef0123456789abcdef"

#: An EventSource that the test drives: ``pretend.tell(name, data)``; ``pretend.flow`` writes by itself.
SOURCE = """
window.pretend = { n: 100, sources: [] };
window.EventSource = class extends EventTarget {
  constructor(url) {
    super();
    this.url = url;
    pretend.sources.push(this);
    setTimeout(() => this.onopen?.(new Event("open")), 0);
  }
  close() { pretend.sources = pretend.sources.filter(one => one !== this); }
};
pretend.tell = (name, data) => {
  const id = "k-" + ++pretend.n + (name === "end" ? "-end" : "");
  for (const source of pretend.sources) {
    source.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data), lastEventId: id }));
  }
};
pretend.flow = (texts, perSecond) => new Promise(done => {
  const at = { a: 0, b: 0 }, began = performance.now();
  const timer = setInterval(() => {
    const due = (performance.now() - began) / 1000 * perSecond;
    for (const side of ["a", "b"]) {
      const text = texts[side].slice(at[side], due);
      if (text) pretend.tell("delta", { round: 1, side, text });
      at[side] = Math.max(at[side], Math.min(due, texts[side].length));
    }
    if (at.a >= texts.a.length && at.b >= texts.b.length) { clearInterval(timer); done(); }
  }, 50);
});
"""


def side(alias: str, state: str = "done", text: str = "") -> dict[str, Any]:
    """A side of a snapshot."""
    return {
        "alias": alias,
        "state": state,
        "text": text,
        "finish_reason": "stop" if state == "done" else None,
        "error": None,
    }


def snapshot(a: str = "", b: str = "", state: str = "done", **changes: Any) -> dict[str, Any]:
    """A battle in its first round, both sides with these texts."""
    return {
        "battle_id": BATTLE,
        "status": "running",
        "message": "A question",
        "round": 1,
        "rounds_total": 2,
        "sides": {"a": side("Model A", state, a), "b": side("Model B", state, b)},
        "votes": [],
        "can_vote": state == "done",
        "events": f"/api/arena/battles/{BATTLE}/events",
        "cursor": "k-100",
        "reveal": None,
    } | changes


def pretend(page: Page, body: dict[str, Any]) -> None:
    """Open a battle whose snapshot is ``body`` and whose stream the test writes, as the one who began it."""

    def fulfil(route: Route) -> None:
        route.fulfill(status=200, content_type="application/json", body=json.dumps(body))

    page.route(f"**/api/arena/battles/{BATTLE}", fulfil)
    page.add_init_script(SOURCE)
    mine = json.dumps([{"id": BATTLE, "prompt": "A question", "at": 0, "status": "running"}])
    page.add_init_script(f"localStorage.setItem('arena.battles', {json.dumps(mine)})")
    page.goto(f"/battle/{BATTLE}")
    page.wait_for_selector(".pane h2")


def send_event(page: Page, name: str, **data: Any) -> None:
    """Send an event down the stream."""
    page.evaluate("([name, data]) => pretend.tell(name, data)", [name, data])
