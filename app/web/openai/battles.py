"""The arena as a model: a question is a battle, and the verdict is the next message.

``arena`` has both answers in one text. ``arena-a`` and ``arena-b``, chosen side by side in a chat UI, are the two sides
of one battle. Nothing reveals who writes before the verdict: no usage, no timing, no id of a model server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from fastapi import Request

from app.arena.requests import NATIVE, OPENED_BY, OpenRequest, body_hash, new_battle_id
from app.backends.base import Message
from app.battle.battle import Side, Verdict
from app.battle.events import Snapshot
from app.completions.columns import JOINED_WITHIN, Column
from app.completions.completion import new_completion_id
from app.completions.events import LoggedEvent, events_in
from app.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from app.hosts.context import fitting
from app.records.voters import voter_key
from app.records.votes import NAMED
from app.web.api.opening import check_length, chosen_models
from app.web.openai.bodies import ChatRequest, messages_of, tools_of
from app.web.openai.callers import Caller
from app.web.openai.conversation import (
    INVITATION,
    RULE,
    ChatVote,
    Question,
    heading,
    history_of,
    read_chat,
)
from app.web.openai.frames import DONE, ChatReply
from app.web.openai.models import named_models
from app.web.openai.sides import LOST, SideFrames
from app.web.shared.ownership import battle_token
from app.web.shared.services import Services

CONTESTANTS = 2
"""Of a battle in a chat: the next question is the next battle."""
READY_WITHIN = timedelta(seconds=10)
"""A verdict may come in the moment between the last word and the battle's being ready for it."""
OWNER = "chat"
"""The option under which the records keep which chat opened a battle."""

_WORDS = {Verdict.A: "A is better", Verdict.B: "B is better", Verdict.TIE: "a tie", Verdict.BOTH_BAD: "neither is good"}


@dataclass(frozen=True, slots=True)
class ArenaCall:
    """A call of an arena model: what it is answered with and where the battle's page is."""

    services: Services
    caller: Caller
    reply: ChatReply
    base: str
    give_back: Callable[[], None]

    def link(self, battle: str) -> str:
        """The battle's page, for whoever may vote in it."""
        return f"{self.base}/battle/{battle}/claim?token={battle_token(self.services.secret, battle)}"

    @property
    def named(self) -> tuple[str, ...]:
        """The models that the caller named; their battle is marked, as everywhere."""
        return named_models(self.reply.model)

    @property
    def owner(self) -> str:
        """Who may judge by a message: the same key in the same chat."""
        return body_hash([self.caller.name, self.caller.chat])


def call_of(
    services: Services, request: Request, body: ChatRequest, caller: Caller, give_back: Callable[[], None]
) -> ArenaCall:
    """The call of ``body``."""
    reply = ChatReply(new_completion_id(), services.completions.asked_at(), body.model)
    return ArenaCall(services, caller, reply, str(request.base_url).rstrip("/"), give_back)


async def answer(call: ArenaCall, body: ChatRequest, sides: Sequence[Side]) -> AsyncGenerator[bytes]:
    """The frames of an answer: of a battle's ``sides``, or of what became of a verdict.

    Raises:
        InvalidInput: the chat does not end with a question, or has an image.
        Forbidden: the battle was opened in another chat.
        Unavailable: fewer than two models can be asked now, or their queues are full.
    """
    messages = messages_of(body)
    if tools_of(body) is not None or any(message.calls or message.call_id for message in messages):
        raise InvalidInput("the arena's models take no tools; ask one model by its name", field="tools")
    if any(message.images for message in messages) or body.response_format is not None:
        raise InvalidInput("the arena takes text only; ask one model by its name for images or JSON", field="messages")
    chat = read_chat(messages)
    if chat is None:
        raise InvalidInput("the last of messages must be the user's", field="messages")
    if isinstance(chat, ChatVote):
        return _final_frames(call, await _judged(call, chat))
    battle = await _battle_of(call, chat, messages, body, sides)
    return _shown(call, battle, sides)


async def _final_frames(call: ArenaCall, text: str) -> AsyncGenerator[bytes]:
    try:
        yield call.reply.first()
        yield call.reply.text(text)
        yield call.reply.chunk({}, "stop")
        yield DONE
    finally:
        call.give_back()


async def _judged(call: ArenaCall, vote: ChatVote) -> str:
    """Cast the verdict and say what it revealed; given in both columns it counts once.

    Raises:
        Forbidden: the battle is another chat's.
    """
    manager = call.services.manager
    record = await manager.record(vote.battle)
    if record.options.get(OWNER) != call.owner:
        raise Forbidden("this battle was opened in another chat; vote there, or on its page", code="not_yours")
    voter = voter_key(call.services.secret, "session", f"{call.caller.name}:{call.caller.chat}")
    await call.services.viewing.wait(vote.battle, READY_WITHIN, lambda snapshot: snapshot.can_vote)
    try:
        snapshot = await manager.vote(vote.battle, 1, vote.verdict, voter=voter)
    except Conflict as conflict:
        if conflict.code != "already_judged":
            return f"{conflict.sentence[:1].upper()}{conflict.sentence[1:]}."
        return f"This battle was judged already, and that stands.\n\n{_names(await manager.snapshot(vote.battle))}"
    return f"You said: **{_WORDS[vote.verdict]}**.\n\n{_names(snapshot)}"


