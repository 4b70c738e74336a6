"""Examples of answers about hosts, for the OpenAPI document; a test holds their fields to those of real answers."""

from __future__ import annotations

from typing import Any

from app.web.schemas.base import answered
from app.web.schemas.errors import UNAVAILABLE
from app.web.schemas.hosts import ContenderList, Hosts, WarmingModels

Json = dict[str, Any]

_RESIDENT: Json = {
    "model": "llama3.1:8b",
    "size_bytes": 6654289920,
    "vram_bytes": 6654289920,
    "context_length": 4096,
    "flags": [],
    "ours": True,
}
HOST: Json = {
    "name": "gpu-1",
    "kind": "ollama",
    "health": "up",
    "driven": True,
    "version": "0.12.3",
    "told_at": None,
    "since": "2026-01-01T08:00:00.000Z",
    "residents": [],
    "loading": False,
    "max_models": 3,
    "num_parallel": 1,
    "memory_bytes": 25769803776,
    "resident_vram_bytes": 0,
    "weight": 1.0,
    "fallback": False,
    "scale_to_zero": False,
    "events": [{"at": "2026-01-01T08:00:00.000Z", "kind": "host_up"}],
}
FULL_HOST: Json = HOST | {
    "told_at": "2026-01-01T12:00:00.000Z",
    "resident_vram_bytes": 6654289920,
    "url": "http://10.0.0.5:11434",
    "why": "",
    "residents": [
        _RESIDENT
        | {
            "expires_at": "2026-01-04T12:00:00.000Z",
            "since": "2026-01-01T08:00:00.000Z",
            "used": "2026-01-01T11:59:58.000Z",
        }
    ],
    "loading_model": None,
    "loading_for_s": None,
    "waiting": 1,
    "running": 1,
    "waiting_by_model": {"qwen3:8b": 1},
    "running_by_model": {"llama3.1:8b": 1},
    "load_s": {"llama3.1:8b": 7.1},
    "answer_s": {"llama3.1:8b": 6.2},
    "tokens_per_s": {"llama3.1:8b": 54.8},
    "planned": ["llama3.1:8b", "qwen3:8b"],
    "allowed_models": [],
    "warm_per_hour": 12,
    "events": [{"at": "2026-01-01T08:00:00.000Z", "kind": "host_up", "model": "", "detail": ""}],
    "unloads": [
        {
            "at": "2026-01-01T11:58:40.000Z",
            "model": "mistral:7b",
            "reason": "makes_room",
            "why": "to make room for qwen3:8b, for which somebody waits",
        }
    ],
}
_FINDING: Json = {
    "code": "keep_alive_too_short",
    "severity": "warning",
    "subject": "gpu-1",
    "cause": "Models leave memory 5 minutes after their last answer.",
    "remedy": "Let the server keep them for longer.",
    "command": "OLLAMA_KEEP_ALIVE=72h ollama serve",
}
PUBLIC_VIEW: Json = {"view": "public", "waiting": 1, "running": 1, "hosts": [HOST]}
_ROTATION: Json = {
    "set_id": "9f3a01b2-7",
    "sets": {"gpu-1": ["llama3.1:8b", "qwen3:8b"]},
    "reserve": ["mistral:7b"],
    "since": "2026-01-01T11:40:00.000Z",
    "earliest": "2026-01-01T11:44:40.000Z",
    "latest": "2026-01-01T12:31:10.000Z",
    "probability": 0.41,
    "came": "qwen3:8b",
    "went": ["mistral:7b"],
    "why": "teaches more",
    "battles": 37,
    "drawn": {"llama3.1:8b": 210, "mistral:7b": 173, "qwen3:8b": 181},
    "pairs": [
        {"models": ["llama3.1:8b", "mistral:7b"], "drawn": 101, "share": 0.0},
        {"models": ["llama3.1:8b", "qwen3:8b"], "drawn": 109, "share": 1.0},
        {"models": ["mistral:7b", "qwen3:8b"], "drawn": 72, "share": 0.0},
    ],
    "without_load": 0.97,
}
FULL_VIEW: Json = {
    "view": "full",
    "waiting": 1,
    "running": 1,
    "hosts": [FULL_HOST],
    "findings": [_FINDING],
    "rotation": _ROTATION,
}
MODELS_VIEW: Json = {
    "models": [
        {
            "model": "llama3.1:8b",
            "hosts": ["gpu-1"],
            "resident_on": ["gpu-1"],
            "size_bytes": 4920753328,
            "digest": "46e0c10c039e019119339687c3c1757cc81b9da49709a3b3924863ba87ca666e",
            "quantization": "Q4_K_M",
            "capabilities": ["completion", "tools"],
            "same_everywhere": True,
        }
    ],
    "missing": [
        {"model": "mistral-7b", "suggestion": "mistral:7b", "remedy": "Did you mean mistral:7b? Correct ARENA_MODELS."}
    ],
}

HOSTS: Json = answered(Hosts, "All hosts", PUBLIC_VIEW, FULL_VIEW)
MODELS: Json = answered(ContenderList, "The models", MODELS_VIEW)
WARMING: Json = answered(WarmingModels, "The models that were asked for", {"warming": ["llama3.1:8b", "qwen3:8b"]})
WITHOUT_REDIS: Json = UNAVAILABLE[503]
