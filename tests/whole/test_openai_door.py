"""/v1 with the official client, on two workers over real sockets: single models, the arena as models, keys."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any, cast

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from tests.helpers import wait_until
from tests.whole.client import ADMIN_KEY, bare_client, call, client, snapshot
from tests.whole.conftest import SharedDeployment
from tests.whole.harness import BASALT, GRANITE, MODELS, OKAPI, ZIRCON, wait_for

ASK: list[Any] = [{"role": "user", "content": "Why do rivers bend?"}]
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "depth_of",
            "description": "How deep a sea is",
            "parameters": {"type": "object", "properties": {"sea": {"type": "string"}, "unit": {"enum": ["m", "ft"]}}},
        },
    }
]
KEY = "a-key-of-enough-characters"


def caller(url: str, key: str = "none", **more: Any) -> AsyncOpenAI:
    return AsyncOpenAI(
        base_url=f"{url}/v1",
        api_key=key,
        max_retries=0,
        http_client=cast(Any, bare_client()),  # it is typed for the next httpx, and takes this one as well
        **more,
    )


@pytest.fixture
async def one(deployed: SharedDeployment) -> AsyncIterator[AsyncOpenAI]:
    async with caller(deployed.one.url) as made:
        yield made


@pytest.fixture
async def two(deployed: SharedDeployment) -> AsyncIterator[AsyncOpenAI]:
    async with caller(deployed.two.url) as made:
        yield made


async def said(client: AsyncOpenAI, model: str, messages: list[Any], **more: Any) -> str:
    reply = await client.chat.completions.create(model=model, messages=messages, **more)
    assert reply.model == model
    return reply.choices[0].message.content or ""


async def test_models_are_listed_and_found(one: AsyncOpenAI) -> None:
    listed = [model.id for model in (await one.models.list()).data]
    assert listed == ["arena", "arena-a", "arena-b", "auto", *MODELS]
    assert (await one.models.retrieve(ZIRCON)).id == ZIRCON
    with pytest.raises(openai.NotFoundError) as refused:
        await one.models.retrieve("zirkon:7b")
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    assert ZIRCON in refused.value.message


async def test_a_stream_and_a_whole_answer_are_the_same_words(one: AsyncOpenAI, two: AsyncOpenAI) -> None:
    stream = await two.chat.completions.create(
        model=OKAPI, messages=ASK, seed=5, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    texts = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert len([text for text in texts if text]) > 1
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert {(chunk.id, chunk.model, chunk.object) for chunk in chunks} == {
        (chunks[0].id, OKAPI, "chat.completion.chunk")
    }
    whole = await one.chat.completions.create(model=OKAPI, messages=ASK, seed=5)
    assert whole.choices[0].message.content == "".join(texts)
    assert whole.choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens > 0
    assert chunks[-1].usage.prompt_tokens == whole.usage.prompt_tokens > 0
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens


async def test_a_tool_is_called_streaming_and_not_and_its_result_is_answered(
    one: AsyncOpenAI, two: AsyncOpenAI
) -> None:
    asked: dict[str, Any] = {"model": OKAPI, "messages": ASK, "tools": TOOLS}
    whole = (await one.chat.completions.create(**asked)).choices[0]
    stream = await two.chat.completions.create(**asked, stream=True)
    choices = [choice async for chunk in stream for choice in chunk.choices]
    assert whole.finish_reason == choices[-1].finish_reason == "tool_calls"
    assert whole.message.content is None
    (called,) = cast(Any, whole.message.tool_calls)
    (streamed,) = [call for choice in choices for call in choice.delta.tool_calls or ()]
    assert (called.type, called.function.name, streamed.index) == ("function", "depth_of", 0)
    assert cast(Any, streamed.function).arguments == called.function.arguments
    assert set(json.loads(called.function.arguments)) == {"sea", "unit"}
    result = {"role": "tool", "tool_call_id": called.id, "content": "95"}
    after = await said(one, OKAPI, [*ASK, whole.message.model_dump(exclude_none=True), result], tools=TOOLS)
    assert after
    assert await said(one, OKAPI, ASK, tools=TOOLS, tool_choice="none")


async def test_a_limit_of_tokens_cuts_and_says_so(one: AsyncOpenAI) -> None:
    reply = await one.chat.completions.create(model=OKAPI, messages=ASK, max_completion_tokens=3)
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 3


@pytest.mark.parametrize(
    ("more", "status", "param"),
    [
        ({"n": 2}, 400, "n"),
        ({"model": "zircon"}, 404, "model"),
        ({"model": ZIRCON, "tools": TOOLS}, 400, "tools"),
        ({"model": "arena", "tools": TOOLS}, 400, "tools"),
        ({"tools": TOOLS, "tool_choice": "required"}, 400, "tool_choice"),
        ({"tools": [{"type": "function", "function": {"name": "no name"}}]}, 400, "tools.0.function.name"),
        ({"messages": [{"role": "user", "content": " ".join(map(str, range(40_000)))}]}, 413, "message"),
        ({"temperature": "hot"}, 400, "temperature.float"),
    ],
)
async def test_what_can_not_be_done_is_an_error_of_openais_shape(
    one: AsyncOpenAI, more: dict[str, Any], status: int, param: str
) -> None:
    asked: dict[str, Any] = {"model": OKAPI, "messages": ASK} | more
    with pytest.raises(openai.APIStatusError) as refused:
        await one.chat.completions.create(**asked)
    assert refused.value.status_code == status
    assert str(refused.value.param).startswith(param.split(".")[0])
    assert refused.value.response.headers["x-request-id"]
    assert refused.value.response.headers["x-should-retry"] == "false"


async def test_other_calls_are_told_that_they_are_not_there(deployed: SharedDeployment, one: AsyncOpenAI) -> None:
    for attempt in (
        lambda: one.embeddings.create(model=OKAPI, input="x"),
        lambda: one.responses.create(model=OKAPI, input="x"),
        lambda: one.completions.create(model=OKAPI, prompt="x"),
    ):
        with pytest.raises(openai.NotFoundError) as refused:
            await attempt()
        assert refused.value.code == "unknown_url"
    async with client() as http:
        reply = await http.post(
            f"{deployed.one.url}/v1/chat/completions", content=b"{", headers={"content-type": "text/x"}
        )
        assert (reply.status_code, reply.json()["error"]["code"]) == (415, "unsupported_media_type")
        reply = await http.post(f"{deployed.one.url}/v1/chat/completions", json={"model": OKAPI})
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, "messages")


async def test_who_closes_a_stream_or_leaves_a_call_frees_the_models_slot(
    deployed: SharedDeployment, one: AsyncOpenAI
) -> None:
    deployed.deployment.basalt.set(stall_after=2, stall_s=15.0)
    stream = await one.chat.completions.create(model=OKAPI, messages=ASK, stream=True)
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            break
    await stream.close()
    await wait_until(lambda: deployed.deployment.basalt.busy == 0)
    waiting = asyncio.create_task(one.chat.completions.create(model=OKAPI, messages=ASK))
    await wait_until(lambda: deployed.deployment.basalt.busy == 1)
    waiting.cancel()
    await wait_until(lambda: deployed.deployment.basalt.busy == 0)
    assert waiting.cancelled()


async def test_a_repeated_request_is_the_same_answer(deployed: SharedDeployment) -> None:
    body = {"model": OKAPI, "messages": [{"role": "user", "content": "Once?"}], "stream": True}
    again = {"x-stainless-retry-count": "1"}

    async def id_of(url: str, headers: dict[str, str]) -> str:
        async with client() as http:
            reply = await http.post(f"{url}/v1/chat/completions", json=body, headers=headers)
        assert reply.text.endswith("data: [DONE]\n\n")
        return reply.text.split('"id":"')[1].split('"')[0]

    first = await id_of(deployed.one.url, {})
    assert await id_of(deployed.two.url, again) == first
    assert await id_of(deployed.two.url, {}) != first


async def test_a_battle_in_one_chat(deployed: SharedDeployment, one: AsyncOpenAI, two: AsyncOpenAI) -> None:
    chat: list[Any] = [*ASK]
    both = await said(one, "arena", chat)
    assert both.startswith("**Model A**\n\n")
    assert "**Model B**\n\n" in both
    assert not any(name in both for name in (*MODELS, GRANITE, BASALT))
    battle = both.split("/battle/")[1].split("/")[0]
    chat += [{"role": "assistant", "content": both}, {"role": "user", "content": "B"}]
    revealed = await said(two, "arena", chat)
    after = await snapshot(deployed.one.url, battle)
    assert [vote["verdict"] for vote in after["votes"]] == ["b"]
    names = {line["alias"]: line["model"] for line in after["reveal"]["ranking"]}
    assert all(f"{alias}: `{model}`" in revealed for alias, model in names.items())
    chat += [{"role": "assistant", "content": revealed}, {"role": "user", "content": "And lakes?"}]
    following = await said(one, "arena", chat)
    second = following.split("/battle/")[1].split("/")[0]
    assert second != battle
    export = await call(
        "GET", f"{deployed.one.url}/api/arena/battles/{second}", headers={"Authorization": f"Bearer {ADMIN_KEY}"}
    )
    assert export.json()["message"] == "And lakes?"


async def test_a_battle_of_named_models_is_one_of_these_and_marked(
    deployed: SharedDeployment, one: AsyncOpenAI
) -> None:
    both = await said(one, f"arena:{ZIRCON},{OKAPI}", [{"role": "user", "content": "You two?"}])
    assert not any(name in both for name in (ZIRCON, OKAPI))
    battle = both.split("/battle/")[1].split("/")[0]
    voting: list[Any] = [{"role": "user", "content": "You two?"}, {"role": "assistant", "content": both}]
    revealed = await said(one, f"arena:{ZIRCON},{OKAPI}", [*voting, {"role": "user", "content": "a"}])
    assert f"`{ZIRCON}`" in revealed
    assert f"`{OKAPI}`" in revealed
    with closing(sqlite3.connect(deployed.deployment.folder / "data" / "arena.db")) as database:
        ((options,),) = database.execute("select options from battles where id = ?", (battle,)).fetchall()
    assert json.loads(options)["named"] is True
    for model in (f"arena:{ZIRCON},{ZIRCON}", f"arena:{ZIRCON},nosuch:1b", f"arena:{ZIRCON},{OKAPI},{MODELS[1]}"):
        with pytest.raises(openai.BadRequestError):
            await said(one, model, ASK)


async def test_two_columns_on_two_workers_are_one_battle_and_one_vote(
    deployed: SharedDeployment, one: AsyncOpenAI, two: AsyncOpenAI
) -> None:
    chat = {"X-OpenWebUI-Chat-Id": "chat-1"}
    asked: list[Any] = [{"role": "user", "content": "Two columns?"}]
    left, right = await asyncio.gather(
        said(one, "arena-a", asked, extra_headers=chat), said(two, "arena-b", asked, extra_headers=chat)
    )
    battle = left.split("/battle/")[1].split("/")[0]
    assert right.split("/battle/")[1].split("/")[0] == battle
    sides = (await snapshot(deployed.one.url, battle))["sides"]
    assert left.startswith(sides["a"]["text"])
    assert right.startswith(sides["b"]["text"])

    def voting(text: str) -> list[Any]:
        return [*asked, {"role": "assistant", "content": text}, {"role": "user", "content": "tie"}]

    with pytest.raises(openai.PermissionDeniedError):
        await said(two, "arena-b", voting(right), extra_headers={"X-OpenWebUI-Chat-Id": "chat-2"})
    replies = await asyncio.gather(
        said(one, "arena-a", voting(left), extra_headers=chat), said(two, "arena-b", voting(right), extra_headers=chat)
    )
    assert replies[0] == replies[1]
    assert len((await snapshot(deployed.one.url, battle))["votes"]) == 1


async def test_the_admin_loads_and_unloads_through_whichever_worker_is_asked(deployed: SharedDeployment) -> None:
    admin = {"Authorization": f"Bearer {ADMIN_KEY}"}

    async def ordered(url: str, action: str) -> tuple[int, str, list[str]]:
        async with bare_client() as client:
            reply = await client.post(f"{url}/v1/models/{action}", json={"model": OKAPI}, headers=admin, timeout=70)
        return reply.status_code, reply.json()["status"]["value"], reply.json()["hosts"]

    assert (await ordered(deployed.one.url, "load"))[:2] == (200, "loaded")
    assert await ordered(deployed.two.url, "unload") == (200, "unloaded", [BASALT])
    assert await ordered(deployed.two.url, "unload") == (200, "unloaded", [])
    assert await ordered(deployed.two.url, "load") == (200, "loaded", [BASALT])


TITLE = (
    "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history.\n### Output:\n"
    'JSON format: { "title": "your concise title here" }\n### Chat History:\n<chat_history>\nUSER: Hi\n</chat_history>'
)
OPEN_WEBUI = {
    "X-OpenWebUI-Chat-Id": "7f6d1c1e-0000-4000-8000-000000000001",
    "X-OpenWebUI-User-Id": "u1",
    "X-OpenWebUI-User-Name": "Ann",
    "X-OpenWebUI-User-Role": "user",
}
ITS_OWN_FIELDS = {"arena", "info", "pipe", "pipeline", "preset", "actions", "filters", "tags", "loaded", "name"}
"""What Open WebUI keeps in a model's object: it spreads whatever a list of models has into it."""


