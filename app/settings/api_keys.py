"""The keys of those who may call /v1, as ``ARENA_API_KEYS`` or a file lists them; only their digests are kept.

One key is ``name:key``, ``name:sha256:<64 hex digits>`` or just ``key``; in a file one stands on each line, and what
follows a ``#`` is a comment. The name is what logs and limits know the caller by; a key without one is known by the
beginning of its digest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from app.errors import ConfigurationError

SHORTEST = 16
_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key: whose it is, and its SHA-256 in hex."""

    name: str
    digest: str


def digest_of(key: str) -> str:
    """SHA-256 in hex. Keys are long random strings: nothing slower is needed."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def parse_key(text: str) -> ApiKey:
    """Read one key.

    Raises:
        ValueError: the key is too short, or the name is none; the sentence never has the key in it.
    """
    name, colon, key = text.strip().partition(":")
    if not colon or name == "sha256":
        name, key = "", text.strip()
    if name and not _NAME.fullmatch(name):
        raise ValueError("has a key whose name is not of letters, digits and _.@-; write name:key")
    digest = key.removeprefix("sha256:") if _DIGEST.fullmatch(key) else digest_of(key)
    if not _DIGEST.fullmatch(key) and len(key) < SHORTEST:
        raise ValueError(f"has a key of fewer than {SHORTEST} characters; make one with `openssl rand -hex 24`")
    return ApiKey(name or f"key-{digest[:8]}", digest)


def parse_keys(texts: Iterable[str]) -> tuple[ApiKey, ...]:
    """Read keys; a name or a key that is there twice is refused.

    Raises:
        ValueError: one is malformed or there twice.
    """
    keys = tuple(parse_key(text) for text in texts)
    if len({key.name for key in keys}) < len(keys) or len({key.digest for key in keys}) < len(keys):
        raise ValueError("has a name or a key twice")
    return keys


def keys_in(file: Path) -> tuple[ApiKey, ...]:
    """The keys of a file.

    Raises:
        ConfigurationError: it can't be read, or one of its lines is no key.
    """
    try:
        lines = [line.split("#")[0].strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
        return parse_keys(line for line in lines if line)
    except OSError as error:
        raise ConfigurationError(f"ARENA_API_KEYS_FILE: {file} can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"ARENA_API_KEYS_FILE: {file} is not UTF-8; save it as UTF-8") from None
    except ValueError as error:
        raise ConfigurationError(f"ARENA_API_KEYS_FILE: {file} {error}") from None


def all_keys(keys: tuple[ApiKey, ...], file: Path | None) -> tuple[ApiKey, ...]:
    """The keys of the environment and of the file together.

    Raises:
        ConfigurationError: the file can't be read, or has a key or a name that the environment has, too.
    """
    listed = keys if file is None else (*keys, *keys_in(file))
    if len({key.name for key in listed}) < len(listed) or len({key.digest for key in listed}) < len(listed):
        raise ConfigurationError("ARENA_API_KEYS_FILE: it has a name or a key that ARENA_API_KEYS has, too; drop one")
    return listed
