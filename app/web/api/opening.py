"""What a battle is opened with, and who is drawn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import ConfigDict, Field, StrictInt

from app.arena.requests import NATIVE, OPENED_BY, OpenRequest, body_hash
from app.backends.base import Message
from app.errors import InvalidInput, MessageTooLarge
from app.hosts.context import fitting
from app.hosts.names import did_you_mean, is_cloud, same_model
from app.records.votes import NAMED
from app.web.api.tags import checked_categories, checked_language
from app.web.shared.fields import NativeBody, OptionalText, Text
from app.web.shared.services import Services


class HistoryTurn(NativeBody):
    """A turn before the message."""

    role: Literal["user", "assistant"]
    content: Text


class OpenBody(NativeBody):
    """What a battle is opened with."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"message": "Why is the sky blue?", "num_models": 3}]})

    message: Text
    num_models: StrictInt | None = None
    models: list[Text] | None = Field(default=None, max_length=100)
    system: OptionalText = None
    messages: list[HistoryTurn] | None = Field(
        default=None, max_length=200, description="The turns before the message, the oldest first; all models get them."
    )
    session_id: OptionalText = Field(default=None, max_length=200)
    language: OptionalText = Field(default=None, max_length=64, description="Of the message; else it is found.")
    categories: list[Text] | None = Field(default=None, max_length=20, description="Of the message; else by rules.")


def check_length(settings_limit: int, **texts: str | None) -> None:
    """Refuse texts over the configured number of characters.

    Raises:
        MessageTooLarge: one is; it is named.
    """
    for name, text in texts.items():
        if text is not None and len(text) > settings_limit:
            raise MessageTooLarge(
                f"{name} has {len(text):,} characters; at most {settings_limit:,} are taken", field=name
            )


def chosen_models(
    asked: Sequence[str] | None,
    at_hand: Sequence[str],
    drawn_for: Callable[[str], str | None] = lambda name: None,  # noqa: ARG005 - there are no twins
) -> Sequence[str]:
    """The models to draw from, as they are listed: those asked for (``qwen3`` is ``qwen3:latest``), else all at hand.

    Raises:
        InvalidInput: a double, an unknown or a cloud name, or one for which another is drawn (``drawn_for``).
    """
    if asked is None:
        return at_hand
    for name in asked:
        if (first := drawn_for(name)) is not None:
            raise InvalidInput(f"{name[:100]!r} is {first} under another name; name that one", field="models")
    chosen = [_listed_name(name, at_hand) for name in asked]
    if len(set(chosen)) != len(chosen):
        raise InvalidInput("models has a name twice; name each model once", field="models")
    return chosen


def _listed_name(asked: str, at_hand: Sequence[str]) -> str:
    if is_cloud(asked):
        raise InvalidInput(f"{asked!r} runs in somebody's cloud; name local models only", field="models")
    found = next((name for name in at_hand if same_model(name, asked)), None)
    if found is None:
        meant = did_you_mean(asked, at_hand)
        remedy = f"did you mean {meant}?" if meant else f"there are {', '.join(at_hand)}"
        raise InvalidInput(f"{asked[:100]!r} is not among the models at hand; {remedy}", field="models")
    return found


def count_of(asked: int | None, configured: int, models: Sequence[str]) -> int:
    """How many models meet: as asked, else as configured, never more than there are.

    Raises:
        InvalidInput: below 2, or above the models there are.
    """
    if asked is None:
        return min(configured, len(models))
    if asked < 2:
        raise InvalidInput("num_models must be at least 2", field="num_models")
    if asked > len(models):
        raise InvalidInput(f"num_models is {asked}, but {len(models)} models are at hand", field="num_models")
    return asked


async def opening_of(body: OpenBody, services: Services, key: str | None) -> OpenRequest:
    """The request for a battle, checked against the settings and what is at hand."""
    history = tuple(Message(turn.role, turn.content) for turn in body.messages or ())
    earlier = "\n".join(turn.content for turn in history)
    check_length(services.settings.arena_max_message, message=body.message, system=body.system, messages=earlier)
    catalog = services.fleet.roster.catalog
    models = chosen_models(body.models, await services.contestants.at_hand(), catalog.drawn_for)
    if len(models) < 2:
        raise InvalidInput("models must name at least two models", field="models")
    whole = f"{earlier}\n{body.message}" if earlier else body.message
    own = services.contestants.context_of
    models = fitting(services.settings, models, whole, body.system, own, all_of_them=body.models is not None)
    asked = body.num_models if body.num_models is not None or body.models is None else len(models)
    count = count_of(asked, services.settings.arena_num_models, models)
    await services.contestants.room_for(models[:count])
    return OpenRequest(
        message=body.message,
        models=models,
        count=count,
        system=body.system,
        session_id=body.session_id,
        idempotency_key=key,
        body_hash=open_hash(body),
        options={OPENED_BY: NATIVE} | ({NAMED: True} if body.models is not None else {}),
        language=checked_language(body.language),
        history=history,
        categories=checked_categories(body.categories, [table.name for table in services.settings.categories]),
    )


def open_hash(body: OpenBody) -> str:
    """The hash by which a repeated request is known; fields that came later count only where they are given."""
    given = body.model_dump()
    return body_hash(given if body.messages else {name: value for name, value in given.items() if name != "messages"})