async def test_open_webuis_calls_are_answered_as_it_reads_them(deployed: SharedDeployment) -> None:
    async with client() as http:
        listed = (await http.get(f"{deployed.one.url}/v1/models")).json()["data"]
        assert all("id" in row and not ITS_OWN_FIELDS & set(row) for row in listed)
        chat = {
            "stream": True,
            "model": OKAPI,
            "messages": ASK,
            "stream_options": {"include_usage": True},
            "max_tokens": 60,
            "temperature": 0.8,
        }
        title = {
            "model": OKAPI,
            "messages": [{"role": "user", "content": TITLE}],
            "stream": False,
            "max_completion_tokens": 1000,
        }
        # It asks for the title beside the first question: that must not wait for it, nor it for that.
        answered, titled = await asyncio.gather(
            *(
                http.post(f"{deployed.one.url}/v1/chat/completions", json=body, headers=OPEN_WEBUI)
                for body in (chat, title)
            )
        )
    assert titled.json()["choices"][0]["message"]["content"] == '{"title":""}'
    frames = [
        json.loads(line.removeprefix("data: ")) for line in answered.text.split("\n") if line.startswith("data: {")
    ]
    assert all("choices" in frame for frame in frames)
    assert "".join(choice["delta"].get("content") or "" for frame in frames for choice in frame["choices"])
    assert frames[-1]["usage"]["prompt_tokens"] > 0
    assert answered.text.endswith("data: [DONE]\n\n")


