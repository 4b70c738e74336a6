"""What all models of answers share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

Responses = dict[int | str, dict[str, Any]]
"""FastAPI's ``responses``: by status, or ``default``."""

NULL = "\0null"
"""Null in an example: FastAPI drops nulls from its document, so ``app.web.documentation`` puts them back."""


def example(value: Any) -> Any:
    """An example with its nulls, for a document that FastAPI makes."""
    if isinstance(value, Mapping):
        return {name: example(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [example(part) for part in value]
    return NULL if value is None else value


class Schema(BaseModel):
    """A part of an answer. A field that may be left out is ``X | SkipJsonSchema[None] = None``: absent, never null."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema without ``default: null``, which generated clients would take for a value that is sent."""
        schema = handler(core)
        for part in handler.resolve_ref_schema(schema).get("properties", {}).values():
            if part.get("default", ...) is None:
                del part["default"]
        return schema


def answered(model: type[BaseModel], description: str, *examples: Mapping[str, Any]) -> dict[str, Any]:
    """A documented answer; several examples are told apart by their number."""
    if len(examples) == 1:
        shown = {"example": example(examples[0])}
    else:
        shown = {"examples": {f"{n}": {"value": example(one)} for n, one in enumerate(examples, 1)}}
    return {"description": description, "model": model, "content": {"application/json": shown}}
