"""Settings that ops know: the environment, ``.env`` and ``arena.toml`` (the environment wins).

Durations accept seconds (``0.05``) or Go's form, which Ollama's users know (``72h``, ``1h30m``, ``500ms``).
"""

from __future__ import annotations

import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from app.errors import ConfigurationError

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_GO_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")


def parse_duration(value: object) -> object:
    """Turn ``"72h"``, ``"1h30m"`` or ``"0.05"`` into a timedelta; leave everything else to pydantic."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    parts = _GO_DURATION.findall(text)
    in_gos_form = bool(parts) and "".join(number + unit for number, unit in parts) == text
    try:
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts) if in_gos_form else float(text)
        return timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        raise ValueError(f"{value!r} is not a duration: write seconds (0.5) or a form like 72h, 1h30m, 500ms") from None


def _split(value: object) -> object:
    """Turn a comma-separated line into a tuple of trimmed names."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _empty_is_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class HostSettings(BaseModel):
    """One ``[[hosts]]`` table of ``arena.toml``: a model server at one address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9_.-]+$")
    url: str = Field(min_length=1)
    kind: Literal["ollama"] = "ollama"
    memory_gb: float | None = Field(default=None, gt=0)
    num_parallel: int = Field(default=1, ge=1)
    max_loaded: int | None = Field(default=None, ge=1)
    models: tuple[str, ...] = ()
    weight: float = Field(default=1.0, gt=0)
    fallback: bool = False
    scale_to_zero: bool = False
    warm_per_hour: int = Field(default=12, ge=0)


class ModelSettings(BaseModel):
    """One ``[[models]]`` table of ``arena.toml``: what differs for this model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    num_ctx: int | None = Field(default=None, ge=1)
    think: bool | str | None = None
    system: str | None = None
    pin: bool = False
    options: dict[str, Any] = Field(default_factory=dict)


class Settings(BaseSettings):
    """All settings, validated once at start; see ``.env.example`` for what each one does."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    ollama_host: str = ""
    ollama_port: int | None = Field(default=None, ge=1, le=65535)
    redis_url: str = ""
    redis_host: str = ""
    redis_port: int = Field(default=6379, ge=1, le=65535)
    redis_password: str = ""
    database_url: str = ""

    arena_config: Path | None = None
    arena_data_dir: Path = Path(".arena")
    arena_secret: str = Field(default="", repr=False)
    arena_admin_key: str = Field(default="", repr=False)
    arena_notice: str = Field(default="", max_length=4000)
    arena_retention: Duration | None = Field(default=None, gt=timedelta(0))
    arena_redis_keep: bool = False
    arena_models: Names = ()
    arena_num_models: int = Field(default=3, ge=2)
    arena_num_ctx: int = Field(default=4096, ge=1)
    arena_num_predict: int = Field(default=1024, ge=1)
    arena_temperature: float = Field(default=0.7, ge=0)
    arena_seed: int | None = None
    arena_think: bool | str = False
    arena_system: str = ""
    arena_num_parallel: int = Field(default=1, ge=1)
    arena_queue: int = Field(default=256, ge=1)
    arena_prefetch: int = Field(default=1, ge=0)
    arena_reveal: Literal["end", "vote", "always"] = "end"
    arena_leak: Literal["flag", "mask", "void"] = "flag"
    arena_tick: Duration = Field(default=timedelta(seconds=0.05), gt=timedelta(0))
    arena_wait: Duration = Field(default=timedelta(seconds=240), ge=timedelta(0))
    arena_undo: Duration = Field(default=timedelta(seconds=30), ge=timedelta(0))
    arena_lanes: bool = True
    arena_keeper: bool = True
    arena_probe: Duration = Field(default=timedelta(seconds=30), gt=timedelta(0))
    arena_drain: Duration = Field(default=timedelta(seconds=15), ge=timedelta(0))
    arena_keep_alive: Duration = Field(default=timedelta(hours=72), gt=timedelta(0))
    arena_max_message: int = Field(default=32_000, ge=1)
    arena_battle_ttl: Duration = Field(default=timedelta(hours=24), gt=timedelta(0))
    arena_log_ttl: Duration = Field(default=timedelta(hours=1), gt=timedelta(0))

    # Tables of arena.toml only: the alias keeps a stray HOSTS or MODELS of the environment out.
    hosts: tuple[HostSettings, ...] = Field(default=(), validation_alias="[[hosts]]")
    models: tuple[ModelSettings, ...] = Field(default=(), validation_alias="[[models]]")

    _blank = field_validator("ollama_port", "arena_seed", "arena_config", "arena_retention", mode="before")(
        _empty_is_none
    )

    @field_validator("arena_data_dir", mode="before")
    @classmethod
    def _default_folder(cls, value: object) -> object:
        return Path(".arena") if _empty_is_none(value) is None else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no secrets from files
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, the environment over ``.env``; ``arena.toml`` comes by arguments."""
        return (init_settings, env_settings, dotenv_settings)

    @property
    def redis_address(self) -> str:
        """The Redis URL that is configured; empty means the embedded one."""
        if self.redis_url:
            return self.redis_url
        if not self.redis_host:
            return ""
        secret = f":{quote(self.redis_password, safe='')}@" if self.redis_password else ""
        return f"redis://{secret}{self.redis_host}:{self.redis_port}/0"


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"ARENA_CONFIG: {path} does not exist; write it or unset ARENA_CONFIG") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"ARENA_CONFIG: {path} can't be read: {error}") from None


def _one_line(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    known = name.upper() if name in Settings.model_fields else name
    given = first.get("input")
    shown = f"{given.total_seconds():g} s" if isinstance(given, timedelta) else repr(given)
    return f"{known}: {first['msg']} (got {shown}); see .env.example"


def load_settings(**overrides: Any) -> Settings:
    """Read the environment, ``.env`` and the file that ``ARENA_CONFIG`` names.

    Raises:
        ConfigurationError: one line that names the setting and the remedy.
    """
    try:
        settings = Settings(**overrides)
        if settings.arena_config is None:
            return settings
        tables = _tables(settings.arena_config)
        unknown = set(tables) - {"hosts", "models"}
        if unknown:
            raise ConfigurationError(
                f"{settings.arena_config}: unknown table {sorted(unknown)[0]!r}; use [[hosts]] and [[models]]"
            )
        return Settings(**{**{f"[[{name}]]": rows for name, rows in tables.items()}, **overrides})
    except ValidationError as error:
        raise ConfigurationError(_one_line(error)) from None
