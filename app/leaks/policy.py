"""What is done about a leak, and the mark that is kept with the answer: ``<policy>: <kind> <what was written>``.

``flag`` marks the answer: it and its votes bear the mark, and a board leaves them out unless it is asked not to.
``void`` marks it so that no board may count its votes. ``mask`` hides the word from viewers, who then judge blind: the
mark is kept, but the answer does not count as leaked.
"""

from __future__ import annotations

from typing import Literal

from app.leaks.scanner import Leak

Policy = Literal["flag", "mask", "void"]

LONGEST_MARK = 80
"""Characters of a mark."""


def mark_of(policy: Policy, leak: Leak, *, exposed: bool = False) -> str:
    """The mark of an answer whose first leak is ``leak``.

    An ``exposed`` one showed a name of its family or maker before that leak: masking hides nothing from there on.
    """
    if exposed and policy == "mask":
        policy = "flag"
    return f"{policy}: {leak.kind} {leak.word}"[:LONGEST_MARK]


def is_leaked(mark: str | None) -> bool:
    """Whether viewers could see the leak of an answer that bears ``mark`` (empty or None: there was none)."""
    return bool(mark) and not str(mark).startswith("mask:")


def is_void(mark: str | None) -> bool:
    """Whether votes on an answer that bears ``mark`` never count."""
    return str(mark).startswith("void:")
