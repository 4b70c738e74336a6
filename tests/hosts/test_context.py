"""Prompts that can't fit into a model's context are refused before a battle begins."""

from __future__ import annotations

import pytest

from app.errors import MessageTooLarge
from app.hosts.context import fitting, least_tokens
from app.settings.settings import ModelTable, Settings

PROSE = "The sky is blue because light scatters in the air above us. "


def with_tables(*rows: ModelTable) -> Settings:
    return Settings(**{"[[models]]": rows})  # type: ignore[arg-type]


def long(characters: int) -> str:
    return (PROSE * (characters // len(PROSE) + 1))[:characters]


def test_the_estimate_is_below_what_tokenizers_count() -> None:
    # 12 words and a full stop; 10 characters, of which a token rarely has more than one; 13 names and signs.
    assert 0 < least_tokens(PROSE) <= 13
    assert 0 < least_tokens("天空为什么是蓝色的?") <= 8
    assert 0 < least_tokens("def f(x):\n    return [y for y in x]\n") <= 13
    assert least_tokens("a" * 30_000) == 0


def test_a_question_of_30800_characters_is_refused_with_the_default_context() -> None:
    with pytest.raises(MessageTooLarge, match=r"context of 4,096 tokens .* shorten it") as refused:
        fitting(with_tables(), ["a:1b", "b:1b"], long(30_800))
    assert (refused.value.code, refused.value.field, refused.value.status) == ("prompt_too_long", "message", 413)


def test_what_may_fit_is_taken() -> None:
    assert fitting(with_tables(), ["a:1b", "b:1b"], long(16_000)) == ("a:1b", "b:1b")


def test_models_with_a_longer_context_are_drawn_alone() -> None:
    rows = [ModelTable(name=name, num_ctx=32768) for name in ("b:1b", "c:1b")]
    models = ["a:1b", "b:1b", "c:1b"]
    assert fitting(with_tables(*rows), models, long(30_800)) == ("b:1b", "c:1b")
    with pytest.raises(MessageTooLarge, match=r"4,096 tokens"):
        fitting(with_tables(*rows), models, long(30_800), all_of_them=True)


def test_one_model_that_fits_is_not_enough() -> None:
    with pytest.raises(MessageTooLarge, match=r"4,096 tokens"):
        fitting(with_tables(ModelTable(name="b:1b", num_ctx=32768)), ["a:1b", "b:1b"], long(30_800))


def test_the_system_prompt_counts() -> None:
    assert fitting(with_tables(), ["a:1b", "b:1b"], long(12_000)) == ("a:1b", "b:1b")
    with pytest.raises(MessageTooLarge):
        fitting(with_tables(), ["a:1b", "b:1b"], long(12_000), long(12_000))


def test_where_a_server_decides_how_long_the_context_is_that_counts() -> None:
    own = {"short:1b": 512, "long:1b": 32_768}
    models = ["a:1b", "short:1b", "long:1b"]
    assert fitting(with_tables(), models, long(3_000), own=own.get) == ("a:1b", "long:1b")
    assert fitting(with_tables(), [*models, "other:1b"], long(16_000), own=own.get) == ("a:1b", "long:1b", "other:1b")
    with pytest.raises(MessageTooLarge, match="512 tokens"):
        fitting(with_tables(), ["short:1b"], long(3_000), own=own.get, all_of_them=True)