def _names(snapshot: Snapshot) -> str:
    lines = sorted((snapshot.reveal or {}).get("ranking", ()), key=lambda line: str(line["alias"]))
    return "\n".join(f"- {line['alias']}: `{line['model']}`" for line in lines)


async def _battle_of(
    call: ArenaCall, question: Question, messages: Sequence[Message], body: ChatRequest, sides: Sequence[Side]
) -> str:
    """The battle that the question is, opened if it is not there yet."""
    if len(sides) == len(Side):
        digest = body_hash([call.owner, body.model_dump(by_alias=True)])
        known = await call.services.completions.repeated_as(digest) if call.caller.retry else None
        battle = known or new_battle_id()
        if known is None:
            await _open(call, question, battle)
            await call.services.completions.remember(digest, battle)
        return battle
    column: Column = "a" if sides[0] is Side.A else "b"
    asked = [message.content for message in messages if message.role == "user"]
    joined = await call.services.columns.battle_of(body_hash([call.owner, asked]), column)
    if joined.opens:
        await _open(call, question, joined.battle)
    else:
        await _opened_by_the_other(call.services, joined.battle)
    return joined.battle


async def _opened_by_the_other(services: Services, battle: str) -> None:
    deadline = time.monotonic() + JOINED_WITHIN.total_seconds()
    while time.monotonic() < deadline:
        try:
            await services.manager.record(battle)
            return
        except NotFound:
            await asyncio.sleep(0.1)
    raise Unavailable("the other column could not open the battle; ask again")


async def _open(call: ArenaCall, question: Question, battle: str) -> None:
    services = call.services
    snapshots = {}
    for known in set(question.battles.values()):
        try:
            snapshots[known] = await services.manager.snapshot(known)
        except NotFound:
            continue
    history = history_of(question, snapshots)
    earlier = "".join(f"{turn.content}\n" for turn in history)
    check_length(services.settings.arena_max_message, messages=earlier + question.message, system=question.system)
    models = await _models_for(call, earlier + question.message, question.system)
    await services.contestants.room_for(models[:CONTESTANTS])
    await services.manager.open(
        OpenRequest(
            message=question.message,
            models=models,
            count=CONTESTANTS,
            system=question.system,
            options={OPENED_BY: NATIVE, OWNER: call.owner} | ({NAMED: True} if call.named else {}),
            history=history,
            battle_id=battle,
        )
    )


async def _models_for(call: ArenaCall, text: str, system: str | None) -> tuple[str, ...]:
    """The models to draw from: those that the caller named, else all at hand that can hold the text.

    Raises:
        InvalidInput: not two models were named, or one that is not at hand.
        MessageTooLarge: the text is too long for them.
    """
    settings, contestants = call.services.settings, call.services.contestants
    at_hand, named = await contestants.at_hand(), call.named
    if named and len(named) != CONTESTANTS:
        raise InvalidInput("name two models: arena:<one>,<other>", field="model")
    drawn_for = call.services.fleet.roster.catalog.drawn_for
    models = chosen_models(named or None, at_hand, drawn_for)
    return fitting(settings, models, text, system, contestants.context_of, all_of_them=bool(named))


async def _shown(call: ArenaCall, battle: str, sides: Sequence[Side]) -> AsyncGenerator[bytes]:
    """The frames of a battle, until its answers are complete; who closes the stream leaves the battle as it is."""
    reply = call.reply
    try:
        yield reply.first()
        for number, side in enumerate(sides):
            if len(sides) > 1:
                yield reply.text((RULE if number else "") + heading(side))
            async with aclosing(_side(call, battle, side)) as frames:
                async for frame in frames:
                    yield frame
        yield reply.text(RULE + INVITATION.format(link=call.link(battle)))
        yield reply.chunk({}, "stop")
        yield DONE
    finally:
        call.give_back()


async def _side(call: ArenaCall, battle: str, side: Side) -> AsyncGenerator[bytes]:
    """The frames of one side's answer; the log is read from its beginning, so nothing of it is missed."""
    view = SideFrames(call.reply, side)
    async with aclosing(_events(call.services, battle)) as events:
        async for event in events:
            for frame in view.frames(event):
                yield frame
            if view.ended:
                return
    yield call.reply.text(LOST)


async def _events(services: Services, battle: str) -> AsyncGenerator[LoggedEvent]:
    async with aclosing(services.viewing.events(battle, None)) as frames:
        async for frame in frames:
            for event in events_in(frame):
                yield event
