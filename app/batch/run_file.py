"""The run file: TOML that names the stages of a run.

::

    name = "debate"

    [[stages]]
    name = "draft"
    model = "qwen2.5:7b"
    prompt = "Argue for: {{ topic }}"

    [[stages]]
    name = "reply"
    model = "gemma2:9b"
    prompt = "Answer this: {{ draft }}"

Every error names the field and says what to write instead.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints, ValidationError

from app.batch.spec import JsonOutput, RunSpec, StageSpec
from app.errors import InvalidInput
from app.hosts.names import model_key

MOST_STAGES = 32
MOST_PARTS = 64
"""Calls of one job in one stage."""
LARGEST_SCHEMA = 64_000
LARGEST_TEMPLATE = 64_000
RESERVED = frozenset({"job", "custom_id", "loop", "self", "range", "dict", "lipsum", "cycler", "joiner", "namespace"})

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,39}")
_OURS = frozenset({"num_ctx", "think"})
_FAILURES = re.compile(r"(\d{1,9}|\d{1,3}(\.\d+)?%)")

Model = Annotated[str, StringConstraints(min_length=1, max_length=700, strip_whitespace=True)]
Template = Annotated[str, StringConstraints(max_length=LARGEST_TEMPLATE)]


class StageTable(BaseModel):
    """A ``[[stages]]`` table as it is written."""

    model_config = ConfigDict(extra="forbid")

    name: str
    model: Model | None = None
    models: list[Model] | None = Field(default=None, min_length=1, max_length=MOST_PARTS)
    prompt: Annotated[str, StringConstraints(min_length=1, max_length=LARGEST_TEMPLATE)]
    system: Template = ""
    when: Template = ""
    samples: int = Field(default=1, ge=1, le=MOST_PARTS)
    json_: bool | dict[str, Any] = Field(default=False, alias="json")
    reasks: int = Field(default=2, ge=0, le=10)
    options: dict[str, Any] = Field(default_factory=dict)


class RunTable(BaseModel):
    """The whole file as it is written."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(max_length=200)] = ""
    seed: int | None = Field(default=None, ge=0, lt=2**31)
    window: int | None = Field(default=None, ge=1, le=1024)
    max_failures: int | str | None = None
    cache: StrictBool | Literal["all"] = False
    stages: list[StageTable] = Field(min_length=1, max_length=MOST_STAGES)


def read_run(text: str, name: str = "") -> RunSpec:
    """The run that a file describes; ``name`` is what it is called unless it says so itself.

    Raises:
        InvalidInput: one line that names the field and the remedy.
    """
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"the run file is no TOML: {error}") from None
    return run_of_table(value, name)


def run_of_table(value: Mapping[str, Any], name: str = "") -> RunSpec:
    """The run that a table describes, whatever it was read from.

    Raises:
        InvalidInput: one line that names the field and the remedy.
    """
    try:
        table = RunTable.model_validate(value)
    except ValidationError as error:
        raise _first(error) from None
    stages = tuple(_stage(number, row) for number, row in enumerate(table.stages))
    names = [stage.name for stage in stages]
    for number, stage in enumerate(names):
        if stage in names[:number]:
            raise _wrong(f"stages.{number}.name", f"there are two stages {stage!r}; give each its own name")
    limit = failures_form(table.max_failures)
    return RunSpec(table.name or name, stages, table.seed, table.window, limit, table.cache)


def failures_form(given: int | str | None, field: str = "max_failures") -> str:
    """How many failed jobs end a run, as it is kept: a number or a share; empty for no limit.

    Raises:
        InvalidInput: it is neither.
    """
    if given is None or given == "":
        return ""
    written = str(given).strip()
    if not _FAILURES.fullmatch(written) or (written.endswith("%") and float(written[:-1]) > 100):
        raise _wrong(field, f"{written!r} is neither a number of jobs nor a share of them; write 20 or 5%")
    return written


def _first(error: ValidationError) -> InvalidInput:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return _wrong(field, "there is no such field; see docs/batch.md for those that there are")
    if first["loc"][0] == "cache":
        return _wrong("cache", 'write true, or "all" for answers without temperature 0 or a seed as well')
    if first["type"] == "missing":
        return _wrong(field, "it is required")
    return _wrong(field, first["msg"].lower())


def _wrong(field: str, why: str) -> InvalidInput:
    return InvalidInput(f"{field}: {why}", field=field)


def _stage(number: int, row: StageTable) -> StageSpec:
    place = f"stages.{number}"
    if not _NAME.fullmatch(row.name) or row.name in RESERVED:
        raise _wrong(f"{place}.name", f"{row.name!r} can't be used in templates; write a word such as draft or reply_2")
    models = _models(place, row)
    if len(models) * row.samples > MOST_PARTS:
        raise _wrong(f"{place}.samples", f"models times samples is over {MOST_PARTS}; use fewer of either")
    return StageSpec(
        row.name,
        models,
        row.prompt,
        row.system,
        row.when,
        row.samples,
        json_form(row.json_, f"{place}.json"),
        row.reasks,
        _options(place, row.options),
    )


def _models(place: str, row: StageTable) -> tuple[str, ...]:
    if (row.model is None) == (row.models is None):
        raise _wrong(f"{place}.model", 'name one model, or several as models = ["…", "…"]')
    models = tuple(row.models or [row.model or ""])
    for model in models:
        if not model_key(model):
            raise _wrong(f"{place}.model", f"{model!r} is no model's name; write it like llama3.1:8b")
    if len({model_key(model) for model in models}) < len(models):
        raise _wrong(f"{place}.models", "a model is there twice; use samples for several answers of one model")
    return models


def _options(place: str, options: dict[str, Any]) -> dict[str, object]:
    for name in options:
        if name in _OURS:
            remedy = "it has to be the same for all who use the model; set it in arena.toml, in [[models]]"
            raise _wrong(f"{place}.options.{name}", remedy)
    try:
        orjson.dumps(options)
    except TypeError:
        raise _wrong(f"{place}.options", "options are numbers, texts, truth values and lists of them") from None
    return options


def json_form(given: bool | dict[str, Any], field: str) -> JsonOutput:
    """What ``json`` asks for: any JSON for true, else a JSON schema.

    Raises:
        InvalidInput: it is no schema, or too large.
    """
    if isinstance(given, bool):
        return "any" if given else None
    # It takes 5 MB, and few processes check a schema.
    from jsonschema import SchemaError
    from jsonschema.validators import validator_for

    schema: dict[str, object] = given
    if len(orjson.dumps(schema)) > LARGEST_SCHEMA:
        raise _wrong(field, f"the schema is over {LARGEST_SCHEMA:,} bytes; make it smaller")
    try:
        validator_for(schema).check_schema(schema)
    except SchemaError as error:
        raise _wrong(field, f"that is no JSON schema: {error.message}") from None
    if _refers_outside(schema):
        raise _wrong(field, "$ref may only lead to this schema itself (#/…); nothing is fetched")
    return schema


def _refers_outside(value: object) -> bool:
    if isinstance(value, dict):
        ref = value.get("$ref", value.get("$dynamicRef", "#"))
        return (isinstance(ref, str) and not ref.startswith("#")) or any(map(_refers_outside, value.values()))
    return isinstance(value, list) and any(map(_refers_outside, value))
