"""What existing clients read, made of a battle's history; pure.

Each call keeps its own base of counts: ``current_round`` of the progressive calls counts from 0, ``round`` and
``current_round`` of ``/vote`` from 1, ``round`` of ``/api/vote_arena`` is the number of rounds that were judged.
Strings and lists are never null, and there is a key ``error`` in failures only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from app.battle.battle import Side, Status, Vote, survivor
from app.battle.events import SideView
from app.web.legacy.history import BattleHistory, loser
from app.web.legacy.vocabulary import CHOICES, SIDES

#: Why an answer is not there, by the state of its side; none of it reveals who writes.
UNFINISHED: Mapping[str, str] = {
    "waiting": "This answer is not there yet: its model is busy with other answers.",
    "queued": "This answer is not there yet: its model is busy with other answers.",
    "loading": "This answer is not there yet: its model is being loaded.",
    "writing": "This answer is not complete: it is still being written.",
}
DO_NOT_JUDGE = "Please judge this round when you have read both answers."

ANSWERED = "Two models answered; which answer is better?"
ANSWERING = "Two models are answering; what they have written so far is here."

FAILED = "The battle could not be played to its end: too many models failed. Start a new one."


def shown_text(view: SideView) -> str:
    """A side's text; of one that failed, what it wrote and why there is no more. Never blank for what has ended."""
    if view.error is None:
        return view.text
    return "\n\n".join(part for part in (view.text, view.error["message"]) if part.strip())


def text_or_reason(view: SideView) -> str:
    """A side's text for clients who won't ask again: of an answer that is not complete, also why there is no more."""
    if view.finish_reason is not None:
        return shown_text(view)
    reason = f"[{UNFINISHED.get(view.state, UNFINISHED['waiting'])} {DO_NOT_JUDGE}]"
    return "\n\n".join(part for part in (view.text, reason) if part.strip())


def latency_ms(history: BattleHistory, entry: int) -> float:
    """Milliseconds from the question to the end of the answer; 0 before the reveal, which timings would spoil."""
    timing = history.line(entry).get("timing") or {}
    return round(1000 * (timing.get("total_s") or 0.0), 1)


TextOf = Callable[[SideView], str]


def pair(history: BattleHistory, text_of: TextOf = shown_text) -> dict[str, Any]:
    """Who is on stage, and what they wrote."""
    entries = {side.value: history.contestant_on(side).entry for side in Side}
    texts = {side.value: text_of(history.snapshot.sides[side]) for side in Side}
    return {
        **{f"model_{side}": history.name(entry) for side, entry in entries.items()},
        **{f"response_{side}": text for side, text in texts.items()},
        **{f"latency_{side}": latency_ms(history, entry) for side, entry in entries.items()},
    }


def standings(history: BattleHistory) -> dict[str, list[str]]:
    """Who is out, who survived a round and who is still to come."""
    return {
        "eliminated_models": history.names(history.eliminated),
        "winner_chain": history.names(history.chain),
        "remaining_models": history.names(history.remaining),
    }


def with_current(body: dict[str, Any]) -> dict[str, Any]:
    """``body`` with its two models as a list, too."""
    return body | {"current_models": [body["model_a"], body["model_b"]]}


def count(history: BattleHistory) -> dict[str, int]:
    """How many comparisons remain, and the round by the count of the progressive calls."""
    snapshot = history.snapshot
    left = snapshot.rounds_total - snapshot.round + 1 if history.running else 0
    return {"current_round": snapshot.round - 1, "remaining_comparisons": left}


def progress(history: BattleHistory) -> str:
    """``ready``, ``waiting``, ``completed`` or ``failed``."""
    snapshot = history.snapshot
    if snapshot.status == Status.FAILED:
        return "failed"
    if not history.running:
        return "completed"
    return "ready" if snapshot.can_vote else "waiting"


