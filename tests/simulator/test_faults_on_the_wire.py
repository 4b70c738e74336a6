"""Every fault switch, seen by a client on the wire."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from app.backends.base import GenerationRequest, Message
from app.backends.ollama.backend import OllamaBackend
from app.simulator.server.server import RunningSimulator
from tests.helpers import PATIENCE_S, wait_until
from tests.simulator.raw import call, read_chunks, read_head, request_bytes
from tests.simulator.serving import CHAT, LOAD, MODEL, error, loaded, post, simulated


@pytest.fixture
async def sim() -> AsyncIterator[RunningSimulator]:
    async with simulated() as running:
        yield running


@pytest.fixture
async def warm(sim: RunningSimulator) -> RunningSimulator:
    assert (await post(sim, LOAD)).status == 200
    return sim


async def test_load_fail_is_a_500_with_the_text_and_nothing_is_loaded(sim: RunningSimulator) -> None:
    sim.faults.set({"load_fail": "cudaMalloc failed"})
    reply = await post(sim, LOAD)
    assert reply.status == 500
    assert error(reply) == "llama-server process has terminated: exit status 1: cudaMalloc failed"
    assert await loaded(sim) == []


async def test_load_hang_ends_with_the_load_timeout() -> None:
    async with simulated(load_timeout_s=30) as sim:
        sim.faults.set({"load_hang": True})
        reply = await post(sim, LOAD)
        assert reply.status == 500
        assert error(reply).startswith("timed out waiting for llama-server to start")
        assert sim.machine.clock.now() > 30


async def test_load_oom_shrinks_an_automatic_context_and_refuses_an_explicit_one() -> None:
    async with simulated(card="rtx3090") as sim:
        sim.faults.set({"load_oom": True})
        reply = await post(sim, LOAD | {"options": {"num_ctx": 16384}})
        assert (reply.status, "out of memory" in error(reply)) == (500, True)
        assert (await post(sim, LOAD)).status == 200
        assert [entry["context_length"] for entry in await loaded(sim)] == [4096]


async def test_load_oom_beside_others_evicts_them_all(sim: RunningSimulator) -> None:
    await post(sim, {"model": "llama3.1:8b"})
    sim.faults.set({"load_oom": True})
    assert (await post(sim, LOAD | {"options": {"num_ctx": 8192}})).status == 200
    assert [entry["name"] for entry in await loaded(sim)] == [MODEL]


async def test_runtime_oom_ends_the_stream_with_an_error_and_drops_every_model(warm: RunningSimulator) -> None:
    await post(warm, {"model": "llama3.1:8b"})
    warm.faults.set({"runtime_oom": 7})
    reply = await post(warm, CHAT)
    assert reply.status == 200
    assert [set(line) for line in reply.lines[-2:]] == [{"model", "created_at", "message", "done"}, {"error"}]
    assert "out of memory" in reply.lines[-1]["error"]
    assert len(reply.lines) == 8

    async def nothing_is_loaded() -> bool:
        return await loaded(warm) == []

    await wait_until(nothing_is_loaded)


async def test_mid_stream_error_is_one_more_line_and_the_model_is_loaded_again(warm: RunningSimulator) -> None:
    warm.faults.set({"mid_stream_error": 5})
    reply = await post(warm, CHAT)
    assert reply.lines[-1] == {"error": "an error was encountered while running the model: unexpected EOF"}
    assert len(reply.lines) == 6
    warm.faults.clear()
    assert (await post(warm, CHAT)).lines[-1]["load_duration"] > 3e9


async def test_mid_stream_error_breaks_every_answer_of_the_process() -> None:
    async with simulated(num_parallel=2, answer_tokens=4000, speed=20) as sim:
        await post(sim, LOAD)
        reader, writer = await asyncio.open_connection("127.0.0.1", sim.port)
        writer.write(request_bytes("POST", "/api/chat", json.dumps(CHAT | {"options": {}}).encode()))
        long = await read_head(reader)  # comes with the first piece
        sim.faults.set({"mid_stream_error": 5})
        await post(sim, CHAT)
        await asyncio.wait_for(read_chunks(reader, long), PATIENCE_S)
        writer.close()
        assert "error" in long.lines[-1]
        assert len(long.lines) > 1


async def test_mid_stream_error_of_a_whole_answer_is_a_500(warm: RunningSimulator) -> None:
    warm.faults.set({"mid_stream_error": 5})
    assert (await post(warm, CHAT | {"stream": False})).status == 500


async def test_mid_stream_error_of_v1_is_an_empty_delta_without_done(warm: RunningSimulator) -> None:
    warm.faults.set({"mid_stream_error": 5})
    reply = await post(warm, CHAT | {"stream": True}, "/v1/chat/completions")
    frames = reply.body.decode().strip().split("\n\n")
    assert reply.status == 200
    assert json.loads(frames[-1][6:])["choices"][0]["delta"]["content"] == ""
    assert "[DONE]" not in frames[-1]


async def test_eof_without_done_just_ends(warm: RunningSimulator) -> None:
    warm.faults.set({"eof_without_done": 6})
    reply = await post(warm, CHAT)
    assert (reply.status, len(reply.lines)) == (200, 6)
    assert all(line["done"] is False for line in reply.lines)
    whole = await post(warm, CHAT | {"stream": False})
    assert (whole.status, json.loads(whole.body)["done"]) == (200, False)


async def test_token_repeat_of_old_ends_silently_and_of_new_with_an_error(warm: RunningSimulator) -> None:
    warm.faults.set({"token_repeat": "old"})
    old = (await post(warm, CHAT)).lines
    assert (len(old), len({line["message"]["content"] for line in old}), old[-1]["done"]) == (30, 1, False)
    warm.faults.set({"token_repeat": "new"})
    assert (await post(warm, CHAT)).lines[-1] == {"error": "prediction aborted, token repeat limit reached"}
    assert (await post(warm, CHAT | {"stream": False})).status == 500


async def test_stall_is_a_pause_in_mid_answer(warm: RunningSimulator) -> None:
    warm.faults.set({"stall_s": 60, "stall_after": 3})
    moments = [datetime.fromisoformat(line["created_at"]) for line in (await post(warm, CHAT)).lines]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]
    assert gaps.index(max(gaps)) == 2
    assert 59 < max(gaps) < 300


async def test_slow_headers_delay_everything(warm: RunningSimulator) -> None:
    warm.faults.set({"slow_headers_s": 30})
    reply = await post(warm, CHAT)
    assert reply.lines[-1]["prompt_eval_duration"] > 30e9


async def test_always_503_refuses_as_a_full_queue_does(warm: RunningSimulator) -> None:
    warm.faults.set({"always_503": True})
    reply = await post(warm, CHAT)
    assert reply.status == 503
    assert error(reply) == "server busy, please try again.  maximum pending requests exceeded"
    assert "Retry-After" not in reply.headers
    assert (await call(warm.port, "GET", "/api/version")).status == 200


async def slow_reader(sim: RunningSimulator) -> socket.socket:
    """A reader that takes the first line and then nothing, until the server notices."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(made, ("127.0.0.1", sim.port))
    long = {"model": MODEL, "messages": CHAT["messages"], "options": {"num_predict": 30_000}}
    await loop.sock_sendall(made, request_bytes("POST", "/api/chat", json.dumps(long).encode()))

    await wait_until(lambda: sim.machine.slow_readers)
    return made


