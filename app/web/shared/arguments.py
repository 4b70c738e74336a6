"""What an endpoint takes from a request, by a plan that is made once.

The framework finds out anew for each request which parameters and dependencies an endpoint has, of what kind they are
and which of them were solved already: half of the CPU of a vote's request. A plan has all that worked out. It covers
what most calls are: single values of path, query, headers and cookies, one JSON body, and dependencies that are
coroutine functions. Where an endpoint has anything else there is no plan, and a request that does not fit a plan, as an
invalid one, is left to the framework, which words the refusal. Nothing has been called by then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any

from fastapi import params
from fastapi._compat import ModelField, field_annotation_is_sequence, lenient_issubclass
from fastapi.dependencies.models import Dependant
from pydantic import AliasChoices, AliasPath, BaseModel, Json
from pydantic_core import PydanticUndefined
from starlette.requests import Request

Endpoint = Callable[..., Awaitable[Any]]
Source = Callable[[Request], Mapping[str, Any]]

UNREAD = PydanticUndefined
"""A body that is not there, or not read."""

_PLAIN = (type(None), bool, int, float, str)


class NotPlanned(Exception):
    """An endpoint takes something that plans do not cover."""


@dataclass(frozen=True, slots=True)
class _Parameter:
    """One value of a request; ``default`` is ``UNREAD`` where it has to be given."""

    name: str
    alias: str
    source: Source
    field: ModelField
    default: Any


@dataclass(frozen=True, slots=True)
class _Step:
    """One call: a dependency, or at the end the endpoint. ``needs`` has the steps whose results it takes, by name."""

    call: Endpoint
    parameters: tuple[_Parameter, ...]
    requests: tuple[str, ...]
    body: tuple[str, ModelField] | None
    needs: tuple[tuple[str, int], ...]

    def values(self, request: Request, body: Any) -> dict[str, Any] | None:
        """Its arguments but for what other steps return; None where the request does not fit."""
        values: dict[str, Any] = dict.fromkeys(self.requests, request)
        for one in self.parameters:
            value = one.source(request).get(one.alias)
            if value is not None:
                value, errors = one.field.validate(value)
                if errors:
                    return None
            elif one.default is UNREAD:
                return None
            else:
                value = one.default
            values[one.name] = value
        if self.body is not None:
            name, field = self.body
            values[name], errors = field.validate(body)
            if errors:
                return None
        return values


class Plan:
    """Reads the arguments of an endpoint and of its dependencies, and makes the calls in the framework's order."""

    def __init__(self, dependant: Dependant) -> None:
        """Make the plan.

        Raises:
            NotPlanned: the endpoint or a dependency takes something else.
        """
        self._steps: list[_Step] = []
        self._add(dependant, {}, may_have_body=True)
        self.takes_body = self._steps[-1].body is not None

    def read(self, request: Request, body: Any) -> list[dict[str, Any]] | None:
        """The arguments of all calls, as far as they are the request's; None where it does not fit."""
        read = []
        for step in self._steps:
            values = step.values(request, body)
            if values is None:
                return None
            read.append(values)
        return read

    async def run(self, read: list[dict[str, Any]]) -> Any:
        """Call the dependencies and the endpoint; what the endpoint returns."""
        results: list[Any] = []
        for step, values in zip(self._steps, read, strict=True):
            for name, number in step.needs:
                values[name] = results[number]
            results.append(await step.call(**values))
        return results[-1]

    def _add(self, dependant: Dependant, known: dict[object, int], *, may_have_body: bool = False) -> int:
        """Add the steps of a dependency, those it needs first; each is called once, whoever needs it."""
        call = _plain_call(dependant)
        key = (call, dependant.scope)
        if key in known:
            return known[key]
        parts = [(part.name, self._add(part, known)) for part in dependant.dependencies]
        body = _body_of(dependant.body_params)
        if body is not None and not may_have_body:
            raise NotPlanned("the body of a dependency")
        names = (dependant.request_param_name, dependant.http_connection_param_name)
        needs = tuple((name, number) for name, number in parts if name is not None)
        requests = tuple(name for name in names if name)
        self._steps.append(_Step(call, tuple(_parameters(dependant)), requests, body, needs))
        known[key] = len(self._steps) - 1
        return known[key]


def _plain_call(dependant: Dependant) -> Endpoint:
    call = dependant.call
    unusual = (
        dependant.websocket_param_name,
        dependant.response_param_name,
        dependant.background_tasks_param_name,
        dependant.security_scopes_param_name,
        dependant.own_oauth_scopes,
        dependant.parent_oauth_scopes,
        dependant.concurrency,
    )
    if call is None or not iscoroutinefunction(call) or any(unusual) or not dependant.use_cache:
        raise NotPlanned(f"{call} is not a plain coroutine function")
    return call


def _parameters(dependant: Dependant) -> Iterator[_Parameter]:
    kinds: tuple[tuple[Sequence[ModelField], Source], ...] = (
        (dependant.path_params, lambda request: request.path_params),
        (dependant.query_params, lambda request: request.query_params),
        (dependant.header_params, lambda request: request.headers),
        (dependant.cookie_params, lambda request: request.cookies),
    )
    for fields, source in kinds:
        for field in fields:
            yield _Parameter(field.name, _single(field), source, field, _default_of(field))


def _single(field: ModelField) -> str:
    """The one name by which a request has the single value of ``field``."""
    info = field.field_info
    several = field_annotation_is_sequence(info.annotation) or lenient_issubclass(info.annotation, BaseModel)
    named = isinstance(info.validation_alias, AliasChoices | AliasPath) or bool(field.config)
    if several or named or any(type(one) is Json for one in info.metadata):
        raise NotPlanned(f"{field.name} is not a single value")
    return field.validation_alias or field.alias


def _default_of(field: ModelField) -> Any:
    if field.field_info.is_required():
        return UNREAD
    default = field.get_default()
    if field.field_info.validate_default or not isinstance(default, _PLAIN):
        raise NotPlanned(f"{field.name} has a default that is made for each request")
    return default


def _body_of(fields: Sequence[ModelField]) -> tuple[str, ModelField] | None:
    if not fields:
        return None
    field = fields[0]
    info = field.field_info
    whole = isinstance(info, params.Body) and not isinstance(info, params.Form) and not info.embed
    if len(fields) > 1 or not whole or not info.is_required():
        raise NotPlanned("not one body, all of it")
    return field.name, field
