"""``POST /v1/chat/completions``, and what is not there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from types import MappingProxyType

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from app.battle.battle import Side
from app.completions.completion import new_completion_id
from app.errors import Forbidden, NotFound
from app.web.openai import battles, single
from app.web.openai.auto import best_model
from app.web.openai.bodies import ChatRequest, check_possible
from app.web.openai.callers import Caller, Known, admitted
from app.web.openai.frames import ChatReply, joined
from app.web.openai.models import AUTO, listed_name, named_models
from app.web.openai.tasks import empty_answer, is_task
from app.web.shared.answering import DocumentedRoute, JsonBytes
from app.web.shared.event_stream import EventStream
from app.web.shared.fields import BattleId
from app.web.shared.ownership import NOT_YOURS, Claim, hand_over
from app.web.shared.services import Services, Wired
from app.web.shared.streams import unless_left

SIDES = {"arena": tuple(Side), "arena-a": (Side.A,), "arena-b": (Side.B,)}
"""The sides of a battle that each of the arena's names shows."""

router = APIRouter(prefix="/v1", route_class=DocumentedRoute, include_in_schema=False)


claims = APIRouter(include_in_schema=False)


@router.post("/chat/completions")
async def chat(body: ChatRequest, request: Request, services: Wired, caller: Known) -> Response:
    """An answer of one model, or a battle."""
    check_possible(body)
    give_back = await admitted(services, caller)
    try:
        return await unless_left(request, _answered(services, request, body, caller, give_back))
    except BaseException:
        give_back()
        raise


async def _answered(
    services: Services, request: Request, body: ChatRequest, caller: Caller, give_back: Callable[[], None]
) -> Response:
    if is_task(body):
        task_model = services.settings.arena_api_task_model
        if not task_model:
            give_back()
            reply = ChatReply(new_completion_id(), services.completions.asked_at(), body.model)
            return JsonBytes(reply.body(empty_answer(body), "stop", None))
        body = body.model_copy(update={"model": task_model})
    sides = SIDES.get(body.model) or (tuple(Side) if named_models(body.model) else None)
    if sides is not None:
        call = battles.call_of(services, request, body, caller, give_back)
        frames = await battles.answer(call, body, sides)
        return _stream(frames) if body.stream else JsonBytes(await joined(call.reply, frames))
    if body.model == AUTO:
        model = await best_model(services)
    else:
        model = listed_name(body.model, await services.contestants.listed())
    asked = await single.asked_for(services, model, body, caller, give_back)
    if body.stream:
        return _stream(single.streamed(asked, usage=body.wants_usage), _cache_header(asked))
    return JsonBytes(await single.whole(asked), headers=_cache_header(asked))


def _cache_header(asked: single.Asked) -> dict[str, str]:
    return {} if asked.cache is None else {"Arena-Cache": asked.cache}


def _stream(frames: AsyncGenerator[bytes], more: Mapping[str, str] = MappingProxyType({})) -> Response:
    return EventStream(frames, more)


@claims.get("/battle/{battle_id}/claim")
async def claim(battle_id: BattleId, request: Request, services: Wired, token: str = "") -> Response:
    """A battle's page for whoever has its token: the browser keeps it as a cookie, and goes on to the page.

    Raises:
        Forbidden: it is another token.
    """
    if not Claim(services, (token,)).owns(battle_id):
        raise Forbidden(NOT_YOURS, code="not_yours")
    response = RedirectResponse(f"{request.scope.get('root_path', '')}/battle/{battle_id}", 303)
    hand_over(response, request, battle_id, token)
    response.headers["Location"] = f"{request.scope.get('root_path', '')}/battle/{battle_id}"
    return response


@router.api_route("/{path:path}", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
async def nothing(path: str, request: Request, _: Known) -> Response:
    """Any other call of OpenAI's API.

    Raises:
        NotFound: always.
    """
    raise NotFound(
        f"{request.method} /v1/{path[:100]} is not served here; there are GET /v1/models, POST /v1/chat/completions, "
        "/v1/files and /v1/batches",
        code="unknown_url",
    )
