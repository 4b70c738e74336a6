"""A viewer's stream: what is sent, what ends it, and what is left when it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Message

from app.web.shared.event_stream import HEARTBEAT, EventStream, OpenStreams
from tests.helpers import PATIENCE_S, wait_until


class Viewer:
    """An ASGI client: what it was sent, and when it leaves; ``taking`` is cleared while it takes nothing."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.started: list[Message] = []
        self.ended = False
        self.taking = asyncio.Event()
        self.taking.set()
        self._left = asyncio.Event()
        self._requested = False

    def leave(self) -> None:
        self._left.set()

    async def receive(self) -> Message:
        if not self._requested:
            self._requested = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started.append(message)
            return
        await self.taking.wait()
        if message["body"]:
            self.got.append(message["body"])
        self.ended = not message["more_body"]

    async def watch(self, stream: EventStream, streams: OpenStreams | None = None, method: str = "GET") -> None:
        services = SimpleNamespace(streams=streams or OpenStreams())
        app = SimpleNamespace(state=SimpleNamespace(services=services))
        scope: dict[str, Any] = {"type": "http", "method": method, "path": "/events", "app": app}
        async with asyncio.timeout(PATIENCE_S):
            await stream(scope, self.receive, self.send)


class Content:
    """Frames, then silence until ``go_on``; ``closed`` once its generator has ended."""

    def __init__(self, *frames: bytes) -> None:
        self.go_on = asyncio.Event()
        self.closed = False
        self._frames = frames

    async def frames(self) -> AsyncGenerator[bytes]:
        try:
            for frame in self._frames:
                yield frame
            await self.go_on.wait()
            yield b"last"
        finally:
            self.closed = True


@pytest.fixture(autouse=True)
async def no_task_is_left() -> AsyncIterator[None]:
    yield
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not names & {"viewer of /events", "heartbeat"}


async def test_a_viewer_gets_all_frames_and_an_end() -> None:
    viewer, content = Viewer(), Content(b"one", b"two")
    content.go_on.set()
    await viewer.watch(EventStream(content.frames(), {"Location": "/there"}))
    assert (viewer.got, viewer.ended, content.closed) == ([b"one", b"two", b"last"], True, True)
    headers = dict(viewer.started[0]["headers"])
    assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert headers[b"cache-control"] == b"no-store, no-transform"
    assert headers[b"x-accel-buffering"] == b"no"
    assert headers[b"location"] == b"/there"


async def test_a_head_request_gets_the_head_and_begins_nothing() -> None:
    viewer, content = Viewer(), Content(b"one")
    await viewer.watch(EventStream(content.frames()), method="HEAD")
    assert (viewer.got, viewer.ended, len(viewer.started)) == ([], True, 1)


async def test_who_leaves_ends_the_content() -> None:
    viewer, content = Viewer(), Content(b"one")
    watching = asyncio.create_task(viewer.watch(EventStream(content.frames())))
    await wait_until(lambda: viewer.got)
    viewer.leave()
    await watching
    assert content.closed
    assert not viewer.ended


async def test_a_silence_is_filled_with_heartbeats() -> None:
    viewer, content = Viewer(), Content(b"one")
    watching = asyncio.create_task(viewer.watch(EventStream(content.frames(), heartbeat_s=0.01)))
    await wait_until(lambda: viewer.got.count(HEARTBEAT) >= 3)
    content.go_on.set()
    await watching
    assert viewer.got[0] == b"one"
    assert viewer.got[-1] == b"last"
    assert set(viewer.got[1:-1]) == {HEARTBEAT}


@pytest.mark.parametrize("frames", [(b"one",), ()], ids=["a frame", "a heartbeat"])
async def test_who_takes_nothing_loses_the_content_at_once_and_the_stream_when_he_is_cut_off(
    frames: tuple[bytes, ...],
) -> None:
    viewer, content = Viewer(), Content(*frames)
    viewer.taking.clear()
    stream = EventStream(content.frames(), heartbeat_s=0.01, send_timeout_s=0.02)
    watching = asyncio.create_task(viewer.watch(stream))
    await wait_until(lambda: content.closed)
    assert not watching.done()
    viewer.leave()
    await watching
    assert viewer.got == []


async def test_the_end_of_the_process_ends_all_streams_that_are_open_and_those_that_come_later() -> None:
    viewers, streams = [Viewer(), Viewer()], OpenStreams()
    contents = [Content(b"one"), Content(b"one")]
    watching = asyncio.create_task(viewers[0].watch(EventStream(contents[0].frames()), streams))
    await wait_until(lambda: viewers[0].got)
    streams.end()
    await watching
    assert contents[0].closed
    assert viewers[0].ended
    await viewers[1].watch(EventStream(contents[1].frames()), streams)
    assert (viewers[1].got, viewers[1].ended) == ([], True)


async def test_content_that_is_told_of_the_end_may_say_a_last_word() -> None:
    viewer, streams, ending = Viewer(), OpenStreams(), asyncio.Event()

    async def frames() -> AsyncGenerator[bytes]:
        yield b"one"
        await ending.wait()
        yield b"word"

    watching = asyncio.create_task(viewer.watch(EventStream(frames(), ending=ending, grace_s=PATIENCE_S), streams))
    await wait_until(lambda: viewer.got)
    streams.end()
    await watching
    assert (viewer.got, viewer.ended) == ([b"one", b"word"], True)


async def test_content_that_says_no_last_word_in_its_time_is_ended() -> None:
    viewer, streams, content = Viewer(), OpenStreams(), Content(b"one")
    watching = asyncio.create_task(viewer.watch(EventStream(content.frames(), grace_s=0.01), streams))
    await wait_until(lambda: viewer.got)
    streams.end()
    await watching
    assert content.closed
    assert (viewer.got, viewer.ended) == ([b"one"], True)


async def test_an_error_of_the_content_is_raised_even_if_it_is_a_timeout() -> None:
    async def failing() -> AsyncGenerator[bytes]:
        yield b"one"
        raise TimeoutError("its own")

    viewer = Viewer()
    with pytest.raises(TimeoutError, match="its own"):
        await viewer.watch(EventStream(failing()))
    assert (viewer.got, viewer.ended) == ([b"one"], False)
