"""Checks of the models: which are missing and why, and what can't work together. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from app.backends.base import InstalledModel
from app.doctor.finding import Finding
from app.doctor.probing.observation import Observation, ObservedHost, key
from app.doctor.texts import models as texts
from app.hosts.catalog import Missing, can_chat, can_think
from app.hosts.context import longest_that_fits
from app.hosts.names import did_you_mean, is_cloud, same_model

_EXAMPLE = "llama3.2:3b"


def on_models(seen: Observation) -> Iterator[Finding]:
    """What keeps models out of battles."""
    yield from _too_few(seen) if len(seen.catalog.models) < 2 else _fewer_than_wanted(seen)
    for missing in seen.catalog.missing:
        if missing.explained or not seen.catalog.unreachable:
            yield _missing(missing, seen)
    for host in seen.hosts:
        if host.answers:
            yield from _missing_on(host, seen)
            yield from _shared_weights(host, seen)
            yield from (texts.host_odd_rows(host, path, rows) for path, rows in host.odd.items())
    yield from (
        texts.models_share_weights_one_drawn(first, duplicate) for duplicate, first in seen.catalog.duplicates.items()
    )
    yield from _contexts(seen)
    yield from _differing(seen)
    yield from _unused_tables(seen)


def _fewer_than_wanted(seen: Observation) -> Iterator[Finding]:
    models, wanted = seen.catalog.models, seen.settings.arena_num_models
    named = seen.settings.arena_models or any(host.host.models for host in seen.hosts)
    if len(models) < wanted and named:
        yield texts.fewer_than_num_models(models, wanted)


def _too_few(seen: Observation) -> Iterator[Finding]:
    if not any(host.answers or host.reach == "unsure" for host in seen.hosts):
        return  # each host has its own finding
    if any(host.reach in ("unasked", "unsure") and not seen.taken_for_granted(host) for host in seen.hosts):
        return  # it may have any model
    missing = (one.name for one in seen.catalog.missing if not is_cloud(one.name))
    yield texts.too_few_models(
        seen.catalog.models,
        any_may_enter=not seen.settings.arena_models,
        url=_first_answering(seen).host.url,
        pull=next(missing, _EXAMPLE),
    )


def _first_answering(seen: Observation) -> ObservedHost:
    return next((host for host in seen.hosts if host.answers), seen.hosts[0])


def _missing(missing: Missing, seen: Observation) -> Finding:
    name, url = missing.name, _first_answering(seen).host.url
    if is_cloud(name):
        return texts.model_cloud(name, url)
    unfit = _unfit(name, seen)
    if unfit is not None:
        return texts.model_cloud_remote(name, url) if unfit.remote else texts.model_cannot_chat(name, unfit, url)
    suggestion = missing.suggestion
    if suggestion and not any(same_model(suggestion, one) for one in seen.settings.arena_models):
        return texts.model_missing_misspelled(name, suggestion, url)
    return texts.model_missing(name, url)


def _unfit(name: str, seen: Observation) -> InstalledModel | None:
    """The model of that name that is installed and can't enter battles."""
    copies = (host.installed_as(name) for host in seen.hosts)
    copy = next((copy for copy in copies if copy is not None), None)
    return copy if copy is not None and (copy.remote or not can_chat(copy)) else None


def _missing_on(host: ObservedHost, seen: Observation) -> Iterator[Finding]:
    """Names of the host's own list that it does not have, though another host may."""
    reported = {key(missing.name) for missing in seen.catalog.missing}
    for name in host.host.models if host.reach in ("ollama", "chat") else ():
        if host.installed_as(name) is None and key(name) not in reported and not is_cloud(name):
            suggestion = did_you_mean(name, [model.name for model in host.installed])
            yield texts.model_missing_on_host(name, host, suggestion)


def _shared_weights(host: ObservedHost, seen: Observation) -> Iterator[Finding]:
    """Two contestants with the same weights that differ in what is asked, or in their template or parameters."""
    first_with: dict[str, str] = {}
    for model in seen.contestants[host.host.name]:
        installed = host.installed_as(model)
        weights = host.shape(model).blob or (installed.digest if installed else "")
        first = first_with.setdefault(weights, model) if weights else model
        if first != model and not same_model(first, model):
            yield texts.models_share_weights(first, model, host)


def _contexts(seen: Observation) -> Iterator[Finding]:
    """Lengths of context and answer that don't go together."""
    for contender in seen.catalog.contenders:
        model, options = contender.model, seen.options(contender.model)
        trained = max((host.shape(model).trained_ctx for host in seen.hosts), default=0)
        if 0 < trained < options.num_ctx:
            yield texts.num_ctx_over_training(model, options.num_ctx, trained)
        if options.num_predict >= options.num_ctx:
            yield texts.num_predict_over_num_ctx(model, options.num_predict, options.num_ctx)
        installed = [copy for host in seen.hosts if (copy := host.installed_as(model)) is not None]
        if options.think and installed and not any(can_think(copy) for copy in installed):
            yield texts.model_cannot_think(model, options.think)
        # The default suits every context: only a limit that somebody set is a promise.
        limit, fits = seen.settings.arena_max_message, longest_that_fits(options.num_ctx)
        if "arena_max_message" in seen.settings.model_fields_set and limit > fits:
            yield texts.max_message_over_num_ctx(model, limit, options.num_ctx, fits)


def _differing(seen: Observation) -> Iterator[Finding]:
    """One name for different files: votes on the one would count for the other."""
    for contender in seen.catalog.contenders:
        digests = _digests(contender.model, seen)
        if len(set(digests.values())) > 1:
            url = next(host.host.url for host in seen.hosts if host.host.name in digests)
            yield texts.model_differs(contender.model, digests, url)


def _digests(model: str, seen: Observation) -> dict[str, str]:
    copies = {host.host.name: host.installed_as(model) for host in seen.hosts if host.answers}
    return {name: copy.digest for name, copy in copies.items() if copy is not None and copy.digest}


def _unused_tables(seen: Observation) -> Iterator[Finding]:
    """``[[models]]`` tables that match no contestant: their settings silently have no effect."""
    models = seen.catalog.models
    if not models or seen.catalog.unreachable:
        return
    known = (*models, *seen.catalog.duplicates, *(one.name for one in seen.catalog.missing))
    for row in seen.settings.models:
        if not any(same_model(row.name, name) for name in known):
            yield texts.model_table_unused(row.name, did_you_mean(row.name, models))
