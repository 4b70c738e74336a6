"""The OpenAPI document: names that stay, and the schemas of what no response has a schema for."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from app.web.schemas.base import NULL
from app.web.schemas.events import BattleEvents

#: The tag of the calls that only existing clients make.
LEGACY_TAG = "existing clients"
_REFERENCE = "#/components/schemas/{model}"


def operation_id(route: APIRoute) -> str:
    """The route's name, which generated clients call its function by; older calls have ``legacy_`` before it."""
    return f"legacy_{route.name}" if route.tags == [LEGACY_TAG] else route.name


def install(app: FastAPI) -> None:
    """Add to FastAPI's document what it leaves out, and take out what is for programmers."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document: dict[str, Any] = _with_nulls(plain())
            _without_python(document)
            known = document["components"]["schemas"]
            known.update({name: schema for name, schema in _events().items() if name not in known})
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document


def _without_python(document: dict[str, Any]) -> None:
    """Cut what a docstring has for programmers only: what is raised is documented as responses."""
    for verbs in document["paths"].values():
        for operation in verbs.values():
            description = operation.get("description", "")
            operation["description"] = description.split("\n\nRaises:")[0]


def _with_nulls(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _with_nulls(one) for name, one in part.items()}
    if isinstance(part, list):
        return [_with_nulls(one) for one in part]
    return None if part == NULL else part


def _events() -> dict[str, Any]:
    _, schemas = models_json_schema([(BattleEvents, "serialization")], ref_template=_REFERENCE)
    definitions: dict[str, Any] = _with_nulls(schemas["$defs"])
    return definitions
