"""A round as each reader's parser shows it, from snapshots alone: also when models leave in the middle of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.battle.battle import Side
from app.battle.events import SideView, Snapshot
from app.web.legacy.encoder import BEGINS_AGAIN, STEPPED_IN, STILL_WRITTEN, Reader, RoundEncoder, frame, is_over
from app.web.legacy.streams import events_of, single_event
from app.web.shared.event_stream import HEARTBEAT, EventStream
from tests.legacy.builders import READY, done, failed, history, stage
from tests.legacy.parsers import ChatPage, OldChatPage, RoundPage

EMPTY = replace(stage(READY, a=SideView("Model A", "queued"), b=SideView("Model B", "queued")), can_vote=False)


def writing(alias: str, text: str) -> SideView:
    return SideView(alias, "writing", text)


def encoded(reader: Reader, *snapshots: Snapshot) -> list[dict[str, Any]]:
    """All events of a round that went through ``snapshots``."""
    encoder = RoundEncoder(lambda now: history(now, models=4), reader)
    events = [encoder.init(snapshots[0])]
    for now in snapshots[:-1]:
        events += encoder.news(now)
    return events + encoder.final(snapshots[-1])


def shown(page: ChatPage | OldChatPage | RoundPage, events: list[dict[str, Any]]) -> ChatPage | OldChatPage | RoundPage:
    for event in events:
        page.read(frame(event))
    return page


WRITTEN = (
    EMPTY,
    stage(EMPTY, a=writing("Model A", "o")),
    stage(EMPTY, a=writing("Model A", "on"), b=writing("Model B", "t")),
    READY,
)


@pytest.mark.parametrize("snapshots", [WRITTEN, (READY, READY), (EMPTY, READY)])
@pytest.mark.parametrize(("reader", "page"), [(Reader.CHAT, ChatPage), (Reader.PAGE, RoundPage)])
def test_every_page_shows_each_text_once(
    reader: Reader, page: type[ChatPage] | type[RoundPage], snapshots: tuple[Snapshot, ...]
) -> None:
    seen = shown(page(), encoded(reader, *snapshots))
    assert seen.texts == {"a": "one", "b": "two"}
    assert seen.done
    assert shown(OldChatPage(), encoded(reader, *snapshots)).texts == {"a": "one", "b": "two"}


def test_only_init_and_the_final_event_bear_names() -> None:
    init, *deltas, final = encoded(Reader.PAGE, *WRITTEN)
    assert [event["done"] for event in (init, *deltas, final)] == [False] * (1 + len(deltas)) + [True]
    assert (init["model_a"], init["model_b"], init["response_a"], init["response_b"]) == ("Model A", "Model B", "", "")
    assert [event["side"] + event["delta"] for event in deltas] == ["ao", "an", "bt", "ae", "bwo"]
    assert not any(key.startswith("model") for event in deltas for key in event)
    assert final["arena_complete"] is True
    assert (final["latency_a"], final["latency_b"]) == (0, 0)


LEFT = stage(EMPTY, a=writing("Model A", "on"), b=writing("Model B", "half"))
STEPS_IN = stage(LEFT, b=SideView("Model C"))
SHOWN_AGAIN = stage(LEFT, a=SideView("Model A"), b=SideView("Model C"))
REPLACED_BY_D = stage(READY, b=done("Model D", "four"))
REPLACED = stage(READY, b=done("Model C", "three"))


@pytest.mark.parametrize("between", [(STEPS_IN,), (SHOWN_AGAIN,), (SHOWN_AGAIN, STEPS_IN), ()])
def test_a_contestant_that_steps_in_begins_with_an_empty_text_where_that_can_be_told(
    between: tuple[Snapshot, ...],
) -> None:
    events = encoded(Reader.PAGE, EMPTY, LEFT, *between, REPLACED)
    page = shown(RoundPage(), events)
    (again,) = [event for event in events[1:-1] if "model_a" in event]
    assert again["response_a"] == ("on" if between else "one"), "who stays keeps the text that is there"
    assert again["response_b"] == ("" if between else "three")
    assert page.texts == {"a": "one", "b": "three"}
    assert page.names == ["Model A", "Model C"]
    assert [event["model_b"] for event in events if "model_b" in event] == ["Model B", "Model C", "Model C"]


@pytest.mark.parametrize("between", [(STEPS_IN,), (SHOWN_AGAIN,), (SHOWN_AGAIN, STEPS_IN), ()])
def test_a_page_that_can_only_append_is_told_that_another_one_answers(between: tuple[Snapshot, ...]) -> None:
    events = encoded(Reader.CHAT, EMPTY, LEFT, *between, REPLACED)
    assert shown(ChatPage(), events).texts == {"a": "one", "b": f"half{STEPPED_IN}three"}
    assert shown(OldChatPage(), events).texts == {"a": "one", "b": "three"}


def later(snapshot: Snapshot, number: int = 2) -> Snapshot:
    return replace(snapshot, round=number)


SECOND = [
    later(stage(EMPTY, a=done("Model A", "one"), b=view)) for view in (SideView("Model C"), writing("Model C", "th"))
]
THIRD_READY = later(stage(READY, b=done("Model C", "three")))


def test_in_a_later_round_init_has_the_champions_whole_text_and_deltas_only_what_is_missing() -> None:
    init, *deltas, final = encoded(Reader.PAGE, *SECOND, THIRD_READY)
    assert (init["response_a"], init["response_b"]) == ("one", "")
    assert [event["side"] + event["delta"] for event in deltas] == ["bth", "bree"]
    assert (final["response_a"], final["response_b"]) == ("one", "three")


def test_who_comes_in_the_middle_of_a_later_round_gets_what_is_written_at_once() -> None:
    init, delta, _ = encoded(Reader.PAGE, SECOND[1], THIRD_READY)
    assert (init["response_a"], init["response_b"]) == ("one", "th")
    assert (delta["side"], delta["delta"]) == ("b", "ree")
    whole, final = encoded(Reader.PAGE, THIRD_READY, THIRD_READY)
    assert (whole["response_a"], whole["response_b"], final["done"]) == ("one", "three", True)


def test_the_chats_init_is_empty_in_every_round() -> None:
    init = encoded(Reader.CHAT, *SECOND, THIRD_READY)[0]
    assert (init["response_a"], init["response_b"]) == ("", "")


def test_the_losers_text_never_stands_beside_the_challengers_name() -> None:
    page, texts = RoundPage(), []
    page.texts = {"a": "one", "b": "two"}
    for event in encoded(Reader.PAGE, *SECOND, THIRD_READY):
        page.read(frame(event))
        texts.append(dict(page.texts))
    assert texts == [{"a": "one", "b": text} for text in ("", "th", "three", "three")]


def test_a_champion_that_is_shown_again_while_its_challenger_is_replaced_is_not_blanked() -> None:
    gone = later(stage(EMPTY, a=SideView("Model A"), b=SideView("Model D")))
    inits = [event for event in encoded(Reader.PAGE, *SECOND, gone, later(REPLACED_BY_D)) if "model_a" in event]
    assert [(event["model_b"], event["response_a"]) for event in inits[:2]] == [("Model C", "one"), ("Model D", "one")]


def test_who_steps_in_for_a_model_without_a_word_needs_no_mark() -> None:
    silent = stage(LEFT, b=SideView("Model B", "loading"))
    events = encoded(Reader.CHAT, EMPTY, silent, STEPS_IN, REPLACED)
    assert shown(ChatPage(), events).texts == {"a": "one", "b": "three"}


def test_an_answer_that_begins_again_with_the_same_words_goes_on() -> None:
    again = [stage(LEFT, b=writing("Model B", text)) for text in ("", "ha", "half", "half a")]
    last = stage(READY, b=done("Model B", "half a loaf"))
    for reader, page in ((Reader.CHAT, ChatPage), (Reader.PAGE, RoundPage)):
        assert shown(page(), encoded(reader, EMPTY, LEFT, *again, last)).texts["b"] == "half a loaf"


def test_an_answer_that_begins_again_with_other_words_is_told_as_that() -> None:
    again = [stage(LEFT, b=writing("Model B", text)) for text in ("", "no")]
    last = stage(READY, b=done("Model B", "none"))
    assert shown(ChatPage(), encoded(Reader.CHAT, EMPTY, LEFT, *again, last)).texts["b"] == f"half{BEGINS_AGAIN}none"
    assert shown(RoundPage(), encoded(Reader.PAGE, EMPTY, LEFT, *again, last)).texts["b"] == "none"


@pytest.mark.parametrize("page", [ChatPage, RoundPage, OldChatPage])
@pytest.mark.parametrize("words", ["", "half"])
def test_the_reason_of_a_failed_side_is_shown_by_every_page(
    page: type[ChatPage] | type[RoundPage] | type[OldChatPage], words: str
) -> None:
    last = replace(stage(LEFT, b=failed("Model B", words)), status="failed")
    reader = Reader.PAGE if page is RoundPage else Reader.CHAT
    before = stage(EMPTY, b=writing("Model B", words))
    assert shown(page(), encoded(reader, before, last)).texts["b"].endswith("the model leaves the battle.")


def test_a_side_without_a_word_when_the_stream_must_end_says_that_it_is_still_written() -> None:
    events = encoded(Reader.CHAT, EMPTY, EMPTY)
    assert shown(ChatPage(), events).texts == {"a": STILL_WRITTEN, "b": STILL_WRITTEN}
    assert events[-1]["responses_ready"] is False


@pytest.mark.parametrize(
    ("changes", "over"),
    [({}, False), ({"can_vote": True}, True), ({"status": "stopped"}, True), ({"round": 2}, True)],
)
def test_a_round_is_over_when_nothing_more_is_written_in_it(changes: dict[str, Any], over: bool) -> None:
    assert is_over(replace(EMPTY, **changes), 1) is over


def test_the_native_stream_is_read_in_pieces_of_any_number_of_events() -> None:
    chunk = b'id: x-1\nevent: delta\ndata: {"round":1,"side":"a","text":": "}\n\n: ping\n\nretry: 3000\n\n'
    (event,) = events_of(chunk)
    assert (event.name, event.data) == ("delta", {"round": 1, "side": "a", "text": ": "})
    assert len(events_of(chunk * 3)) == 3
    assert events_of(b"") == []


def test_every_event_is_one_line() -> None:
    line = frame({"delta": "a\nb\r\n\u2028\u2029", "side": Side.A.value})
    assert line.startswith(b"data: {")
    assert line.endswith(b"}\n\n")
    assert line.count(b"\n") == 2
    assert b"\r" not in line


def test_heartbeats_are_comments_that_no_page_reads() -> None:
    response = single_event({"done": True})
    assert isinstance(response, EventStream)
    assert response.heartbeat_s == 10
    beat = HEARTBEAT
    assert beat == b": ping\n\n"
    page = ChatPage()
    for piece in (frame(encoded(Reader.CHAT, READY, READY)[0]), beat):
        page.read(piece)
    assert len(page.events) == 1


MOVES = st.lists(
    st.tuples(st.sampled_from(["write", "again", "leave", "show"]), st.sampled_from("ab"), st.text("xy", max_size=3))
)


@given(MOVES, st.sampled_from(["", "."]), st.sampled_from([1, 2]))
def test_whatever_happens_in_a_round_every_page_ends_with_the_right_texts(
    moves: list[tuple[str, str, str]], end: str, number: int
) -> None:
    """Answers grow, begin again, are shown again after a round event, and models leave, in any order."""
    now, aliases, next_entry, snapshots = EMPTY, {"a": "Model A", "b": "Model B"}, 2, [EMPTY]
    for move, side, text in moves:
        views = {name: now.sides[Side(name)] for name in "ab"}
        if move == "write":
            views[side] = writing(aliases[side], views[side].text + text)
        elif move == "again":
            views[side] = SideView(aliases[side])
        elif move == "leave" and next_entry < 4:
            aliases[side], next_entry = f"Model {'ABCD'[next_entry]}", next_entry + 1
            views[side] = SideView(aliases[side])
        elif move == "show":
            snapshots.append(stage(now, a=SideView(aliases["a"]), b=SideView(aliases["b"])))
        now = stage(now, **views)
        snapshots.append(now)
    last = {side: done(aliases[side], now.sides[Side(side)].text + end) for side in "ab"}
    snapshots.append(replace(stage(now, **last), can_vote=True))
    snapshots = [later(snapshot, number) for snapshot in snapshots]
    right = {side: view.text or STILL_WRITTEN for side, view in last.items()}
    assert shown(RoundPage(), encoded(Reader.PAGE, *snapshots)).texts == right
    if all(right.values()):
        assert shown(OldChatPage(), encoded(Reader.CHAT, *snapshots)).texts == right
    chat = shown(ChatPage(), encoded(Reader.CHAT, *snapshots)).texts
    assert all(chat[side].endswith(right[side]) for side in "ab")
    marks = (BEGINS_AGAIN, STEPPED_IN)
    assert all(chat[side] == right[side] or any(mark in chat[side] for mark in marks) for side in "ab")
