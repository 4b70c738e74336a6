"""What the votes came to: the statistics, and training data as files. The leaderboard is the native API's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from app.errors import InvalidInput, Unavailable
from app.leaderboard.bodies import VOTES_OF, Facts
from app.leaderboard.cache import BeingMade
from app.web.legacy import documented
from app.web.legacy.routes import ContractRoute
from app.web.legacy.status import STORAGE
from app.web.legacy.training import ExportType, FileFormat, export_to_file
from app.web.shared.access import OperatorsOnly
from app.web.shared.errors import error_response
from app.web.shared.services import Services, Wired
from app.web.shared.streams import patient_json

router = APIRouter(prefix="/api/arena", route_class=ContractRoute)

Kind = TypeVar("Kind", ExportType, FileFormat)


@router.get("/statistics", responses=documented.STATISTICS_OR_NOT)
async def statistics(services: Wired) -> Response:
    """How much was played and how it was judged.

    Battles are counted as they are now; everything else comes from ended battles. ``completion_rate`` is in per
    cent, ``model_usage`` counts the verdicts on each model's answers. Verdicts of those who knew the models' names are
    not counted, unless `ARENA_NAMED_VOTES=count`. While verdicts are counted for the first time
    there are none: then 202, and ``Retry-After`` says when to ask again.
    """
    statistics = await services.boards.statistics()
    if not isinstance(statistics, BeingMade):
        facts, board = statistics
        return JSONResponse(await _counted(services, facts, orjson.loads(board)["leaderboard"]))
    promise = {"state": "being_made", "retry_after_s": statistics.retry_after_s}
    so_far = await _counted(services, Facts.none(), []) | promise
    return JSONResponse(so_far, 202, headers={"Retry-After": str(statistics.retry_after_s)})


async def _counted(services: Services, facts: Facts, leaderboard: list[dict[str, Any]]) -> dict[str, Any]:
    """The statistics: battles as the database has them, verdicts as ``facts`` say."""
    counts = await services.manager.counts()
    verdicts = facts.verdicts
    return {
        "total_battles": counts.opened,
        "completed_battles": counts.finished,
        "completion_rate": round(100.0 * counts.finished / counts.opened, 2) if counts.opened else 0.0,
        "preference_distribution": {
            "left": verdicts["a"],
            "right": verdicts["b"],
            "tie": verdicts["tie"],
            "both_bad": verdicts["both_bad"],
        },
        "model_usage": _used(facts.usage),
        "leaderboard": leaderboard,
        "active_models": await _active(services),
        "models_per_page": 2,
        "total_views": 3,
        "storage_status": STORAGE,
        "votes": facts.votes,
        "votes_of": VOTES_OF,
        "categories": _used(facts.categories),
        "languages": _used(facts.languages),
    }


def _used(counts: Mapping[str, int]) -> dict[str, int]:
    """The counts by name, without names that were only met where voters knew the models."""
    return {name: count for name, count in sorted(counts.items()) if count}


async def _active(services: Services) -> int:
    try:
        return len(await services.contestants.at_hand())
    except Unavailable:
        return 0


@router.get("/export_training_data", dependencies=[OperatorsOnly], responses=documented.EXPORTED_OR_NOT)
async def export_training_data(
    services: Wired,
    kind: Annotated[str, Query(alias="type", max_length=50, examples=["dpo"])] = "dpo",
    form: Annotated[str, Query(alias="format", max_length=50, examples=["jsonl"])] = "jsonl",
) -> Response:
    """Write the votes that stand to a file on this machine and name it; whitespace comes first when that takes long.

    For those who run the arena: callers on its own machine, and who has its admin key. ``file_path`` is relative to
    ``ARENA_DATA_DIR``; the file is replaced by the next export of the same type and format. ``arena export`` writes the
    same to wherever it is wanted.
    """
    wanted_kind, wanted_form = _known(ExportType, kind), _known(FileFormat, form)
    if wanted_kind is None:
        return _unknown("type", ExportType)
    if wanted_form is None:
        return _unknown("format", FileFormat)
    return await patient_json(_exported(services, wanted_kind, wanted_form))


async def _exported(services: Services, kind: ExportType, form: FileFormat) -> dict[str, Any]:
    written = await export_to_file(services.settings.arena_data_dir, kind, form, services.comparisons)
    body = {"success": True, "file_path": written.path, "export_type": kind.value, "format": form.value}
    examples_of_it = {"examples_generated": written.examples} if kind is ExportType.DPO else {}
    return body | {"battles_included": written.battles} | examples_of_it


def _known(kind: type[Kind], word: str) -> Kind | None:
    return next((member for member in kind if member.value == word.strip().lower()), None)


def _unknown(field: str, kind: type[ExportType] | type[FileFormat]) -> JSONResponse:
    """The refusal with the words that are taken, under the key that the contract has for them."""
    words = [member.value for member in kind]
    refused = error_response(InvalidInput(f"{field} must be one of {', '.join(words)}", field=field))
    return JSONResponse({**orjson.loads(refused.body), f"valid_{field}s": words}, refused.status_code)
