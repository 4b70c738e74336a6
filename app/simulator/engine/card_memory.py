"""What the server believes to be free on its cards, and what is.

Recorded on a real card (Ollama 0.33): while any model is loaded, free memory is not measured again. Each model's
process knows what was free when it came, less what it took itself; of the loaded ones one is asked, the first that
Go's map gives: a small map has eight slots, of which a new entry takes the first free one, and is read from a random
slot on, so it is mostly the one in the first slot. Only without one the card is measured anew, by a process that
takes a moment. So after an unload the server still believes in the memory of before: it waits for it to come back, in
vain unless the one that left was the one that was asked first, and evicts more than it needs.

Each process takes ``CONTEXT`` beside what ``/api/ps`` lists; nothing of the server counts it.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Final

from app.simulator.engine.clock import Clock
from app.simulator.engine.config import SimulatorConfig
from app.simulator.engine.memory import Placement
from app.simulator.engine.runner import Runner
from app.simulator.models.cards import GIB

CONTEXT: Final = int(0.58 * GIB)
"""What a process has on each of its cards beside its buffers: 7,022 MiB by nvidia-smi where 6.28 GiB are listed."""

ASK_S: Final = 0.02
MEASURE_S: Final = (0.6, 0.9)
"""How long a loaded model's process takes to report what it knows, and a new one to measure."""

_SLOTS: Final = 8

RECOVERY_POLL_S: Final = 0.25
RECOVERY_LIMIT_S: Final = 5.0
RECOVERED_SHARE: Final = 0.75
"""After a kill free memory is read every 250 ms until it grew by 75 % of what the process had, for 5 s at most."""


class CardMemory:
    """The memory of a server's cards; ``left_behind`` are processes that outlived their server."""

    def __init__(self, config: SimulatorConfig, clock: Clock, chance: random.Random) -> None:
        self.left_behind: list[Placement] = []
        self._config = config
        self._clock = clock
        self._chance = chance

    def measured(self, loaded: Sequence[Runner]) -> list[int]:
        """What a process that comes now finds free on each card; its own context is taken already."""
        placements = [*self.left_behind, *(runner.placement for runner in loaded if not runner.dead)]
        return [
            total - self._config.others_bytes - CONTEXT - sum(_taken(placement, index) for placement in placements)
            for index, total in enumerate(self._config.gpu_bytes)
        ]

    def believed(self, loaded: Sequence[Runner]) -> list[int]:
        """What the server takes to be free: the reading of the first of ``loaded`` that is on a card, or a new one.

        It never exceeds the card's total less what all loaded ones take.
        """
        alive = [runner for runner in loaded if not runner.dead]
        fresh = self.measured(loaded)
        return [
            min(
                next((runner.reading[index] for runner in alive if index in runner.placement.gpus), fresh[index]),
                total - sum(runner.placement.on_gpu(index) for runner in alive),
            )
            for index, total in enumerate(self._config.gpu_bytes)
        ]

    def any_order(self, loaded: Sequence[Runner]) -> list[Runner]:
        """The loaded ones as Go's map gives them."""
        start = self._chance.randrange(_SLOTS)
        return sorted(loaded, key=lambda runner: (runner.place < start, runner.place))

    @staticmethod
    def free_place(loaded: Sequence[Runner]) -> int:
        """The slot of the map that a new entry takes."""
        taken = {runner.place for runner in loaded}
        return next(place for place in itertools.count() if place not in taken)

    async def asked(self, loaded: Sequence[Runner]) -> None:
        """Wait as long as it takes to learn what is free."""
        if self._config.gpu_bytes:
            await self._clock.sleep(ASK_S if _on_cards(loaded) else self._chance.uniform(*MEASURE_S))

    async def recovered(self, gone: Runner, order: Sequence[Runner], before: int) -> None:
        """Wait until as much as ``gone`` had is seen to be free, or for the limit.

        ``order`` are those that were loaded when it was killed, in the order in which they are asked.
        """
        if not gone.placement.vram_bytes:
            return
        until = self._clock.now() + RECOVERY_LIMIT_S
        left = [runner for runner in order if runner is not gone]
        while (rest_s := until - self._clock.now()) > 0:
            await self._clock.sleep(min(RECOVERY_POLL_S, rest_s))
            if not _on_cards(left):
                await self.asked(left)
            # Go subtracts without a sign: less than before is a huge growth, too.
            if (sum(self.believed(left)) - before) % 2**64 > RECOVERED_SHARE * gone.placement.vram_bytes:
                return


def _taken(placement: Placement, index: int) -> int:
    return placement.on_gpu(index) + CONTEXT if index in placement.gpus else 0


def _on_cards(loaded: Sequence[Runner]) -> bool:
    return any(runner.placement.gpus and not runner.dead for runner in loaded)
