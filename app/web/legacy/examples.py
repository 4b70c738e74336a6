"""Examples of answers, for the OpenAPI document; a test holds their fields to those of real answers."""

from __future__ import annotations

from typing import Any

from app.web.api.leaderboard import ROW

Json = dict[str, Any]

BATTLE = "5f0c8a52c1d94d7fa3c40a54b0a2f1de"
_A, _B = "Because air scatters blue light most.", "It mirrors the sea, some say; in truth it is the air."
_C = "Short waves are scattered by the air."

_PAIR: Json = {
    "model_a": "Model A",
    "model_b": "Model B",
    "response_a": _A,
    "response_b": _B,
    "latency_a": 0,
    "latency_b": 0,
}
_NEXT_PAIR: Json = _PAIR | {"model_b": "Model C", "response_b": _C}
_EMPTY: Json = {"response_a": "", "response_b": ""}
_STANDINGS: Json = {"eliminated_models": [], "winner_chain": [], "remaining_models": ["Model C"]}
_AFTER_ONE: Json = {"eliminated_models": ["Model B"], "winner_chain": ["Model A"], "remaining_models": []}
_HISTORY: list[Json] = [
    {
        "round": 0,
        "model_a": "Model A",
        "model_b": "Model B",
        "choice": "left",
        "eliminated_model": "Model B",
        "timestamp": "2026-03-01T12:00:00.250000Z",
    }
]
_LAST: Json = {"previous_winner": "Model A", "previous_loser": "Model B", "eliminated_side": "right"}

STARTED: Json = {
    "battle_id": BATTLE,
    "status": "initialized",
    "total_models": 3,
    "current_round": 0,
    "message": "Why is the sky blue?",
}
BATTLE_STARTED: Json = {
    **STARTED,
    **_PAIR,
    **_EMPTY,
    "arena_mode": True,
    "responses_ready": False,
    "models_hidden": True,
    "view_index": 0,
}
SESSION_BATTLE: Json = {
    "battle_id": "test-123",
    "status": "ready",
    "message": "Why is the sky blue?",
    "models_hidden": True,
    "view_index": -1,
}
_READY: Json = {"battle_id": BATTLE, "status": "ready", **_PAIR, "current_models": ["Model A", "Model B"]}
PROGRESSIVE_PAIR: Json = {
    "battle_id": BATTLE,
    "status": "ready",
    **_PAIR,
    "current_round": 0,
    "remaining_comparisons": 2,
    "current_models": ["Model A", "Model B"],
    "responses_ready": True,
}
RESPONSES: Json = {**_READY, "ready": True, "responses_ready": True, "models_hidden": True}
NEXT_RESPONSES: Json = {"success": True, "battle_id": BATTLE, **_NEXT_PAIR, **_AFTER_ONE}
CHOICE_MADE: Json = {
    "battle_id": BATTLE,
    "status": "continue",
    "responses_ready": True,
    **_NEXT_PAIR,
    "current_round": 1,
    "remaining_comparisons": 1,
    "eliminated_model": "Model B",
    "eliminated_side": "right",
    "current_models": ["Model A", "Model C"],
}
VOTED: Json = {
    "success": True,
    "preference_recorded": True,
    "battle_id": BATTLE,
    "continue_battle": True,
    "continue": True,
    "needs_responses": True,
    "round": 2,
    "current_round": 2,
    **_NEXT_PAIR,
    "response_label_a": "Model A",
    "response_label_b": "Model C",
    **_AFTER_ONE,
    **_LAST,
    "final_ranking": [],
    "winner": "",
    "total_rounds": 1,
    "comparison_history": _HISTORY,
    "models_revealed": {
        "model_a": {"name": "Model A", "display_name": "Model A", "rating": 1000.0},
        "model_b": {"name": "Model B", "display_name": "Model B", "rating": 1000.0},
    },
}
ARENA_VOTED: Json = {
    "success": True,
    "preference_recorded": True,
    "battle_id": BATTLE,
    "continue_battle": True,
    "needs_responses": True,
    "final_ranking": [],
    "comparison_history": _HISTORY,
    **_NEXT_PAIR,
    **_AFTER_ONE,
    **_LAST,
    "round": 1,
    "next_view_index": 1,
}
ROUTING: Json = {
    "route": "arena",
    "query_type": "general",
    "reasoning": "Every message is answered in the arena.",
    "confidence": 1.0,
    "use_arena": True,
    "message": "Every message is answered in the arena; there is no need to ask.",
    "deprecated": True,
}
SENT: Json = {
    **RESPONSES,
    "status": "success",
    "arena_mode": True,
    "view_index": 0,
    "round": 1,
    "total_rounds": 2,
    "message": "Two models answered; which answer is better?",
    "response": "Two models answered; which answer is better?",
    **_STANDINGS,
}
NO_MESSAGE: Json = {"content": "Please type a message.", "status": "success", "done": True}
PONG: dict[str, str] = {"status": "ok", "message": "pong"}
SESSION: dict[str, str] = {"status": "success", "session_id": "test-123"}
STATUS: Json = {
    "available": True,
    "active_models": 3,
    "models": ["llama3.1:8b", "mistral:7b", "qwen3:8b"],
    "total_battles": 120,
    "completed_battles": 97,
    "leaderboard": [],
    "storage_status": "Redis (running battles) and SQL (battles, answers and votes)",
}
OLLAMA_STATUS: Json = {
    "status": "healthy",
    "base_url": "",
    "total_models": 3,
    "available_models": ["llama3.1:8b", "mistral:7b", "qwen3:8b"],
    "arena_models_status": {"llama3.1:8b": True, "mistral:7b": True, "qwen3:8b": True},
    "all_arena_models_ready": True,
    "recommendation": "All models are there; nothing to do.",
}
LOADING: Json = {
    "loaded_models": ["Model A"],
    "pending_models": ["Model B", "Model C"],
    "total_models": 3,
    "progress_percentage": 33.3,
    "all_loaded": False,
}

