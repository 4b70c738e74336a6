"""What is answered past the framework's way is what the framework would have answered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import fastapi.routing
import pytest
from fastapi import APIRouter, Cookie, Depends, FastAPI, Header, Query, Request
from fastapi import Response as PlainResponse
from fastapi.routing import iter_route_contexts
from httpx import ASGITransport, AsyncClient, Response
from pydantic import AwareDatetime, BaseModel, Field

from app.errors import Forbidden
from app.web.application import create
from app.web.direct_routes import DirectRoutes
from app.web.shared import errors
from app.web.shared.answering import DocumentedRoute
from app.web.shared.arguments import NotPlanned, Plan
from app.web.shared.bodies import BodyGate
from app.web.shared.fields import BattleId, NativeBody

JSON = {"content-type": "application/json"}


class Body(NativeBody):
    """A body with what bodies have: text, numbers, a time, lists."""

    word: str
    number: int = 3
    at: AwareDatetime | None = None
    some: list[float] = Field(default_factory=list)


called: list[str] = []
"""What was called, in order."""


async def outer(request: Request) -> str:
    called.append("outer")
    return request.headers.get("x-who", "nobody")


async def owner(thing: BattleId, who: Annotated[str, Depends(outer)]) -> None:
    called.append("owner")
    if who == "thief":
        raise Forbidden(f"{thing} is not yours")


router = APIRouter(prefix="/things", route_class=DocumentedRoute)
Who = Annotated[str, Depends(outer)]


@router.get("/{thing}")
async def read(
    thing: BattleId,
    who: Who,
    page: Annotated[int, Query(ge=1)] = 1,
    sort: str | None = None,
    max_age: Annotated[float | None, Header(alias="X-Max-Age")] = None,
    if_none: Annotated[str | None, Header()] = None,
    taste: Annotated[str, Cookie(max_length=5)] = "none",
) -> dict[str, Any]:
    called.append("read")
    return {"given": [thing, who, page, sort, max_age, if_none, taste]}


@router.post("/{thing}/words", dependencies=[Depends(owner)])
async def change(thing: BattleId, body: Body, who: Who, asked: Annotated[int, Query()]) -> dict[str, Any]:
    called.append("change")
    return {"given": [thing, repr(body), who, asked]}


@router.put("/{path:path}")
async def anywhere(path: str, request: Request) -> dict[str, Any]:
    return {"given": [path, (await request.body()).decode(), sorted(request.path_params)]}


def small_app(*, direct: bool) -> FastAPI:
    app = FastAPI(redirect_slashes=False)
    outside = APIRouter(prefix="/all")
    outside.include_router(router)
    app.include_router(outside)
    errors.install(app)
    app.add_middleware(BodyGate, max_bytes=300)
    if direct:
        app.router.middleware_stack = DirectRoutes(app.router)
    return app


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def posted(body: bytes, path: str = "/all/things/t-1/words?asked=2", **headers: str) -> Asked:
    return Asked("POST", path, JSON | {name.replace("_", "-"): value for name, value in headers.items()}, body)


WHOLE = b'{"word": "w", "number": 7, "at": "2026-11-27T10:00:00Z", "some": [1, 2.5]}'
REQUESTS = [
    # What is read.
    Asked("GET", "/all/things/t-1"),
    Asked("GET", "/all/things/t-1?page=4&sort=up&page=5", {"x-who": "me", "cookie": "taste=salt", "if-none": "x"}),
    Asked("GET", "/all/things/t-1?page=&sort=", {"X-Max-Age": "1e3", "cookie": "a=b; taste=sweet"}),
    Asked("GET", "/all/things/t-1?page=0"),
    Asked("GET", "/all/things/t-1?page=x", {"x-max-age": "old", "cookie": "taste=endless"}),
    Asked("GET", "/all/things/" + "t" * 65),
    Asked("GET", "/all/things/t%201"),
    Asked("GET", "/all/things/t%0A"),
    Asked("GET", "/all/things/%74-1"),
    # What is changed, and by whom.
    posted(WHOLE),
    posted(WHOLE, x_who="thief"),
    posted(b'{"word": "w"}', "/all/things/t-1/words"),
    posted(b'{"word": 1}', x_who="thief"),
    posted(b'{"word": "w"}', "/all/things/t.1/words?asked=x"),
    # Bodies.
    posted(b'{"word": "w", "wrod": 1}'),
    posted(b'{"word": "w", "number": 36893488147419103232, "some": [NaN, -Infinity, 1e400]}'),
    posted(b'{"word": "\\ud800"}'),
    posted(b'{"word": "one", "word": "two"}'),
    posted('{"word": "w"}'.encode("utf-16")),
    posted(b'\xef\xbb\xbf{"word": "w"}'),
    posted(b'{"word": "\xff"}'),
    posted(b'{"word": '),
    posted(b"null"),
    posted(b"[1]"),
    posted(b""),
    posted(b"[" * 200),
    posted(b'{"word": "' + b"w" * 300 + b'"}'),
    posted(WHOLE, content_type="application/json; charset=utf-8"),
    posted(WHOLE, content_type="Application/JSON"),
    posted(WHOLE, content_type="application/problem+json"),
    posted(WHOLE, content_type="text/plain"),
    # Where there is nothing, or another method.
    Asked("PUT", "/all/things/a/b/c", JSON, b"[]"),
    Asked("PUT", "/all/things/", JSON, b"[]"),
    Asked("DELETE", "/all/things/t-1"),
    Asked("HEAD", "/all/things/t-1"),
    Asked("OPTIONS", "/all/things/t-1"),
    Asked("BREW", "/all/things/t-1"),
    Asked("GET", "/all/things"),
    Asked("GET", "/all/things/t-1/"),
    Asked("GET", "/"),
]


async def answered(app: FastAPI, asked: Asked) -> tuple[int, bytes, list[tuple[bytes, bytes]], list[str]]:
    """The response, and what was called for it."""
    called.clear()
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as http:
        given = await http.request(asked.method, asked.path, headers=asked.headers, content=asked.body or None)
    return (*_seen(given), list(called))


def _seen(given: Response) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """A response without its own id."""
    headers = [header for header in given.headers.raw if header[0].lower() != b"x-request-id"]
    return given.status_code, given.content, headers


@pytest.fixture
def framework_solves(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The endpoints whose arguments the framework worked out."""
    solved: list[str] = []
    routing: Any = fastapi.routing
    solve = routing.solve_dependencies

    async def counted(**given: Any) -> Any:
        solved.append(given["dependant"].call.__name__)
        return await solve(**given)

    monkeypatch.setattr(routing, "solve_dependencies", counted)
    return solved


