"""The older front-ends on a bad day: challengers that are late, clicks too many, clients that vote once and leave."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, cast

import pytest

from app.web.legacy.answers import DO_NOT_JUDGE, UNFINISHED
from app.web.legacy.verdict_answers import CLICKED_AGAIN
from tests.helpers import wait_until
from tests.legacy.caller import Caller
from tests.legacy.clients import ARENA, QUESTION, shown_by_the_oldest_page, toast
from tests.legacy.conftest import MODELS, SPEED, LegacyDeployment, _driven, _settings
from tests.legacy.parsers import ChatPage, RoundPage
from tests.redis.server import RedisServer
from tests.whole.harness import Deployment, Instance, ModelServer, wait_for

Json = dict[str, object]


@dataclass(frozen=True)
class LateChallengers:
    """Two workers that write nothing ahead: a challenger begins when its round does."""

    deployment: Deployment
    servers: dict[str, ModelServer]
    one: Instance
    two: Instance

    @property
    def caller(self) -> Caller:
        return Caller([self.one.url, self.two.url])

    def delay(self, seconds: float) -> None:
        """From now on every model takes that long before its first word."""
        for server in self.servers.values():
            server.set(slow_headers_s=seconds * SPEED)

    async def opened(self, **more: object) -> str:
        """A battle whose first pair is complete."""
        started = await self.caller.post(f"{ARENA}/start_battle", message=QUESTION, **more)
        await self.caller.post(f"{ARENA}/get_responses", battle_id=started["battle_id"])
        return str(started["battle_id"])

    async def votes(self, battle: str) -> list[str]:
        return [vote["verdict"] for vote in (await self.caller.get(f"{ARENA}/battles/{battle}"))["votes"]]


@pytest.fixture(scope="module")
def _late_challengers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LateChallengers]:
    folder, models = tmp_path_factory.mktemp("late-challengers"), MODELS[:3]
    with ExitStack() as stack:
        servers = {
            model: ModelServer((model,), num_parallel=4, tokens_per_s=120.0, answer_tokens=30, speed=SPEED)
            for model in models
        }
        for server in servers.values():
            stack.callback(server.close)
        redis = RedisServer()
        stack.callback(redis.close)
        first, second, *_ = servers.values()
        settings = _settings(folder, redis, servers) | {"ARENA_MODELS": ",".join(models), "ARENA_PREFETCH": "0"}
        deployment = Deployment(folder, first, second, redis, settings)
        stack.callback(deployment.close)
        workers = [instance.wait_for_address() for instance in (deployment.launch(), deployment.launch())]
        wait_for(lambda: len(_driven(workers)) == len(models))
        yield LateChallengers(deployment, servers, *workers)


@pytest.fixture
def late(_late_challengers: LateChallengers) -> Iterator[LateChallengers]:
    yield _late_challengers
    for server in _late_challengers.servers.values():
        server.clear()


async def judged(late: LateChallengers, battle: str) -> None:
    """Return when the first round was judged, and its reply is still on its way."""

    async def is_judged() -> bool:
        return len(await late.votes(battle)) == 1

    await wait_until(is_judged)


# 1. An impatient click


async def test_an_impatient_click_gets_the_first_ones_answer_and_judges_nothing_unseen(late: LateChallengers) -> None:
    battle, caller = await late.opened(), late.caller
    late.delay(5)
    first = asyncio.create_task(caller.post(f"{ARENA}/vote", battle_id=battle, vote="a"))
    await judged(late, battle)
    await asyncio.sleep(2.1)  # the guard once counted from the verdict, for 2 s
    assert not first.done()
    second = await caller.post(f"{ARENA}/vote", battle_id=battle, vote="a")
    assert second == await first
    assert (second["round"], second["continue_battle"], second["preference_recorded"]) == (2, True, True)
    assert all(second[f"response_{side}"] and "[" not in second[f"response_{side}"] for side in "ab")
    third = await caller.post(f"{ARENA}/vote", battle_id=battle, vote="a")
    assert third == second | {"preference_recorded": False, "message": CLICKED_AGAIN}
    assert await late.votes(battle) == ["a"]

    async def counts() -> bool:
        return bool((await caller.post(f"{ARENA}/vote", battle_id=battle, vote="a"))["preference_recorded"])

    await wait_until(counts)  # who has looked for 2 s may judge; clicks meanwhile don't put that off
    assert await late.votes(battle) == ["a", "a"]


@pytest.mark.parametrize("path", [f"{ARENA}/vote", "/api/vote_arena", f"{ARENA}/submit_progressive_choice"])
async def test_another_verdict_before_the_reply_is_about_the_round_that_was_seen(
    late: LateChallengers, path: str
) -> None:
    battle, caller = await late.opened(), late.caller
    late.delay(1)
    first = asyncio.create_task(caller.post(path, battle_id=battle, vote="a"))
    await judged(late, battle)
    changed = await caller.refused(path, 400, battle_id=battle, vote="b")
    assert changed["code"] == "already_judged"
    same = await caller.post(path, battle_id=battle, preference="left")
    assert same["response_b"] == (await first)["response_b"]
    assert await late.votes(battle) == ["a"]


# 3. A late challenger


@pytest.mark.parametrize("path", [f"{ARENA}/vote", f"{ARENA}/submit_progressive_choice"])
async def test_a_script_gets_its_answer_in_time_with_the_champions_text_and_a_reason(
    late: LateChallengers, path: str
) -> None:
    battle, caller = await late.opened(num_models=3), late.caller
    before = await caller.post(f"{ARENA}/get_responses", battle_id=battle)
    late.delay(12)
    voted = await caller.post(path, battle_id=battle, preference="right")
    assert voted["response_b"] == before["response_b"]
    assert voted["response_a"].startswith("[This answer is not there yet: ")
    assert DO_NOT_JUDGE in voted["response_a"]
    assert voted["eliminated_side"] == "left"
    stopped = await caller.reply(f"{ARENA}/battles/{battle}/stop")
    assert stopped.status_code == 200


async def test_a_page_waits_for_a_challenger_that_a_script_would_not_wait_for(late: LateChallengers) -> None:
    battle, caller = await late.opened(), late.caller
    late.delay(11)
    begin = asyncio.get_running_loop().time()
    voted = await caller.post(f"{ARENA}/vote", battle_id=battle, vote="a")
    assert asyncio.get_running_loop().time() - begin > 10
    assert voted["response_b"]
    assert "[" not in voted["response_b"]


async def test_a_worker_that_ends_answers_a_page_that_waits_and_the_vote_stands(late: LateChallengers) -> None:
    leaving = late.deployment.start("--no-scheduler")
    battle = await late.opened()
    before = await late.caller.post(f"{ARENA}/get_responses", battle_id=battle)
    late.delay(8)
    voting = asyncio.create_task(Caller([leaving.url]).post(f"{ARENA}/vote", battle_id=battle, vote="a"))
    await judged(late, battle)
    leaving.terminate()
    voted = await voting
    assert voted["response_a"] == before["response_a"]
    assert DO_NOT_JUDGE in voted["response_b"], "it does not wait for the challenger"
    assert await late.votes(battle) == ["a"]


# 4. The loser's answer in the challenger's panel


async def test_the_stream_of_a_later_round_begins_with_the_champions_whole_text(late: LateChallengers) -> None:
    caller = late.caller
    chat = await caller.read(ChatPage(), "/send_message_streaming", message=QUESTION)
    assert (chat.events[0]["response_a"], chat.events[0]["response_b"]) == ("", "")
    late.delay(1)
    voting = asyncio.create_task(caller.post(f"{ARENA}/vote", battle_id=chat.battle, vote="b"))
    await judged(late, chat.battle)
    page = RoundPage()
    page.texts = dict(chat.texts)
    await caller.read(page, f"{ARENA}/get_responses_streaming", battle_id=chat.battle)
    voted = await voting
    init, *deltas, final = page.events
    assert (init["response_a"], init["response_b"]) == ("", chat.texts["b"])
    assert {event["side"] for event in deltas} == {"a"}, "of the champion nothing is missing"
    assert "".join(event["delta"] for event in deltas) == final["response_a"] == voted["response_a"]
    assert page.texts == {"a": voted["response_a"], "b": chat.texts["b"]}


async def test_a_page_of_a_later_round_shows_the_challengers_panel_empty_until_its_first_word(
    late: LateChallengers,
) -> None:
    battle, caller, page = await late.opened(), late.caller, RoundPage()
    pair = await caller.post(f"{ARENA}/get_responses", battle_id=battle)
    page.texts = {side: pair[f"response_{side}"] for side in "ab"}
    late.delay(1)
    voting = asyncio.create_task(caller.post(f"{ARENA}/vote", battle_id=battle, vote="a"))
    await judged(late, battle)
    seen = []
    async with caller.stream(f"{ARENA}/get_responses_streaming", battle_id=battle) as response:
        async for chunk in response.aiter_raw():
            page.read(chunk)
            seen.append(dict(page.texts))
    voted = await voting
    assert seen[0] == {"a": pair["response_a"], "b": ""}
    assert all(texts["a"] == pair["response_a"] and voted["response_b"].startswith(texts["b"]) for texts in seen)


# 5. The oldest page: one pair, one vote


async def board_votes(caller: Caller) -> int:
    return int((await caller.get(f"{ARENA}/statistics"))["votes"])


async def oldest_page_votes(caller: Caller, **more: object) -> tuple[Json, Json]:
    """F0 with two models in mind: it starts, reads both answers, votes, and does nothing more."""
    started = await caller.post(f"{ARENA}/start_battle", message=QUESTION, **more)
    pair = await caller.post(f"{ARENA}/get_responses", battle_id=started["battle_id"], message=QUESTION)
    return pair, await caller.post(f"{ARENA}/vote", battle_id=started["battle_id"], preference="left")


async def test_the_only_vote_of_the_oldest_page_is_shown_as_recorded_and_counts_at_once(late: LateChallengers) -> None:
    caller = late.caller
    before, completed = await board_votes(caller), (await caller.get(f"{ARENA}/status"))["completed_battles"]
    pair, voted = await oldest_page_votes(caller)
    assert shown_by_the_oldest_page(voted) == "Thank you for voting"
    assert not any(model in str(pair) for model in MODELS)
    models = cast(dict[str, dict[str, str]], voted["models_revealed"])
    revealed = [models[f"model_{side}"]["name"] for side in "ab"]
    assert voted["final_ranking"] == revealed, "the battle is over, so names are told; who was not judged has no place"
    assert set(revealed) < set(MODELS)
    assert (voted["response_a"], voted["response_b"]) == (pair["response_a"], pair["response_b"])
    assert (voted["continue_battle"], voted["winner"], voted["total_rounds"]) == (False, revealed[0], 1)
    assert (await caller.get(f"{ARENA}/status"))["completed_battles"] == completed + 1

    async def is_on_the_board() -> bool:
        return await board_votes(caller) == before + 1

    await wait_until(is_on_the_board)


async def test_a_vote_that_ended_its_battle_is_the_same_for_every_reader(late: LateChallengers) -> None:
    caller = late.caller
    pair, voted = await oldest_page_votes(caller, session_id="two-step")
    battle = str(pair["battle_id"])
    native = await caller.get(f"{ARENA}/battles/{battle}")
    assert (native["status"], native["round"], native["can_vote"]) == ("finished", 1, False)
    assert native["reveal"]["champion"] == voted["winner"]
    assert [line["place"] for line in native["reveal"]["ranking"]] == [1, 2, None]
    assert (await caller.post(f"{ARENA}/get_progressive_responses", battle_id="two-step"))["status"] == "completed"
    again = await caller.post(f"{ARENA}/vote", battle_id=battle, preference="left")
    said = {"preference_recorded": False, "message": CLICKED_AGAIN}
    both: list[Any] = [again["models_revealed"], voted["models_revealed"]]
    for revealed in both:  # ratings are those of the moment
        for model in revealed.values():
            assert isinstance(model.pop("rating"), float)
    assert again == voted | said, "a click too many is no failure either"
    other = await caller.refused(f"{ARENA}/vote", 400, battle_id=battle, preference="right")
    assert other["code"] == "battle_over"
    assert await late.votes(battle) == ["a"]


@pytest.mark.parametrize(
    ("call", "asked", "key", "word"),
    [
        ("start_battle", {"num_models": 3}, "preference", "left"),
        ("start_battle", {}, "vote", "a"),
        ("start_battle", {}, "choice", "left"),
        ("start_progressive", {}, "preference", "left"),
        ("battles", {}, "preference", "left"),
    ],
)
async def test_who_knows_of_more_rounds_plays_them_and_sees_aliases_with_a_number(
    late: LateChallengers, call: str, asked: Json, key: str, word: str
) -> None:
    caller = late.caller
    started = (await caller.reply(f"{ARENA}/{call}", message=QUESTION, **asked)).json()
    voted = await caller.post(f"{ARENA}/vote", battle_id=started["battle_id"], **{key: word})
    assert (voted["continue_battle"], voted["round"]) == (True, 2)
    assert shown_by_the_oldest_page(voted) == "Thank you for voting"
    assert [model["display_name"] for model in voted["models_revealed"].values()] == ["Model A", "Model B"]
    assert {model["rating"] for model in voted["models_revealed"].values()} == {1000.0}, "the same for all aliases"
    assert not any(model in str(voted) for model in MODELS)


@pytest.mark.parametrize("call", [f"{ARENA}/battle", "/send_message"])
async def test_every_call_that_clients_of_one_pair_open_battles_with_ends_with_their_vote(
    late: LateChallengers, call: str
) -> None:
    session = f"two-step-{call[-6:]}"
    await late.caller.post(call, message=QUESTION, session_id=session)
    voted = await late.caller.post(f"{ARENA}/vote", battle_id=session, preference="both_bad")
    assert (voted["continue"], len(voted["final_ranking"])) == (False, 2)


# 6. A script that votes again at once


async def test_a_scripts_second_vote_counts_as_soon_as_it_has_the_reply_to_its_first(late: LateChallengers) -> None:
    battle, caller = await late.opened(num_models=3), late.caller
    for number in (1, 2):
        voted = await caller.post(f"{ARENA}/vote", battle_id=battle, preference="left")
        assert (voted["success"], voted["preference_recorded"]) == (True, True)
        assert len(voted["comparison_history"]) == number
    assert voted["continue_battle"] is False


# 2. and 7. What a page says of a vote


@pytest.mark.parametrize("verdict", ["a", "b"])
async def test_a_page_says_who_won_and_shows_both_texts(late: LateChallengers, verdict: str) -> None:
    battle, caller = await late.opened(), late.caller
    voted = await caller.post(f"{ARENA}/vote", battle_id=battle, vote=verdict)
    assert toast(voted, verdict) == f"Model {verdict.upper()} wins!"
    assert voted["needs_responses"] is True
    assert voted["response_a"]
    assert voted["response_b"]
    assert voted["response_a"] != voted["response_b"]


@pytest.mark.parametrize("verdict", ["a", "b"])
async def test_where_names_are_shown_those_of_the_judged_pair_are_revealed(
    deployed: LegacyDeployment, verdict: str
) -> None:
    caller = Caller([deployed.named.url])
    battle = (await caller.post(f"{ARENA}/start_battle", message=QUESTION, num_models=3))["battle_id"]
    await deployed.caller().post(f"{ARENA}/get_responses", battle_id=battle)
    pair = await caller.post(f"{ARENA}/get_responses", battle_id=battle)
    voted = await caller.post(f"{ARENA}/vote", battle_id=battle, vote=verdict)
    loser = {"a": "b", "b": "a"}[verdict]
    assert voted[f"model_{loser}"] != pair[f"model_{loser}"], "the next pair is on stage"
    for side in "ab":
        assert voted["models_revealed"][f"model_{side}"]["name"] == pair[f"model_{side}"]


def test_the_reasons_tell_no_model() -> None:
    assert not any(model.split(":")[0] in sentence for sentence in UNFINISHED.values() for model in MODELS)
