"""Who counts as one who runs the arena."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import Request

from app.settings.settings import Settings
from app.web.shared.access import is_operator
from tests.services import settings_with

KEY = "s3cret-ключ"


def request(
    client: str | None = "127.0.0.1", host: str = "127.0.0.1:8000", *, version: str = "1.1", **headers: Any
) -> Request:
    raw = {"host": host, **{name.replace("_", "-").lower(): value for name, value in headers.items()}}
    encoded = [(name.encode(), value.encode()) for name, value in raw.items()]
    at = None if client is None else (client, 5000)
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "scheme": "http"}
    return Request({**scope, "http_version": version, "server": ("10.0.0.9", 8000), "client": at, "headers": encoded})


def settings(key: str = "") -> Settings:
    return settings_with(arena_admin_key=key)


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000", "LOCALHOST:80"])
def test_a_caller_on_the_machine_itself_is_one(client: str, host: str) -> None:
    assert is_operator(request(client, host), settings())
    assert is_operator(request(client, host), settings(KEY))


@pytest.mark.parametrize("client", ["10.0.0.1", "8.8.8.8", "fe80::1", "::ffff:10.0.0.1", "testclient", "", None])
def test_a_caller_from_elsewhere_is_none(client: str | None) -> None:
    assert not is_operator(request(client), settings())


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Forwarded-Proto", "x-forwarded-host", "Forwarded", "X-Real-IP", "Via"]
)
def test_a_caller_whom_a_proxy_let_through_is_none(header: str) -> None:
    assert not is_operator(request(**{header: "127.0.0.1"}), settings())
    assert not is_operator(request(**{header: ""}), settings())


@pytest.mark.parametrize(
    "host", ["arena.example", "arena.example:8000", "10.0.0.9", "", "localhost.evil.example", "[::1", "user@10.0.0.9"]
)
def test_a_proxy_that_adds_no_header_is_told_by_the_host_that_was_asked_for(host: str) -> None:
    assert not is_operator(request(host=host), settings())


def test_a_proxy_that_was_told_nothing_is_told_by_the_oldest_http() -> None:
    assert not is_operator(request(version="1.0"), settings())
    assert is_operator(request(version="1.0", X_Admin_Key=KEY), settings(KEY))


def test_a_page_of_another_site_in_a_browser_on_the_machine_is_none() -> None:
    assert not is_operator(request(sec_fetch_site="cross-site"), settings())
    assert is_operator(request(sec_fetch_site="none"), settings())


@pytest.mark.parametrize("header", [{"X-Admin-Key": KEY}, {"Authorization": f"Bearer {KEY}"}])
def test_who_has_the_key_is_one_from_anywhere(header: dict[str, str]) -> None:
    assert is_operator(request("8.8.8.8", "arena.example", x_forwarded_for="8.8.8.8", **header), settings(KEY))


@pytest.mark.parametrize(
    "header",
    [{}, {"X-Admin-Key": ""}, {"X-Admin-Key": "s3cret"}, {"Authorization": KEY}, {"Authorization": f"Basic {KEY}"}],
)
def test_who_has_no_or_another_key_is_none(header: dict[str, str]) -> None:
    assert not is_operator(request("8.8.8.8", **header), settings(KEY))
    assert not is_operator(request("8.8.8.8", **header), settings())


def test_the_key_is_not_shown() -> None:
    assert KEY not in repr(settings(KEY))
