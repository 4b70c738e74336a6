"""``arena doctor --url``: what is said of what was seen. ``make prod-check`` looks through a real nginx."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.doctor.outside.judge import lumps, problems
from app.doctor.outside.observe import SENT, observe_deployment
from app.doctor.outside.seen import OutsideView, Silence, Stream
from app.errors import ConfigurationError, InvalidInput

EVEN = tuple(0.1 * number for number in range(20))
STREAM = Stream(EVEN, {"content-type": "text/event-stream; charset=utf-8"}, 25.0, 2)
ARRIVED = (*(name.lower() for name in SENT), "x-forwarded-for", "host")
HEALTHY = OutsideView(
    stream=STREAM,
    silences=tuple(Silence(seconds, 200, seconds, 1) for seconds in (30, 60, 120, 180)),
    sent_headers=tuple(SENT),
    arrived_headers=ARRIVED,
    ids=("a", "b"),
    reply_headers={"Cache-Control": "no-store"},
)


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert problems(HEALTHY) == ()


@pytest.mark.parametrize(
    ("change", "code", "severity"),
    [
        ({"refused": "nothing can be asked there: ConnectError"}, "unreachable", "error"),
        ({"stream": replace(STREAM, arrived_s=(3.0,) * 20)}, "stream_in_lumps", "error"),
        ({"stream": replace(STREAM, error="ReadError")}, "stream_cut", "error"),
        ({"stream": replace(STREAM, heartbeats=0)}, "heartbeats_lost", "error"),
        (
            {"stream": replace(STREAM, headers={"Content-Type": "text/event-stream", "Content-Encoding": "gzip"})},
            "stream_compressed",
            "warning",
        ),
        ({"stream": replace(STREAM, headers={"content-type": "text/plain"})}, "stream_type_changed", "error"),
        ({"arrived_headers": ARRIVED[1:]}, "headers_lost", "error"),
        ({"arrived_headers": ARRIVED[:5]}, "address_not_forwarded", "warning"),
        ({"reply_headers": {"cache-control": "public, max-age=60"}}, "cache_control_changed", "warning"),
        ({"ids": ("a", "a")}, "api_cached", "error"),
        ({"reply_headers": {"cache-control": "no-store", "X-Cache": "Hit from cloudfront"}}, "api_cached", "error"),
        ({"silences": (Silence(30, 504, 20.0, 1),)}, "silence_cut", "error"),
        ({"silences": (Silence(30, 200, 30.0, 1), Silence(60, 0, 50.0, 1))}, "silence_cut", "note"),
        ({"silences": (Silence(30, 200, 30.0, 2),)}, "sent_twice", "warning"),
    ],
)
def test_each_fault_is_found_alone(change: dict[str, object], code: str, severity: str) -> None:
    (problem,) = problems(replace(HEALTHY, **change))  # type: ignore[arg-type]
    assert (problem.code, problem.severity) == (code, severity)
    assert problem.remedy


def test_a_lump_at_the_end_or_two_events_that_came_together_are_no_lumps() -> None:
    assert not lumps(())
    assert not lumps((*EVEN, EVEN[-1]))
    assert lumps((1.0, 1.0, 1.0, 2.0, 2.0, 2.0))


async def test_it_says_what_it_needs() -> None:
    with pytest.raises(InvalidInput, match="--url"):
        await observe_deployment("arena.example.org", "key")
    with pytest.raises(ConfigurationError, match="ARENA_ADMIN_KEY"):
        await observe_deployment("https://arena.example.org", "")
