import json

import pytest
from pydantic import ValidationError

from app.backends.base import Chunk, ServerTiming
from app.timing.stopwatch import Stopwatch, Timing


class Hand:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


def test_the_first_token_is_counted_from_dispatch(hand: Hand) -> None:
    watch = Stopwatch(waited_s=2.0, clock=hand)
    watch.dispatched()
    hand.now += 0.3
    watch.chunk(Chunk(text="Hi", tokens=1))
    hand.now += 1.0
    watch.chunk(Chunk(text=" there", tokens=4))
    timing = watch.stop()
    assert timing.queue_s == pytest.approx(2.0)
    assert timing.ttft_s == pytest.approx(0.3)
    assert timing.total_s == pytest.approx(3.3)
    assert timing.tokens == 5
    assert (timing.decode_s, timing.tokens_per_s) == pytest.approx((1.0, 5.0))
    assert (timing.load_s, timing.cold, timing.prompt_s) == (0.0, False, None)


def test_the_load_it_waited_for_is_not_queue_time(hand: Hand) -> None:
    watch = Stopwatch(waited_s=10.0, load_s=7.0, clock=hand)
    hand.now += 0.5
    watch.dispatched()
    timing = watch.stop()
    assert timing.queue_s == pytest.approx(3.5)
    assert timing.load_s == pytest.approx(7.0)
    assert timing.total_s == pytest.approx(10.5)
    assert timing.cold


def test_thinking_is_life_but_not_the_first_token(hand: Hand) -> None:
    watch = Stopwatch(clock=hand)
    watch.dispatched()
    hand.now += 1
    watch.chunk(Chunk(thinking=True))
    hand.now += 4
    watch.chunk(Chunk(text="So", tokens=1))
    timing = watch.stop()
    assert timing.ttft_s == pytest.approx(5)
    assert timing.thinking_s == pytest.approx(4)


def test_text_that_turns_out_to_be_thinking_was_no_first_token(hand: Hand) -> None:
    watch = Stopwatch(clock=hand)
    watch.dispatched()
    hand.now += 1
    watch.chunk(Chunk(text="Okay. ", tokens=1))
    hand.now += 4
    watch.chunk(Chunk(thinking=True, restart=True))
    hand.now += 1
    watch.chunk(Chunk(text="Because.", tokens=1))
    timing = watch.stop()
    assert timing.ttft_s == pytest.approx(6)
    assert timing.thinking_s == pytest.approx(5)


def test_an_answer_that_only_thinks_has_no_first_token(hand: Hand) -> None:
    watch = Stopwatch(clock=hand)
    watch.dispatched()
    watch.chunk(Chunk(thinking=True))
    hand.now += 3
    timing = watch.stop()
    assert timing.ttft_s is None
    assert timing.thinking_s == pytest.approx(3)


def test_the_servers_numbers_win_where_it_knows_better(hand: Hand) -> None:
    watch = Stopwatch(clock=hand)
    watch.dispatched()
    hand.now += 1
    watch.chunk(Chunk(text="a", tokens=1))
    server = ServerTiming(total_s=2.1, load_s=0.02, prompt_tokens=18, prompt_s=0.035, tokens=87, decode_s=1.8)
    watch.chunk(Chunk(finish_reason="stop", timing=server))
    timing = watch.stop()
    assert (timing.tokens, timing.decode_s, timing.prompt_s) == (87, 1.8, 0.035)
    assert timing.tokens_per_s == pytest.approx(87 / 1.8)
    assert not timing.cold, "20 ms are the server's own scheduling"


def test_a_load_that_the_server_did_on_the_request_is_cold(hand: Hand) -> None:
    watch = Stopwatch(clock=hand)
    watch.chunk(Chunk(timing=ServerTiming(load_s=6.0)))
    timing = watch.stop()
    assert timing.cold
    assert timing.load_s == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("prompt_tokens", "prompt_s", "cached"),
    [(900, 0.011, True), (900, 0.3, False), (18, 0.010, False)],
)
def test_a_long_prompt_read_within_a_decode_step_was_cached(prompt_tokens: int, prompt_s: float, cached: bool) -> None:
    watch = Stopwatch()
    server = ServerTiming(prompt_tokens=prompt_tokens, prompt_s=prompt_s, tokens=100, decode_s=1.0)
    watch.chunk(Chunk(timing=server))
    assert watch.stop().cached_prompt is cached


def test_a_wall_clock_that_went_back_gives_no_negative_wait(hand: Hand) -> None:
    timing = Stopwatch(waited_s=-4.0, load_s=1.0, clock=hand).stop()
    assert (timing.queue_s, timing.load_s, timing.total_s) == (0.0, 0.0, 0.0)


def test_a_timing_comes_back_from_storage_as_it_went_in() -> None:
    timing = Timing(queue_s=0.25, ttft_s=0.5, tokens=7, tokens_per_s=31.25, cold=True)
    assert Timing.from_dict(json.loads(json.dumps(timing.to_dict()))) == timing


def test_a_stored_timing_may_have_fields_of_a_newer_version() -> None:
    assert Timing.from_dict({"tokens": 3, "watts": 9}) == Timing(tokens=3)


def test_a_stored_timing_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(ValidationError):
        Timing.from_dict({"total_s": "soon"})


def test_a_prompts_time_that_the_server_does_not_tell_is_unknown_and_no_cache() -> None:
    watch = Stopwatch()
    watch.dispatched()
    watch.chunk(Chunk("Hi", 1))
    watch.chunk(Chunk(timing=ServerTiming(prompt_tokens=500, tokens=40, decode_s=1.0)))
    timing = watch.stop()
    assert timing.prompt_s is None
    assert timing.cached_prompt is False


@pytest.mark.parametrize(
    ("read", "least", "cut"),
    [
        (2048, 5700, True),
        (5700, 5700, False),
        (9000, 5700, False),
        (30, 20, False),
        (1, 5700, False),
        (0, 5700, False),
    ],
    ids=["cut", "bound", "whole", "short", "counts only what was not cached", "counts nothing"],
)
def test_a_prompt_was_cut_where_the_server_read_fewer_tokens_than_it_has(
    hand: Hand, read: int, least: int, cut: bool
) -> None:
    watch = Stopwatch(clock=hand)
    watch.dispatched(least)
    watch.chunk(Chunk(finish_reason="stop", timing=ServerTiming(prompt_tokens=read, tokens=5)))
    assert watch.stop().cut_prompt is cut
    assert Timing.from_dict(watch.stop().to_dict()).cut_prompt is cut


def test_an_answer_costs_its_hosts_time_and_the_load_but_not_its_queue(hand: Hand) -> None:
    watch = Stopwatch(waited_s=10.0, load_s=6.0, clock=hand, price_per_hour=3.6)
    hand.now += 1.0
    watch.dispatched()
    hand.now += 4.0
    assert watch.stop().cost == pytest.approx(0.01)  # 10 s at 0.001 a second
    assert Stopwatch(clock=hand).stop().cost is None
