"""The other side of the child process: sends items in lots, and ends a child that is late or dead.

What an item may take: ``LIMIT_S`` seconds, ``MEGABYTES`` of memory, and ``environment.LONGEST_OUTPUT`` characters. An
item that goes over is answered with an error of its own, and a new child goes on with the next.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from app.batch.rendering.child import HEADER
from app.batch.spec import RunSpec
from app.errors import InvalidInput, Unavailable

LIMIT_S = 5.0
"""How long one render may take, on a busy machine too; most take 50 µs."""
START_LIMIT_S = 60.0
MEGABYTES = 512
LOT = 200
"""Items that are sent at once."""
LOT_BYTES = 4_000_000

Answers = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class RenderItem:
    """A prompt to be rendered; ``answers`` is None where only missing fields are looked for."""

    stage: int
    custom_id: str
    fields: Mapping[str, Any]
    answers: Answers | None

    def sent(self) -> dict[str, Any]:
        """As the child gets it."""
        return {"stage": self.stage, "custom_id": self.custom_id, "fields": self.fields, "answers": self.answers}


@dataclass(frozen=True, slots=True)
class JudgeItem:
    """An answer to be judged: whether it is the JSON that its stage asks for."""

    stage: int
    text: str

    def sent(self) -> dict[str, Any]:
        """As the child gets it."""
        return {"judge": self.stage, "text": self.text}


@dataclass(frozen=True, slots=True)
class RenderReply:
    """What came of an item: texts, ``skip``, a JSON ``value``, or an ``error`` with its cause.

    ``error`` is ``missing`` (``why`` is the field), ``template``, ``invalid``, ``memory`` or ``time``.
    """

    prompt: str = ""
    system: str = ""
    skip: bool = False
    value: Any = None
    error: str = ""
    why: str = ""


class Renderer:
    """Renders the templates of one run; one lot at a time. ``aclose`` ends the child."""

    def __init__(self, spec: RunSpec, *, limit_s: float = LIMIT_S, megabytes: int = MEGABYTES) -> None:
        self._stages = [
            {"name": s.name, "prompt": s.prompt, "system": s.system, "when": s.when, "json": s.json}
            for s in spec.stages
        ]
        self._limit_s = limit_s
        self._megabytes = megabytes
        self._child: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self.names: tuple[frozenset[str], ...] = ()

    async def open(self) -> None:
        """Compile the templates.

        Raises:
            InvalidInput: a template is wrong; the sentence names the stage.
            Unavailable: the child process can't be started.
        """
        async with self._turn:
            await self._started()

    async def replies(self, items: Sequence[RenderItem | JudgeItem]) -> list[RenderReply]:
        """The reply to each item, in order.

        Raises:
            Unavailable: the child process can't be started.
        """
        replies: list[RenderReply] = []
        async with self._turn:
            while len(replies) < len(items):
                lot: list[bytes] = []
                size = 0
                for item in items[len(replies) : len(replies) + LOT]:
                    body = orjson.dumps(item.sent())
                    size += len(body)
                    if lot and size > LOT_BYTES:
                        break
                    lot.append(body)
                replies += await self._lot(lot)
        return replies

    async def aclose(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is not None and child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()

    async def _lot(self, bodies: Sequence[bytes]) -> list[RenderReply]:
        """The replies to as many of ``bodies`` as one child lives for, at least one."""
        child = await self._started()
        replies: list[RenderReply] = []
        try:
            async with asyncio.timeout(self._limit_s + START_LIMIT_S):
                await _send(child, b"[" + b",".join(bodies) + b"]")
            for _ in bodies:
                async with asyncio.timeout(self._limit_s):
                    replies.append(_reply(await _receive(child)))
        except TimeoutError:
            why = f"it took longer than {self._limit_s:g} s"
            replies.append(RenderReply(error="time", why=why))
            await self.aclose()
        except (OSError, EOFError):
            replies.append(RenderReply(error="memory", why=_over(self._megabytes)))
            await self.aclose()
        except BaseException:
            await self.aclose()  # half a lot is on its way
            raise
        return replies

    async def _started(self) -> asyncio.subprocess.Process:
        if self._child is None or self._child.returncode is not None:
            self._child = await self._start()
        return self._child

    async def _start(self) -> asyncio.subprocess.Process:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app.batch.rendering.child", str(self._megabytes)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the parent
            env={name: os.environ[name] for name in ("PATH", "PYTHONPATH", "SYSTEMROOT") if name in os.environ},
        )
        try:
            async with asyncio.timeout(START_LIMIT_S):
                await _send(child, orjson.dumps(self._stages))
                answer = await _receive(child)
        except (OSError, EOFError) as error:
            await _killed(child)
            raise Unavailable(f"the process that renders templates did not start ({error!r}); try again") from None
        except BaseException:
            await _killed(child)
            raise
        if "error" in answer:
            await _killed(child)
            raise InvalidInput(f"a template is wrong: {answer['error']}", field="stages")
        self.names = tuple(frozenset(names) for names in answer["names"])
        return child


async def _killed(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        with suppress(ProcessLookupError):
            child.kill()
    await child.wait()


async def _send(child: asyncio.subprocess.Process, body: bytes) -> None:
    assert child.stdin is not None
    child.stdin.write(HEADER.pack(len(body)) + body)
    await child.stdin.drain()


async def _receive(child: asyncio.subprocess.Process) -> Any:
    assert child.stdout is not None
    (length,) = HEADER.unpack(await child.stdout.readexactly(HEADER.size))
    return orjson.loads(await child.stdout.readexactly(length))


def _over(megabytes: int) -> str:
    return f"it took more than {megabytes} MB of memory"


def _reply(answer: Mapping[str, Any]) -> RenderReply:
    error = str(answer.get("error", ""))
    why = str(answer.get("field", answer.get("why", "")))
    if error == "memory":
        why = _over(MEGABYTES)
    return RenderReply(
        prompt=str(answer.get("prompt", "")),
        system=str(answer.get("system", "")),
        skip=bool(answer.get("skip")),
        value=answer.get("value"),
        error=error,
        why=why,
    )
