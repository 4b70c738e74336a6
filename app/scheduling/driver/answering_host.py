"""What all answers of one host have in common: the value that each attempt is begun with."""

from __future__ import annotations

from dataclasses import dataclass

from app.hosts.host import Host
from app.scheduling.driver.condemned import CondemnedAnswers
from app.scheduling.driver.signing import Signing
from app.scheduling.ports import Ports
from app.timing.time import Time


@dataclass(frozen=True, slots=True)
class AnsweringHost:
    """The host that writes, what its driver is connected with, and what its answers share while they are written."""

    host: Host
    ports: Ports
    condemned: CondemnedAnswers
    signing: Signing
    time: Time