STATISTICS: Json = {
    "total_battles": 120,
    "completed_battles": 97,
    "completion_rate": 80.83,
    "preference_distribution": {"left": 81, "right": 76, "tie": 30, "both_bad": 7},
    "model_usage": {"llama3.1:8b": 130, "mistral:7b": 129, "qwen3:8b": 129},
    "leaderboard": [ROW],
    "active_models": 3,
    "models_per_page": 2,
    "total_views": 3,
    "storage_status": STATUS["storage_status"],
    "votes": 194,
    "votes_of": "ended battles",
    "categories": {"coding": 40},
    "languages": {"en": 180, "fr": 14},
}
STATISTICS_SO_FAR: Json = STATISTICS | {
    "preference_distribution": {"left": 0, "right": 0, "tie": 0, "both_bad": 0},
    "model_usage": {},
    "leaderboard": [],
    "votes": 0,
    "categories": {},
    "languages": {},
    "state": "being_made",
    "retry_after_s": 5,
}
EXPORTED: Json = {
    "success": True,
    "file_path": "exports/dpo.jsonl",
    "export_type": "dpo",
    "format": "jsonl",
    "battles_included": 97,
    "examples_generated": 217,
}
UNKNOWN_TYPE: Json = {
    "error": "type must be one of dpo, rlhf, analytics",
    "code": "invalid_field",
    "field": "type",
    "valid_types": ["dpo", "rlhf", "analytics"],
}

_INIT: Json = {"arena_mode": True, "battle_id": BATTLE, "model_a": "Model A", "model_b": "Model B", **_EMPTY}
_DELTA: Json = {"arena_mode": True, "battle_id": BATTLE, "stream": True, "side": "a", "delta": "Because", "done": False}
_FINAL: Json = {
    "arena_mode": True,
    "battle_id": BATTLE,
    "arena_complete": True,
    **_PAIR,
    **_STANDINGS,
    "round": 1,
    "responses_ready": True,
    "done": True,
}
CHAT_STREAM: list[Json] = [_INIT | {"round": 1, "done": False}, _DELTA, _FINAL]
STREAM_OF_RESPONSES: list[Json] = CHAT_STREAM
