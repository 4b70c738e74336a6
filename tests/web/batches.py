"""What tests of /v1/files and /v1/batches send, and what they do in the place of a run's worker."""

from __future__ import annotations

from typing import Any

import orjson

from app.arena.states import AnswerState
from app.backends.base import GenerationRequest
from app.batch.call import BatchCall, CallKey
from app.batch.runs import CallChange, Changes, JobChange
from app.timing.stopwatch import Timing
from tests.web.runs import RunsApplication

BODY = {"model": "a:1b", "messages": [{"role": "user", "content": "Why do rivers bend?"}]}


def line(custom_id: str, **body: Any) -> bytes:
    value = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": BODY | body}
    return orjson.dumps(value) + b"\n"


def lines(count: int) -> bytes:
    return b"".join(line(f"r{n}") for n in range(count))


async def uploaded(application: RunsApplication, content: bytes, **more: Any) -> dict[str, Any]:
    reply = await application.http.post(
        "/v1/files", files={"file": ("in.jsonl", content)}, data={"purpose": "batch", **more.pop("data", {})}, **more
    )
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


async def created(application: RunsApplication, content: bytes, **more: Any) -> dict[str, Any]:
    file = await uploaded(application, content)
    reply = await application.http.post("/v1/batches", json=asked(file["id"], **more))
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def asked(file_id: str, **more: Any) -> dict[str, Any]:
    return {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h", **more}


async def batch(application: RunsApplication, id_: str) -> dict[str, Any]:
    return dict((await application.http.get(f"/v1/batches/{id_}")).json())


async def run_of(application: RunsApplication, id_: str) -> str:
    found = await application.batches.batch(id_)
    assert found is not None
    assert found.run_id is not None
    return found.run_id


async def answer(application: RunsApplication, run: str, n: int) -> None:
    state = AnswerState(1, "done", 1, "stop", None, Timing(tokens=5, prompt_tokens=11), "h", False, "Because.")
    await application.records.store_answer(BatchCall(run, n, 0, 0, 0, GenerationRequest("a:1b", ())), state, "d")
    await application.records.apply(run, Changes([CallChange(CallKey(n, 0, 0), "done")], [JobChange(n, "done")]))


async def fail(application: RunsApplication, run: str, n: int) -> None:
    change = CallChange(CallKey(n, 0, 0), "failed", 3, 3, "timeout", "no answer", judged=False)
    await application.records.apply(run, Changes([change], [JobChange(n, "failed", 0, "timeout", "no answer")]))


async def content(application: RunsApplication, file_id: str) -> list[dict[str, Any]]:
    reply = await application.http.get(f"/v1/files/{file_id}/content")
    assert reply.status_code == 200
    return [orjson.loads(one) for one in reply.content.splitlines()]