@pytest.mark.parametrize("wedge", [True, False])
async def test_wedge_slot_keeps_the_slot_of_a_slow_reader_that_left_until_the_model_is_unloaded(wedge: bool) -> None:
    async with simulated(answer_tokens=40_000, tokens_per_s=1000.0) as sim:
        await post(sim, LOAD)
        sim.faults.set({"wedge_slot": wedge})
        reader = await slow_reader(sim)
        reader.close()
        next_one = asyncio.create_task(post(sim, CHAT))
        (runner,) = sim.machine.scheduler.loaded.values()
        await wait_until(lambda: not sim.machine.slow_readers)
        if wedge:
            await wait_until(lambda: runner.refs == 1)  # the next one has come, and who left has gone
            await sim.machine.clock.sleep(20)
            assert not next_one.done()
        else:
            assert (await asyncio.wait_for(next_one, PATIENCE_S)).lines[-1]["done"] is True
        next_one.cancel()
        await asyncio.wait({next_one})
        await post(sim, LOAD | {"keep_alive": 0})
        assert (await post(sim, CHAT)).lines[-1]["done"] is True


@pytest.mark.parametrize("deadlock", [True, False])
async def test_evict_deadlock_lets_a_keep_alive_take_back_the_eviction_that_is_waited_for(deadlock: bool) -> None:
    async with simulated(max_loaded=1, speed=50, answer_tokens=2000, num_parallel=2) as sim:
        await post(sim, LOAD)
        sim.faults.set({"evict_deadlock": deadlock})
        busy = asyncio.create_task(post(sim, CHAT | {"options": {}}))
        await wait_until(lambda: len(sim.machine.engine))
        (runner,) = sim.machine.scheduler.loaded.values()
        waiting = asyncio.create_task(post(sim, {"model": "llama3.1:8b"}))
        await wait_until(lambda: runner.victim)
        await post(sim, CHAT | {"keep_alive": "30m"})
        await busy
        if deadlock:
            await sim.machine.clock.sleep(20)
            assert not waiting.done()
        else:
            assert (await asyncio.wait_for(waiting, PATIENCE_S)).status == 200
        assert [entry["name"] for entry in await loaded(sim)] == [MODEL if deadlock else "llama3.1:8b"]
        waiting.cancel()


