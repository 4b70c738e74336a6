"""Hosts as they are configured."""

from __future__ import annotations

import pytest

from app.errors import ConfigurationError
from app.hosts.host import Host, hosts_from
from app.settings import HostSettings, Settings

GIB = 1024**3


def settings(**values: object) -> Settings:
    return Settings(_env_file=None, **values)  # type: ignore[arg-type]


def test_without_a_file_there_is_one_host_named_local() -> None:
    made = hosts_from(settings(ollama_host="gpu:5", ollama_port=7, arena_num_parallel=3))
    assert made == (Host("local", "http://gpu:5", None, 3),)


def test_the_hosts_of_the_file_replace_it() -> None:
    rows = (
        HostSettings(
            name="a", url="http://10.0.0.1:11434", memory_gb=24, num_parallel=2, max_loaded=3, models=("m:1",)
        ),
        HostSettings(name="b", url="10.0.0.2"),
    )
    made = hosts_from(settings(**{"[[hosts]]": rows, "ollama_host": "ignored"}))
    assert made == (
        Host("a", "http://10.0.0.1:11434", 24 * GIB, 2, 3, ("m:1",)),
        Host("b", "http://10.0.0.2:11434"),
    )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("a", "x"), ("A", "y")], "name 'a'"),
        ([("a", "x"), ("b", "http://x:11434/")], "url 'http://x:11434'"),
        ([("a", "ftp://x")], r"\[\[hosts\]\] a: url"),
    ],
)
def test_hosts_that_can_not_be_told_apart_are_refused(rows: list[tuple[str, str]], said: str) -> None:
    tables = tuple(HostSettings(name=name, url=url) for name, url in rows)
    with pytest.raises(ConfigurationError, match=said):
        hosts_from(settings(**{"[[hosts]]": tables}))
