"""Which models are drawn from: those that were named, in any spelling that Ollama takes, by their listed names."""

from __future__ import annotations

import pytest

from app.errors import InvalidInput
from app.web.api.opening import chosen_models

AT_HAND = ("qwen3:latest", "llama3.1:8b", "hf.co/someone/model:Q4")


def test_a_name_without_a_tag_is_the_latest() -> None:
    assert chosen_models(["qwen3", "LLAMA3.1:8b"], AT_HAND) == ["qwen3:latest", "llama3.1:8b"]


def test_two_spellings_of_one_model_are_a_double() -> None:
    with pytest.raises(InvalidInput, match="twice"):
        chosen_models(["qwen3", "qwen3:latest"], AT_HAND)


def test_without_names_all_at_hand_can_be_drawn() -> None:
    assert chosen_models(None, AT_HAND) is AT_HAND


def test_a_second_name_of_a_model_is_refused_with_the_name_that_is_drawn() -> None:
    with pytest.raises(InvalidInput, match="'mine' is qwen3:latest under another name"):
        chosen_models(["mine", "llama3.1:8b"], AT_HAND, {"mine": "qwen3:latest"}.get)
