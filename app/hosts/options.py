"""What a model is asked with: the arena's options, with what its row in ``arena.toml`` says instead.

The same options go with the warm-up and with every battle: another ``num_ctx`` would load the model again.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.backends.base import GenerationOptions
from app.errors import ConfigurationError
from app.hosts.names import same_model
from app.settings import ModelSettings, Settings

_OURS = tuple(name for name in GenerationOptions.__dataclass_fields__ if name != "extra")
_LEVELS = ("low", "medium", "high", "max")
_SWITCHES = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


class _Named(BaseModel):
    """The options of a row that the arena itself knows; the others go to the server as they are."""

    model_config = ConfigDict(extra="ignore")

    num_ctx: int | None = Field(default=None, ge=1)
    num_predict: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0)
    seed: int | None = None


def options_for(settings: Settings, model: str) -> GenerationOptions:
    """The options of ``model``, under any form of its name.

    Raises:
        ConfigurationError: an option of its row, or ``think``, has a value that no server takes.
    """
    row = _row(settings, model) or ModelSettings(name=model)
    named = _named(row)
    think = settings.arena_think if row.think is None else row.think
    return GenerationOptions(
        num_ctx=row.num_ctx or named.num_ctx or settings.arena_num_ctx,
        num_predict=named.num_predict or settings.arena_num_predict,
        temperature=settings.arena_temperature if named.temperature is None else named.temperature,
        seed=settings.arena_seed if named.seed is None else named.seed,
        think=_think(think, row.name if row.think is not None else None),
        extra={name: value for name, value in row.options.items() if name not in _Named.model_fields},
    )


def as_sent(options: GenerationOptions) -> dict[str, object]:
    """The options by name, as records keep them: what goes to the server as it is stands beside the arena's own."""
    return {**options.extra, **{name: getattr(options, name) for name in _OURS}}


def system_for(settings: Settings, model: str, battle_system: str | None = None) -> str:
    """The system prompt: the battle's own, else the model's, else the arena's; empty for none."""
    if battle_system:
        return battle_system
    row = _row(settings, model)
    return settings.arena_system if row is None or row.system is None else row.system


def _row(settings: Settings, model: str) -> ModelSettings | None:
    return next((row for row in settings.models if same_model(row.name, model)), None)


def _named(row: ModelSettings) -> _Named:
    try:
        return _Named.model_validate(row.options)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigurationError(f"[[models]] {row.name}: options.{first['loc'][0]}: {first['msg']}") from None


def _think(value: bool | str, model: str | None) -> bool | str:
    if isinstance(value, bool):
        return value
    text = value.strip().lower()
    if text in _SWITCHES:
        return _SWITCHES[text]
    if text in _LEVELS:
        return text
    setting = "ARENA_THINK" if model is None else f"[[models]] {model}: think"
    raise ConfigurationError(f"{setting}: {value!r} is none of true, false, {', '.join(_LEVELS)}")
