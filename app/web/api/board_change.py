"""The native API: what a battle did to the leaderboard."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from app.web.schemas.base import answered
from app.web.schemas.board_change import COUNTED, NOT_YET, BoardChange
from app.web.schemas.errors import NO_BATTLE, UNAVAILABLE
from app.web.shared.answering import DocumentedRoute
from app.web.shared.fields import BattleId
from app.web.shared.services import Wired

router = APIRouter(prefix="/api/arena", tags=["leaderboard"], route_class=DocumentedRoute)


@router.get(
    "/battles/{battle_id}/board-change",
    name="read_board_change",
    responses={200: answered(BoardChange, "What it did", COUNTED, NOT_YET), **NO_BATTLE, **UNAVAILABLE},
)
async def read_board_change(battle_id: BattleId, services: Wired) -> dict[str, Any]:
    """What the votes of an ended battle did to the leaderboard: its models in the fit before and in the fit with them.

    A battle counts when it has ended, and then with the next fit, a few seconds later. The two fits are known for a
    day; afterwards the state is `past`. Other votes that came with the same fit moved the models, too.
    """
    battle = await services.manager.record(battle_id)
    if battle.ended_at is None:
        return NOT_YET
    if not battle.votes:
        return NOT_YET | {"state": "none"}
    change = await services.boards.change(battle_id, battle.ended_at)
    if isinstance(change, bool):
        return NOT_YET | {"state": "past" if change else "not_yet"}
    return {"state": "counted", **change}
