"""The HTTP server: what is sent when, connections, disconnects, checks of host and origin."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import pytest

from app.simulator.server.server import RunningSimulator, SimulatorConfig, running_simulator
from tests.helpers import wait_until
from tests.simulator.raw import Reply, call, read_chunks, read_head, request_bytes

CHAT = {"model": "mistral:7b", "messages": [{"role": "user", "content": "Hi"}], "options": {"num_predict": 8}}
KEPT = {"Connection": "keep-alive"}


@pytest.fixture
async def sim() -> AsyncIterator[RunningSimulator]:
    async with running_simulator(SimulatorConfig(speed=100, answer_tokens=100)) as running:
        yield running


async def reply_on(reader: asyncio.StreamReader) -> Reply:
    reply = await read_head(reader)
    if reply.headers.get("Transfer-Encoding") == "chunked":
        await read_chunks(reader, reply)
    elif length := int(reply.headers["Content-Length"]):
        reply.chunks.append(await reader.readexactly(length))
    return reply


async def test_headers_never_precede_the_first_token(sim: RunningSimulator) -> None:
    sim.faults.set({"slow_headers_s": 20})
    reader, writer = await asyncio.open_connection("127.0.0.1", sim.port)
    writer.write(request_bytes("POST", "/api/chat", json.dumps(CHAT).encode()))
    reply = await read_head(reader)
    assert sim.machine.clock.now() > 20
    assert reply.status == 200
    assert b'"done":false' in await reader.readuntil(b"\n\r\n")
    writer.close()


async def test_one_connection_serves_one_request_after_the_other(sim: RunningSimulator) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", sim.port)
    for _ in range(3):
        writer.write(request_bytes("POST", "/api/chat", json.dumps(CHAT).encode(), KEPT))
        reply = await reply_on(reader)
        assert reply.lines[-1]["done"] is True
        assert "Connection" not in reply.headers
    writer.close()


async def test_requests_that_come_together_are_answered_in_their_order(sim: RunningSimulator) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", sim.port)
    chat = request_bytes("POST", "/api/chat", json.dumps(CHAT).encode(), KEPT)
    writer.write(chat + request_bytes("GET", "/api/version", b"", KEPT))
    assert (await reply_on(reader)).lines[-1]["done"] is True
    assert json.loads((await reply_on(reader)).body) == {"version": "0.33.3"}
    writer.close()


async def test_a_chunked_request_body_and_one_in_pieces_are_read(sim: RunningSimulator) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", sim.port)
    body = json.dumps(CHAT).encode()
    writer.write(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
    for piece in (body[:20], body[20:]):
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await writer.drain()
        await asyncio.sleep(0.01)
    writer.write(b"0\r\n\r\n")
    assert (await reply_on(reader)).lines[-1]["done"] is True
    writer.close()


async def test_an_http_1_0_client_gets_no_chunks_and_the_end_of_the_connection(sim: RunningSimulator) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", sim.port)
    body = json.dumps(CHAT).encode()
    writer.write(b"POST /api/chat HTTP/1.0\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    received = await reader.read(-1)
    head, _, lines = received.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in head
    assert json.loads(lines.splitlines()[-1])["done"] is True
    writer.close()


async def test_an_offer_to_upgrade_is_ignored(sim: RunningSimulator) -> None:
    upgrade = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP"}
    reader, writer = await asyncio.open_connection("127.0.0.1", sim.port)
    chat = request_bytes("POST", "/api/chat", json.dumps(CHAT).encode(), upgrade)
    writer.write(chat[:-10])
    await asyncio.sleep(0.02)
    writer.write(chat[-10:] + request_bytes("GET", "/api/version", b"", upgrade))
    assert (await reply_on(reader)).lines[-1]["done"] is True
    assert json.loads((await reply_on(reader)).body) == {"version": "0.33.3"}
    writer.close()


async def test_it_is_no_proxy(sim: RunningSimulator) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", sim.port)
    writer.write(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
    assert (await reader.read(-1)).startswith(b"HTTP/1.1 400 Bad Request")
    writer.close()


async def test_of_twelve_loads_with_a_queue_of_two_nine_are_refused_at_once() -> None:
    names = tuple(f"m{n}:1b=1.0" for n in range(12))
    config = SimulatorConfig(models=names, max_queue=2, speed=20, card="h100")
    async with running_simulator(config) as sim:
        loads = [call(sim.port, "POST", "/api/chat", {"model": f"m{n}:1b"}) for n in range(12)]
        replies = await asyncio.gather(*loads)
    assert sorted(reply.status for reply in replies) == [200] * 3 + [503] * 9
    refused = next(reply for reply in replies if reply.status == 503)
    assert refused.headers["Content-Length"] == "77"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"model":"mistral:7b","keep_alive":NaN}', "invalid character 'N' looking for beginning of value"),
        (b'{"model":"mistral:7b","options":{"num_ctx":1e400}}', "json: cannot unmarshal number 1e400"),
        (b'{"model":"mistral:7b:cloud"}', "ollama cloud is disabled"),
    ],
)
async def test_odd_values_are_errors_and_never_a_lost_connection(
    sim: RunningSimulator, body: bytes, words: str
) -> None:
    reply = await call(sim.port, "POST", "/api/chat", body)
    assert reply.status in (400, 403)
    assert words in json.loads(reply.body)["error"]


async def test_the_suffix_local_and_a_context_below_4_are_taken(sim: RunningSimulator) -> None:
    body = {"model": "mistral:7b:local", "options": {"num_ctx": -5}}
    assert (await call(sim.port, "POST", "/api/chat", body)).status == 200
    (entry,) = json.loads((await call(sim.port, "GET", "/api/ps")).body)["models"]
    assert (entry["name"], entry["context_length"]) == ("mistral:7b", 4)


async def test_garbage_is_a_400_and_the_end_of_the_connection(sim: RunningSimulator) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", sim.port)
    writer.write(b"\x16\x03\x01 hello\r\n\r\n")
    assert (await reader.read(-1)).startswith(b"HTTP/1.1 400 Bad Request")
    writer.close()


async def test_a_client_that_leaves_in_mid_answer_stops_the_generation() -> None:
    async with running_simulator(SimulatorConfig(speed=20, answer_tokens=5000)) as sim:
        reader, writer = await asyncio.open_connection("127.0.0.1", sim.port)
        writer.write(request_bytes("POST", "/api/chat", json.dumps(CHAT | {"options": {}}).encode()))
        await reader.readuntil(b"\n\r\n")
        assert len(sim.machine.engine) == 1
        writer.close()
        await wait_until(lambda: len(sim.machine.engine) == 0)
        again = await call(sim.port, "POST", "/api/chat", CHAT)
        assert again.lines[-1]["total_duration"] < 30e9


async def test_a_client_that_leaves_during_a_load_aborts_it() -> None:
    async with running_simulator(SimulatorConfig(speed=20, load_s=20.0)) as sim:
        _, writer = await asyncio.open_connection("127.0.0.1", sim.port)
        writer.write(request_bytes("POST", "/api/chat", json.dumps(CHAT).encode()))
        await wait_until(lambda: sim.machine.clock.now() > 2)
        writer.close()
        await wait_until(lambda: sim.machine.clock.now() > 30)
        assert json.loads((await call(sim.port, "GET", "/api/ps")).body) == {"models": []}


async def test_after_a_load_that_was_left_the_next_waiter_loads_from_zero() -> None:
    async with running_simulator(SimulatorConfig(speed=20, load_s=20.0)) as sim:
        _, leaving = await asyncio.open_connection("127.0.0.1", sim.port)
        leaving.write(request_bytes("POST", "/api/chat", json.dumps(CHAT).encode()))
        await wait_until(lambda: sim.machine.clock.now() > 5)
        waiting = asyncio.create_task(call(sim.port, "POST", "/api/chat", CHAT))
        await wait_until(lambda: sim.machine.scheduler.waiting)
        left_at = sim.machine.clock.now()
        leaving.close()
        last = (await waiting).lines[-1]
        assert last["done"] is True
        assert last["load_duration"] > 20e9
        assert sim.machine.clock.now() > left_at + 20


async def test_a_slow_reader_pauses_its_own_answer_and_gets_all_of_it() -> None:
    async with running_simulator(
        SimulatorConfig(speed=100, answer_tokens=60_000, answer_spread=0.0, tokens_per_s=2000.0)
    ) as sim:
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        narrow.connect(("127.0.0.1", sim.port))
        reader, writer = await asyncio.open_connection(sock=narrow, limit=1024)
        body = CHAT | {"options": {"num_predict": 40_000}}
        writer.write(request_bytes("POST", "/api/chat", json.dumps(body).encode()))
        await wait_until(lambda: sim.machine.slow_readers)
        received = await reader.read(-1)
        assert b'"done":true' in received
        writer.close()


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:11434", "127.0.0.1", "10.0.0.7:80", "gpu.internal", "[::1]:1"]
)
async def test_local_names_are_allowed_as_hosts(sim: RunningSimulator, host: str) -> None:
    assert (await call(sim.port, "GET", "/api/version", headers={"Host": host})).status == 200


@pytest.mark.parametrize("host", ["example.com", "8.8.8.8", "internal.example.com:11434"])
async def test_other_names_are_forbidden_when_bound_to_loopback(sim: RunningSimulator, host: str) -> None:
    reply = await call(sim.port, "GET", "/api/version", headers={"Host": host})
    assert (reply.status, reply.body, "Content-Type" in reply.headers) == (403, b"", False)


async def test_bound_to_all_addresses_any_host_is_allowed() -> None:
    async with running_simulator(SimulatorConfig(host="0.0.0.0")) as sim:
        assert (await call(sim.port, "GET", "/api/version", headers={"Host": "example.com"})).status == 200


async def test_origins_of_this_machine_are_allowed_and_get_their_preflight(sim: RunningSimulator) -> None:
    local = {"Origin": "http://localhost:3000"}
    assert (await call(sim.port, "GET", "/api/tags", headers=local)).status == 200
    reply = await call(sim.port, "OPTIONS", "/api/chat", headers=local)
    assert (reply.status, reply.headers["Access-Control-Allow-Origin"]) == (204, "http://localhost:3000")
    assert (await call(sim.port, "GET", "/api/tags", headers={"Origin": "https://evil.example"})).status == 403


async def test_every_answer_says_that_it_is_simulated(sim: RunningSimulator) -> None:
    for method, path, body in (
        ("GET", "/", None),
        ("GET", "/api/tags", None),
        ("POST", "/api/chat", CHAT),
        ("POST", "/api/chat", {}),
        ("POST", "/v1/chat/completions", CHAT | {"stream": True}),
        ("GET", "/nothing", None),
    ):
        assert (await call(sim.port, method, path, body)).headers["X-Simulated"] == "progressive-arena"
    shown = json.loads((await call(sim.port, "POST", "/api/show", {"model": "mistral:7b"})).body)
    assert shown["model_info"]["general.simulated"] is True


async def test_a_port_that_is_taken_is_a_clear_error(sim: RunningSimulator) -> None:
    from app.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match=f"can't listen on 127.0.0.1:{sim.port}"):
        async with running_simulator(SimulatorConfig(port=sim.port)):
            pass
