"""How many answers a model writes at once, from the times of past answers."""

from __future__ import annotations

from app.doctor.checks.slots import slots_seen
from app.doctor.probing.observation import ObservedAnswer


def answers(*spans: tuple[float, float, float], model: str = "m") -> list[ObservedAnswer]:
    return [ObservedAnswer("gpu", model, *span) for span in spans]


ONE_AFTER_ANOTHER = [(0, 0.3, 5), (0.1, 5.2, 9), (0.2, 9.2, 14), (0.3, 14.2, 18), (0.4, 18.2, 22)]


def test_answers_that_wait_for_each_other_show_one_slot() -> None:
    (slots,) = slots_seen(answers(*ONE_AFTER_ANOTHER))
    assert (slots.model, slots.under_way, slots.writing) == ("m", 5, 1)
    assert slots.waited >= 3


def test_answers_that_are_written_at_once_show_nothing() -> None:
    assert slots_seen(answers(*((number * 0.1, number * 0.1 + 0.4, 6.0) for number in range(6)))) == ()


def test_a_late_first_token_while_others_are_written_is_a_long_prompt_and_no_slot() -> None:
    assert slots_seen(answers((0, 0.3, 9), (0.1, 3.5, 9), (0.2, 4.5, 9), (0.3, 5.5, 9))) == ()


def test_two_that_waited_may_be_chance() -> None:
    assert slots_seen(answers(*ONE_AFTER_ANOTHER[:3])) == ()


def test_answers_of_different_models_do_not_wait_for_a_slot() -> None:
    mixed = [one for number, span in enumerate(ONE_AFTER_ANOTHER) for one in answers(span, model=f"m{number}")]
    assert slots_seen(mixed) == ()
