"""Findings about models: which are missing and why, and what can't work together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import quote

from app.backends.base import InstalledModel
from app.backends.ollama.rows import OddRow
from app.doctor.finding import Finding
from app.doctor.probing.observation import ObservedHost
from app.doctor.texts.commands import curl, environment, machine_of, ollama
from app.network.addresses import shown

_TAKE_OUT = "remove it from ARENA_MODELS"
_CHOOSE_LOCAL = f"{_TAKE_OUT} and choose one that runs on your own card"


def too_few_models(models: Sequence[str], *, any_may_enter: bool, url: str, pull: str) -> Finding:
    """Fewer than two models; ``pull`` is one to install at ``url``."""
    reachable = f"{', '.join(models) or 'none'} can be reached"
    why = " (ARENA_MODELS is empty, so every model on the hosts may enter)" if any_may_enter else ""
    return Finding(
        "too_few_models",
        "error",
        "models",
        cause=f"a battle needs two models: {reachable}{why}",
        remedy="install models on a host that answers, or fix the hosts and names below",
        command=ollama(url, "pull", pull),
    )


def fewer_than_num_models(models: Sequence[str], wanted: int) -> Finding:
    """Fewer models than ARENA_NUM_MODELS."""
    return Finding(
        "fewer_than_num_models",
        "warning",
        "ARENA_NUM_MODELS",
        cause=f"battles should have {wanted} models, but only {len(models)} can be reached ({', '.join(models)})",
        remedy=f"battles have {len(models)} models until more can be reached; or lower ARENA_NUM_MODELS",
        command=environment("ARENA_NUM_MODELS", str(len(models))),
    )


def model_missing(name: str, url: str) -> Finding:
    """No host has it."""
    return Finding(
        "model_missing",
        "warning",
        name,
        cause=f"no host has {name}",
        remedy=f"install it, or {_TAKE_OUT}",
        command=ollama(url, "pull", name),
    )


def model_missing_misspelled(name: str, suggestion: str, url: str) -> Finding:
    """No host has it, and one has a model of nearly that name."""
    return Finding(
        "model_missing",
        "warning",
        name,
        cause=f"no host has {name}; did you mean {suggestion}?",
        remedy=f"use {suggestion} in ARENA_MODELS, or install {name}",
        command=ollama(url, "list"),
    )


def model_missing_on_host(name: str, host: ObservedHost, suggestion: str | None) -> Finding:
    """The host lacks a model of its own list."""
    return Finding(
        "model_missing_on_host",
        "warning",
        f"{name} on {host.host.name}",
        cause=f"{host.host.name} should serve {name} but does not have it"
        + (f"; did you mean {suggestion}?" if suggestion else ""),
        remedy=f"install it there, or remove it from [[hosts]] {host.host.name}: models",
        command=ollama(host.host.url, "pull", name)
        if host.reach == "ollama"
        else curl(host.host.url, f"{host.host.api}/models"),
    )


def model_cloud(name: str, url: str) -> Finding:
    """Its name says that it runs in Ollama's cloud."""
    return Finding(
        "model_cloud",
        "warning",
        name,
        cause=f"{name} runs in Ollama's cloud: the server would send your users' prompts there, so it enters no battle",
        remedy=_CHOOSE_LOCAL,
        command=ollama(url, "list"),
    )


def model_cloud_remote(name: str, url: str) -> Finding:
    """It is installed, but only as a reference to a remote one."""
    return Finding(
        "model_cloud",
        "warning",
        name,
        cause=f"{name} is installed as a reference to a model on another company's servers, so it enters no battle",
        remedy=_CHOOSE_LOCAL,
        command=ollama(url, "list"),
    )


def model_cannot_chat(name: str, installed: InstalledModel, url: str) -> Finding:
    """It has other capabilities only, for example embedding."""
    return Finding(
        "model_cannot_chat",
        "warning",
        name,
        cause=f"{name} can't chat: its only capabilities are {', '.join(installed.capabilities)}",
        remedy=_TAKE_OUT,
        command=ollama(url, "show", name),
    )


def models_share_weights(one: str, other: str, host: ObservedHost) -> Finding:
    """Two contestants, one set of weights."""
    return Finding(
        "models_share_weights",
        "warning",
        f"{one}, {other}",
        cause=f"both have the same weights on {host.host.name} and differ in what is asked (options, system prompt) or "
        "in their own template and parameters: the model battles itself, and with different contexts each evicts the "
        "other from memory",
        remedy="if that is not what you want to compare, remove one of them from ARENA_MODELS",
        command=ollama(host.host.url, "show", "--modelfile", other),
    )