async def test_runner_stopped_is_one_500_and_then_a_reload(warm: RunningSimulator) -> None:
    warm.faults.set({"runner_stopped": True})
    reply = await post(warm, CHAT)
    assert reply.status == 500
    assert error(reply).startswith("model runner has unexpectedly stopped")
    assert (await post(warm, CHAT)).lines[-1]["load_duration"] > 3e9


async def test_cpu_fallback_loads_without_vram_and_answers_slowly(sim: RunningSimulator) -> None:
    sim.faults.set({"cpu_fallback": True})
    last = (await post(sim, CHAT)).lines[-1]
    (entry,) = await loaded(sim)
    assert (entry["size_vram"], entry["size"] > 4e9) == (0, True)
    assert last["eval_count"] / last["eval_duration"] * 1e9 < 12


async def test_ps_stale_expires_shows_times_in_the_past(warm: RunningSimulator) -> None:
    warm.faults.set({"ps_stale_expires": True})
    (entry,) = await loaded(warm)
    assert datetime.fromisoformat(entry["expires_at"]) < warm.machine.clock.utc() - timedelta(seconds=60)


async def test_ps_lag_answers_later(warm: RunningSimulator) -> None:
    warm.faults.set({"ps_lag_s": 20})
    began = warm.machine.clock.now()
    await loaded(warm)
    assert warm.machine.clock.now() - began >= 20


async def test_host_check_is_a_403_with_an_empty_body(sim: RunningSimulator) -> None:
    sim.faults.set({"host_check": True})
    reply = await call(sim.port, "GET", "/api/version")
    assert (reply.status, reply.body) == (403, b"")


async def test_clock_skew_moves_created_at() -> None:
    async with simulated(speed=1, load_s=0.0, tokens_per_s=1000.0) as sim:
        sim.faults.set({"clock_skew_s": -3600})
        line = (await post(sim, CHAT)).lines[0]
        behind = datetime.now(UTC) - datetime.fromisoformat(line["created_at"])
        assert timedelta(minutes=59) < behind < timedelta(minutes=61)


async def test_the_version_can_be_chosen(sim: RunningSimulator) -> None:
    sim.faults.set({"version": "0.20.5"})
    assert json.loads((await call(sim.port, "GET", "/api/version")).body) == {"version": "0.20.5"}


async def test_odd_rows_begin_without_a_name_and_have_nulls(warm: RunningSimulator) -> None:
    warm.faults.set({"odd_rows": True})
    for path in ("/api/tags", "/api/ps"):
        first, second, *_ = json.loads((await call(warm.port, "GET", path)).body)["models"]
        assert "name" not in first
        assert second["name"]
        assert second["size"] is None


async def test_odd_figures_are_fractions_and_nulls_and_the_answer_counts_all_the_same(warm: RunningSimulator) -> None:
    warm.faults.set({"odd_figures": True})
    backend = OllamaBackend(warm.url)
    chunks = [chunk async for chunk in backend.stream(GenerationRequest(MODEL, (Message("user", "Hi"),)))]
    await backend.aclose()
    last = json.loads((await post(warm, CHAT)).body.splitlines()[-1])
    assert isinstance(last["eval_count"], float)
    assert last["total_duration"] is None
    assert chunks[-1].finish_reason in ("stop", "length")
    assert chunks[-1].timing is not None
    assert chunks[-1].timing.tokens > 0
    assert chunks[-1].timing.decode_s == 0
