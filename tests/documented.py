"""Holds what a service really answers against the OpenAPI document; the tests' clients call it for every answer.

The schemas are taken stricter than clients may take them: a field that the document does not know is a failure, so
that nothing is served undocumented.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import orjson
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from app.battle.events import EventName
from app.web.schemas.events import EVENT_SCHEMAS

Json = dict[str, Any]
DOCUMENT = "urn:openapi"
FILE = Path(__file__).parents[1] / "docs" / "openapi.json"


@cache
def document() -> Json:
    """The OpenAPI document from its file, which tests/web/test_openapi_file.py holds to what is served.

    To make it anew takes a second, and each process of xdist would, only to know its tests.
    """
    made: Json = orjson.loads(FILE.read_bytes())
    return made


@cache
def _strict() -> Json:
    strict: Json = _closed(document())
    return strict


def _closed(part: Any) -> Any:
    """The document with all its objects closed to fields that they don't name."""
    if isinstance(part, list):
        return [_closed(one) for one in part]
    if not isinstance(part, Mapping):
        return part
    closed = {name: _closed(one) for name, one in part.items()}
    named = isinstance(part.get("properties"), Mapping) and part.get("type") == "object"
    return {"additionalProperties": False, **closed} if named else closed


@cache
def _registry() -> Registry[Any]:
    registry: Registry[Any] = Registry().with_resource(DOCUMENT, Resource.from_contents(_strict(), DRAFT202012))
    return registry


@cache
def validator(pointer: str) -> Draft202012Validator:
    """A validator of the schema at a place of the document."""
    return Draft202012Validator({"$ref": f"{DOCUMENT}#{pointer}"}, registry=_registry())


@cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    """Paths as patterns; those without a parameter come first, for they win."""
    paths = sorted(_strict()["paths"], key=lambda path: "{" in path)
    return [(re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))), path) for path in paths]


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def _documented(method: str, path: str, status: int) -> str | None:
    """Where the schema of an answer stands; None for a path or method that is not documented."""
    template = next((template for pattern, template in _templates() if pattern.fullmatch(path)), None)
    operation = _strict()["paths"].get(template, {}).get(method.lower())
    if operation is None:
        return None
    known = operation["responses"]
    key = str(status) if str(status) in known else "default"
    content = known[key].get("content", {})
    assert "application/json" in content, f"{method} {path} answered {status} with JSON, which is not documented"
    place = ("paths", template, method.lower(), "responses", key, "content", "application/json", "schema")
    return "".join(f"/{_escaped(str(part))}" for part in place)


def check_answer(reply: httpx.Response) -> None:
    """Fail unless a JSON answer is what the document says of its call."""
    if not reply.headers.get("content-type", "").startswith("application/json") or not reply.content:
        return
    request = reply.request
    path = request.url.path
    of_a_model_server = path.startswith("/api/") and "arena" not in path
    if of_a_model_server or path.startswith(("/openapi", "/docs")):
        return
    pointer = _documented(request.method, request.url.path, reply.status_code)
    pointer = pointer or "/components/schemas/ErrorBody"
    check(pointer, orjson.loads(reply.content), f"{request.method} {request.url.path} {reply.status_code}")


def check(pointer: str, body: object, where: str) -> None:
    """Fail unless ``body`` is what the schema at ``pointer`` says."""
    wrong = [f"{error.json_path}: {error.message[:300]}" for error in validator(pointer).iter_errors(body)]
    assert not wrong, f"{where} is not as documented: {wrong}"


def check_event(name: str, data: bytes) -> None:
    """Fail unless an event is in the catalogue and its data are as documented; quick, for it sees every event."""
    EVENT_SCHEMAS[EventName(name)].model_validate_json(data, strict=True, extra="forbid")