async def test_nothing_of_a_battles_frames_tells_who_writes(deployed: SharedDeployment) -> None:
    async with client() as http:
        reply = await http.post(
            f"{deployed.one.url}/v1/chat/completions",
            json={"model": "arena", "messages": ASK, "stream": True, "stream_options": {"include_usage": True}},
        )
    assert reply.status_code == 200
    for word in (*MODELS, GRANITE, BASALT, '"usage"', "fingerprint", "tokens"):
        assert word not in reply.text


async def test_the_link_in_a_chat_gives_the_browser_the_battle(deployed: SharedDeployment, one: AsyncOpenAI) -> None:
    both = await said(one, "arena", [{"role": "user", "content": "A link?"}])
    link = both.split("](")[1].split(")")[0]
    battle = link.split("/battle/")[1].split("/")[0]
    async with httpx.AsyncClient(trust_env=False) as http:
        answered = await http.get(link)
        assert (answered.status_code, answered.headers["location"]) == (303, f"/battle/{battle}")
        cookie = answered.headers["set-cookie"].split(";")[0]
        address = f"{deployed.one.url}/api/arena/battles/{battle}/votes"
        http.cookies.clear()
        refused = await http.post(address, json={"round": 1, "verdict": "a"})
        assert refused.status_code == 403
        voted = await http.post(address, json={"round": 1, "verdict": "a"}, headers={"Cookie": cookie})
        assert voted.status_code == 200
        wrong = await http.get(link.split("?")[0] + "?token=0")
        assert wrong.status_code == 403


