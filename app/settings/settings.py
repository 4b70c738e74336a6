"""Settings that ops know: the environment, ``.env`` and ``arena.toml`` (the environment wins).

``Settings.ignored`` lists what is ignored on purpose or by mistake (what a container platform sets, a name that is no
setting): it is logged at the start, and the doctor has findings for it.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from dotenv import dotenv_values
from pydantic import BaseModel, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app.errors import ConfigurationError
from app.logs.levels import Format, Level
from app.network.addresses import bracketed, host_and_port
from app.settings.errors import sentence
from app.settings.forms import (
    ApiKeys,
    Duration,
    KeepAlive,
    Names,
    OptionalPort,
    Origins,
    Proxies,
    Secret,
    Think,
    UserPath,
    empty_is_none,
    is_service_link,
)
from app.settings.secret_files import file_settings, secrets_from_files
from app.settings.tables import CategoryTable, HostTable, ModelTable

__all__ = [
    "ENV_FILE",
    "CategoryTable",
    "HostTable",
    "Ignored",
    "ModelTable",
    "Settings",
    "load_settings",
    "variable",
    "written",
]

ENV_FILE = Path(".env")
# Other names that Kubernetes and Docker's old links set for a service called arena, arena-redis and so on.
_PLATFORM = re.compile(r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")


@dataclass(frozen=True, slots=True)
class Ignored:
    """A setting that has no effect, or a part of one; ``mistake`` when it was surely meant to have one."""

    setting: str
    why: str
    remedy: str
    mistake: bool = False


class Settings(BaseSettings):
    """All settings, validated once at start; see ``.env.example`` for what each one does."""

    model_config = SettingsConfigDict(env_file=ENV_FILE, env_file_encoding="utf-8-sig", extra="ignore", frozen=True)

    ollama_host: Secret = ""
    ollama_port: OptionalPort = None
    redis_url: Secret = ""
    redis_host: Secret = ""
    redis_port: OptionalPort = None
    redis_password: Secret = ""
    database_url: Secret = ""
    forwarded_allow_ips: Proxies = ("127.0.0.1", "::1")

    arena_config: UserPath | None = None
    arena_data_dir: UserPath = Path(".arena")
    arena_secret: Secret = ""
    arena_admin_key: Secret = ""
    arena_open: bool = False
    arena_api_keys: ApiKeys = ()
    arena_api_keys_file: UserPath | None = None
    arena_api_calls: int = Field(default=8, ge=1)
    arena_api_per_minute: int = Field(default=120, ge=1)
    arena_api_max_tokens: int = Field(default=4096, ge=1)
    arena_api_task_model: str = ""
    arena_batch_upload: int = Field(default=200_000_000, ge=1)
    arena_batch_lines: int = Field(default=50_000, ge=1)
    arena_batch_quota: int = Field(default=2_000_000_000, ge=1)
    arena_cors_origins: Origins = ()
    arena_log_level: Level = "info"
    arena_log_format: Format = "auto"
    arena_notice: str = Field(default="", max_length=4000)
    arena_retention: Duration | None = Field(default=None, gt=timedelta(0))
    arena_cache_bytes: int = Field(default=256_000_000, ge=0)
    arena_cache_ttl: Duration = Field(default=timedelta(days=7), gt=timedelta(0))
    arena_redis_keep: bool = False
    arena_models: Names = ()
    arena_num_models: int = Field(default=3, ge=2)
    arena_num_ctx: int = Field(default=4096, ge=1)
    arena_num_predict: int = Field(default=1024, ge=1)
    arena_temperature: float = Field(default=0.7, ge=0, allow_inf_nan=False)
    arena_seed: int | None = None
    arena_think: Think = False
    arena_system: str = ""
    arena_num_parallel: int = Field(default=1, ge=1)
    arena_queue: int = Field(default=256, ge=1)
    arena_prefetch: int = Field(default=1, ge=0)
    arena_draw: Literal["rotation", "uniform"] = "rotation"
    arena_draw_shortest: Duration = Field(default=timedelta(minutes=1), gt=timedelta(0))
    arena_draw_longest: Duration = Field(default=timedelta(minutes=100), gt=timedelta(0))
    arena_reveal: Literal["end", "vote", "always"] = "end"
    arena_leak: Literal["flag", "mask", "void"] = "flag"
    arena_named_votes: Literal["leave_out", "count"] = "leave_out"
    arena_pace: Literal["even", "live"] = "even"
    arena_tick: Duration = Field(default=timedelta(seconds=0.05), gt=timedelta(0))
    arena_wait: Duration = Field(default=timedelta(seconds=240), ge=timedelta(0))
    arena_undo: Duration = Field(default=timedelta(seconds=30), ge=timedelta(0))
    arena_scheduler: bool = True
    arena_prewarm: bool = True
    arena_probe: Duration = Field(default=timedelta(seconds=30), gt=timedelta(0))
    arena_drain: Duration = Field(default=timedelta(seconds=15), ge=timedelta(0))
    arena_load_limit: Duration = Field(default=timedelta(seconds=180), gt=timedelta(0))
    arena_first_token_limit: Duration = Field(default=timedelta(seconds=180), gt=timedelta(0))
    arena_stall_limit: Duration = Field(default=timedelta(seconds=20), gt=timedelta(0))
    arena_answer_limit: Duration = Field(default=timedelta(seconds=300), gt=timedelta(0))
    arena_keep_alive: KeepAlive = Field(default=timedelta(hours=72), gt=timedelta(0))
    arena_max_message: int = Field(default=32_000, ge=1)
    arena_battle_ttl: Duration = Field(default=timedelta(hours=24), gt=timedelta(0))
    arena_log_ttl: Duration = Field(default=timedelta(hours=1), gt=timedelta(0))

    # Tables of arena.toml only: the alias keeps a stray HOSTS or MODELS of the environment out.
    hosts: tuple[HostTable, ...] = Field(default=(), validation_alias="[[hosts]]")
    models: tuple[ModelTable, ...] = Field(default=(), validation_alias="[[models]]")

    categories: tuple[CategoryTable, ...] = Field(default=(), validation_alias="[[categories]]")

    ignored: tuple[Ignored, ...] = Field(default=(), validation_alias="[ignored]")
    given: frozenset[str] | None = Field(default=None, validation_alias="[given]")
    """The settings that the environment and ``.env`` have, and ``.env`` if there is one; None: nobody looked."""

    _blank = field_validator("arena_seed", "arena_config", "arena_retention", "arena_api_keys_file", mode="before")(
        empty_is_none
    )

    @field_validator("arena_data_dir", mode="before")
    @classmethod
    def _default_folder(cls, value: object) -> object:
        return Path(".arena") if empty_is_none(value) is None else value

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
        """The Redis URL that is configured; empty means the embedded one.

        Raises:
            ConfigurationError: REDIS_HOST is no host.
        """
        if self.redis_url or not self.redis_host:
            return self.redis_url
        host, port = host_and_port(self.redis_host, "REDIS_HOST")
        if not host or re.search(r"[/@?#\s]", host):
            raise ConfigurationError("REDIS_HOST: write a host or host:port; a whole address goes into REDIS_URL")
        secret = f":{quote(self.redis_password, safe='')}@" if self.redis_password else ""
        return f"redis://{secret}{bracketed(host)}:{port or self.redis_port or 6379}/0"


_TABLES: dict[str, type[BaseModel]] = {"hosts": HostTable, "models": ModelTable, "categories": CategoryTable}
_OWN = frozenset(name.upper() for name in Settings.model_fields if name.startswith("arena_"))


_RENAMED = {"ARENA_LANES": "ARENA_SCHEDULER", "ARENA_KEEPER": "ARENA_PREWARM"}


def _refuse_renamed(given: Mapping[str, str]) -> None:
    for old, new in _RENAMED.items():
        if old in given:
            raise ConfigurationError(f"{old} is now called {new}; rename it")


def _text(file: Path, setting: str) -> str:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        wrong = "UTF-16" if error.object[:2] in (b"\xff\xfe", b"\xfe\xff") else "not UTF-8"
        raise ConfigurationError(f"{setting}: {file} is {wrong}; save it as UTF-8") from None
    except OSError as error:
        raise ConfigurationError(f"{setting}: {file} can't be read ({error.strerror})") from None
    if "\0" in text:
        raise ConfigurationError(f"{setting}: {file} is UTF-16 or no text at all; save it as UTF-8")
    return text


def _tables(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise ConfigurationError(f"ARENA_CONFIG: {path} does not exist; write it or unset ARENA_CONFIG")
    try:
        tables = tomllib.loads(_text(path, "ARENA_CONFIG"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"ARENA_CONFIG: {path} can't be read: {error}") from None
    unknown = sorted(set(tables) - set(_TABLES))
    if unknown:
        raise ConfigurationError(f"{path}: unknown table {unknown[0]!r}; use [[hosts]], [[models]] and [[categories]]")
    return {f"[[{name}]]": rows for name, rows in tables.items()}


def _given() -> Mapping[str, str]:
    """What the environment and ``.env`` set, by its name in capitals."""
    return {name.upper(): value or "" for name, value in {**written(), **os.environ}.items()}


def written() -> Mapping[str, str]:
    """What ``.env`` sets, settings or not."""
    if not ENV_FILE.is_file():
        return {}
    _text(ENV_FILE, ".env")
    return {name: value or "" for name, value in dotenv_values(ENV_FILE, encoding="utf-8-sig").items()}


def variable(name: str) -> str | None:
    """What a variable of the environment or of ``.env`` holds that is none of the settings; None when it is not set."""
    return os.environ.get(name, written().get(name))


def source_of(name: str) -> str:
    """Where the value of the setting ``name`` (in capitals) comes from: environment, .env, file or default."""
    if f"{name}_FILE" in file_settings() and _given().get(f"{name}_FILE", "").strip():
        return "file"
    if name in (known.upper() for known in os.environ):
        return "environment"
    return ".env" if name in (known.upper() for known in written()) else "default"


def _names(given: Mapping[str, str]) -> frozenset[str]:
    """The settings that have a value, and the file if it is there."""
    known = {name.upper() for name in Settings.model_fields}
    file = frozenset({str(ENV_FILE)} if ENV_FILE.is_file() else ())
    return file | {name for name, value in given.items() if value and name in known}


def _ignored(given: Mapping[str, str]) -> Iterator[Ignored]:
    for name, value in given.items():
        if name in ("OLLAMA_PORT", "REDIS_PORT") and is_service_link(value):
            why = "it is not a port, but what a container platform sets for a service of that name: it is ignored"
            yield Ignored(name, why, f"nothing; or set {name} to a number where it is needed")
        elif name.startswith("ARENA_") and name not in _OWN | file_settings() and not _of_a_platform(name, value):
            near = get_close_matches(name, sorted(_OWN), n=1, cutoff=0.75)
            remedy = f"did you mean {near[0]}?" if near else "see .env.example for those that there are"
            yield Ignored(name, "there is no such setting: it has no effect", remedy, mistake=True)


def _of_a_platform(name: str, value: str) -> bool:
    return _PLATFORM.fullmatch(name) is not None or (name.endswith("_PORT") and is_service_link(value))


def load_settings(**overrides: Any) -> Settings:
    """Read the environment, ``.env`` and the file that ``ARENA_CONFIG`` names.

    Raises:
        ConfigurationError: one line that names the setting and the remedy.
    """
    given = _given()
    _refuse_renamed(given)
    ignored = tuple(_ignored(given))
    known = _names(given) - {one.setting for one in ignored}
    values: dict[str, Any] = {"[ignored]": ignored, "[given]": known}
    file = "arena.toml"
    try:
        values |= secrets_from_files(given)
        settings = Settings(**{**values, **overrides})
        if settings.arena_config is not None:
            file = str(settings.arena_config)
            values |= _tables(settings.arena_config)
            settings = Settings(**{**values, **overrides})
    except ValidationError as error:
        fields = {name: tuple(table.model_fields) for name, table in _TABLES.items()}
        raise ConfigurationError(sentence(error, file, fields, values)) from None
    _ = settings.redis_address  # REDIS_HOST is read there
    return settings
