"""What may stand behind the ``?`` of a PostgreSQL address, against real servers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest
import sqlalchemy as sa

from app.database.address import ignored_words, parse
from app.database.database import Database, migrate, revision
from app.database.postgres_words import connect_args
from app.doctor.probing.stores import probe_database
from app.errors import ConfigurationError, Unavailable
from tests.records.postgres_server import PostgresServer

LIMITS = {"application_name": "arena", "statement_timeout": "5000"}
CERTIFICATE = Path(__file__).parents[1] / "backends" / "data" / "loopback.crt"
EVERYDAY = (
    "sslmode=prefer&channel_binding=prefer",
    "connect_timeout=10&application_name=mine",
    "options=-c%20work_mem%3D8MB",
    "keepalives=1&keepalives_idle=30&keepalives_interval=10&keepalives_count=3&tcp_user_timeout=1000",
    "target_session_attrs=read-write",
    "gssencmode=disable&client_encoding=utf8&sslcompression=0",
    "pgbouncer=true&schema=public&connection_limit=5&pool_timeout=3",
    "statement_cache_size=0&prepared_statement_cache_size=0",
    "ssl=false",
)


SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
"""What a client asks with for TLS: https://www.postgresql.org/docs/current/protocol-message-formats.html."""


class OverTcp:
    """A server that listens on a socket only, at a port of this machine; with a certificate it is one with TLS.

    The wheel's PostgreSQL is built without TLS, so that is spoken here, as the protocol has it, before the server.
    ``spoken`` has the version of TLS for each connection that asked for it.
    """

    def __init__(self, server: PostgresServer, certificate: Path | None = None) -> None:
        self._socket = server.folder / ".s.PGSQL.5432"
        self._tls = None
        self.spoken: list[str] = []
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate, certificate.with_suffix(".key"))

    async def __aenter__(self) -> OverTcp:
        self._relay = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.place = f"127.0.0.1:{self._relay.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._relay.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first = await reader.readexactly(8)
            if first == SSL_REQUEST and self._tls is not None:
                writer.write(b"S")
                await writer.start_tls(self._tls)
                self.spoken.append(writer.get_extra_info("ssl_object").version())
                first = b""
            there, back = await asyncio.open_unix_connection(self._socket)
            back.write(first)
            await asyncio.gather(_passed(reader, back), _passed(there, writer))
        except (OSError, asyncio.IncompleteReadError):
            writer.close()


