"""The clients of the older arena, each as the calls that it makes in their order and the fields that it reads.

``F0`` is the plain JavaScript page, ``FA`` the compiled one, ``FB`` and ``FC`` its successors; the others are scripts.
Each plays a battle to its end (or as far as the client goes) and returns what it saw last. ``verdicts`` are given in
turn, in the client's own spelling of left and right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.legacy.caller import Caller
from tests.legacy.parsers import ChatPage, OldChatPage, RoundPage

ARENA = "/api/arena"
QUESTION = "Why do rivers bend?"
Json = dict[str, Any]


async def oldest_page(caller: Caller, verdicts: Sequence[str], models: int) -> Json:
    """F0: asks for the routing, starts, tries the stream by GET, falls back, votes by preference."""
    routing = await caller.post(f"{ARENA}/check_routing", message=QUESTION, current_tab="arena")
    assert routing["use_arena"] is True
    started = await caller.post(f"{ARENA}/start_battle", message=QUESTION, num_models=models)
    battle = started["battle_id"]
    assert started["view_index"] == 0
    stream = await caller.send("GET", f"{ARENA}/get_responses_streaming")
    assert stream.status_code >= 400, "EventSource fails, and so the page falls back"
    pair = await caller.post(f"{ARENA}/get_responses", battle_id=battle, message=QUESTION)
    assert pair["response_a"]
    assert pair["latency_a"] >= 0
    voted: Json = {}
    for verdict in verdicts:
        voted = await caller.post(f"{ARENA}/vote", battle_id=battle, preference={"a": "left", "b": "right"}[verdict])
        assert shown_by_the_oldest_page(voted) == "Thank you for voting"
    assert (await caller.get(f"{ARENA}/status"))["completed_battles"] >= 1
    return voted


def shown_by_the_oldest_page(voted: Json) -> str:
    """What F0 shows after a vote: its labels come from ``models_revealed``, and any key that it misses is a failure."""
    try:
        revealed = [voted["models_revealed"][f"model_{side}"] for side in "ab"]
        labels = [f"{model['display_name']} ({model['rating']:.0f})" for model in revealed]
    except (KeyError, TypeError, ValueError):
        return "Failed to record vote"
    assert all(labels)
    return "Thank you for voting" if voted["success"] is True else "Failed to record vote"


#: What FB calls the models it knows; it knows no aliases.
NAMES = {"mistral:7b": "A", "llama3.1:8b": "B", "qwen3:8b": "C", "gpt-4o": "D"}


def toast(voted: Json, verdict: str) -> str:
    """What FA and FB say after a vote: the name comes from the reply only where responses are needed."""
    if voted["needs_responses"]:
        return f"{voted['previous_winner']} wins!"
    return f"{NAMES.get(voted[f'model_{verdict}'], 'undefined')} wins!"


async def oldest_chat(caller: Caller, verdicts: Sequence[str], models: int) -> Json:
    """F0's chat page: votes outside the prefix and follows ``next_view_index``."""
    started = await caller.post(f"{ARENA}/start_battle", message=QUESTION, session_id="old-chat", num_models=models)
    await caller.post(f"{ARENA}/get_responses", battle_id=started["battle_id"], message=QUESTION)
    voted: Json = {}
    for index, verdict in enumerate(verdicts):
        voted = await caller.post("/api/vote_arena", battle_id=started["battle_id"], vote=verdict, view_index=index)
        assert voted["success"]
        assert voted["round"] == index + 1
        assert isinstance(voted["next_view_index"], int)
        assert voted["model_a"]
        assert voted["model_b"]
    assert voted["message"]
    return voted


async def compiled_page(caller: Caller, verdicts: Sequence[str], models: int) -> Json:
    """FA: its battle starts with the chat's final event; the loser's panel takes the reply's side."""
    page = await caller.read(OldChatPage(), "/send_message_streaming", message=QUESTION, session_id="compiled")
    assert page.starts == 1
    assert page.done
    texts, voted = dict(page.texts), {}
    for verdict in verdicts:
        voted = await caller.post(f"{ARENA}/vote", battle_id=page.battle, vote=verdict, session_id="compiled")
        assert isinstance(voted["round"], int)
        ", ".join(voted["final_ranking"] + voted["eliminated_models"] + voted["winner_chain"])
        if not voted["continue_battle"]:
            return voted
        assert toast(voted, verdict) == f"{voted['winner_chain'][-1]} wins!"
        if voted["needs_responses"]:
            new = await caller.post(f"{ARENA}/get_next_responses", battle_id=page.battle)
            side = {"left": "a", "right": "b"}[voted["eliminated_side"]]
            texts[side] = new[f"response_{side}"]
            assert texts == {"a": new["response_a"], "b": new["response_b"]}, "the winner's panel is kept"
        else:
            texts = {"a": voted["response_a"], "b": voted["response_b"]}
        assert all(texts.values())
        assert texts["a"] != texts["b"]
    return voted


