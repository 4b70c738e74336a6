"""The log's least level and its form are settings."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from app.errors import ConfigurationError
from app.logs.configuration import configure
from app.logs.levels import Format
from app.settings.settings import load_settings


@pytest.fixture
def restored() -> Iterator[None]:
    """The log as it was before."""
    known, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**known)


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(
    ("form", "stream", "json_", "colours"),
    [
        ("auto", io.StringIO, True, False),
        ("auto", Terminal, False, True),
        ("json", Terminal, True, False),
        ("text", io.StringIO, False, False),
    ],
)
def test_the_form_is_chosen(
    form: Format, stream: type[io.StringIO], json_: bool, colours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = stream()
    monkeypatch.setattr("sys.stderr", written)
    configure("info", form)
    structlog.get_logger("tests.of.logs").info("it_rains", battle="b1")
    line = written.getvalue()
    assert line.startswith("{") is json_
    assert ("\x1b[" in line) is colours
    assert "it_rains" in line
    if json_:
        assert json.loads(line)["battle"] == "b1"


@pytest.mark.usefixtures("restored")
def test_nothing_below_the_level_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    configure("error")
    log = structlog.get_logger("tests.of.levels")
    log.warning("it_drizzles")
    logging.getLogger("alembic").warning("it_drizzles")
    log.error("it_pours")
    assert [json.loads(line)["event"] for line in written.getvalue().splitlines()] == ["it_pours"]


def test_a_level_that_there_is_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARENA_LOG_LEVEL", "loud")
    with pytest.raises(ConfigurationError, match="ARENA_LOG_LEVEL"):
        load_settings()
