"""Who voted, as a key that distinguishes two votes of one person from those of two, and nothing else.

A key is HMAC-SHA256 under ``ARENA_SECRET`` of what the voter is known by and its value, cut to 128 bits. Without the
secret it can't be turned back by trying all addresses, which a plain hash could.
"""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Literal

from app.errors import ConfigurationError
from app.settings.settings import Settings

Known = Literal["session", "cookie", "address"]
"""What a voter is known by, the surest first."""


def voter_key(secret: bytes, known_by: Known, value: str) -> str:
    """32 hex digits."""
    message = f"{known_by}:{value}".encode("utf-8", "surrogatepass")
    return hmac.new(secret, message, "sha256").hexdigest()[:32]


def secret_mark(secret: bytes) -> str:
    """What tells one secret from another, and nothing of it: 32 hex digits."""
    return hmac.new(secret, b"arena: which secret", "sha256").hexdigest()[:32]


def secret_of(settings: Settings) -> bytes:
    """The configured secret; without one, that of the file ``secret`` in the data folder, which is made once.

    Raises:
        ConfigurationError: there is none, and the folder can't be written.
    """
    if settings.arena_secret:
        return settings.arena_secret.encode()
    file = settings.arena_data_dir / "secret"
    try:
        if not file.exists():
            _make(file)
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{file} can't be read or made ({error.strerror}); set ARENA_SECRET, or ARENA_DATA_DIR to another folder"
        ) from None


def _make(file: Path) -> None:
    """Write a new secret; of several processes that do so at once, the first one's stays."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f"secret-{secrets.token_hex(8)}")
    draft.touch(0o600)
    try:
        draft.write_text(secrets.token_hex(32))
        with suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink()
