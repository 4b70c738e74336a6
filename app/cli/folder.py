"""Whether a command was called where the arena's settings and records are; nothing is made on the way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import ConfigurationError

if TYPE_CHECKING:
    from app.settings.settings import Settings

#: Many who use Ollama have these in their shell; they don't say where an arena is.
_OF_OLLAMA = {"OLLAMA_HOST", "OLLAMA_PORT"}
_REMEDY = "go to the arena's folder, or set ARENA_DATA_DIR or DATABASE_URL"


def load_settings() -> Settings:
    """The settings, for a command that needs no records.

    Raises:
        ConfigurationError: the settings are no good.
    """
    from app.settings.settings import load_settings as load  # 0.3 s, without which --version and --help do

    return load()


def settings_with_records() -> Settings:
    """The settings, for a command that reads or changes what was recorded.

    Raises:
        ConfigurationError: the settings are no good, or there is no SQLite file where they say.
    """
    settings = load_settings()
    file = _sqlite_file(settings)
    if file is None or file.exists():
        return settings
    _refuse_without_settings(settings, f"no database ({file.resolve()})")
    raise ConfigurationError(f"there is no database yet ({file.resolve()}): arena serve makes it, or {_REMEDY}")


def settings_for_new_records() -> Settings:
    """The settings, for a command that makes the SQLite file if it is not there: its caller asked for that.

    Raises:
        ConfigurationError: the settings are no good, or there are neither settings nor a SQLite file.
    """
    settings = load_settings()
    file = _sqlite_file(settings)
    if file is not None and not file.exists():
        _refuse_without_settings(settings, f"no database ({file.resolve()})")
    return settings


def settings_for_driving() -> Settings:
    """The settings, for a command that joins an arena which serves already.

    Raises:
        ConfigurationError: the settings are no good, or there are neither settings nor the folder of an arena.
    """
    settings = load_settings()
    if not settings.arena_data_dir.exists():
        _refuse_without_settings(settings, f"no arena ({settings.arena_data_dir.resolve()})")
    return settings


def _refuse_without_settings(settings: Settings, missing: str) -> None:
    if settings.given is not None and settings.given <= _OF_OLLAMA:
        raise ConfigurationError(
            f"{Path.cwd()} has no .env, the environment has no setting of the arena, and there is {missing}: {_REMEDY}"
        )


def _sqlite_file(settings: Settings) -> Path | None:
    from app.database.address import database_url, parse, sqlite_file

    return sqlite_file(parse(database_url(settings)))
