"""What happens to one model from outside of the server: its process is killed or stopped, its tag created anew."""

from __future__ import annotations

import dataclasses

from app.simulator.engine.machine import Machine
from app.simulator.engine.runner import Runner
from app.simulator.protocol.errors import Broken
from app.simulator.protocol.names import ModelName

PROCESS_DIED = "an error was encountered while running the model: unexpected EOF"


def kill_child(machine: Machine, name: str) -> bool:
    """A model's process dies (kill -9): it is listed until somebody asks for it. False: there is none."""
    runner = _runner(machine, name)
    if runner is not None:
        machine.die(runner, Broken(PROCESS_DIED, "process_died"))
    return runner is not None


def stop_child(machine: Machine, name: str) -> bool:
    """A model's process is stopped (SIGSTOP): it is listed, and answers nothing. False: there is none."""
    runner = _runner(machine, name)
    if runner is not None:
        runner.hung = True
        machine.engine.hold(runner)
    return runner is not None


def recreate(machine: Machine, name: str) -> bool:
    """Create a tag anew, with other weights: /api/tags has a new digest, /api/ps the old one. False: no such tag."""
    model = machine.find(ModelName.parse(name))
    if model is not None:
        machine.install(dataclasses.replace(model, revision=model.revision + 1))
    return model is not None


def delete(machine: Machine, name: str) -> bool:
    """Delete a tag: what is loaded of it stays. False: no such tag."""
    return machine.installed.pop(ModelName.parse(name).key, None) is not None


def _runner(machine: Machine, name: str) -> Runner | None:
    key = ModelName.parse(name).key
    return next((r for r in machine.scheduler.loaded.values() if ModelName.parse(r.model.name).key == key), None)