async def _passed(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while piece := await source.read(65536):
            sink.write(piece)
    finally:
        sink.close()


@pytest.fixture
async def place(postgres: PostgresServer) -> AsyncIterator[str]:
    """A server without TLS."""
    async with OverTcp(postgres) as server:
        yield server.place


@pytest.fixture
async def with_tls(postgres: PostgresServer) -> AsyncIterator[OverTcp]:
    """A server with TLS, whose certificate is its own authority."""
    async with OverTcp(postgres, CERTIFICATE) as server:
        yield server


async def asked(url: str, sql: str) -> object:
    database = Database(url)
    try:
        return await database.read(lambda connection: connection.execute(sa.text(sql)).scalar())
    finally:
        await database.aclose()


@pytest.mark.parametrize("words", EVERYDAY)
async def test_words_of_libpq_and_of_other_tools_connect_and_migrate(postgres: PostgresServer, words: str) -> None:
    name = postgres.create()
    url = f"{postgres.url(name)}&{words}"
    assert await migrate(url) == await revision(url)
    assert await asked(url, "SELECT count(*) FROM battles") == 0
    assert (await probe_database(url)).state == "ready"
    postgres.drop(name)


@pytest.mark.parametrize(
    ("words", "setting", "value"),
    [
        ("application_name=mine", "application_name", "mine"),
        ("fallback_application_name=mine", "application_name", "mine"),
        ("", "application_name", "arena"),
        ("options=-c%20search_path%3Dpg_catalog%20-c%20work_mem%3D8MB", "work_mem", "8MB"),
        ("options=-c%20search_path%3Dpg_catalog", "search_path", "pg_catalog"),
        ("schema=pg_catalog", "search_path", "pg_catalog"),
        ("currentSchema=pg_catalog", "search_path", "pg_catalog"),
        ("options=-c%20statement_timeout%3D0", "statement_timeout", "5s"),
    ],
)
async def test_what_the_server_understands_reaches_it(
    postgres: PostgresServer, words: str, setting: str, value: str
) -> None:
    assert await asked(f"{postgres.url()}&{words}", f"SHOW {setting}") == value


async def test_a_login_behind_the_question_mark_is_one(postgres: PostgresServer) -> None:
    url = f"postgresql:///postgres?host={quote(str(postgres.folder))}&user=postgres&password=s%40crt&dbname=template1"
    assert parse(url).password == "s@crt"
    assert await asked(url, "SELECT current_database() || ' ' || current_user") == "template1 postgres"


async def test_of_several_hosts_the_one_that_answers_is_taken(place: str) -> None:
    url = f"postgresql://postgres@127.0.0.1:1,{place}/postgres?target_session_attrs=primary"
    assert await asked(url, "SELECT 1") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("sslmode=nonsense", "sslmode is none of disable, allow, prefer"),
        ("channel_binding=require", "channel_binding: asyncpg does no channel binding"),
        ("gssencmode=require", "gssencmode: asyncpg does no GSSAPI"),
        ("target_session_attrs=standby", "target_session_attrs is none of any, primary, read-write, for the arena"),
        ("connect_timeout=soon", "connect_timeout is no whole number"),
        ("ssl_min_protocol_version=TLSv9", "ssl_min_protocol_version is none of TLSv1"),
        ("sslrootcert=/nowhere.crt", "sslrootcert: /nowhere.crt can't be read"),
        ("sslcert=/nowhere.crt", "sslcert: /nowhere.crt can't be read"),
        ("require_auth=scram-sha-256", "require_auth: "),
        ("service=main", "service: service files are not read"),
        ("aplication_name=x", "knows no aplication_name; did you mean application_name?"),
        ("pgbouncer=perhaps", "pgbouncer is neither true nor false (got 'perhaps')"),
        ("qwertz=1", "knows no qwertz; take it out"),
    ],
)
async def test_a_word_that_can_not_be_meant_is_named(postgres: PostgresServer, words: str, said: str) -> None:
    url = f"{postgres.url()}&{words}"
    for work in (revision, migrate):
        with pytest.raises(ConfigurationError, match=r"^DATABASE_URL: ") as refused:
            await work(url)
        assert said in refused.value.sentence
        assert "\n" not in refused.value.sentence
    seen = await probe_database(url)
    assert (seen.state, said in seen.detail) == ("unusable", True)


def test_words_without_effect_are_told_by_name() -> None:
    ignored = ignored_words("postgresql://db/arena?keepalives=1&channel_binding=prefer&sslmode=require&pool_timeout=3")
    assert [one.why.split()[0] for one in ignored] == ["keepalives", "channel_binding", "pool_timeout"]
    assert {one.setting for one in ignored} == {"DATABASE_URL"}
    assert ignored_words("sqlite:////data/arena.db") == ignored_words("nonsense") == ()


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_tls_where_there_is_none_is_no_absence(place: str, mode: str) -> None:
    url = f"postgresql://postgres@{place}/postgres?sslmode={mode}&sslrootcert={CERTIFICATE}"
    with pytest.raises(ConfigurationError, match="the server has no TLS, and sslmode asks for it"):
        await revision(url)
    seen = await probe_database(url)
    assert (seen.state, "has no TLS" in seen.detail) == ("unusable", True)


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
async def test_tls_is_not_needed_where_it_is_only_preferred(place: str, mode: str) -> None:
    assert await asked(f"postgresql://postgres@{place}/postgres?sslmode={mode}", "SELECT 1") == 1


@pytest.mark.parametrize(
    ("words", "versions"),
    [
        ("sslmode=disable", []),
        ("sslmode=prefer", ["TLSv1.3"]),
        ("sslmode=require", ["TLSv1.3"]),
        ("ssl=true", ["TLSv1.3"]),
        (f"sslmode=verify-full&sslrootcert={CERTIFICATE}", ["TLSv1.3"]),
        ("sslmode=require&ssl_max_protocol_version=TLSv1.2", ["TLSv1.2"]),
    ],
)
async def test_tls_is_spoken_as_it_is_asked_for(with_tls: OverTcp, words: str, versions: list[str]) -> None:
    assert await asked(f"postgresql://postgres@{with_tls.place}/postgres?{words}", "SELECT 1") == 1
    assert with_tls.spoken == versions


