"""OpenAI's Batch API with the official client, unchanged: uploaded at one worker, followed and fetched at another."""

from __future__ import annotations

import json
from typing import Any, cast

import openai
import pytest
from openai import AsyncOpenAI
from openai.types import Batch

from tests.helpers import wait_until
from tests.whole.client import bare_client
from tests.whole.conftest import SharedDeployment
from tests.whole.harness import OKAPI, ZIRCON

OVER = ("completed", "failed", "expired", "cancelled")


def caller(url: str) -> AsyncOpenAI:
    http: Any = cast(Any, bare_client())  # it is typed for the next httpx, and takes this one as well
    return AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, http_client=http)


def line(n: int, model: str, **body: Any) -> bytes:
    messages = [{"role": "user", "content": f"Why do rivers bend? ({n})"}]
    body = {"model": model, "messages": messages, "max_tokens": 12, **body}
    value = {"custom_id": f"r{n}", "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(value).encode() + b"\n"


async def ended(client: AsyncOpenAI, id_: str) -> Batch:
    async def over() -> Batch | None:
        batch = await client.batches.retrieve(id_)
        return batch if batch.status in OVER else None

    return cast(Batch, await wait_until(over, interval=0.2))


async def test_a_batch_from_its_upload_to_its_answers(deployed: SharedDeployment) -> None:
    async with caller(deployed.one.url) as one, caller(deployed.two.url) as two:
        lines = b"".join(line(n, (OKAPI, ZIRCON)[n % 2]) for n in range(4))
        file = await one.files.create(file=("in.jsonl", lines), purpose="batch")
        assert (file.bytes, file.purpose, file.filename) == (len(lines), "batch", "in.jsonl")
        assert (await two.files.content(file.id)).content == lines
        made = await two.batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"night": "1"},
            output_expires_after={"anchor": "created_at", "seconds": 3600},
        )
        assert made.status == "validating"
        done = await ended(one, made.id)
        assert (done.status, done.error_file_id, done.metadata) == ("completed", None, {"night": "1"})
        assert done.request_counts is not None
        assert (done.request_counts.total, done.request_counts.completed, done.request_counts.failed) == (4, 4, 0)
        assert done.output_file_id is not None
        answers = [json.loads(text) for text in (await two.files.content(done.output_file_id)).text.splitlines()]
        assert [answer["custom_id"] for answer in answers] == ["r0", "r1", "r2", "r3"]
        assert [answer["response"]["body"]["model"] for answer in answers] == [OKAPI, ZIRCON, OKAPI, ZIRCON]
        assert all(answer["response"]["body"]["choices"][0]["message"]["content"] for answer in answers)
        assert made.id in [batch.id async for batch in two.batches.list(limit=1)]
        assert {file.id, done.output_file_id} <= {found.id async for found in one.files.list()}
        for id_ in (file.id, done.output_file_id):
            assert (await one.files.delete(id_)).deleted
            with pytest.raises(openai.NotFoundError):
                await two.files.retrieve(id_)


async def test_a_batch_that_is_cancelled_and_one_that_is_wrong(deployed: SharedDeployment) -> None:
    async with caller(deployed.one.url) as one, caller(deployed.two.url) as two:
        lines = b"".join(line(n, OKAPI, max_tokens=600) for n in range(40))
        file = await one.files.create(file=("many.jsonl", lines), purpose="batch")
        made = await one.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        assert (await two.batches.cancel(made.id)).status == "cancelling"
        assert (await ended(one, made.id)).status == "cancelled"
        wrong = await two.files.create(file=("wrong.jsonl", line(0, OKAPI) + line(0, OKAPI)), purpose="batch")
        bad = await two.batches.create(input_file_id=wrong.id, endpoint="/v1/chat/completions", completion_window="24h")
        failed = await ended(one, bad.id)
        assert failed.errors is not None
        assert [error.line for error in failed.errors.data or ()] == [2]
        with pytest.raises(openai.NotFoundError):
            await one.batches.retrieve("batch_that_is_not_there")
        with pytest.raises(openai.BadRequestError) as refused:
            await one.batches.create(input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h")
        assert refused.value.param == "endpoint"
