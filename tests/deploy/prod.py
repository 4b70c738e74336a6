"""``make prod-check``: the profile prod without its engine: migration, two instances, a scheduler, nginx, all real.

Two instances and a scheduler of their own on a real Redis and PostgreSQL, behind a real nginx with our template. A
battle is played through it, the instance that serves its stream is killed in the middle, the viewer goes on where he
was, and the vote ends the battle. What must not be passed on is not; POSTs are limited. Then ``arena doctor --url``
looks at it, once as it is, and once with each of the settings that it has to find.

``--image NAME`` runs the arena in a container of that image (buildah, chroot), else the one of this environment.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from app.doctor.outside.judge import problems
from app.doctor.outside.observe import observe_deployment
from tests.deploy.nginx import COLLECTING, running_nginx
from tests.records.postgres_server import PostgresServer
from tests.redis.server import RedisServer
from tests.whole.harness import ModelServer, environment, wait_for

MODELS = ("zircon:7b", "quokka:8b", "okapi:8b")
KEY = "the-admins-own-key"
LONGEST_S = 30


@dataclass
class Arena:
    """How commands of the arena are run: in this environment, or in a container of an image."""

    folder: Path
    settings: Mapping[str, str]
    containers: Sequence[str] = ()
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def command(self, *words: str) -> list[str]:
        if not self.containers:
            return [str(Path(sys.executable).with_name("arena")), *words]
        shared = [f"--volume={self.folder}:{self.folder}", *(f"--volume={path}:{path}" for path in self._sockets())]
        known = [f"--env={name}={value}" for name, value in self.settings.items()]
        return ["buildah", "run", "--isolation", "chroot", *shared, *known, self.containers[0], "--", "arena", *words]

    def _sockets(self) -> list[str]:
        return [value for name, value in self.settings.items() if name.startswith("X_SOCKET")]

    def once(self, *words: str) -> str:
        command = self.command(*words)
        known = environment(self.settings)
        done = subprocess.run(command, env=known, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *words: str) -> tuple[subprocess.Popen[bytes], str]:
        """Start a command and wait for its one line."""
        with (self.folder / f"log-{len(self.running)}").open("wb") as log:
            process = subprocess.Popen(
                self.command(*words),
                env=environment(self.settings),
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self.running.append(process)
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 120)[0], f"{words}: no line"
        return process, process.stdout.readline().decode().strip()

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()

    def close(self) -> None:
        for process in self.running:
            self.kill(process)


def said(text: str) -> None:
    """Report a step that is right."""
    sys.stdout.write(f"ok     {text}\n")
    sys.stdout.flush()


@contextmanager
def container(image: str) -> Iterator[list[str]]:
    """A container of the image; none without a name."""
    if not image:
        yield []
        return
    made = subprocess.run(["buildah", "from", "--pull=never", image], capture_output=True, text=True, check=True)
    name = made.stdout.strip()
    try:
        yield [name]
    finally:
        subprocess.run(["buildah", "rm", name], capture_output=True, check=True)


async def read_until(url: str, battle: str, name: str, after: str | None = None) -> tuple[str, list[str]]:
    """Read a battle's stream until an event; its id, and the names of all that came. A cut stream gives what came."""
    headers = {"Last-Event-ID": after} if after else {}
    names: list[str] = []
    last = after or ""
    async with client(url) as http, http.stream("GET", f"/api/arena/battles/{battle}/events", headers=headers) as reply:
        assert reply.status_code == 200, reply.status_code
        try:
            async for line in reply.aiter_lines():
                if line.startswith("id: "):
                    last = line[4:]
                if line.startswith("event: "):
                    names.append(line[7:])
                if names and names[-1] == name and line == "":
                    break
        except httpx.HTTPError:
            names.append("cut")
    return last, names


def client(url: str, **more: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, verify=False, trust_env=False, timeout=60, headers=more)


async def play(url: str, arena: Arena, first: subprocess.Popen[bytes]) -> None:
    """A battle, whose stream is cut by the death of an instance."""
    async with client(url) as http:
        opened = (
            await http.post("/api/arena/battles", json={"message": "Why is the sky blue?", "num_models": 2})
        ).json()
    battle, token = opened["battle_id"], opened["token"]
    cursor, names = await read_until(url, battle, "delta")
    assert "round" in names, names
    watching = asyncio.create_task(read_until(url, battle, "ready", cursor), name="a viewer")
    arena.kill(first)
    cursor, names = await watching
    for _ in range(20):
        if names and names[-1] == "ready":
            break
        cursor, more = await read_until(url, battle, "ready", cursor)
        names += more
    assert names[-1] == "ready", names
    said(f"one of two instances was killed; the viewer went on where he was ({len(names)} events)")
    async with client(url, **{"X-Battle-Token": token}) as http:
        voted = await http.post(f"/api/arena/battles/{battle}/votes", json={"round": 1, "verdict": "a"})
        assert voted.status_code == 200, voted.text
        after = (await http.get(f"/api/arena/battles/{battle}")).json()
    assert after["status"] == "finished", after
    said("the vote ended the battle, at the instance that was left")


