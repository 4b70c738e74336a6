"""Checks of who is drawn: models that hardly ever are, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.doctor.finding import Finding
from app.doctor.probing.observation import Observation, ObservedDraw
from app.doctor.texts import draw as texts
from app.draw.places import host_fields
from app.draw.planning.field import HostField
from app.hosts.catalog import Contender

HARDLY = 0.2
"""A model that has less than this share of the average is hardly ever drawn."""

ENOUGH = 40.0
"""With fewer draws a model on average it may be chance."""


def on_draw(seen: Observation) -> Iterator[Finding]:
    """Models that are hardly ever drawn."""
    draw, contenders = seen.draw, seen.catalog.contenders
    rotates = seen.settings.arena_draw == "rotation"
    if draw is None or len(contenders) < 2:
        return
    average = sum(draw.drawn.get(one.model, 0) for one in contenders) / len(contenders)
    if average < ENOUGH:
        return
    for contender in contenders:
        drawn = draw.drawn.get(contender.model, 0)
        if drawn >= HARDLY * average or (rotates and contender.model in draw.members):
            continue
        exposure = texts.Exposure(contender.model, drawn, average)
        finding = _unavailable(seen, draw, contender, exposure)
        if finding is None and rotates:
            finding = _not_in_the_rotation(seen, draw, contender, exposure)
        if finding is not None:
            yield finding


def _unavailable(
    seen: Observation, draw: ObservedDraw, contender: Contender, exposure: texts.Exposure
) -> Finding | None:
    """It can't be drawn now, whatever the draw."""
    hosts = {host.host.name: host.host for host in seen.hosts if host.host.name in contender.hosts}
    url = next(host.url for host in hosts.values())
    driven = {name for name in hosts if name in seen.reports and seen.reports[name].health != "down"}
    if not driven:
        return texts.model_hardly_drawn_without_host(exposure, tuple(hosts), url)
    if all((name, contender.model) in draw.gone for name in hosts):
        return texts.model_hardly_drawn_refused(exposure, tuple(hosts), url)
    return None


def _not_in_the_rotation(
    seen: Observation, draw: ObservedDraw, contender: Contender, exposure: texts.Exposure
) -> Finding:
    places = host_fields(seen.catalog.contenders, [host.host for host in seen.hosts], seen.reports)
    holding = [place for place in places if contender.model in place.models]
    if not holding:
        return texts.model_hardly_drawn_fallback(exposure, contender.hosts)
    if not any(_has_partner(place, contender.model) for place in holding):
        return texts.model_hardly_drawn_alone(exposure, [place.host for place in holding])
    longest = seen.settings.arena_draw_longest
    return texts.model_hardly_drawn(
        exposure, draw.members, battles=draw.battles, for_s=max(seen.now - draw.since, 0.0), longest=longest
    )


def _has_partner(place: HostField, model: str) -> bool:
    others: Sequence[str] = [other for other in place.models if other != model]
    return not others or any(place.fits((model, other)) for other in others)