async def test_every_request_is_answered_as_by_the_framework_and_calls_the_same() -> None:
    direct, framework = small_app(direct=True), small_app(direct=False)
    statuses = set()
    for asked in REQUESTS:
        expected = await answered(framework, asked)
        assert await answered(direct, asked) == expected, asked
        statuses.add(expected[0])
    assert statuses == {200, 400, 403, 404, 405, 413, 415}


async def test_a_valid_request_never_reaches_the_frameworks_way(framework_solves: list[str]) -> None:
    direct = small_app(direct=True)
    for asked in (REQUESTS[0], REQUESTS[1], posted(WHOLE), posted(WHOLE, x_who="thief")):
        await answered(direct, asked)
    assert framework_solves == []
    await answered(direct, posted(b"null"))
    assert framework_solves != []


async def test_overrides_of_dependencies_are_the_frameworks() -> None:
    direct = small_app(direct=True)

    async def another() -> str:
        return "another"

    direct.dependency_overrides[outer] = another
    status, body, _, _ = await answered(direct, Asked("GET", "/all/things/t-1"))
    assert (status, json.loads(body)["given"][1]) == (200, "another")


class Model(BaseModel):
    """Another body."""

    a: int = 1


async def generator() -> AsyncIterator[int]:
    yield 1


def plain() -> int:
    return 1


async def sequence(x: Annotated[list[str], Query()]) -> None: ...
async def model(x: Annotated[Model, Query()]) -> None: ...
async def opened(x: Annotated[int, Depends(generator)]) -> None: ...
async def threaded(x: Annotated[int, Depends(plain)]) -> None: ...
async def anew(x: Annotated[str, Depends(outer, use_cache=False)]) -> None: ...
async def two(x: Body, y: Model) -> None: ...
async def optional(x: Model | None = None) -> None: ...
async def noted(response: PlainResponse) -> None: ...


@pytest.mark.parametrize("endpoint", [sequence, model, opened, threaded, anew, two, optional, noted])
def test_what_a_plan_does_not_cover_has_none(endpoint: Callable[..., Any]) -> None:
    app = FastAPI()
    app.post("/unusual")(endpoint)
    context = next(each for each in iter_route_contexts(app.router.routes) if each.endpoint is endpoint)
    with pytest.raises(NotPlanned):
        Plan(context.dependant)


def test_what_people_do_most_has_a_plan() -> None:
    @asynccontextmanager
    async def nothing() -> AsyncIterator[Any]:
        yield None

    app = create(nothing)
    direct: Any = app.router.middleware_stack
    for method, path in (
        ("POST", "/api/arena/battles"),
        ("GET", "/api/arena/battles/b1"),
        ("GET", "/api/arena/battles/b1/events"),
        ("POST", "/api/arena/battles/b1/votes"),
        ("GET", "/api/arena/leaderboard"),
        ("GET", "/healthz"),
        ("POST", "/v1/chat/completions"),
    ):
        scope = {"type": "http", "method": method, "path": path}
        assert direct._find(scope) is not None, path
