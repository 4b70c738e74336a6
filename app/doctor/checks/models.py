"""Findings about models: which are missing and why, and what can't work together. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from app.backends.base import InstalledModel
from app.backends.ollama.rows import OddRow
from app.doctor.checks.finding import Finding
from app.doctor.probing.observation import HostSeen, Observation, key
from app.doctor.texts.commands import curl, environment, machine_of, ollama
from app.hosts.catalog import Missing, can_chat
from app.hosts.names import did_you_mean, is_cloud, same_model
from app.network.addresses import shown


def on_models(seen: Observation) -> Iterator[Finding]:
    """What keeps models out of battles."""
    yield from _too_few(seen)
    for missing in seen.catalog.missing:
        if missing.explained or not seen.catalog.unreachable:
            yield _missing(missing, seen)
    for host in seen.hosts:
        if host.answers:
            yield from _missing_there(host, seen)
            yield from _twins(host, seen)
            yield from _odd_rows(host)
    yield from _contexts(seen)
    yield from _differing(seen)
    yield from _unused(seen)


def _too_few(seen: Observation) -> Iterator[Finding]:
    models, wanted = seen.catalog.models, seen.settings.arena_num_models
    if len(models) >= 2:
        named = seen.settings.arena_models or any(host.host.models for host in seen.hosts)
        if len(models) < wanted and named:
            yield Finding(
                "fewer_than_num_models",
                "warning",
                "ARENA_NUM_MODELS",
                f"battles are to have {wanted} models and {len(models)} can be reached ({', '.join(models)})",
                f"battles have {len(models)} until more models can be reached; or ask for no more than that",
                environment("ARENA_NUM_MODELS", str(len(models))),
            )
        return
    if not any(host.answers for host in seen.hosts):
        return  # which is told of each of them
    if any(host.reach == "unasked" and not seen.taken_for_granted(host) for host in seen.hosts):
        return  # it may have any
    there = f"{', '.join(models) or 'none'} can be reached"
    why = "" if seen.settings.arena_models else " (ARENA_MODELS is empty, so every model on the hosts may enter)"
    first = next((host for host in seen.hosts if host.answers), seen.hosts[0])
    wish = next((one.name for one in seen.catalog.missing if not is_cloud(one.name)), "llama3.2:3b")
    yield Finding(
        "too_few_models",
        "error",
        "models",
        f"a battle needs two models: {there}{why}",
        "install models on a host that answers, or fix the hosts and names below",
        ollama(first.host.url, "pull", wish),
    )


def _missing(missing: Missing, seen: Observation) -> Finding:
    name = missing.name
    host = next((host for host in seen.hosts if host.answers), seen.hosts[0])
    if is_cloud(name):
        return Finding(
            "model_cloud",
            "warning",
            name,
            f"{name} runs in Ollama's cloud: the server would send prompts of your users there, so it enters no battle",
            "take it out of ARENA_MODELS and choose one that runs on your card",
            ollama(host.host.url, "list"),
        )
    there = next((one for host in seen.hosts if (one := host.installed_as(name)) is not None), None)
    if there is not None and (there.remote or not can_chat(there)):
        return _unfit(name, there, host.host.url)
    if missing.suggestion and not any(same_model(missing.suggestion, one) for one in seen.settings.arena_models):
        return Finding(
            "model_missing",
            "warning",
            name,
            f"no host has {name}; did you mean {missing.suggestion}?",
            f"write {missing.suggestion} in ARENA_MODELS, or install {name}",
            ollama(host.host.url, "list"),
        )
    return Finding(
        "model_missing",
        "warning",
        name,
        f"no host has {name}",
        "install it, or take it out of ARENA_MODELS",
        ollama(host.host.url, "pull", name),
    )


def _unfit(name: str, there: InstalledModel, url: str) -> Finding:
    """A model that is installed and can't enter battles."""
    if there.remote:
        return Finding(
            "model_cloud",
            "warning",
            name,
            f"{name} is installed as a pointer to another company's machines, so it enters no battle",
            "take it out of ARENA_MODELS and choose one that runs on your card",
            ollama(url, "list"),
        )
    return Finding(
        "model_cannot_chat",
        "warning",
        name,
        f"{name} can't chat: it only has {', '.join(there.capabilities)}",
        "take it out of ARENA_MODELS",
        ollama(url, "show", name),
    )


def _missing_there(host: HostSeen, seen: Observation) -> Iterator[Finding]:
    """Names of the host's own list that it does not have, though another host may."""
    told = {key(missing.name) for missing in seen.catalog.missing}
    for name in host.host.models:
        if host.reach != "ollama" or host.installed_as(name) is not None or key(name) in told or is_cloud(name):
            continue
        near = did_you_mean(name, [model.name for model in host.installed])
        yield Finding(
            "model_missing_on_host",
            "warning",
            f"{name} on {host.host.name}",
            f"{host.host.name} is to serve {name} and does not have it{f'; did you mean {near}?' if near else ''}",
            f"install it there, or take it out of [[hosts]] {host.host.name}: models",
            ollama(host.host.url, "pull", name),
        )


