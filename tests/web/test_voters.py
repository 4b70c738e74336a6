"""Who votes: known by session, cookie or address, kept as a keyed hash."""

from __future__ import annotations

import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from app.errors import ConfigurationError
from app.metrics.voter_addresses import VoterAddresses
from app.records.voters import secret_of, voter_key
from app.settings.settings import Settings
from app.web.shared.ownership import Claim
from app.web.shared.voters import voter_of

SERVICES: Any = SimpleNamespace(secret=b"secret", addresses=VoterAddresses())
CLAIM = Claim(SERVICES)


def request(headers: dict[str, str] | None = None, client: tuple[str, int] | None = ("203.0.113.9", 5000)) -> Request:
    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw, "client": client})


async def test_the_session_counts_before_the_cookie_and_the_cookie_before_the_address() -> None:
    all_three = request({"X-Session-ID": "s-1", "Cookie": "session=c-1"})
    no_session = request({"X-Session-ID": "  ", "Cookie": "session=c-1"})

    assert (await voter_of(all_three, CLAIM)).key == voter_key(b"secret", "session", "s-1")
    assert (await voter_of(no_session, CLAIM)).key == voter_key(b"secret", "cookie", "c-1")
    assert (await voter_of(request(), CLAIM)).key == voter_key(b"secret", "address", "203.0.113.9")


async def test_of_a_sender_without_an_address_nothing_is_known() -> None:
    assert (await voter_of(request(client=None), CLAIM)).key is None


def test_a_key_shows_nothing_of_what_it_is_made_of() -> None:
    key = voter_key(b"secret", "address", "203.0.113.9")

    assert len(key) == 32
    assert "203" not in key
    assert key != voter_key(b"other", "address", "203.0.113.9")
    assert key != voter_key(b"secret", "session", "203.0.113.9")


def test_without_a_configured_secret_one_is_made_once_and_only_for_the_owner(tmp_path: Path) -> None:
    settings = Settings(arena_secret="", arena_data_dir=tmp_path / "data")

    first = secret_of(settings)

    assert len(first) == 64
    assert secret_of(settings) == first
    assert stat.S_IMODE((tmp_path / "data" / "secret").stat().st_mode) == 0o600
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["secret"]


def test_a_configured_secret_wins_and_makes_no_file(tmp_path: Path) -> None:
    assert secret_of(Settings(arena_secret="mine", arena_data_dir=tmp_path / "data")) == b"mine"
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="set ARENA_SECRET"):
        secret_of(Settings(arena_secret="", arena_data_dir=tmp_path / "file"))
