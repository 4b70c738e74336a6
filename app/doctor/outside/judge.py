"""From what was seen of a deployment to what is wrong with it: pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from app.doctor.outside.seen import OutsideView, Problem, Stream

EVERY_S = 0.1
"""The stream's events are sent this far apart."""

LUMP_S = 0.02
"""Events that arrive closer than this came together."""

HEARTBEAT_S = 10.0
NEEDED_S = 30
"""A silence that everything between has to bear: three heartbeats."""


def problems(seen: OutsideView) -> tuple[Problem, ...]:
    """What is wrong, the worst first."""
    if seen.refused:
        return (
            Problem("unreachable", "error", seen.refused, "check the address, its certificate and ARENA_ADMIN_KEY"),
        )
    found = [*_of_stream(seen.stream), *_of_headers(seen), *_of_caches(seen), *_of_silences(seen)]
    return tuple(sorted(found, key=lambda problem: ("error", "warning", "note").index(problem.severity)))


def _of_stream(stream: Stream) -> Iterator[Problem]:
    headers = {name.lower(): value.lower() for name, value in (stream.headers or {}).items()}
    if stream.error:
        yield Problem(
            "stream_cut", "error", f"a stream was cut: {stream.error}", "raise the read timeout of what is in front"
        )
        return
    if lumps(stream.arrived_s):
        yield Problem(
            "stream_in_lumps",
            "error",
            f"{len(stream.arrived_s)} events that were sent {EVERY_S:g} s apart came in lumps: something collects them",
            "switch buffering and compression off for /api/ (nginx: proxy_buffering off; gzip off;)",
        )
    if headers.get("content-encoding", "identity") != "identity":
        yield Problem(
            "stream_compressed",
            "warning",
            f"streams are compressed on the way ({headers['content-encoding']}), which delays what is small",
            "take text/event-stream out of what is compressed",
        )
    if not headers.get("content-type", "").startswith("text/event-stream"):
        yield Problem(
            "stream_type_changed",
            "error",
            "the type text/event-stream got lost",
            "pass the header Content-Type through",
        )
    if stream.silent_s >= 2 * HEARTBEAT_S and stream.heartbeats < int(stream.silent_s / HEARTBEAT_S) - 1:
        yield Problem(
            "heartbeats_lost",
            "error",
            f"{stream.heartbeats} heartbeats came in {stream.silent_s:g} s; one each {HEARTBEAT_S:g} s is sent",
            "switch buffering off for /api/",
        )


def lumps(arrived_s: tuple[float, ...]) -> bool:
    """Whether more than a third of the events came together with the one before."""
    gaps = [later - earlier for earlier, later in pairwise(arrived_s)]
    return bool(gaps) and sum(gap < LUMP_S for gap in gaps) > len(gaps) / 3


def _of_headers(seen: OutsideView) -> Iterator[Problem]:
    arrived = {name.lower() for name in seen.arrived_headers}
    lost = [name for name in seen.sent_headers if name.lower() not in arrived]
    if lost:
        yield Problem(
            "headers_lost",
            "error",
            f"{', '.join(lost)} did not arrive: streams can't go on where they were, voters get mixed up",
            "pass all headers of the viewer through (CloudFront: an origin request policy with all viewer headers)",
        )
    if arrived and not arrived & {"x-forwarded-for", "forwarded", "cloudfront-viewer-address"}:
        yield Problem(
            "address_not_forwarded",
            "warning",
            "nothing tells the caller's address: without a session all visitors count as one voter",
            "add X-Forwarded-For, and name the proxy in FORWARDED_ALLOW_IPS",
        )
    reply = {name.lower(): value.lower() for name, value in (seen.reply_headers or {}).items()}
    if "no-store" not in reply.get("cache-control", ""):
        yield Problem(
            "cache_control_changed",
            "warning",
            f"Cache-Control came as {reply.get('cache-control', 'nothing')!r} instead of no-store",
            "leave the header as it is",
        )


def _of_caches(seen: OutsideView) -> Iterator[Problem]:
    reply = {name.lower(): value for name, value in (seen.reply_headers or {}).items()}
    hit = "hit" in reply.get("x-cache", "").lower() or int(reply.get("age", "0") or 0) > 0
    if hit or (len(seen.ids) > 1 and len(set(seen.ids)) == 1):
        yield Problem(
            "api_cached",
            "error",
            "the same answer came twice: something caches /api/, and people see each other's battles",
            "cache /assets/ only (CloudFront: CachingDisabled for everything else)",
        )


def _of_silences(seen: OutsideView) -> Iterator[Problem]:
    twice = [one for one in seen.silences if (one.arrivals or 0) > 1]
    if twice:
        yield Problem(
            "sent_twice",
            "warning",
            f"a GET that was silent for {twice[0].seconds:g} s arrived {twice[0].arrivals} times",
            "allow one attempt for each request (CloudFront: ConnectionAttempts 1; nginx: proxy_next_upstream_tries)",
        )
    cut = sorted((one for one in seen.silences if one.status != 200), key=lambda one: one.seconds)
    if cut:
        first = cut[0]
        how = f"status {first.status}" if first.status else "the connection was closed"
        yield Problem(
            "silence_cut",
            "error" if first.seconds <= NEEDED_S else "note",
            f"a call that is silent for {first.seconds:g} s is cut after {first.after_s:.0f} s ({how})",
            "streams and waiting calls send something each 10 s: above 30 s this is no harm; below, raise the read "
            "timeout",
        )
