"""The command line itself."""

from __future__ import annotations

from app.cli.main import add_commands, app


def test_commands_that_are_added_again_are_there_once() -> None:
    add_commands()
    before = list(app.registered_commands)
    add_commands()
    assert app.registered_commands == before
    assert len(before) > 15
