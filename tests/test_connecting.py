"""Connections when the first address of a name swallows packets: a full backlog drops SYNs, as a firewall does."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
import uvloop

from app.database.address import parse
from app.database.postgres import PostgresConnections
from app.network.connecting import connected, opened, resolved
from app.redis.client import commands_client, subscriber_client
from tests.black_holes import at, relaying, resolving
from tests.doctor.servers import free_port, full_backlog
from tests.records.postgres_server import PostgresServer
from tests.redis.server import RedisServer

CERTIFICATE = Path(__file__).parent / "backends" / "data" / "loopback.crt"
LIMIT_S = 20.0


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def swallowing() -> Iterator[int]:
    with full_backlog() as port:
        yield port


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.close()


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, CERTIFICATE.with_suffix(".key"))
    return context


async def peer(*ports: int) -> int:
    """The port that took the connection."""
    async with asyncio.timeout(LIMIT_S):
        taken = await connected("gpu.example", 80, resolving(*map(at, ports)))
    with taken:
        port: int = taken.getpeername()[1]
        return port


async def test_an_address_that_swallows_packets_is_overtaken(swallowing: int, listening: int) -> None:
    assert await peer(swallowing, listening) == listening


async def test_two_that_swallow_packets_are_overtaken(swallowing: int, listening: int) -> None:
    assert await peer(swallowing, swallowing, listening) == listening


def test_it_is_the_same_in_the_loop_that_serves(swallowing: int, listening: int) -> None:
    assert uvloop.run(peer(swallowing, listening)) == listening


async def test_an_address_that_refuses_is_passed_over(listening: int) -> None:
    assert await peer(free_port(), listening) == listening


async def test_the_better_address_wins_where_both_answer(listening: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as worse:
        assert await peer(listening, worse.getsockname()[1]) == listening


async def test_a_name_whose_addresses_all_refuse_is_an_error() -> None:
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await peer(free_port(), free_port())


async def test_a_name_without_addresses_is_an_error() -> None:
    with pytest.raises(OSError, match=r"gpu\.example has no address"):
        await peer()


async def test_who_gives_up_leaves_no_connection(swallowing: int) -> None:
    before = len(socket_files())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4):
            await connected("gpu.example", 80, resolving(at(swallowing), at(swallowing)))
    assert len(socket_files()) == before


def socket_files() -> list[str]:
    found = []
    for path in Path("/proc/self/fd").iterdir():
        try:
            found.append(path.readlink().name)
        except FileNotFoundError:  # the folder's own
            continue
    return [name for name in found if name.startswith("socket:")]


async def test_addresses_in_figures_and_names_are_resolved() -> None:
    assert [one[4][:2] for one in await resolved("127.0.0.1", 80)] == [("127.0.0.1", 80)]
    assert [one[4][:2] for one in await resolved("::1", 80)] == [("::1", 80)]
    assert ("127.0.0.1", 80) in [one[4][:2] for one in await resolved("localhost", 80)]
    with pytest.raises(socket.gaierror):
        await resolved("nowhere.invalid", 80)
    with pytest.raises(UnicodeError):
        await resolved("x" * 70 + ".example", 80)


async def test_a_connection_notices_a_machine_that_vanished(listening: int) -> None:
    with await connected("127.0.0.1", listening) as taken:
        assert taken.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30


async def test_tls_that_does_not_come_about_leaves_no_connection(listening: int) -> None:
    before = len(socket_files())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await opened(asyncio.Protocol, "127.0.0.1", listening, tls=ssl.create_default_context())
    await asyncio.sleep(0)
    assert len(socket_files()) == before


@pytest.mark.parametrize("secure", [False, True])
async def test_redis_is_reached_past_an_address_that_swallows_packets(
    redis_server: RedisServer, swallowing: int, secure: bool
) -> None:
    asked: list[str] = []
    async with relaying(redis_server.socket, server_tls() if secure else None) as port:
        resolve = resolving(at(swallowing), at(port), asked=asked)
        url = f"rediss://localhost:6379?ssl_ca_certs={CERTIFICATE}" if secure else "redis://localhost:6379"
        commands, subscriber = commands_client(url, resolve), subscriber_client(url, resolve)
        assert await commands.set("key", b"value")
        assert await commands.get("key") == b"value"
        async with subscriber.pubsub() as news:
            await news.subscribe("channel")
            assert await news.get_message(timeout=5)
        await commands.aclose()
        await subscriber.aclose()
    assert set(asked) == {"localhost"}


async def test_a_certificate_of_redis_must_be_the_names(redis_server: RedisServer, swallowing: int) -> None:
    async with relaying(redis_server.socket, server_tls()) as port:
        url = f"rediss://redis.example:6379?ssl_ca_certs={CERTIFICATE}"
        client = commands_client(url, resolving(at(swallowing), at(port)))
        with pytest.raises(Exception, match=r"certificate|Hostname"):
            await client.get("key")
        await client.aclose()


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """PostgreSQL's way to TLS: a client asks by eight bytes, the server says S."""
    assert (await reader.readexactly(8))[4:] == b"\x04\xd2\x16\x2f"
    writer.write(b"S")
    await writer.start_tls(server_tls())


@pytest.mark.parametrize("mode", ["disable", "prefer", "verify-full"])
async def test_postgresql_is_reached_past_an_address_that_swallows_packets(
    postgres: PostgresServer, swallowing: int, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", str(CERTIFICATE))
    asked: list[str] = []
    async with relaying(postgres.folder / ".s.PGSQL.5432", prelude=None if mode == "disable" else upgrade) as port:
        url = parse(f"postgresql://postgres@localhost:5432/postgres?sslmode={mode}")
        resolve = resolving(at(swallowing), at(port), asked=asked)
        connections = PostgresConnections(url, timedelta(seconds=10), 2, resolve)
        assert (
            await connections.read(lambda connection: connection.execute(sa.text("SELECT 41 + 1")).scalar_one()) == 42
        )
        await connections.aclose()
    assert asked == ["localhost"]


async def test_a_certificate_of_postgresql_must_be_the_names(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", str(CERTIFICATE))
    async with relaying(postgres.folder / ".s.PGSQL.5432", prelude=upgrade) as port:
        url = parse("postgresql://postgres@database.example:5432/postgres?sslmode=verify-full")
        connections = PostgresConnections(url, timedelta(seconds=10), 2, resolving(at(port)))
        with pytest.raises(Exception, match="unavailable") as caught:
            await connections.read(lambda connection: connection.execute(sa.text("SELECT 1")).scalar_one())
        assert "certificate" in str(caught.value.__cause__).lower() + str(caught.value.__context__).lower()
        await connections.aclose()
