"""What the child process does: renders templates in Jinja2's sandbox and judges JSON. It knows no file and no network.

Items come in and replies go out as plain JSON values; see ``renderer`` for the other side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson
from jinja2 import StrictUndefined, TemplateError, UndefinedError, meta
from jinja2.environment import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

LONGEST_OUTPUT = 1_000_000
"""Characters of one prompt."""


class MissingFieldError(Exception):
    """A template reads a field that is not there."""


class _Missing(StrictUndefined):
    """A name that is not there: whatever is done with it says which."""

    def _fail_with_undefined_error(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - Jinja's signature
        raise MissingFieldError(str(self._undefined_name))

    __iter__ = __str__ = __len__ = __eq__ = __ne__ = __bool__ = __hash__ = _fail_with_undefined_error
    __add__ = __radd__ = __mul__ = __getitem__ = __lt__ = __le__ = __gt__ = __ge__ = _fail_with_undefined_error
    __call__ = __contains__ = __int__ = __float__ = _fail_with_undefined_error

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise MissingFieldError(str(self._undefined_name))


class StageAnswer:
    """A stage's answer in a template: its text, and ``json``, ``all``, ``skipped``, ``model`` of it."""

    def __init__(self, parts: list[Mapping[str, Any]], *, is_json: bool = False) -> None:
        first: Mapping[str, Any] = parts[0] if parts else {}
        self.text = str(first.get("text", ""))
        self.json = orjson.loads(self.text) if is_json and self.text else None
        self.model = str(first.get("model", ""))
        self.skipped = not parts
        single = [self] if parts else []
        self.all = [StageAnswer([part], is_json=is_json) for part in parts] if len(parts) > 1 else single

    def __str__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        return bool(self.text)


class AnyAnswer:
    """Stands for an answer that is not there yet: everything can be read of it, and it writes nothing."""

    def __getattr__(self, name: str) -> AnyAnswer:
        if name.startswith("_"):
            raise AttributeError(name)
        return self

    def __getitem__(self, key: object) -> AnyAnswer:
        return self

    def __call__(self, *_args: object, **_kwargs: object) -> AnyAnswer:
        """Whatever is called, it is the same."""
        return self

    def __iter__(self) -> Iterator[AnyAnswer]:
        return iter([self])

    def __str__(self) -> str:
        return ""

    def _same(self, *_args: object) -> AnyAnswer:
        return self

    def _true(self, *_args: object) -> bool:
        return True

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _same
    __floordiv__ = __mod__ = __neg__ = _same
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = _true

    def __len__(self) -> int:
        return 1

    def __int__(self) -> int:
        return 1

    def __float__(self) -> float:
        return 1.0


class StageTemplates:
    """The compiled templates of one stage; ``names`` are the fields and stages that they read."""

    def __init__(self, environment: ImmutableSandboxedEnvironment, given: Mapping[str, Any]) -> None:
        self.name = str(given["name"])
        self.texts = {"prompt": str(given["prompt"]), "system": str(given["system"])}
        self.when: Callable[..., Any] | None = None
        self.names: set[str] = set()
        for text in self.texts.values():
            self.names |= meta.find_undeclared_variables(environment.parse(text))
        self.when_names: set[str] = set()
        if given["when"]:
            self.when_names = meta.find_undeclared_variables(environment.parse(f"{{{{ {given['when']} }}}}"))
            self.names |= self.when_names
            self.when = environment.compile_expression(str(given["when"]), undefined_to_none=False)
        self.names -= set(environment.globals)
        self.templates: dict[str, Template] = {
            name: environment.from_string(text) for name, text in self.texts.items() if text
        }


