"""What a model is asked in a call: the rendered texts with the stage's options, over those of the arena."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from app.backends.base import GenerationOptions, GenerationRequest, Message
from app.batch.spec import RunSpec, seed_of

OptionsOf = Callable[[str], GenerationOptions]
"""model -> its options in this arena."""
ChatOf = Callable[[Mapping[str, Any]], GenerationRequest]
"""The body of a line of OpenAI's Batch API -> what its model is asked; raises ``InvalidInput``."""

_NAMED = ("num_predict", "temperature", "seed")


def request_of(
    spec: RunSpec, options_of: OptionsOf, custom_id: str, stage: int, part: int, prompt: str, system: str
) -> GenerationRequest:
    """What the model of one part of a stage is asked for one job."""
    of = spec.stages[stage]
    model = of.model_of(part)
    instructions = (Message("system", system),) if system.strip() else ()
    output: Any = {"any": "json"}.get(of.json) if isinstance(of.json, str) else of.json
    return GenerationRequest(
        model,
        (*instructions, Message("user", prompt)),
        options_with(options_of(model), of.options, seed_of(spec, custom_id, stage, part)),
        output,
    )


def options_with(base: GenerationOptions, own: Mapping[str, object], seed: int | None) -> GenerationOptions:
    """The arena's options with a stage's own instead, and the call's seed."""
    named: dict[str, Any] = {name: own[name] for name in _NAMED if name in own}
    if seed is not None:
        named.setdefault("seed", seed)
    extra = {**base.extra, **{name: value for name, value in own.items() if name not in _NAMED}}
    return replace(base, **named, extra=extra)


def asked_again(request: GenerationRequest, faults: int) -> GenerationRequest:
    """The request after so many answers that would not do: with the same seed they would only come again."""
    options = request.options
    if not faults or options.seed is None:
        return request
    return replace(request, options=replace(options, seed=(options.seed + faults) % 2**31))
