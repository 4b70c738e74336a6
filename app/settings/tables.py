"""The tables of ``arena.toml``, each row as it is written there."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.settings.forms import Duration, Think, UserPath, check_options


class HostTable(BaseModel):
    """One ``[[hosts]]`` table of ``arena.toml``: a model server at one address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9_.-]+$")
    url: str = Field(min_length=1, repr=False)
    kind: str | None = None
    api_path: str | None = Field(default=None, pattern=r"^(/[A-Za-z0-9._~:@!$&'()*+,;=%-]+)*$")
    api_key_env: str = Field(default="", pattern=r"^[A-Za-z_]?[A-Za-z0-9_]*$")
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    ca_file: UserPath | None = None
    memory_gb: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    num_parallel: int | None = Field(default=None, ge=1)
    max_loaded: int | None = Field(default=None, ge=1)
    models: tuple[str, ...] = ()
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    fallback: bool = False
    scale_to_zero: bool = False
    warm_per_hour: int = Field(default=12, ge=0)
    scaledown: Duration = Field(default=timedelta(minutes=5), gt=timedelta(0))
    price_per_hour: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    budget_per_day: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class ModelTable(BaseModel):
    """One ``[[models]]`` table of ``arena.toml``: what differs for this model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    num_ctx: int | None = Field(default=None, ge=1)
    think: Think | None = None
    system: str | None = None
    pin: bool = False
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _of_ollamas_types(self) -> ModelTable:
        check_options(self.options)
        return self


class CategoryTable(BaseModel):
    """One ``[[categories]]`` table of ``arena.toml``: a prompt in which one of the words stands is of this category."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    words: tuple[Annotated[str, Field(min_length=1, pattern=r"\S")], ...] = ()
