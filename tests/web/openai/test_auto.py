"""Which model ``auto`` means."""

from __future__ import annotations

import pytest

from app.web.openai.auto import best_of

LISTED = ["a:1b", "b:latest", "c:1b"]


@pytest.mark.parametrize(
    ("warm", "ranking", "best"),
    [
        (["a:1b", "c:1b"], ["b", "c:1b", "a:1b"], "c:1b"),
        (["b:latest"], ["a:1b"], "b:latest"),
        ([], ["b", "a:1b"], "b:latest"),
        ([], [], "a:1b"),
        (["gone:1b"], ["c:1b"], "c:1b"),
        (["c:1b"], ["gone:1b"], "c:1b"),
    ],
)
def test_the_best_that_is_in_memory_else_the_best(warm: list[str], ranking: list[str], best: str) -> None:
    assert best_of(LISTED, warm, ranking) == best
