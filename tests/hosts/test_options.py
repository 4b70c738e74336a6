"""What a model is asked with."""

from __future__ import annotations

import pytest

from app.backends.base import GenerationOptions
from app.hosts.options import asked_with, options_for, system_for
from app.settings.settings import ModelTable, Settings
from tests.services import settings_with


def settings(*rows: ModelTable, **values: object) -> Settings:
    return settings_with(**{"[[models]]": rows, **values})


def test_a_model_without_a_row_gets_the_arenas_options() -> None:
    made = options_for(settings(arena_num_ctx=2048, arena_seed=3, arena_num_predict=9, arena_temperature=0), "a:1")
    assert made == GenerationOptions(num_ctx=2048, num_predict=9, temperature=0, seed=3, think=False)


def test_a_models_row_replaces_them_under_any_form_of_its_name() -> None:
    row = ModelTable(
        name="Library/A:1",
        num_ctx=512,
        think="low",
        options={"top_k": 5, "temperature": 0.0, "seed": 1, "num_predict": 7},
    )
    made = options_for(settings(row, arena_seed=3), "a:1")
    assert made == GenerationOptions(
        num_ctx=512, num_predict=7, temperature=0.0, seed=1, think="low", extra={"top_k": 5}
    )


def test_a_rows_own_num_ctx_wins_over_its_options() -> None:
    assert options_for(settings(ModelTable(name="a", options={"num_ctx": 99})), "a").num_ctx == 99
    assert options_for(settings(ModelTable(name="a", num_ctx=8, options={"num_ctx": 99})), "a").num_ctx == 8


@pytest.mark.parametrize(
    ("value", "think"), [("false", False), ("true", True), ("0", False), (True, True), ("High", "high"), ("max", "max")]
)
def test_think_is_a_switch_or_a_level(value: bool | str, think: bool | str) -> None:
    assert options_for(settings(arena_think=value), "a").think == think
    assert options_for(settings(ModelTable(name="a", think=value)), "a:latest").think == think


def test_the_battles_system_prompt_wins_then_the_models_then_the_arenas() -> None:
    made = settings(ModelTable(name="a", system="Be A."), ModelTable(name="b", system=""), arena_system="Be kind.")
    assert system_for(made, "a", "Be this.") == "Be this."
    assert system_for(made, "a") == "Be A."
    assert system_for(made, "b") == ""
    assert system_for(made, "c") == "Be kind."
    assert system_for(settings(), "c") == ""


def test_what_a_model_is_asked_with_tells_two_names_of_one_file_apart() -> None:
    rows = (ModelTable(name="b", think=True), ModelTable(name="c", system="Be brief."), ModelTable(name="d"))
    same, *others = (asked_with(settings(*rows), name) for name in "abcd")
    assert [one == same for one in others] == [False, False, True]
