"""How the arena is, in the words of the scripts that ask: the models, the storage, the progress of a battle."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request
from redis.exceptions import RedisError

from app.errors import Unavailable
from app.hosts.host import hosts_from
from app.hosts.names import same_model
from app.network.addresses import shown
from app.scheduling.report import HostReport
from app.web.api.host_views import health_of
from app.web.legacy import documented, examples, status_schemas
from app.web.legacy.bodies import BattleOrSession
from app.web.legacy.history import BattleHistory
from app.web.legacy.routes import ContractRoute
from app.web.legacy.waiting import history_now
from app.web.shared.access import is_operator
from app.web.shared.answering import JsonBytes
from app.web.shared.services import Services, Wired

router = APIRouter(prefix="/api/arena", route_class=ContractRoute)

#: Rows of the leaderboard that come with the status.
LEADERS = 3
#: Scripts look for the word "Redis" in it.
STORAGE = "Redis (running battles) and SQL (battles, answers and votes)"


@router.get("/status", responses=documented.STATUS_OR_NOT)
async def status(services: Wired) -> dict[str, Any] | JsonBytes:
    """Whether battles can be played, with which models, and how many there were on all workers."""
    missing = (await services.readiness()).missing
    try:
        models = [] if missing else list(await services.contestants.at_hand())
    except Unavailable as error:
        missing, models = (error.sentence,), []
    if missing:
        return _unavailable("; ".join(missing))
    counts = await services.manager.counts()
    return {
        "available": True,
        "active_models": len(models),
        "models": models,
        "total_battles": counts.opened,
        "completed_battles": counts.finished,
        "leaderboard": await services.boards.leaders(LEADERS),
        "storage_status": STORAGE,
    }


def _unavailable(message: str) -> JsonBytes:
    body = {"available": False, "message": message, "error": message, "code": "unavailable"}
    return JsonBytes(body, 503, {"Retry-After": "5"})


@router.get("/ollama-status", responses=documented.answers(status_schemas.LegacyOllamaStatus, examples.OLLAMA_STATUS))
async def ollama_status(request: Request, services: Wired) -> dict[str, Any]:
    """Which models the hosts have; 200 also when they have too few.

    `base_url` has the addresses of the hosts, with commas, for those who run the arena; it is empty for all others.
    """
    urls = [shown(host.url) for host in hosts_from(services.settings)]
    base_url = ", ".join(urls) if is_operator(request, services.settings) else ""
    try:
        models = list(await services.contestants.at_hand())
    except Unavailable as error:
        return {"status": "unhealthy", "error": error.sentence, "base_url": base_url, "recommendation": error.sentence}
    wanted = services.settings.arena_models or tuple(models)
    ready = {name: any(same_model(name, model) for model in models) for name in wanted}
    return {
        "status": "healthy",
        "base_url": base_url,
        "total_models": len(models),
        "available_models": models,
        "arena_models_status": ready,
        "all_arena_models_ready": all(ready.values()),
        "recommendation": _recommendation([name for name, there in ready.items() if not there], await _dead(services)),
    }


async def _dead(services: Services) -> list[str]:
    """Hosts that do not answer, by their drivers' word or, while Redis is unavailable, by what this process saw."""
    reports: Mapping[str, HostReport] = {}
    with suppress(RedisError):
        reports = await services.fleet.reports.read()
    silent = {one.host: one.error for one in services.fleet.roster.catalog.unreachable}
    names = [host.name for host in services.fleet.hosts]
    return [name for name in names if health_of(reports.get(name), silent.get(name)) == "down"]


def _recommendation(absent: list[str], dead: list[str]) -> str:
    parts = [f"Host {name} does not answer: start Ollama there (ollama serve)." for name in dead]
    if absent:
        pulls = " and ".join(f"ollama pull {name}" for name in absent)
        parts.append(f"Run {pulls} on a host, or fix ARENA_MODELS.")
    return " ".join(parts) or "All models are there; nothing to do."


@router.get("/loading_status/{battle_id}", responses=documented.answers(status_schemas.LegacyLoading, examples.LOADING))
async def loading_status(battle_id: BattleOrSession, services: Wired) -> dict[str, Any]:
    """Whose answers are there and whose are still to come, by alias until names are shown."""
    history = await history_now(services, await services.manager.resolve(battle_id))
    return await _loading(services, history)


async def _loading(services: Services, history: BattleHistory) -> dict[str, Any]:
    ended = await services.manager.answered(history.snapshot.battle_id)
    entries = tuple(contestant.entry for contestant in history.contestants)
    pending = tuple(entry for entry in entries if entry not in ended) if history.running else ()
    return {
        "loaded_models": history.names(tuple(entry for entry in entries if ended.get(entry))),
        "pending_models": history.names(pending),
        "total_models": len(entries),
        "progress_percentage": round(100.0 * (len(entries) - len(pending)) / len(entries), 1),
        "all_loaded": not pending,
    }