async def test_background_calls_of_chat_uis_open_nothing(deployed: SharedDeployment, one: AsyncOpenAI) -> None:
    written = deployed.deployment.basalt.busy + deployed.deployment.granite.busy
    title = [{"role": "user", "content": '### Task:\nGenerate a title.\nJSON format: { "title": "…" }'}]
    assert await said(one, "arena", title) == '{"title":""}'
    assert await said(one, OKAPI, title) == '{"title":""}'
    assert deployed.deployment.basalt.busy + deployed.deployment.granite.busy == written == 0


async def test_auto_is_a_model_that_is_in_memory(one: AsyncOpenAI) -> None:
    reply = await one.chat.completions.create(model="auto", messages=ASK)
    assert reply.model in MODELS


async def test_keys_their_limits_and_callers_without_one(deployed: SharedDeployment) -> None:
    guarded = deployed.deployment.start(
        ARENA_API_KEYS=f"ann:{KEY}", ARENA_API_CALLS="1", ARENA_API_PER_MINUTE="4", ARENA_SCHEDULER="false"
    )
    wait_for(lambda: len(httpx.get(f"{guarded.url}/api/arena/models", trust_env=False).json()["models"]) == len(MODELS))
    async with caller(guarded.url) as nobody, caller(guarded.url, KEY) as ann:
        with pytest.raises(openai.AuthenticationError) as refused:
            await nobody.models.list()
        assert refused.value.code == "invalid_api_key"
        assert (await ann.models.list()).data
        deployed.deployment.basalt.set(stall_after=2, stall_s=15.0)
        stream = await ann.chat.completions.create(model=OKAPI, messages=ASK, stream=True)
        await anext(aiter(stream))
        with pytest.raises(openai.RateLimitError) as limited:
            await ann.chat.completions.create(model=OKAPI, messages=ASK)
        assert limited.value.code == "rate_limit_exceeded"
        assert int(limited.value.response.headers["retry-after"]) >= 1
        await stream.close()
    logged = guarded.log.read_text()
    assert KEY not in logged


