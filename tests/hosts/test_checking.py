"""What is refused before anything starts."""

from __future__ import annotations

import pytest

from app.errors import ConfigurationError
from app.hosts.checking import checked
from app.settings.settings import HostTable, ModelTable, Settings
from tests.services import settings_with


def settings(**values: object) -> Settings:
    return settings_with(**values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"arena_models": ("a", "b", "a")}, "ARENA_MODELS: a is there twice"),
        ({"arena_models": ("a", "A:latest")}, "ARENA_MODELS: A:latest and a are one model"),
        ({"[[models]]": (ModelTable(name="a:1"), ModelTable(name="a:1"))}, r"\[\[models\]\]: a:1 is there twice"),
        (
            {"[[hosts]]": (HostTable(name="gpu", url="x", models=("a", "library/a")),)},
            r"\[\[hosts\]\] gpu: models: library/a and a are one model",
        ),
    ],
)
def test_a_model_that_is_named_twice_is_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        checked(settings(**values))


def test_names_that_differ_are_different_models() -> None:
    (host,) = checked(settings(arena_models=("a:1", "a:2", "not a name")))
    assert host.name == "local"


def test_two_hosts_with_one_address_are_refused_without_their_passwords() -> None:
    rows = (
        HostTable(name="a", url="http://me:hunter2@gpu"),
        HostTable(name="b", url="http://you:swordfish@gpu"),
    )
    with pytest.raises(ConfigurationError, match="2 hosts have the url 'http://gpu:80'") as refused:
        checked(settings(**{"[[hosts]]": rows}))
    assert "hunter2" not in refused.value.sentence
    assert "swordfish" not in refused.value.sentence
