"""Whether a request is the same again is told by its JSON, whatever it holds."""

from __future__ import annotations

import pytest

from app.arena.requests import body_hash


def test_the_order_of_the_fields_does_not_matter() -> None:
    assert body_hash({"message": "Why?", "num_models": 3}) == body_hash({"num_models": 3, "message": "Why?"})


def test_another_value_is_another_request() -> None:
    assert body_hash({"message": "Why?"}) != body_hash({"message": "why?"})


@pytest.mark.parametrize("number", [2**64, -(2**64), 10**400])
def test_a_number_beyond_all_machines_has_a_hash(number: int) -> None:
    assert body_hash({"num_models": number}) != body_hash({"num_models": number + 1})
