"""A vLLM with sleep mode and an LM Studio under a driver: an operator unloads, an answer loads again."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.backends.base import Backend
from app.backends.openai.profiles import LM_STUDIO_REST, VLLM_SLEEP
from app.backends.openai.sleeping import SleepingBackend
from app.backends.openai.studio import StudioBackend
from app.scheduling.memory_request import MemoryRequest
from tests.backends.chat_double import ChatDouble, chat_double
from tests.helpers import wait_until
from tests.scheduling.conftest import job, loop_now
from tests.scheduling.several_hosts import SeveralHosts


@pytest.fixture
async def hosts() -> AsyncIterator[SeveralHosts]:
    hosts = SeveralHosts(("gpu",))
    yield hosts
    await hosts.close()


def _in_memory(double: ChatDouble) -> bool:
    return double.sleeping is False or bool(double.instances)


def _client(double: ChatDouble) -> Backend:
    if double.kind == "vllm-sleep":
        return SleepingBackend(double.url, VLLM_SLEEP)
    return StudioBackend(double.url, LM_STUDIO_REST)


@pytest.mark.parametrize("kind", ["vllm-sleep", "lm-studio-rest"])
async def test_what_an_operator_unloads_is_loaded_again_for_the_next_answer_and_not_before(
    hosts: SeveralHosts, kind: str
) -> None:
    async with chat_double(kind, models=("a", "b")) as double:
        hosts.open("gpu", _client(double), max_loaded=5)
        first, second = job(1, "a"), job(2, "a")
        await hosts.put("gpu", first)
        await wait_until(hosts.ended(first))
        assert _in_memory(double)
        await hosts.queues["gpu"].request_memory("a", MemoryRequest("unload", loop_now() + 60))
        await wait_until(lambda: not _in_memory(double))
        await hosts.put("gpu", second)
        await wait_until(hosts.ended(second))
        assert _in_memory(double)
        finishes = [hosts.sink.answer(one).finish for one in (first, second)]
        assert [finish.reason for finish in finishes if finish is not None] == ["stop", "stop"]
