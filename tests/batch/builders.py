"""Runs and jobs of which a test gives only what it is about."""

from __future__ import annotations

from typing import Any

from app.batch.chain import CallRecord
from app.batch.spec import RunSpec, StageSpec


def stage(name: str, *models: str, needs: tuple[int, ...] = (), **known: Any) -> StageSpec:
    """A stage of one model, ``m`` if none is named."""
    return StageSpec(name, models or ("m",), known.pop("prompt", "{{ topic }}"), needs=needs, **known)


def chain(*models: str) -> RunSpec:
    """A run in which each stage reads the one before it."""
    stages = [
        stage(f"s{number}", model, needs=(number - 1,) if number else (), prompt=f"{{{{ s{number - 1} }}}}")
        for number, model in enumerate(models)
    ]
    first = StageSpec("s0", stages[0].models, "{{ topic }}")
    return RunSpec("test", (first, *stages[1:]))


def done(text: str = "yes") -> CallRecord:
    """A call that is done."""
    return CallRecord("done", text=text, model="m", finish_reason="stop")
