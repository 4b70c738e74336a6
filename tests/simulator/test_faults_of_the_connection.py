"""Faults of the connection, scripts, the control endpoint and restarts, seen by a client on the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from app.simulator.server.server import RunningSimulator
from tests.helpers import wait_until
from tests.simulator.raw import call, read_chunks, read_head, request_bytes
from tests.simulator.serving import CHAT, LOAD, error, loaded, post, simulated


@pytest.fixture
async def sim() -> AsyncIterator[RunningSimulator]:
    async with simulated() as running:
        yield running


@pytest.fixture
async def warm(sim: RunningSimulator) -> RunningSimulator:
    assert (await post(sim, LOAD)).status == 200
    return sim


async def test_tcp_reset_on_accept_and_after_the_request(sim: RunningSimulator) -> None:
    for when in ("accept", "request"):
        sim.faults.set({"tcp_reset": when})
        with pytest.raises(ConnectionResetError):
            await post(sim, CHAT)


async def test_tcp_reset_in_mid_stream_comes_after_some_lines(warm: RunningSimulator) -> None:
    warm.faults.set({"tcp_reset": "stream"})
    reader, writer = await asyncio.open_connection("127.0.0.1", warm.port)
    writer.write(request_bytes("POST", "/api/chat", json.dumps(CHAT).encode()))
    assert (await read_head(reader)).status == 200
    assert b'"done":false' in await reader.readuntil(b"\n\r\n")
    with pytest.raises(ConnectionResetError):
        await reader.read(-1)
    writer.close()


async def test_connection_refused_closes_the_port_and_opens_it_again(sim: RunningSimulator) -> None:
    sim.faults.set({"connection_refused": True})
    with pytest.raises(ConnectionRefusedError):
        await call(sim.port, "GET", "/api/version")
    sim.faults.clear()

    async def answers() -> bool:
        try:
            return (await call(sim.port, "GET", "/api/version")).status == 200
        except ConnectionRefusedError:
            return False

    await wait_until(answers)


async def test_connection_refused_lets_a_running_answer_go_on() -> None:
    async with simulated(speed=20, answer_tokens=800) as sim:
        await post(sim, LOAD)
        running = asyncio.create_task(post(sim, CHAT | {"options": {}}))
        await wait_until(lambda: len(sim.machine.engine))
        sim.faults.set({"connection_refused": True})
        assert (await running).lines[-1]["done"] is True


async def test_a_connection_that_was_busy_when_the_port_closed_takes_no_further_request() -> None:
    async with simulated(speed=20, answer_tokens=800) as sim:
        await post(sim, LOAD)
        reader, writer = await asyncio.open_connection("127.0.0.1", sim.port)
        kept = {"Connection": "keep-alive"}
        writer.write(request_bytes("POST", "/api/chat", json.dumps(CHAT | {"options": {}}).encode(), kept))
        await wait_until(lambda: len(sim.machine.engine))
        sim.faults.set({"connection_refused": True})
        await read_chunks(reader, await read_head(reader))
        assert await reader.readline() == b"\r\n"
        writer.write(request_bytes("GET", "/api/version", headers=kept))
        with suppress(ConnectionResetError):
            assert await reader.read(-1) == b""
        writer.close()


async def test_half_open_accepts_and_never_answers(sim: RunningSimulator) -> None:
    sim.faults.set({"half_open": True})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await call(sim.port, "GET", "/api/version")


async def test_half_line_cuts_a_line_in_its_middle(warm: RunningSimulator) -> None:
    warm.faults.set({"half_line": True})
    reader, writer = await asyncio.open_connection("127.0.0.1", warm.port)
    writer.write(request_bytes("POST", "/api/chat", json.dumps(CHAT).encode()))
    received = await reader.read(-1)
    writer.close()
    assert received.count(b'"done":false') == 2
    assert not received.endswith(b"\n")
    assert not received.endswith(b"0\r\n\r\n")


async def test_a_script_refuses_connections_for_a_while() -> None:
    async with simulated(script=("at 60 connection_refused for 60",), speed=60) as sim:

        async def is_served() -> bool:
            try:
                return (await call(sim.port, "GET", "/api/version")).status == 200
            except ConnectionError:  # refused; or reset, when it came while the port was being closed
                return False

        async def is_refused() -> bool:
            return not await is_served()

        assert await is_served()
        await wait_until(is_refused)
        assert sim.machine.clock.now() > 59
        await wait_until(is_served)
        assert sim.machine.clock.now() > 119


async def test_faults_are_set_shown_and_cleared_by_the_control_endpoint(sim: RunningSimulator) -> None:
    set_ = await post(sim, {"version": "9.9.9", "load_hang": True}, "/_sim/faults")
    assert json.loads(set_.body) == {"version": "9.9.9", "load_hang": True}
    assert json.loads((await call(sim.port, "GET", "/_sim/faults")).body) == json.loads(set_.body)
    assert json.loads((await call(sim.port, "GET", "/_sim")).body)["simulated"] is True
    assert (await call(sim.port, "DELETE", "/_sim/faults")).status == 200
    assert json.loads((await call(sim.port, "GET", "/api/version")).body) == {"version": "0.33.3"}


async def test_a_wrong_fault_is_a_400_that_names_it(sim: RunningSimulator) -> None:
    wrong = ({"nope": 1}, {"stall_s": "long"}, {"tcp_reset": "never"}, {"for_s": -1}, {"runtime_oom": -3})
    for body in (*wrong, {"clock_skew_s": 1e300}):
        reply = await post(sim, body, "/_sim/faults")
        assert reply.status == 400
        assert next(iter(body)) in error(reply)
    assert (await post(sim, b"[1]", "/_sim/faults")).status == 400
    assert "down_s" in error(await post(sim, {"down_s": "long"}, "/_sim/restart"))


@pytest.mark.parametrize(
    "fault",
    [{"half_open": True}, {"half_line": True}, {"connection_refused": True}]
    + [{"tcp_reset": when} for when in ("accept", "request", "stream")],
)
async def test_who_sets_a_fault_of_the_connection_is_answered_before_it_takes_hold(
    sim: RunningSimulator, fault: dict[str, Any]
) -> None:
    reply = await post(sim, fault, "/_sim/faults")
    assert (reply.status, json.loads(reply.body)) == (200, fault)
    assert sim.faults.active() == fault


async def test_a_foreign_page_or_name_can_set_no_fault(sim: RunningSimulator) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
        reply = await call(sim.port, "POST", "/_sim/faults", {"always_503": True}, headers)
        assert (reply.status, sim.faults.active()) == (403, {})


async def test_a_fault_can_be_set_for_a_while(sim: RunningSimulator) -> None:
    await post(sim, {"host_check": True, "for_s": 100}, "/_sim/faults")
    assert (await call(sim.port, "GET", "/api/version")).status == 403

    async def allowed() -> bool:
        return (await call(sim.port, "GET", "/api/version")).status == 200

    await wait_until(allowed)


async def test_the_control_port_is_out_of_reach_of_every_fault() -> None:
    async with simulated(control_port=0, faults=(("half_open", True),)) as sim:
        port = int(sim.control_url.split(":")[2].split("/")[0])
        assert port != sim.port
        assert (await call(port, "DELETE", "/_sim/faults")).status == 200
        assert (await call(sim.port, "GET", "/api/version")).status == 200


async def test_a_restart_resets_connections_empties_memory_and_makes_the_next_load_a_cold_start() -> None:
    async with simulated(speed=50, answer_tokens=2000) as sim:
        await post(sim, LOAD)
        running = asyncio.create_task(post(sim, CHAT | {"options": {}}))
        await wait_until(lambda: len(sim.machine.engine))
        assert (await post(sim, {"down_s": 20}, "/_sim/restart")).status == 200
        with pytest.raises(ConnectionError):
            await running

        async def is_back() -> bool:
            try:
                return await loaded(sim) == []
            except ConnectionError:
                return False

        await wait_until(is_back)
        assert sim.machine.clock.now() > 20
        assert 15e9 < (await post(sim, CHAT)).lines[-1]["load_duration"] < 90e9
