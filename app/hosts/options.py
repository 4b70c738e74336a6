"""What a model is asked with: the arena's options, with what its row in ``arena.toml`` says instead.

The same options go with the warm-up and with every battle: another ``num_ctx`` would load the model again.
"""

from __future__ import annotations

from app.backends.base import GenerationOptions
from app.hosts.names import same_model
from app.settings.settings import ModelTable, Settings

_OURS = tuple(name for name in GenerationOptions.__dataclass_fields__ if name != "extra")


def options_for(settings: Settings, model: str) -> GenerationOptions:
    """The options of ``model``, under any form of its name; their values were checked when they were read."""
    row = _row(settings, model)
    own = {} if row is None else row.options
    num_ctx = None if row is None else row.num_ctx
    think = None if row is None else row.think
    return GenerationOptions(
        num_ctx=num_ctx or own.get("num_ctx", settings.arena_num_ctx),
        num_predict=own.get("num_predict", settings.arena_num_predict),
        temperature=own.get("temperature", settings.arena_temperature),
        seed=own.get("seed", settings.arena_seed),
        think=settings.arena_think if think is None else think,
        extra={name: value for name, value in own.items() if name not in _OURS},
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


def asked_with(settings: Settings, model: str) -> tuple[dict[str, object], str]:
    """Everything that ``model`` is asked with beside the prompt: names of one file that have it in common are one."""
    return as_sent(options_for(settings, model)), system_for(settings, model)


def _row(settings: Settings, model: str) -> ModelTable | None:
    return next((row for row in settings.models if same_model(row.name, model)), None)