async def middle_page(caller: Caller, verdicts: Sequence[str], models: int) -> Json:
    """FB: its battle starts with the chat's init, deltas are appended; later rounds come as streams of their own."""
    page = await caller.read(ChatPage(), "/send_message_streaming", message=QUESTION, session_id="middle")
    assert page.names == ["Model A", "Model B"]
    assert all(page.texts.values())
    voted: Json = {}
    for verdict in verdicts:
        voted = await caller.post(f"{ARENA}/vote", battle_id=page.battle, vote=verdict)
        assert len(voted["eliminated_models"]) == len(voted["comparison_history"])
        if not voted["continue_battle"]:
            return voted
        assert toast(voted, verdict) == f"{voted['winner_chain'][-1]} wins!"
        assert voted["needs_responses"], "else this page never opens the stream of the next round"
        shown = {"a": voted["response_a"], "b": voted["response_b"]}
        later = await caller.read(RoundPage(), f"{ARENA}/get_responses_streaming", battle_id=page.battle)
        assert later.buttons
        assert later.done
        assert later.texts == shown
        assert later.names == [voted["model_a"], voted["model_b"]]
    return voted


async def newest_page(caller: Caller, verdicts: Sequence[str], models: int) -> Json:
    """FC: as FB, but it goes on as ``continue`` says and takes the next texts from the vote's body."""
    page = await caller.read(ChatPage(), "/send_message_streaming", message=QUESTION, session_id="newest")
    voted: Json = {}
    for number, verdict in enumerate(verdicts, 1):
        voted = await caller.post(f"{ARENA}/vote", battle_id=page.battle, choice=verdict)
        if not voted["continue"]:
            return voted
        assert voted["current_round"] == number + 1
        assert voted["response_a"]
        assert voted["response_b"]
        assert voted["remaining_models"] is not None
    return voted


async def progressive_script(caller: Caller, verdicts: Sequence[str], models: int) -> Json:
    """C1: the three progressive calls, by side."""
    status = await caller.get(f"{ARENA}/status")
    assert status["available"]
    assert f"{status['active_models']:d} models"
    started = await caller.post(f"{ARENA}/start_progressive", message=QUESTION, num_models=models)
    assert started["total_models"] == models
    pair = await caller.post(f"{ARENA}/get_progressive_responses", battle_id=started["battle_id"])
    assert f"{pair['response_a'][:50]} {pair['latency_a']:.0f} ms"
    chosen: Json = {}
    for verdict in verdicts:
        word = {"a": "left", "b": "right"}[verdict]
        chosen = await caller.post(f"{ARENA}/submit_progressive_choice", battle_id=started["battle_id"], choice=word)
        assert chosen["eliminated_model"]
    assert chosen["status"] == "completed"
    return chosen


async def naming_script(caller: Caller, verdicts: Sequence[str], models: int) -> Json:
    """C2 and C3: go on only if the pair is ready, and echo a model as ``winner``."""
    started = await caller.post(f"{ARENA}/start_progressive", message=QUESTION, session_id="naming", num_models=models)
    chosen = await caller.post(f"{ARENA}/get_progressive_responses", battle_id=started["battle_id"])
    assert chosen["status"] == "ready"
    assert chosen["current_models"]
    for left, verdict in zip(range(len(verdicts), 0, -1), verdicts, strict=True):
        assert chosen["remaining_comparisons"] == left
        winner = chosen[f"model_{verdict}"]
        chosen = await caller.post(f"{ARENA}/submit_progressive_choice", battle_id=started["battle_id"], winner=winner)
    assert chosen["remaining_comparisons"] == 0
    return chosen


