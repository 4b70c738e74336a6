"""Battles by the other calls under ``/api/arena``: start, read, stream, vote."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Response
from redis.exceptions import RedisError

from app.errors import InvalidInput, Unavailable
from app.web.legacy import answers, documented, examples, schemas, status_schemas, verdict_answers
from app.web.legacy.bodies import AskBody, BattleBody, LegacyVoteBody, SessionHeader, StartBody, session_of
from app.web.legacy.encoder import Reader
from app.web.legacy.history import TWO_STEP
from app.web.legacy.judging import Judged, judge
from app.web.legacy.opening import open_battle, opened_history, playable
from app.web.legacy.routes import ContractRoute, SuccessRoute
from app.web.legacy.streams import round_stream
from app.web.legacy.waiting import history_now, waited_for
from app.web.shared.services import Services, Wired
from app.web.shared.streams import patient_json
from app.web.shared.voters import Sender

#: Clients of ``get_responses`` wait for 30 s and more, those of ``get_next_responses`` for 60 s.
RESPONSES_WAIT = timedelta(seconds=25)
NEXT_RESPONSES_WAIT = timedelta(seconds=50)

#: More rows than a board has.
WHOLE_BOARD = 10_000

router = APIRouter(prefix="/api/arena", route_class=ContractRoute)
outside = APIRouter(prefix="/api", route_class=SuccessRoute)


@router.post("/start_battle", responses=documented.answers(schemas.LegacyBattleStarted, examples.BATTLE_STARTED))
async def start_battle(body: StartBody, services: Wired, session: SessionHeader = None) -> dict[str, Any]:
    """Open a battle and return at once; the texts follow, as strings that are empty until then."""
    session = session_of(body.session_id, session)
    return answers.battle_started(await opened_history(services, body.message, session, body.num_models, TWO_STEP))


@router.post("/battle", responses=documented.answers(schemas.LegacySessionBattle, examples.SESSION_BATTLE))
async def battle(body: StartBody, services: Wired, session: SessionHeader = None) -> dict[str, Any]:
    """Open a battle for a session whose id serves as the battle's id from now on.

    Raises:
        InvalidInput: there is no session.
    """
    session = session_of(body.session_id, session)
    if session is None:
        raise InvalidInput("session_id is required", code="missing_field", field="session_id")
    snapshot = await open_battle(services, body.message, session, body.num_models, TWO_STEP)
    names = {"models_hidden": services.settings.arena_reveal != "always", "view_index": -1}
    return {"battle_id": session, "status": "ready", "message": snapshot.message, **names}


@router.post("/get_responses", responses=documented.answers(schemas.LegacyResponses, examples.RESPONSES))
@router.post("/responses", name="responses", responses=documented.answers(schemas.LegacyResponses, examples.RESPONSES))
async def get_responses(body: BattleBody, services: Wired) -> dict[str, Any]:
    """The pair on stage, once both are complete; after 25 s the texts so far with ``ready: false``."""
    battle_id = await services.manager.resolve(body.battle_id)
    limit = min(RESPONSES_WAIT, services.settings.arena_wait)
    return answers.responses(playable(await waited_for(services, battle_id, limit)))


@router.post(
    "/get_responses_streaming", response_class=Response, responses=documented.stream(examples.STREAM_OF_RESPONSES)
)
async def get_responses_streaming(body: BattleBody, services: Wired) -> Response:
    """The round on stage as unnamed events: init, deltas as they are written, final."""
    battle_id = await services.manager.resolve(body.battle_id)
    return await round_stream(services, await services.manager.snapshot(battle_id), Reader.PAGE)


@router.post("/get_next_responses", responses=documented.answers(schemas.LegacyNextResponses, examples.NEXT_RESPONSES))
async def get_next_responses(body: BattleBody, services: Wired) -> Response:
    """The pair on stage after a vote that said ``needs_responses``; whitespace comes first when that takes long.

    Raises:
        InvalidInput: the battle is over.
    """
    history = await history_now(services, await services.manager.resolve(body.battle_id))
    if not playable(history).running:
        raise InvalidInput("No current matchup: the battle is over. Start a new one.", code="battle_over")
    return await patient_json(_next_pair(services, history.snapshot.battle_id))


async def _next_pair(services: Services, battle_id: str) -> dict[str, Any]:
    limit = min(NEXT_RESPONSES_WAIT, services.settings.arena_wait)
    history = playable(await waited_for(services, battle_id, limit))
    if history.running and not history.snapshot.can_vote:
        raise Unavailable("The answers are still being written; ask again in a moment.", code="not_ready")
    return answers.next_responses(history)


@router.post("/vote", responses=documented.answers(schemas.LegacyVoted, examples.VOTED))
async def vote(body: LegacyVoteBody, services: Wired, sender: Sender) -> Response:
    """Judge the round on stage and return the next pair or the final ranking, within 27 seconds.

    A ``preference`` comes from a client that waits for 10 seconds: it is answered within 9. Where the battle was opened
    without ``num_models`` by ``start_battle``, ``battle`` or ``send_message``, the battle ends with it, so that it
    counts at once: such a client knows of one pair. Whitespace comes first when the next pair takes long; what is
    refused is refused before that.
    """
    return await patient_json(_voted(services, await judge(services, body, sender)))


async def _voted(services: Services, judged: Judged) -> dict[str, Any]:
    history = await judged.next_pair()
    ratings = await _ratings(services) if history.judged_are_shown else {}
    return verdict_answers.voted(history, ratings, counted=judged.counted)


async def _ratings(services: Services) -> dict[str, float]:
    """Ratings as the board has them now; a name that means several builds of a model has that of the best."""
    rows: list[dict[str, Any]] = []
    with suppress(RedisError):  # the verdict counts, whatever becomes of the board
        rows = await services.boards.leaders(WHOLE_BOARD)
    best_last = {row["model"]: row["elo_rating"] for row in reversed(rows)}
    return {label.rpartition("@")[0]: rating for label, rating in best_last.items() if "@" in label} | best_last


@outside.post("/vote_arena", responses=documented.answers(schemas.LegacyArenaVoted, examples.ARENA_VOTED))
async def vote_arena(body: LegacyVoteBody, services: Wired, sender: Sender) -> Response:
    """The same verdict, with the names of fields that the oldest chat page reads."""
    return await patient_json(_arena_voted(await judge(services, body, sender)))


async def _arena_voted(judged: Judged) -> dict[str, Any]:
    return verdict_answers.arena_voted(await judged.next_pair(), counted=judged.counted)


@router.post("/check_routing", responses=documented.answers(status_schemas.LegacyRouting, examples.ROUTING))
async def check_routing(body: AskBody) -> dict[str, Any]:  # noqa: ARG001 - its form is checked
    """Whether the arena answers a message: it answers every one."""
    return examples.ROUTING