def _twins(host: HostSeen, seen: Observation) -> Iterator[Finding]:
    """Two contestants with the same weights share one process, and evict each other if their contexts differ."""
    met: dict[str, str] = {}
    for model in seen.wished[host.host.name]:
        installed = host.installed_as(model)
        weights = host.shape(model).blob or (installed.digest if installed else "")
        other = met.setdefault(weights, model) if weights else model
        if other != model and not same_model(other, model):
            yield Finding(
                "models_share_weights",
                "warning",
                f"{other}, {model}",
                f"both are the same weights on {host.host.name} under two names: a battle of one against itself, and "
                "with different contexts they push each other out of memory",
                "take one of them out of ARENA_MODELS",
                ollama(host.host.url, "show", "--modelfile", model),
            )


def _contexts(seen: Observation) -> Iterator[Finding]:
    """Lengths of context and answer that don't go together."""
    for contender in seen.catalog.contenders:
        options = seen.options(contender.model)
        trained = max((host.shape(contender.model).trained_ctx for host in seen.hosts), default=0)
        if 0 < trained < options.num_ctx:
            yield Finding(
                "num_ctx_over_training",
                "warning",
                contender.model,
                f"num_ctx is {options.num_ctx} and {contender.model} was trained for {trained}",
                f"set num_ctx to {trained} or less for it in arena.toml ([[models]]), or for all",
                environment("ARENA_NUM_CTX", str(trained)),
            )
        if options.num_predict >= options.num_ctx:
            yield Finding(
                "num_predict_over_num_ctx",
                "warning",
                contender.model,
                f"answers may have {options.num_predict} tokens and question and answer together "
                f"{options.num_ctx}: long "
                "answers are cut or fail",
                "set ARENA_NUM_PREDICT to at most half of num_ctx",
                environment("ARENA_NUM_PREDICT", str(max(options.num_ctx // 2, 1))),
            )


def _odd_rows(host: HostSeen) -> Iterator[Finding]:
    """Rows of the server's lists that are not as Ollama writes them: what is missing in them is not known here."""
    url = host.host.url
    for path, rows in host.odd.items():
        lost = [row for row in rows if row.skipped]
        told = "; ".join(
            f"{_row(row)}: {', '.join(row.fields[:3])}" for row in sorted(rows, key=lambda row: not row.skipped)[:3]
        )
        yield Finding(
            "host_odd_rows",
            "warning" if lost else "note",
            host.host.name,
            f"{path} of {shown(url)} is not as Ollama writes it ({told}): "
            + (f"{len(lost)} of its rows can't be used" if lost else "these fields count as unknown, the rest is used"),
            f"see which server or proxy answers there, and update it on {machine_of(url)}",
            curl(url, path),
        )


def _row(row: OddRow) -> str:
    return f"row {row.place}" + (f" ({row.name[:80]})" if row.name else "")


def _differing(seen: Observation) -> Iterator[Finding]:
    """One name for different files: votes on the one would count for the other."""
    for contender in seen.catalog.contenders:
        copies = {host.host.name: host.installed_as(contender.model) for host in seen.hosts if host.answers}
        digests = {name: copy.digest for name, copy in copies.items() if copy is not None and copy.digest}
        if len(set(digests.values())) > 1:
            told = ", ".join(f"{digest[:12]} on {name}" for name, digest in digests.items())
            url = next(host.host.url for host in seen.hosts if host.host.name in digests)
            yield Finding(
                "model_differs",
                "warning",
                contender.model,
                f"{contender.model} is not the same file everywhere ({told}): votes for one version count for another",
                "install it again on each of these hosts, so that all have the newest",
                ollama(url, "pull", contender.model),
            )


def _unused(seen: Observation) -> Iterator[Finding]:
    """Tables of models that name none which can enter battles: their options go unused, in silence."""
    models = seen.catalog.models
    missing = [one.name for one in seen.catalog.missing]
    for row in seen.settings.models:
        if any(same_model(row.name, name) for name in (*models, *missing)) or not models or seen.catalog.unreachable:
            continue
        near = did_you_mean(row.name, models)
        yield Finding(
            "model_table_unused",
            "warning",
            row.name,
            f"[[models]] {row.name} is no model that enters battles, so what it sets goes unused"
            + (f"; did you mean {near}?" if near else ""),
            "correct its name in arena.toml, add it to ARENA_MODELS, or take it out",
            f"grep -n {quote(row.name)} arena.toml",
        )