async def polling_script(caller: Caller, verdicts: Sequence[str], models: int) -> Json:
    """C5 to C8: no session; a start within 10 s, then ``get_responses`` with whatever message, then votes."""
    status = await caller.get(f"{ARENA}/status")
    assert "Redis" in status["storage_status"]
    started = await caller.post(f"{ARENA}/start_battle", message=QUESTION, num_models=models)
    assert started["battle_id"][:8]
    pair = await caller.post(f"{ARENA}/get_responses", battle_id=started["battle_id"], message="Test message")
    assert len(pair["response_a"]) > 0
    assert f"{pair['latency_a']:.1f} {pair['latency_b']:.1f}"
    voted: Json = {}
    for verdict in verdicts:
        word = {"a": "left", "b": "right"}[verdict]
        voted = await caller.post(f"{ARENA}/vote", battle_id=started["battle_id"], preference=word)
        assert voted["success"] is True
    return voted


async def tournament_script(caller: Caller, verdicts: Sequence[str], models: int) -> Json:
    """C9, C10 and C12: print what is there, vote while ``continue_battle`` says so."""
    started = await caller.post(f"{ARENA}/start_battle", message=QUESTION, session_id="cup", num_models=models)
    assert started.get("response_a", "")[:50] == ""
    assert len(started.get("response_b", "")) == 0
    voted: Json = {"continue_battle": True}
    for verdict in verdicts:
        assert voted["continue_battle"], "one vote less than there are models"
        voted = await caller.post(f"{ARENA}/vote", battle_id=started["battle_id"], vote=verdict, session_id="cup")
        assert voted["eliminated_side"] in ("left", "right")
        assert voted["response_a"][:50]
        assert voted["response_b"][:50]
    return voted


async def chatting_script(caller: Caller, verdicts: Sequence[str], models: int) -> Json:
    """C11: reads the chat's stream to its end, then votes with a limit of a minute."""
    page = await caller.read(
        ChatPage(), "/send_message_streaming", message=QUESTION, session_id="chat", mode="arena", language="en"
    )
    assert page.events[0]["arena_mode"] is True
    assert page.events[-1]["done"] is True
    voted: Json = {}
    for verdict in verdicts:
        voted = await caller.post(f"{ARENA}/vote", battle_id=page.battle, vote=verdict)
        assert voted["model_a"] != voted["model_b"]
    return voted


async def message_script(caller: Caller, verdicts: Sequence[str], models: int) -> Json:
    """C14: one JSON answer with both texts, which must differ."""
    sent = await caller.post("/send_message", message=QUESTION, use_arena=True)
    assert sent["arena_mode"] is True
    assert sent["response_a"] != sent["response_b"]
    voted: Json = {}
    for verdict in verdicts:
        voted = await caller.post(f"{ARENA}/vote", battle_id=sent["battle_id"], vote=verdict)
    return voted


async def session_script(caller: Caller, verdicts: Sequence[str], models: int) -> Json:
    """C16 and the documented curl lines: the session's id is the battle's id, the answer's is never read."""
    session = f"curl-{id(verdicts)}-{models}"
    started = await caller.post(f"{ARENA}/battle", message=QUESTION, session_id=session, num_models=models)
    assert started["battle_id"] == session
    pair = await caller.post(f"{ARENA}/responses", battle_id=session)
    assert pair["status"] == "ready"
    assert pair["models_hidden"] is True
    voted: Json = {}
    for verdict in verdicts:
        voted = await caller.post(f"{ARENA}/vote", battle_id=session, vote=verdict)
    return voted


async def monitoring_script(caller: Caller, verdicts: Sequence[str], models: int) -> Json:
    """C13, C15 and C17: look only, then play as C1 does."""
    health = await caller.get(f"{ARENA}/ollama-status")
    assert health["status"] == "healthy"
    assert health["recommendation"]
    assert (await caller.get("/ping"))["status"]
    assert (await caller.get("/session_info"))["session_id"]
    before = await caller.get(f"{ARENA}/status")
    ended = await progressive_script(caller, verdicts, models)
    after = await caller.get(f"{ARENA}/status")
    assert after["total_battles"] > before["total_battles"]
    assert after["completed_battles"] > before["completed_battles"]
    return ended


#: Clients that can't say how many models they want play the configured three.
ONLY_THREE = (compiled_page, middle_page, newest_page, chatting_script, message_script)
ANY_NUMBER = (
    oldest_page,
    oldest_chat,
    progressive_script,
    naming_script,
    polling_script,
    tournament_script,
    session_script,
    monitoring_script,
)
