"""No password leaves the process, whatever it is made of and wherever its address is spoken of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import get_args
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.backends.ollama.failures import by_status
from app.backends.target import Target
from app.database.address import parse, shown_database
from app.doctor.diagnose import findings_of
from app.doctor.probing.observation import Observation, ObservedDatabase, ObservedHost, ObservedRedis, Reach
from app.errors import ConfigurationError
from app.hosts.catalog import catalog
from app.hosts.checking import checked
from app.hosts.host import Host
from app.hosts.probes import ProbeResult
from app.network.addresses import refuse_unescaped, shown
from app.redis.client import commands_client
from app.redis.connection import connection_options
from app.settings.settings import Settings
from app.web.api.host_views import full_host_view
from tests.services import settings_with

LEFT, RIGHT = "hunterA1", "swordZ9fish"
"""Every password of these tests begins with the one and ends with the other: neither may be seen."""


@pytest.mark.parametrize(
    ("address", "seen"),
    [
        ("http://gpu:11434", "http://gpu:11434"),
        ("http://me:secret@gpu:11434/x", "http://gpu:11434/x"),
        ("http://[::1]:11434", "http://[::1]:11434"),
        ("redis://:secret@cache:6379/2", "redis://cache:6379/2"),
        ("redis://cache:6379/2?password=secret&db=3", "redis://cache:6379/2?db=3"),
        ("redis://:se/cret@cache", "redis://…"),
        ("redis://:se@cret@cache", "redis://…"),
        ("redis://:secret", "redis://…"),
        ("redis://:secret/with/slashes", "redis://…"),
        ("unix:///run/redis.sock?password=secret", "unix:///run/redis.sock"),
        ("postgresql://u:secret@db:5432,other:5433/arena", "postgresql://db:5432,other:5433/arena"),
        ("postgresql://u@/arena?host=/run/pg&password=secret", "postgresql:///arena?host=/run/pg"),
        ("sqlite:////data/a@b.db", "sqlite:////data/a@b.db"),
        ("me:secret@gpu", "gpu"),
        ("gpu:11434", "gpu:11434"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_who_logs_in(address: str, seen: str) -> None:
    assert shown(address) == seen


@pytest.mark.parametrize(
    "address",
    [
        "redis://:pa@ss@cache",
        "redis://:pa/ss@cache",
        "redis://:pa?ss@cache",
        "redis://:pa#ss@cache",
        "redis://:pa[ss@cache",
        "postgresql://u:p@ss@db/arena",
        "postgresql://me@tenant:pw@db/arena",
        "http://me:s/ecret@gpu",
        "redis://:pass\tword@cache",
    ],
)
def test_a_password_that_is_not_escaped_is_refused_with_a_hint(address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^SETTING: .*percent-encode them \(@ is %40") as refused:
        refuse_unescaped(address, "SETTING")
    assert address not in refused.value.sentence


@pytest.mark.parametrize(
    "address", ["redis://:p%40%2Fss@cache", "http://me:a:b!$&'()*+,;=~@gpu", "postgresql://u:pw@db/a?options=-c%20x=1"]
)
def test_an_escaped_password_is_taken(address: str) -> None:
    refuse_unescaped(address, "SETTING")
    with pytest.raises(ConfigurationError):
        refuse_unescaped(address.replace("@", "/@", 1), "SETTING")


def test_every_reader_takes_an_escaped_password_as_it_is_meant() -> None:
    password = "p@s/s?w#o:r%d[]"
    escaped = quote(password, safe="")
    assert connection_options(f"redis://:{escaped}@cache")["password"] == password
    assert parse(f"postgresql://u:{escaped}@db/arena").password == password
    (host,) = checked(settings_with(ollama_host=f"http://me:{escaped}@gpu"))
    assert Target.of(host.url).head == Target.of(f"http://me:{escaped}@gpu:80").head


# Every sentence in which an address could stand


def said_by(work: Callable[[], object]) -> str:
    """What a work returns or is refused with."""
    try:
        return str(work())
    except ConfigurationError as error:
        return error.sentence


def of_ollama(address: str) -> Iterator[str]:
    settings = settings_with(ollama_host=address)
    twice = [{"name": name, "url": address} for name in "ab"]
    yield repr(settings)
    yield said_by(lambda: checked(settings_with(**{"[[hosts]]": twice})))
    try:
        (host,) = checked(settings)
    except ConfigurationError as error:
        yield error.sentence
        return
    yield repr(host)
    yield from of_host(host, settings)


def of_host(host: Host, settings: Settings) -> Iterator[str]:
    yield repr(Target.of(host.url))
    yield json.dumps(full_host_view(host, None, 0.0))
    down = ProbeResult(False, error="HTTP 401")
    yield str(catalog((), (host,), {host.name: down}).warnings())
    yield str(by_status(301, b"", host.url))
    for reach in get_args(Reach):
        broken = ObservedHost(host, reach, "why")
        for one in (broken, replace(broken, instead="https://gpu:11434")):
            seen = Observation(
                settings, 0.0, (one,), ObservedRedis("redis://cache"), ObservedDatabase("postgresql://db/arena")
            )
            yield str(findings_of(seen))


def of_redis(address: str) -> Iterator[str]:
    yield repr(settings_with(redis_url=address))
    yield said_by(lambda: commands_client(address) and shown(address))


def of_database(address: str) -> Iterator[str]:
    yield repr(settings_with(database_url=address))
    yield said_by(lambda: shown_database(parse(address)))


parts = st.text(
    st.one_of(
        st.sampled_from("@/?#:%[]&=\\\"' ,;$<>{}|^`\t\n.-"), st.characters(codec="utf-8", exclude_characters="\0")
    ),
    max_size=6,
)
users = st.one_of(st.just(""), st.just("me"), parts)
passwords = parts.map(lambda middle: f"{LEFT}{middle}{RIGHT}")


@given(users, passwords, st.booleans(), st.sampled_from(["gpu", "gpu:11434", "[::1]:6379", "", "gpu:abc", "gpu/v1"]))
def test_whatever_the_user_and_the_password_nothing_that_is_said_has_it(
    user: str, password: str, escaped: bool, place: str
) -> None:
    login = ":".join(quote(part, safe="") if escaped else part for part in (user, password))
    schemes = ["", "http://", "x y://", "redis://"]
    schemes += [] if login.startswith("/") else ["sqlite://"]  # what follows sqlite:/// is a file's path, and no login
    said = [shown(f"{scheme}{login}@{place}") for scheme in schemes]
    for scheme in ("", "http://", "https://", "ftp://", "://"):
        said += of_ollama(f"{scheme}{login}@{place}")
    for scheme in ("redis://", "rediss://", "unix://", "http://", ""):
        said += of_redis(f"{scheme}{login}@{place}/0")
    if "@" not in password:  # or its tail is a host, as far as anybody can tell
        said += [*of_redis(f"redis://:{password}"), *of_ollama(f"http://me:{password}"), shown(f"redis://:{password}")]
    for address in (f"postgresql://{login}@{place}/arena", f"mysql://{login}@{place}/arena", f"{login}@{place}"):
        said += of_database(address)
    secret = quote(password, safe="") if escaped else password
    for query in (f"password={secret}", f"user={user}&password={secret}&sslmode=require", f"sslpassword={secret}"):
        said += of_database(f"postgresql://db/arena?{query}")
        said += [*of_redis(f"redis://cache/0?{query}"), shown(f"redis://cache/0?{query}")]
    for sentence in said:
        assert LEFT.casefold() not in sentence.casefold()
        assert RIGHT.casefold() not in sentence.casefold()