class Workshop:
    """The stages of a run, compiled."""

    def __init__(self, stages: list[Mapping[str, Any]]) -> None:
        environment = ImmutableSandboxedEnvironment(undefined=_Missing, autoescape=False)
        self._names = [str(stage["name"]) for stage in stages]
        self._stages = [_compiled(environment, stage) for stage in stages]
        self._is_json = [stage.get("json") is not None for stage in stages]
        self._validators = [_validator(stage.get("json")) for stage in stages]

    def names(self) -> list[list[str]]:
        """What each stage reads."""
        return [sorted(stage.names) for stage in self._stages]

    def reply(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """The reply to one item: a render or a judgement."""
        try:
            if "judge" in item:
                return self._judged(int(item["judge"]), str(item["text"]))
            return self._rendered(int(item["stage"]), item["fields"], item["answers"], str(item["custom_id"]))
        except MissingFieldError as error:
            return {"error": "missing", "field": str(error)}
        except MemoryError:
            return {"error": "memory"}
        except RecursionError:
            return {"error": "template", "why": "it is nested too deeply"}
        except Exception as error:
            return {"error": "template", "why": f"{type(error).__name__}: {error}"[:300]}

    def _rendered(
        self, number: int, fields: Mapping[str, Any], answers: Mapping[str, Any] | None, custom_id: str
    ) -> dict[str, Any]:
        stage = self._stages[number]
        if answers is None:
            return self._checked(stage, fields, custom_id)
        known = {
            name: StageAnswer(answers[name], is_json=is_json)
            for name, is_json in zip(self._names, self._is_json, strict=True)
            if name in answers
        }
        return _render(stage, _context(fields, custom_id, known))

    def _checked(self, stage: StageTemplates, fields: Mapping[str, Any], custom_id: str) -> dict[str, Any]:
        """Find missing fields before there are answers: a template that needs them is tried with stand-ins."""
        stand_ins = {name: AnyAnswer() for name in self._names}
        context = _context(fields, custom_id, stand_ins)
        uses_answers = bool(stage.names & set(self._names))
        decides = not stage.when_names & set(self._names)
        try:
            _render(stage, context, may_skip=decides)
        except (MissingFieldError, MemoryError, RecursionError):
            raise
        except Exception:
            if not uses_answers:
                raise
            missing = sorted(stage.names - context.keys())
            if missing:
                raise MissingFieldError(missing[0]) from None
        return {}

    def _judged(self, number: int, text: str) -> dict[str, Any]:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            return {"error": "invalid", "why": f"no JSON: {error.msg}"}
        validator = self._validators[number]
        wrong = None if validator is None else next(iter(validator.iter_errors(value)), None)
        if wrong is not None:
            place = "/".join(str(part) for part in wrong.absolute_path)
            return {"error": "invalid", "why": f"{place or 'the value'}: {wrong.message}"[:300]}
        return {"value": value}


def _compiled(environment: ImmutableSandboxedEnvironment, stage: Mapping[str, Any]) -> StageTemplates:
    try:
        return StageTemplates(environment, stage)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        where = f", line {line}" if line else ""
        raise ValueError(f"stage {stage['name']}{where}: {error}") from None


def _validator(schema: object) -> Any:
    if not isinstance(schema, dict):
        return None
    from jsonschema.validators import validator_for

    return validator_for(schema)(schema)


def _context(fields: Mapping[str, Any], custom_id: str, answers: Mapping[str, object]) -> dict[str, Any]:
    return {**fields, "job": {**fields, "custom_id": custom_id}, "custom_id": custom_id, **answers}


def _render(stage: StageTemplates, context: dict[str, Any], *, may_skip: bool = True) -> dict[str, Any]:
    if stage.when is not None and not stage.when(**context) and may_skip:
        return {"skip": True}
    return {name: _text(template, context) for name, template in stage.templates.items()}


def _text(template: Template, context: dict[str, Any]) -> str:
    pieces, length = [], 0
    try:
        for piece in template.generate(context):
            length += len(piece)
            if length > LONGEST_OUTPUT:
                raise ValueError(f"the prompt is over {LONGEST_OUTPUT:,} characters")
            pieces.append(piece)
    except UndefinedError as error:
        raise MissingFieldError(str(error)) from None
    return "".join(pieces)
