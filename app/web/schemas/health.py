"""What load balancers read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from app.web.schemas.base import Schema


class Alive(Schema):
    """The process answers."""

    status: Literal["ok"]


class Ready(Schema):
    """Battles can be served; ``trouble`` lists what is wrong with hosts when ``degraded``."""

    status: Literal["ok"]
    degraded: bool
    trouble: list[str] | SkipJsonSchema[None] = None


class NotReady(Schema):
    """Battles can't be served here; ``Retry-After`` tells when to ask again."""

    status: Literal["unavailable"]
    error: str = Field(description="What is missing.")
    code: Literal["not_ready"]
    degraded: Literal[True]