def started(history: BattleHistory) -> dict[str, Any]:
    """What ``start_progressive`` answers."""
    return {
        "battle_id": history.snapshot.battle_id,
        "status": "initialized",
        "total_models": len(history.contestants),
        "current_round": 0,
        "message": history.snapshot.message,
    }


def battle_started(history: BattleHistory) -> dict[str, Any]:
    """What ``start_battle`` answers: the texts follow, with ``get_responses`` or as a stream."""
    return {
        **started(history),
        **pair(history, lambda _: ""),
        "arena_mode": True,
        "responses_ready": False,
        "models_hidden": not history.shown,
        "view_index": 0,
    }


def progressive_pair(history: BattleHistory) -> dict[str, Any]:
    """What ``get_progressive_responses`` answers."""
    body = {"battle_id": history.snapshot.battle_id, "status": progress(history), **pair(history), **count(history)}
    body = with_current(body) | {"responses_ready": history.snapshot.can_vote}
    if not history.running:
        body |= ranking(history)
    if history.snapshot.status == Status.FAILED:
        body["error"] = FAILED
    return body


def responses(history: BattleHistory) -> dict[str, Any]:
    """What ``get_responses`` answers; ``ready`` is false while a side is still being written."""
    ready = history.snapshot.can_vote or not history.running
    body = {"battle_id": history.snapshot.battle_id, "status": progress(history), **pair(history, text_or_reason)}
    return with_current(body) | {"ready": ready, "responses_ready": ready, "models_hidden": not history.shown}


def next_responses(history: BattleHistory) -> dict[str, Any]:
    """What ``get_next_responses`` answers."""
    return {"success": True, "battle_id": history.snapshot.battle_id, **pair(history), **standings(history)}


def ranking(history: BattleHistory) -> dict[str, Any]:
    """The end: everybody in order, who is champion, and how it went."""
    reveal = history.snapshot.reveal or {"champion": None, "ranking": []}
    return {
        "final_ranking": [line["model"] for line in reveal["ranking"] if line.get("place") or line.get("failed")],
        "winner": reveal["champion"] or "",
        "total_rounds": len(history.snapshot.votes),
        "comparison_history": comparison_history(history),
    }


def comparison_history(history: BattleHistory) -> list[dict[str, Any]]:
    """Every verdict with the pair that it judged and who left: enough to play the battle again."""
    return [
        {
            "round": vote.round - 1,
            "model_a": history.name(vote.pair.a),
            "model_b": history.name(vote.pair.b),
            "choice": CHOICES[vote.verdict],
            "eliminated_model": history.name(loser(vote)),
            "timestamp": _time(history.voted_at.get(vote.round)),
        }
        for vote in history.votes
    ]


def _time(at: datetime | None) -> str:
    """RFC 3339 in UTC; empty when it is not known."""
    return "" if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def last_verdict(history: BattleHistory) -> dict[str, str]:
    """Who won and who left with the newest verdict, and from which side (``left`` or ``right``)."""
    if not history.votes:
        return {"previous_winner": "", "previous_loser": "", "eliminated_side": ""}
    vote = history.votes[-1]
    return {
        "previous_winner": history.name(survivor(vote)),
        "previous_loser": history.name(loser(vote)),
        "eliminated_side": _side_of(vote, loser(vote)),
    }


def _side_of(vote: Vote, entry: int) -> str:
    side = vote.pair.side_of(entry)
    return "" if side is None else SIDES[side]


def sent(history: BattleHistory) -> dict[str, Any]:
    """What ``/send_message`` answers: a battle in its first round, and a sentence where a chat's reply would be."""
    body = responses(history)
    reply = ANSWERED if body["ready"] else ANSWERING
    return body | {
        "status": "success",
        "arena_mode": True,
        "view_index": 0,
        "round": history.snapshot.round,
        "total_rounds": history.snapshot.rounds_total,
        "message": reply,
        "response": reply,
        **standings(history),
    }
