"""Findings about who is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.doctor.finding import Finding
from app.doctor.texts.commands import curl, environment


@dataclass(frozen=True, slots=True)
class Exposure:
    """How often ``model`` was drawn beside another within the last day, and how often all are on average."""

    model: str
    drawn: int
    average: float

    def __str__(self) -> str:
        times = {0: "never", 1: "once"}.get(self.drawn, f"{self.drawn} times")
        return f"{self.model} was drawn {times} within the last day, the average model {self.average:.0f} times"


def model_hardly_drawn_without_host(seen: Exposure, hosts: Sequence[str], url: str) -> Finding:
    """No host that has it is up."""
    return Finding(
        "model_hardly_drawn",
        "warning",
        seen.model,
        cause=f"{seen}: nobody drives a host that has it and answers ({', '.join(hosts)})",
        remedy="bring that host back, or install the model on another",
        command=curl(url, "/api/version"),
    )


def model_hardly_drawn_refused(seen: Exposure, hosts: Sequence[str], url: str) -> Finding:
    """Its hosts list it and refuse to load it."""
    return Finding(
        "model_hardly_drawn",
        "warning",
        seen.model,
        cause=f"{seen}: {', '.join(hosts)} said within the last minute that there is no such model",
        remedy="install it again",
        command=curl(url, "/api/tags"),
    )


def model_hardly_drawn_fallback(seen: Exposure, hosts: Sequence[str]) -> Finding:
    """Only fallbacks have it, and they are asked when no other host can."""
    return Finding(
        "model_hardly_drawn",
        "warning",
        seen.model,
        cause=f"{seen}: only fallbacks have it ({', '.join(hosts)}), and battles are drawn from the other hosts",
        remedy="install it on a host that is no fallback, or take fallback from one that has it",
    )


def model_hardly_drawn_alone(seen: Exposure, hosts: Sequence[str]) -> Finding:
    """It fits beside no other model, so each of its battles costs loads."""
    return Finding(
        "model_hardly_drawn",
        "warning",
        seen.model,
        cause=f"{seen}: it is too large to be in memory beside any other model on {', '.join(hosts)}, so each of its "
        "battles waits for loads, and sets without it teach more in the same time",
        remedy="lower its num_ctx, choose a smaller quantisation, or let all models be drawn alike",
        command=environment("ARENA_DRAW", "uniform"),
    )


def model_hardly_drawn(
    seen: Exposure, members: Sequence[str], *, battles: int, for_s: float, longest: timedelta
) -> Finding:
    """Others are in the rotation: it is not its turn, or people play too little for an exchange."""
    minutes = longest / timedelta(minutes=1)
    return Finding(
        "model_hardly_drawn",
        "note",
        seen.model,
        cause=f"{seen}: battles have been drawn from {', '.join(members)} for {for_s / 60:.0f} minutes ({battles} "
        f"battles). One model is exchanged after {minutes:.0f} minutes at the latest, if people play, and which one "
        "is drawn by what votes on it would teach: its place among its neighbours is clear, or it came lately",
        remedy="nothing to do if its rating is known well enough; a shorter ARENA_DRAW_LONGEST exchanges more often, "
        "at the price of loads",
        command=environment("ARENA_DRAW_LONGEST", f"{max(minutes / 2, 1):.0f}m"),
    )
