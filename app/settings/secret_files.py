"""Secrets that stand in files, as containers have them: ``ARENA_ADMIN_KEY_FILE=/run/secrets/admin_key`` and others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from app.errors import ConfigurationError

FROM_FILES = (
    "ARENA_ADMIN_KEY",
    "ARENA_SECRET",
    "DATABASE_URL",
    "OLLAMA_HOST",
    "REDIS_PASSWORD",
    "REDIS_URL",
)
"""The settings that may be given by the path of a file whose whole content, without blanks around it, is the value."""


def file_settings() -> frozenset[str]:
    """The names of the settings that are paths of secrets."""
    return frozenset(f"{name}_FILE" for name in FROM_FILES)


def secrets_from_files(given: Mapping[str, str]) -> dict[str, str]:
    """The secrets by the names of their settings, in small letters; ``given`` is what is set, by names in capitals.

    Raises:
        ConfigurationError: a file can't be read or is empty, or the secret is given itself, too.
    """
    return {name.lower(): _secret(name, given) for name in FROM_FILES if given.get(f"{name}_FILE", "").strip()}


def _secret(name: str, given: Mapping[str, str]) -> str:
    setting, path = f"{name}_FILE", Path(given[f"{name}_FILE"].strip()).expanduser()
    if given.get(name, "").strip():
        raise ConfigurationError(f"{setting}: {name} is set, too; leave one of them out")
    try:
        secret = path.read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        raise ConfigurationError(f"{setting}: {path} can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{setting}: {path} is not UTF-8 text") from None
    if not secret or "\n" in secret:
        raise ConfigurationError(f"{setting}: {path} has to be one line: the secret")
    return secret
