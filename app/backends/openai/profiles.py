"""What differs between the servers that speak OpenAI's chat completions.

Read from the servers' sources and tried on running ones where docs/backends.md says so. One profile is data only: what
is asked where, which options are taken under which name, what the server does with its memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Memory = Literal["fixed", "router", "llama-swap", "sleep", "lm-studio"]
"""``fixed``: the server holds what it was started with, or manages its memory itself; the others load and unload."""

_ANY_NUMBER = 10_000
"""Models that one load brings all together: names of the same weights."""

Thinking = Literal["template", "effort", ""]
"""How a server is asked to think or not to: by an argument of the chat template, as an effort, or not at all."""

_STANDARD = ("top_p", "frequency_penalty", "presence_penalty", "stop", "logit_bias")
"""What OpenAI's own API takes, under the names that Ollama has for it, too."""

_LLAMA = (
    *_STANDARD,
    *("top_k", "min_p", "typical_p", "repeat_penalty", "repeat_last_n", "ignore_eos", "cache_prompt", "samplers"),
    *("dynatemp_range", "dynatemp_exponent", "mirostat", "mirostat_tau", "mirostat_eta", "top_n_sigma"),
    *("dry_multiplier", "dry_base", "dry_allowed_length", "dry_penalty_last_n", "dry_sequence_breakers"),
    *("xtc_probability", "xtc_threshold", "t_max_predict_ms", "grammar", "min_keep"),
)
_VLLM = (
    *_STANDARD,
    *("top_k", "min_p", "min_tokens", "ignore_eos", "stop_token_ids", "length_penalty", "skip_special_tokens"),
    *("bad_words", "include_stop_str_in_output", "spaces_between_special_tokens", "priority"),
)
_SGLANG = (*_STANDARD, "top_k", "min_p", "min_tokens", "ignore_eos", "stop_token_ids", "skip_special_tokens", "regex")
_LM_STUDIO = (*_STANDARD, "top_k", "repeat_penalty", "min_p", "ttl")


def _same(names: tuple[str, ...], **renamed: str) -> dict[str, str]:
    return {**{name: name for name in names}, **renamed}


@dataclass(frozen=True, slots=True)
class Profile:
    """One sort of server.

    ``port`` is the usual one. ``health`` answers 200 while the server works and costs it nothing (empty: the list of
    models does); ``version`` is a path with a ``version`` in its JSON,
    ``listing`` a list of models of its own. ``options`` are the options that are taken, with
    the server's names for Ollama's; ``sets_top_p`` where the model's own files would decide it otherwise.
    ``slots`` is how many answers of one model run at once where the server does not say, ``max_loaded`` how many
    models it holds at once unless it is configured otherwise (None: as Ollama). ``server`` is the program, which may be
    driven in several ways.
    """

    name: str
    port: int
    health: str = ""
    version: str = ""
    metrics: str = ""
    listing: str = ""
    options: Mapping[str, str] = field(default_factory=lambda: _same(_STANDARD))
    thinking: Thinking = ""
    max_tokens: str = "max_tokens"
    sets_top_p: bool = True
    usage: bool = True
    memory: Memory = "fixed"
    max_loaded: int | None = None
    slots: int = 4
    reports_slots: bool = False
    reports_capabilities: bool = False
    sleeps: bool = False
    loads_on_request: bool = False
    drops_nameless_reasoning: bool = False
    server: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "server", self.server or self.name)


OPENAI = Profile("openai", 443, sets_top_p=False, thinking="effort")
VLLM = Profile(
    "vllm",
    8000,
    health="/health",
    version="/version",
    metrics="/metrics",
    options=_same(_VLLM, repeat_penalty="repetition_penalty", repetition_penalty="repetition_penalty"),
    thinking="template",
    slots=16,
    sleeps=True,
)
VLLM_SLEEP = replace(VLLM, name="vllm-sleep", memory="sleep", sleeps=False, max_loaded=_ANY_NUMBER)
SGLANG = Profile(
    "sglang",
    30000,
    health="/ready",  # /health generates a token
    version="/server_info",
    options=_same(_SGLANG, repeat_penalty="repetition_penalty", repetition_penalty="repetition_penalty"),
    thinking="template",
    slots=16,
)
LLAMA_SERVER = Profile(
    "llama-server",
    8080,
    health="/health",
    version="/props",
    options=_same(_LLAMA, num_keep="n_keep", n_keep="n_keep"),
    thinking="template",
    slots=1,
    reports_slots=True,
    reports_capabilities=True,
)
LLAMA_ROUTER = replace(LLAMA_SERVER, name="llama-router", memory="router", max_loaded=4, reports_capabilities=False)
LLAMA_SWAP = Profile(
    "llama-swap",
    8080,
    health="/health",
    options=_same(_LLAMA, num_keep="n_keep", n_keep="n_keep"),
    thinking="template",
    memory="llama-swap",
    max_loaded=1,
    slots=1,
    drops_nameless_reasoning=True,
)
LM_STUDIO = Profile(
    "lm-studio",
    1234,
    listing="/api/v0/models",  # it has what /v1/models lacks: which models only embed, and how they are quantised
    options=_same(_LM_STUDIO),
    slots=1,
    loads_on_request=True,
)
LM_STUDIO_REST = replace(
    LM_STUDIO,
    name="lm-studio-rest",
    listing="/api/v1/models",
    memory="lm-studio",
    loads_on_request=False,
    max_loaded=1,
)

PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        *(OPENAI, VLLM, VLLM_SLEEP, SGLANG),
        *(LLAMA_SERVER, LLAMA_ROUTER, LLAMA_SWAP, LM_STUDIO, LM_STUDIO_REST),
    )
}