async def test_a_certificate_that_is_not_trusted_is_no_absence(with_tls: OverTcp) -> None:
    url = f"postgresql://postgres@{with_tls.place}/postgres?sslmode=verify-full&sslrootcert=system"
    with pytest.raises(ConfigurationError, match="its certificate is not trusted on this machine"):
        await revision(url)
    assert (await probe_database(url)).state == "unusable"


async def test_a_server_that_takes_no_writes_now_may_take_them_later(postgres: PostgresServer) -> None:
    options = quote("-c default_transaction_read_only=on")
    url = f"{postgres.url()}&target_session_attrs=read-write&options={options}"
    with pytest.raises(Unavailable):
        await revision(url)
    assert (await probe_database(url)).state == "unavailable"


async def test_a_short_connect_timeout_shortens_the_wait_and_a_long_one_does_not_prolong_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []

    async def connect(**given: object) -> None:
        waits.append(float(str(given["timeout"])))
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncpg, "connect", connect)
    for words in ("connect_timeout=2", "connect_timeout=60", "connect_timeout=0", ""):
        with pytest.raises(Unavailable):
            await asked(f"postgresql://db/arena?{words}", "SELECT 1")
    assert waits == [2.0, 5.0, 5.0, 5.0]


@pytest.mark.parametrize("written", ["", "?pgbouncer=false"])
def test_a_connection_of_ones_own_begins_with_its_limits(written: str) -> None:
    args = connect_args(parse(f"postgresql://db/arena{written}"), 5, LIMITS)
    assert args["server_settings"] == LIMITS
    assert "statement_cache_size" not in args


def test_behind_a_pgbouncer_nothing_is_kept_on_the_server() -> None:
    url = parse("postgresql://db/arena?pgbouncer=true&statement_cache_size=100")
    args = connect_args(url, 5, LIMITS)
    assert args["server_settings"] == {"application_name": "arena"}
    assert (args["statement_cache_size"], args["prepared_statement_cache_size"]) == (0, 0)
    assert len({args["prepared_statement_name_func"]() for _ in range(100)}) == 100


async def test_behind_a_pgbouncer_transactions_say_their_isolation_and_name_their_statements(
    postgres: PostgresServer,
) -> None:
    """A real server whose roles default to another isolation, as a pool's connections may come along."""
    name = postgres.create()
    url = f"{postgres.url(name)}&pgbouncer=true"
    database = Database(url)

    def asked(connection: sa.Connection) -> tuple[str, list[str]]:
        isolation = connection.scalar(sa.text("SHOW transaction_isolation"))
        names = connection.scalars(sa.text("SELECT name FROM pg_prepared_statements")).all()
        return isolation, [one for one in names if not one.startswith("__arena_")]

    def default_to_serializable(connection: sa.Connection) -> None:
        connection.execute(sa.text(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"))

    try:
        await database.transaction(default_to_serializable)
    finally:
        await database.aclose()
    database = Database(url)
    try:
        assert await database.transaction(asked) == ("read committed", [])
    finally:
        await database.aclose()


@pytest.mark.parametrize(("words", "one"), [("", False), ("&pgbouncer=true", True)])
async def test_behind_a_pgbouncer_reads_are_transactions(postgres: PostgresServer, words: str, one: bool) -> None:
    """Else a statement may be prepared in one connection and executed in another."""
    database = Database(f"{postgres.url()}{words}")

    def starts(connection: sa.Connection) -> set[object]:
        return {connection.scalar(sa.text("SELECT transaction_timestamp()")) for _ in range(3)}

    try:
        assert (len(await database.read(starts)) == 1) is one
    finally:
        await database.aclose()


class PretendsToPool(asyncio.Protocol):
    """A server that refuses start-up parameters in PgBouncer's words (protocol 3.0: E, length, fields)."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert isinstance(self.transport, asyncio.Transport)
        if data[4:8] == (80877103).to_bytes(4):  # asks for TLS
            self.transport.write(b"N")
            return
        words = b"unsupported startup parameter: default_transaction_isolation"
        fields = b"SFATAL\0C08P01\0M" + words + b"\0\0"
        self.transport.write(b"E" + (len(fields) + 4).to_bytes(4) + fields)
        self.transport.close()


async def test_a_pgbouncer_that_is_not_called_one_is_named_with_what_to_write() -> None:
    server = await asyncio.get_running_loop().create_server(PretendsToPool, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        seen = await probe_database(f"postgresql://arena:x@127.0.0.1:{port}/arena?sslmode=disable")
    assert seen.state == "unusable"
    assert "?pgbouncer=true" in seen.detail
