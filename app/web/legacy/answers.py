"""What existing clients read, made of a battle's course; pure.

Each call keeps its own base of counts: ``current_round`` of the progressive calls counts from 0, ``round`` and
``current_round`` of ``/vote`` from 1, ``round`` of ``/api/vote_arena`` is the number of rounds that were judged.
Strings and lists are never null, and there is a key ``error`` in failures only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from app.battle.battle import Side, Status, Vote, survivor
from app.battle.events import SideView
from app.web.legacy.history import BattleHistory, loser
from app.web.legacy.vocabulary import CHOICES, SIDES

#: What a model is shown with that is on no board yet; front-ends want a number with each name that is revealed.
#: It is the middle of our boards; the older arena began at 1500, which would look strong beside our ratings.
FIRST_RATING = 1000.0

#: Models' ratings by their names.
Ratings = Mapping[str, float]
NO_RATINGS: Ratings = MappingProxyType({})

#: Where a verdict did not count, since it came too soon after the reply to the same one before.
CLICKED_AGAIN = "You voted like this a moment ago; that vote counts, and this one was not counted."

#: Why an answer is not there, by the state of its side; nothing of it tells who writes.
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


def latency_ms(course: BattleHistory, entry: int) -> float:
    """Milliseconds from the question to the end of the answer; 0 before the reveal, which timings would spoil."""
    timing = course.line(entry).get("timing") or {}
    return round(1000 * (timing.get("total_s") or 0.0), 1)


TextOf = Callable[[SideView], str]


def pair(course: BattleHistory, text_of: TextOf = shown_text) -> dict[str, Any]:
    """Who is on stage, and what they wrote."""
    seated = {side.value: course.seated(side).entry for side in Side}
    texts = {side.value: text_of(course.snapshot.sides[side]) for side in Side}
    return {
        **{f"model_{side}": course.name(entry) for side, entry in seated.items()},
        **{f"response_{side}": text for side, text in texts.items()},
        **{f"latency_{side}": latency_ms(course, entry) for side, entry in seated.items()},
    }


def standings(course: BattleHistory) -> dict[str, list[str]]:
    """Who is out, who survived a round and who is still to come."""
    return {
        "eliminated_models": course.names(course.eliminated),
        "winner_chain": course.names(course.chain),
        "remaining_models": course.names(course.remaining),
    }


def _with_current(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"current_models": [body["model_a"], body["model_b"]]}


def _count(course: BattleHistory) -> dict[str, int]:
    snapshot = course.snapshot
    left = snapshot.rounds_total - snapshot.round + 1 if course.running else 0
    return {"current_round": snapshot.round - 1, "remaining_comparisons": left}


def progress(course: BattleHistory) -> str:
    """``ready``, ``waiting``, ``completed`` or ``failed``."""
    snapshot = course.snapshot
    if snapshot.status == Status.FAILED:
        return "failed"
    if not course.running:
        return "completed"
    return "ready" if snapshot.can_vote else "waiting"


def started(course: BattleHistory) -> dict[str, Any]:
    """What ``start_progressive`` answers."""
    return {
        "battle_id": course.snapshot.battle_id,
        "status": "initialized",
        "total_models": len(course.contestants),
        "current_round": 0,
        "message": course.snapshot.message,
    }


def battle_started(course: BattleHistory) -> dict[str, Any]:
    """What ``start_battle`` answers: the texts follow, with ``get_responses`` or as a stream."""
    return {
        **started(course),
        **pair(course, lambda _: ""),
        "arena_mode": True,
        "responses_ready": False,
        "models_hidden": not course.shown,
        "view_index": 0,
    }


def progressive_pair(course: BattleHistory) -> dict[str, Any]:
    """What ``get_progressive_responses`` answers."""
    body = {"battle_id": course.snapshot.battle_id, "status": progress(course), **pair(course), **_count(course)}
    body = _with_current(body) | {"responses_ready": course.snapshot.can_vote}
    if not course.running:
        body |= ranking(course)
    if course.snapshot.status == Status.FAILED:
        body["error"] = FAILED
    return body


def responses(course: BattleHistory) -> dict[str, Any]:
    """What ``get_responses`` answers; ``ready`` is false while a side is still being written."""
    ready = course.snapshot.can_vote or not course.running
    body = {"battle_id": course.snapshot.battle_id, "status": progress(course), **pair(course, text_or_reason)}
    return _with_current(body) | {"ready": ready, "responses_ready": ready, "models_hidden": not course.shown}


def next_responses(course: BattleHistory) -> dict[str, Any]:
    """What ``get_next_responses`` answers."""
    return {"success": True, "battle_id": course.snapshot.battle_id, **pair(course), **standings(course)}


def ranking(course: BattleHistory) -> dict[str, Any]:
    """The end: everybody in order, who is champion, and how it went."""
    reveal = course.snapshot.reveal or {"champion": None, "ranking": []}
    return {
        "final_ranking": [line["model"] for line in reveal["ranking"] if line.get("place") or line.get("failed")],
        "winner": reveal["champion"] or "",
        "total_rounds": len(course.snapshot.votes),
        "comparison_history": history(course),
    }


def history(course: BattleHistory) -> list[dict[str, Any]]:
    """Every verdict with the pair that it judged and who left: enough to play the battle again."""
    return [
        {
            "round": vote.round - 1,
            "model_a": course.name(vote.pair.a),
            "model_b": course.name(vote.pair.b),
            "choice": CHOICES[vote.verdict],
            "eliminated_model": course.name(loser(vote)),
            "timestamp": _time(course.voted_at.get(vote.round)),
        }
        for vote in course.votes
    ]


def _time(at: datetime | None) -> str:
    """RFC 3339 in UTC; empty when it is not known."""
    return "" if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def last_verdict(course: BattleHistory) -> dict[str, str]:
    """Who won and who left with the newest verdict, and from which side (``left`` or ``right``)."""
    if not course.votes:
        return {"previous_winner": "", "previous_loser": "", "eliminated_side": ""}
    vote = course.votes[-1]
    return {
        "previous_winner": course.name(survivor(vote)),
        "previous_loser": course.name(loser(vote)),
        "eliminated_side": _side_of(vote, loser(vote)),
    }


def _side_of(vote: Vote, entry: int) -> str:
    side = vote.pair.side_of(entry)
    return "" if side is None else SIDES[side]


def choice_made(course: BattleHistory) -> dict[str, Any]:
    """What ``submit_progressive_choice`` answers: the next pair, or the final ranking."""
    last = last_verdict(course)
    body = {
        "battle_id": course.snapshot.battle_id,
        "status": "continue" if course.running else "completed",
        "responses_ready": course.snapshot.can_vote,
        **pair(course, text_or_reason),
        **_count(course),
        "eliminated_model": last["previous_loser"],
        "eliminated_side": last["eliminated_side"],
    }
    return _with_current(body) | ({} if course.running else ranking(course))


def voted(course: BattleHistory, ratings: Ratings = NO_RATINGS, *, counted: bool = True) -> dict[str, Any]:
    """What ``/vote`` answers: the union of what all generations of front-ends read.

    ``needs_responses`` is true while the battle runs, for what front-ends say of who won comes from ``previous_winner``
    only then, else from names that they don't have. The texts come all the same, for those who never ask again.
    """
    going_on = course.running
    body: dict[str, Any] = {
        "success": True,
        "preference_recorded": counted,
        "battle_id": course.snapshot.battle_id,
        "continue_battle": going_on,
        "continue": going_on,
        "needs_responses": going_on,
        "round": course.snapshot.round,
        "current_round": course.snapshot.round,
        **pair(course, text_or_reason),
        **{f"response_label_{side.value}": course.seated(side).alias for side in Side},
        **standings(course),
        **last_verdict(course),
        **(ranking(course) if not going_on else _no_ranking(course)),
    }
    return body | _revealed(course, ratings) | ({} if counted else {"message": CLICKED_AGAIN})


def _no_ranking(course: BattleHistory) -> dict[str, Any]:
    rounds = {"total_rounds": len(course.votes), "comparison_history": history(course)}
    return {"final_ranking": [], "winner": "", **rounds}


def _revealed(course: BattleHistory, ratings: Ratings) -> dict[str, Any]:
    """Whom the verdict was about, for the oldest page, which takes its absence for a failure."""
    judged = {side.value: course.judged.on(side) for side in Side}
    return {
        "models_revealed": {f"model_{side}": _revealed_model(course, entry, ratings) for side, entry in judged.items()}
    }


def _revealed_model(course: BattleHistory, entry: int, ratings: Ratings) -> dict[str, Any]:
    """A name and a rating; before names are shown an alias, with the number that every alias has."""
    name = course.name(entry)
    rating = ratings.get(name, FIRST_RATING) if entry in course.shown else FIRST_RATING
    return {"name": name, "display_name": name, "rating": rating}


def arena_voted(course: BattleHistory, *, counted: bool = True) -> dict[str, Any]:
    """What ``/api/vote_arena`` answers."""
    union = voted(course, counted=counted)
    body = {name: union[name] for name in _OF_ARENA_VOTED}
    body |= pair(course, text_or_reason) | standings(course) | last_verdict(course)
    body |= {"round": len(course.votes), "next_view_index": course.snapshot.round - 1}
    body |= {} if counted else {"message": CLICKED_AGAIN}
    return body if course.running else {"message": _epilogue(union["winner"])} | body | {"winner": union["winner"]}


_OF_ARENA_VOTED = (
    "success",
    "preference_recorded",
    "battle_id",
    "continue_battle",
    "needs_responses",
    "final_ranking",
    "comparison_history",
)


def _epilogue(winner: str) -> str:
    return f"The battle is over: {winner} wins." if winner else "The battle is over."


def sent(course: BattleHistory) -> dict[str, Any]:
    """What ``/send_message`` answers: a battle in its first round, and a sentence where a chat's reply would be."""
    body = responses(course)
    reply = ANSWERED if body["ready"] else ANSWERING
    return body | {
        "status": "success",
        "arena_mode": True,
        "view_index": 0,
        "round": course.snapshot.round,
        "total_rounds": course.snapshot.rounds_total,
        "message": reply,
        "response": reply,
        **standings(course),
    }