def models_share_weights_one_drawn(first: str, duplicate: str) -> Finding:
    """``models_share_weights`` where nothing at all differs but the name."""
    return Finding(
        "models_share_weights",
        "warning",
        f"{first}, {duplicate}",
        cause=f"{duplicate} is {first} under another name (the same digest, asked with the same options): only "
        f"{first} is drawn and rated, or the model would battle itself",
        remedy=f"remove {duplicate} from ARENA_MODELS, or from the server if it is not needed",
        command="grep -n ARENA_MODELS .env",
    )


def model_differs(model: str, digests: Mapping[str, str], url: str) -> Finding:
    """One name, different files; ``digests`` are by host."""
    files = ", ".join(f"{digest[:12]} on {host}" for host, digest in digests.items())
    return Finding(
        "model_differs",
        "warning",
        model,
        cause=f"{model} is not the same file on every host ({files}): votes for one version count for another",
        remedy="pull it again on each of these hosts, so that all have the newest version",
        command=ollama(url, "pull", model),
    )


def model_table_unused(name: str, suggestion: str | None) -> Finding:
    """A ``[[models]]`` table that matches no contestant."""
    return Finding(
        "model_table_unused",
        "warning",
        name,
        cause=f"[[models]] {name} matches no model that enters battles, so its settings have no effect"
        + (f"; did you mean {suggestion}?" if suggestion else ""),
        remedy="correct its name in arena.toml, add it to ARENA_MODELS, or delete the table",
        command=f"grep -n {quote(name)} arena.toml",
    )


def host_odd_rows(host: ObservedHost, path: str, rows: Sequence[OddRow]) -> Finding:
    """The rows of one of its lists that are not as Ollama writes them."""
    skipped = sum(row.skipped for row in rows)
    first = sorted(rows, key=lambda row: not row.skipped)[:3]
    examples = "; ".join(f"{_row(row)}: {', '.join(row.fields[:3])}" for row in first)
    effect = f"{skipped} of its rows can't be used" if skipped else "these fields count as unknown, the rest is used"
    return Finding(
        "host_odd_rows",
        "warning" if skipped else "note",
        host.host.name,
        cause=f"{path} of {shown(host.host.url)} is not in Ollama's format ({examples}): {effect}",
        remedy=f"find out which server or proxy answers there, and update it on {machine_of(host.host.url)}",
        command=curl(host.host.url, path),
    )


def _row(row: OddRow) -> str:
    return f"row {row.place}" + (f" ({row.name[:80]})" if row.name else "")


def num_ctx_over_training(model: str, num_ctx: int, trained: int) -> Finding:
    """More context than the model was trained for."""
    return Finding(
        "num_ctx_over_training",
        "warning",
        model,
        cause=f"num_ctx is {num_ctx}, but {model} was trained for {trained}",
        remedy=f"set num_ctx to {trained} or less, for this model in arena.toml ([[models]]) or for all",
        command=environment("ARENA_NUM_CTX", str(trained)),
    )


def num_predict_over_num_ctx(model: str, num_predict: int, num_ctx: int) -> Finding:
    """An answer may be as long as the whole context."""
    return Finding(
        "num_predict_over_num_ctx",
        "warning",
        model,
        cause=f"answers may have {num_predict} tokens, but the prompt and the answer together may have {num_ctx}: long "
        "answers are cut off or fail",
        remedy="set ARENA_NUM_PREDICT to at most half of num_ctx",
        command=environment("ARENA_NUM_PREDICT", str(max(num_ctx // 2, 1))),
    )


def max_message_over_num_ctx(model: str, max_message: int, num_ctx: int, characters: int) -> Finding:
    """The configured longest message is longer than the model's context."""
    return Finding(
        "max_message_over_num_ctx",
        "note",
        model,
        cause=f"messages may have {max_message} characters, but {num_ctx} tokens hold about {characters}: longer ones "
        "are refused as prompt_too_long",
        remedy="raise ARENA_NUM_CTX if the card has room, or lower ARENA_MAX_MESSAGE",
        command=environment("ARENA_MAX_MESSAGE", str(characters)),
    )


def model_cannot_think(model: str, think: bool | str) -> Finding:
    """It is configured to think and can't."""
    return Finding(
        "model_cannot_think",
        "note",
        model,
        cause=f"it is configured with think = {str(think).lower()}, but its capabilities don't have thinking: it is "
        "asked to answer without",
        remedy="nothing, or set think = false in its [[models]] table; beside models that think, it is another contest",
        command="ollama show " + quote(model),
    )
