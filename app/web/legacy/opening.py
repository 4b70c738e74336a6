"""Opening a battle for an existing client."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from app.arena.requests import OpenRequest, body_hash
from app.battle.battle import Status
from app.battle.events import Snapshot
from app.errors import InvalidInput, Unavailable
from app.hosts.context import fitting
from app.records.votes import FROM_START, NAMES_SHOWN
from app.web.api.opening import check_length
from app.web.legacy.answers import FAILED
from app.web.legacy.history import BattleHistory, history_of
from app.web.shared.services import Services

#: The options of a battle that goes on as long as there are challengers.
ANY: Mapping[str, object] = MappingProxyType({})


async def open_battle(
    services: Services, message: str, session: str | None, asked: int | None = None, options: Mapping[str, object] = ANY
) -> Snapshot:
    """Open a battle and return at once; ``asked`` models meet, by default as many as configured, at most all.

    ``options`` are kept with the battle: ``TWO_STEP`` by calls that clients of one round make, too; it counts only
    where no number was ``asked`` for.

    Raises:
        MessageTooLarge: the message is over its limit.
        InvalidInput: fewer than two models were asked for.
        Unavailable: fewer than two are at hand, or a queue is full.
    """
    check_length(services.settings.arena_max_message, message=message)
    at_hand, own = await services.contestants.at_hand(), services.contestants.context_of
    models = fitting(services.settings, at_hand, message, own=own)
    wanted = services.settings.arena_num_models if asked is None else asked
    if wanted < 2:
        raise InvalidInput("num_models must be at least 2", field="num_models")
    count = min(wanted, len(models))
    await services.contestants.room_for(models[:count])
    request = body_hash({"message": message, "session_id": session, "num_models": asked})
    kept = {**(ANY if asked is not None else options), **_shown(services)}
    return await services.manager.open(
        OpenRequest(message, models, count, session_id=session, body_hash=request, options=kept)
    )


def _shown(services: Services) -> dict[str, object]:
    """The mark of a battle whose opener reads the names before he judges: his votes are not blind."""
    return {NAMES_SHOWN: FROM_START} if services.settings.arena_reveal == "always" else {}


async def opened_history(
    services: Services, message: str, session: str | None, asked: int | None = None, options: Mapping[str, object] = ANY
) -> BattleHistory:
    """``open_battle`` with who entered it."""
    snapshot = await open_battle(services, message, session, asked, options)
    record = await services.manager.record(snapshot.battle_id)
    return history_of(snapshot, record, services.settings.arena_reveal)


def playable(history: BattleHistory) -> BattleHistory:
    """The history of a battle that did not fail.

    Raises:
        Unavailable: it did.
    """
    if history.snapshot.status == Status.FAILED:
        raise Unavailable(FAILED, code="battle_failed")
    return history
