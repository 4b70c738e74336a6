"""What a real vLLM on a CPU sent (``benchmarks/record_openai.py --sleep``): it is read right, asleep and awake."""

from __future__ import annotations

import json

import httpx
import pytest

from app.backends.base import BackendError, BadRequest, ModelNotFound, PromptTooLong
from app.backends.detection import recognised
from app.backends.openai.answer import ChatFold
from app.backends.openai.failures import by_status
from app.backends.openai.listing import listed_models
from app.backends.openai.metrics import gauges, weights_are_gone
from tests.backends.chat_double import chat_double
from tests.backends.test_openai_recordings import body_of, exchanges_with, foreign, frames_of
from tests.helpers import known

VLLM = exchanges_with("vllm")


@pytest.mark.parametrize("name", ["stream", "stream with usage", "the prompt is cached", "unknown options"])
def test_its_streams_are_read_whole(name: str) -> None:
    answer, text, last = ChatFold(), "", None
    for piece in VLLM[name]["response"]["chunks"]:
        chunk = answer.feed(piece.encode())
        text += chunk.text if chunk else ""
        last = chunk or last
    frames = frames_of(body_of(VLLM[name]))
    choices = [choice for frame in frames for choice in frame["choices"]]
    assert text == "".join(choice["delta"].get("content") or "" for choice in choices) != ""
    assert answer.failure is None
    assert known(last).finish_reason == next(choice["finish_reason"] for choice in choices if choice["finish_reason"])
    usage = next((frame["usage"] for frame in frames if frame.get("usage")), None)
    if usage is not None:
        timing = known(known(last).timing)
        assert (timing.tokens, timing.prompt_tokens) == (usage["completion_tokens"], usage["prompt_tokens"])


@pytest.mark.parametrize(
    ("name", "failure"),
    [("prompt too long", PromptTooLong), ("unknown model", ModelNotFound), ("wrong type", BadRequest)],
)
def test_its_failures_have_their_class(name: str, failure: type[BackendError]) -> None:
    response = VLLM[name]["response"]
    assert type(by_status(response["status"], body_of(VLLM[name]).encode())) is failure


def test_it_is_recognised_and_tells_its_model() -> None:
    answers = {
        "/models": json.loads(body_of(VLLM["GET /v1/models"])),
        "/is_sleeping": json.loads(body_of(VLLM["GET /is_sleeping"])),
    }
    assert recognised(answers) == "vllm-sleep"
    (row,) = listed_models(answers["/models"])
    assert (row.model.name, row.model.context_length) == ("tiny", 512)


def test_it_says_that_it_sleeps_while_its_health_says_that_all_is_well() -> None:
    statuses = {name: exchange["response"]["status"] for name, exchange in VLLM.items()}
    asleep = [json.loads(body_of(VLLM[f"GET /is_sleeping, {state}"]))["is_sleeping"] for state in ("asleep", "awake")]
    assert asleep == [True, False]
    assert [statuses[name] for name in ("sleep", "GET /health, asleep", "wake up")] == [200, 200, 200]
    metrics = body_of(VLLM["GET /metrics, asleep"])
    assert not weights_are_gone(metrics)
    assert weights_are_gone(metrics.replace('"discard_all"} 0', '"discard_all"} 1'))
    assert gauges(metrics).running == 0


async def test_the_double_answers_as_it_did() -> None:
    asked = ("GET /v1/models", "GET /version", "GET /is_sleeping", "whole", "stream with usage", "sleep", "wake up")
    async with (
        chat_double("vllm-sleep", models=("tiny",)) as double,
        httpx.AsyncClient(base_url=double.url, trust_env=False) as client,
    ):
        for name in asked:
            request = VLLM[name]["request"]
            body = None if request["method"] == "GET" else request["body"] or {}
            reply = await client.request(request["method"], request["path"], json=body)
            assert reply.status_code == VLLM[name]["response"]["status"] == 200, name
            if name.startswith("stream"):
                mine, real = frames_of(reply.text), frames_of(body_of(VLLM[name]))
                assert foreign(mine[1], real[1]) == foreign(mine[-1], real[-1]) == []
            else:
                assert foreign(reply.json(), json.loads(body_of(VLLM[name]))) == [], name
