"""The kinds of text that requests bear, checked the same way everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any

from fastapi import Path
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StrictStr, model_validator
from pydantic_core import PydanticCustomError


def _storable(text: str) -> str:
    """Trimmed, not empty, and text that every database and log can hold."""
    if "\x00" in text:
        raise ValueError("must not contain NUL characters")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must be valid Unicode, without lone surrogates")
    if not text.strip():
        raise ValueError("must not be empty")
    return text.strip()


def _blank_is_none(text: object) -> object:
    return None if isinstance(text, str) and not text.strip() else text


Text = Annotated[StrictStr, AfterValidator(_storable)]
OptionalText = Annotated[Text | None, BeforeValidator(_blank_is_none)]

#: Native paths take battle ids only; anything else can't be one.
BattleId = Annotated[str, Path(min_length=1, max_length=64, pattern="^[A-Za-z0-9_-]+$")]

UNKNOWN_FIELD = "unknown_field"


class NativeBody(BaseModel):
    """A body of the native API: a field that it does not know is refused, with the one that was meant."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _knows_all_fields(cls, given: Any) -> Any:
        for name in given if isinstance(given, Mapping) else ():
            if name not in cls.model_fields:
                raise PydanticCustomError(
                    UNKNOWN_FIELD, "{sentence}", _unknown(str(name)[:100], list(cls.model_fields))
                )
        return given


def _unknown(name: str, known: list[str]) -> dict[str, str]:
    meant = get_close_matches(name, known, 1)
    remedy = f"did you mean {meant[0]}?" if meant else f"the fields are {', '.join(known)}"
    return {"field": name, "sentence": f"{name} is no field of this call; {remedy}"}
