"""``/_sim``: see and change the simulated server while it runs. Not a part of Ollama.

``GET /_sim`` says what it is and what it does; ``GET /_sim/faults`` the switches that are on; ``POST /_sim/faults``
sets some (``for_s``: put them back after so many simulated seconds); ``DELETE /_sim/faults`` clears all;
``POST /_sim/restart`` is a machine that goes down and comes back empty after ``down_s``; with ``children_stay`` only
its server was killed, and the models' processes keep their memory. ``POST /_sim/models`` does something to a ``model``:
``kill`` its process (it stays listed), ``stop`` it (it hangs), ``recreate`` its tag with other weights, ``delete`` it.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Coroutine
from typing import Any, Final

from app.errors import InvalidInput
from app.simulator.api import wire
from app.simulator.api.native import SIMULATED
from app.simulator.engine import mishaps
from app.simulator.engine.faults import checked, seconds
from app.simulator.engine.machine import Machine
from app.simulator.protocol.gojson import GoJsonError, go_loads
from app.simulator.protocol.http import Request, Response
from app.simulator.protocol.names import NameInvalid
from app.tasks import cancel_and_wait

_ANSWER_SENT_S: Final = 0.05
_CHANGES: Final = {
    "kill": mishaps.kill_child,
    "stop": mishaps.stop_child,
    "recreate": mishaps.recreate,
    "delete": mishaps.delete,
}


class Control:
    """The control calls of one machine; ``aclose`` ends what it has scheduled."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._tasks: set[asyncio.Task[None]] = set()

    async def aclose(self) -> None:
        """Forget switches that were to be put back."""
        await cancel_and_wait(*self._tasks)

    async def state(self, _request: Request, response: Response) -> None:
        """GET /_sim."""
        machine = self._machine
        self._send(
            response,
            {
                "simulated": True,
                "card": machine.config.gpu.title,
                "models": [model.name for model in machine.installed.values()],
                "speed": machine.config.speed,
                "now_s": round(machine.clock.now(), 3),
                "waiting_for_a_load": machine.scheduler.waiting,
                "jobs": len(machine.engine),
                "slow_readers": machine.slow_readers,
                "faults": machine.faults.active(),
            },
        )

    async def show_faults(self, _request: Request, response: Response) -> None:
        """GET /_sim/faults."""
        self._send(response, self._machine.faults.active())

    async def set_faults(self, request: Request, response: Response) -> None:
        """POST /_sim/faults."""
        changes = _object(request.body)
        for_s = changes.pop("for_s", None)
        lasting_s = None if for_s is None else seconds(for_s, "for_s")
        # The answer goes first: some faults would swallow it.
        self._send(response, dataclasses.replace(self._machine.faults, **checked(changes)).active())
        self._machine.faults.set(changes)
        if lasting_s is not None:
            self._spawn(self._put_back(lasting_s, dict.fromkeys(changes)))

    async def clear_faults(self, _request: Request, response: Response) -> None:
        """DELETE /_sim/faults."""
        self._machine.faults.clear()
        self._send(response, {})

    async def restart(self, request: Request, response: Response) -> None:
        """POST /_sim/restart."""
        given = _object(request.body or b"{}")
        down_s = seconds(given.get("down_s", 0), "down_s")
        self._send(response, {"status": "going down"})
        self._spawn(self._restart(down_s, children_stay=given.get("children_stay") is True))

    async def change_model(self, request: Request, response: Response) -> None:
        """POST /_sim/models."""
        given = _object(request.body)
        change = _CHANGES.get(str(given.get("do")))
        if change is None:
            raise InvalidInput(f"do: use one of {', '.join(_CHANGES)}", field="do")
        try:
            done = change(self._machine, str(given.get("model", "")))
        except NameInvalid:
            done = False
        if not done:
            raise InvalidInput(f"model: {given.get('model')!r} is not there", field="model")
        self._send(response, {"status": "done"})

    async def _restart(self, down_s: float, *, children_stay: bool) -> None:
        await asyncio.sleep(_ANSWER_SENT_S)
        await self._machine.restart(down_s, children_stay=children_stay)

    async def _put_back(self, after_s: float, changes: dict[str, None]) -> None:
        await self._machine.clock.sleep(after_s)
        self._machine.faults.set(changes)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="simulator control")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    def _send(response: Response, value: object) -> None:
        response.send(200, wire.JSON, wire.go_json(value).encode(), SIMULATED)


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = go_loads(body)
    except GoJsonError as error:
        raise InvalidInput(str(error)) from None
    if not isinstance(value, dict):
        raise InvalidInput("send a JSON object")
    return value