async def check_doors(url: str) -> None:
    """What the proxy passes on, and what not."""
    async with client(url) as http:
        page = await http.get("/")
        assert page.status_code == 200, page.status_code
        assert page.http_version in ("HTTP/1.1", "HTTP/2")
        assert "max-age" in page.headers["strict-transport-security"]
        for path in ("/metrics", "/v1/models", "/docs", "/openapi.json", "/api/arena/runs"):
            assert (await http.get(path)).status_code == 404, path
        said("the page is served; /v1, /metrics, /docs and runs are not passed on")
        body = {"message": "x" * 50_000}
        replies = await asyncio.gather(*(http.post("/api/arena/battles", json=body) for _ in range(40)))
        statuses = {reply.status_code for reply in replies}
        assert 429 in statuses, statuses
        said(f"POSTs are limited: {sorted(statuses)}")


async def look_at(url: str, wanted: set[str], what: str) -> None:
    """The findings of the doctor are those that are wanted."""
    seen = await observe_deployment(url, KEY, LONGEST_S, 25.0, verify=False)
    found = {problem.code for problem in problems(seen)}
    assert found == wanted, (what, found, seen)
    said(f"arena doctor --url, {what}: {', '.join(sorted(found)) or 'no finding'}")


def settings_of(folder: Path, stack: ExitStack) -> dict[str, str]:
    """Real stores and a simulated host, and the settings of an arena on them."""
    model_server = ModelServer(MODELS, tokens_per_s=30.0)
    stack.callback(model_server.close)
    redis = RedisServer(persistent=True)
    stack.callback(redis.close)
    redis.folder.chmod(0o755)  # an image runs as another user
    redis.socket.chmod(0o777)
    postgres = PostgresServer()
    stack.callback(postgres.close)
    (folder / "arena.toml").write_text(
        f'[[hosts]]\nname = "gpu1"\nurl = "{model_server.url}"\nmemory_gb = 24\nnum_parallel = 4\n'
    )
    return {
        "DATABASE_URL": postgres.url(postgres.create()),
        "REDIS_URL": redis.url,
        "ARENA_CONFIG": str(folder / "arena.toml"),
        "ARENA_ADMIN_KEY": KEY,
        "ARENA_SECRET": "one for all",
        "ARENA_MODELS": ",".join(MODELS),
        "ARENA_DATA_DIR": str(folder / "data"),
        "FORWARDED_ALLOW_IPS": "*",
        "X_SOCKET_REDIS": str(redis.folder),
        "X_SOCKET_POSTGRES": str(postgres.folder),
    }


def check(folder: Path, image: str) -> None:
    with ExitStack() as stack:
        settings = settings_of(folder, stack)
        arena = Arena(folder, settings, stack.enter_context(container(image)))
        stack.callback(arena.close)
        said(arena.once("migrate").strip())
        arena.start("scheduler")
        started = [arena.start("serve", "--no-scheduler", "--port", "0") for _ in range(2)]
        addresses = [line.removeprefix("http://") for _, line in started]
        said(f"two instances serve: {', '.join(addresses)}")
        upstreams = (addresses[0], addresses[1])
        url = stack.enter_context(running_nginx(folder / "nginx", upstreams))
        wait_for(lambda: httpx.get(f"{url}/readyz", verify=False, trust_env=False).status_code == 200)
        asyncio.run(check_doors(url))
        asyncio.run(look_at(url, set(), "as docker/ has it"))
        with running_nginx(
            folder / "collecting", upstreams, COLLECTING, {"proxy_buffering off;": "", "gzip off;": ""}
        ) as bad:
            asyncio.run(look_at(bad, {"stream_in_lumps", "stream_compressed"}, "with gzip and buffering on"))
        hasty = {"proxy_read_timeout 3600s;": "proxy_read_timeout 7s;"}
        with running_nginx(folder / "hasty", upstreams, "", hasty) as bad:
            asyncio.run(look_at(bad, {"stream_cut", "silence_cut", "sent_twice"}, "with a read timeout of 7 s"))
        asyncio.run(play(url, arena, started[0][0]))


def main() -> int:
    parser = argparse.ArgumentParser(description="The profile prod, real but for its engine.")
    parser.add_argument("--image", default="", help="run the arena from this image, by buildah")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        check(Path(folder), given.image)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
