"""The names of attributes: of OpenTelemetry's HTTP and GenAI conventions, and our own under ``arena.``.

The GenAI conventions (open-telemetry/semantic-conventions-genai, September 2026) are still in development: they are
named here and nowhere else. Their ``gen_ai.input.messages`` and ``gen_ai.output.messages`` are left out on purpose.
"""

from __future__ import annotations

from typing import Final

ERROR: Final = "error.type"

METHOD: Final = "http.request.method"
ROUTE: Final = "http.route"
STATUS: Final = "http.response.status_code"
REQUEST_ID: Final = "arena.request_id"

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
CONVERSATION: Final = "gen_ai.conversation.id"
MODEL: Final = "gen_ai.request.model"
STREAM: Final = "gen_ai.request.stream"
TEMPERATURE: Final = "gen_ai.request.temperature"
MAX_TOKENS: Final = "gen_ai.request.max_tokens"
SEED: Final = "gen_ai.request.seed"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
FIRST_CHUNK_S: Final = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
SERVER: Final = "server.address"
PORT: Final = "server.port"

BATTLE: Final = "arena.battle"
"""A battle's id; for an answer without a battle that of the completion or of the batch call."""
ANSWER: Final = "arena.answer"
ATTEMPT: Final = "arena.attempt"
HOST: Final = "arena.host"
PRIORITY: Final = "arena.priority"
OUTCOME: Final = "arena.outcome"
TARGET: Final = "arena.target"
MADE_ROOM: Final = "arena.made_room"
COLD: Final = "arena.cold"
THINKING_S: Final = "arena.thinking_s"
DECODE_S: Final = "arena.decode_s"
PROMPT_S: Final = "arena.prompt_s"