async def test_without_keys_a_caller_behind_a_proxy_gets_nothing(deployed: SharedDeployment) -> None:
    async with client() as http:
        reply = await http.get(f"{deployed.one.url}/v1/models", headers={"X-Forwarded-For": "203.0.113.9"})
    assert reply.status_code == 401
    error = cast("dict[str, Any]", reply.json()["error"])
    assert (error["code"], error["type"]) == ("invalid_api_key", "authentication_error")
    assert "ARENA_API_KEYS" in error["message"]


def kept_in(deployed: SharedDeployment) -> int:
    with closing(sqlite3.connect(deployed.deployment.folder / "data" / "arena.db")) as books:
        return int(books.execute("SELECT count(*) FROM batch_cache").fetchone()[0])


async def test_who_asks_for_the_cache_gets_the_answer_that_he_was_given(
    deployed: SharedDeployment, one: AsyncOpenAI, two: AsyncOpenAI
) -> None:
    asked: Any = {"model": OKAPI, "messages": [{"role": "user", "content": "Why do caches age?"}], "seed": 11}
    wanted = {"Arena-Cache-Enabled": "true"}

    async def reply(client: AsyncOpenAI, headers: dict[str, str], **more: Any) -> tuple[str | None, Any]:
        raw = await client.chat.completions.with_raw_response.create(**asked | more, extra_headers=headers)
        return raw.headers.get("arena-cache"), raw.parse()

    outcome, first = await reply(one, wanted)
    assert (outcome, "cached" in first.to_dict()) == ("MISS", False)
    await wait_until(lambda: kept_in(deployed) > 0)  # it is kept a moment after it was given
    outcome, again = await reply(two, wanted)
    assert outcome == "HIT"
    assert again.to_dict()["cached"] is True
    assert again.choices == first.choices
    assert again.usage == first.usage
    assert again.id != first.id
    assert (await reply(one, wanted, seed=12))[0] == "MISS"
    assert (await reply(one, wanted, tools=TOOLS))[0] == "BYPASS"
    outcome, anew = await reply(one, {})
    assert (outcome, "cached" in anew.to_dict()) == (None, False)
    stream = await two.chat.completions.create(
        **asked, stream=True, stream_options={"include_usage": True}, extra_headers=wanted
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == first.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage == first.usage
    assert all(chunk.to_dict()["cached"] for chunk in chunks)
