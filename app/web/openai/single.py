"""One model by its name: its answer through the host's queue, as a stream or as a whole."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from app.arena.requests import body_hash
from app.backends.base import GenerationOptions, GenerationRequest, Message
from app.battle.events import ERROR_SENTENCES
from app.completions.caching import Outcome
from app.completions.completion import new_completion_id
from app.completions.completions import AnswerEnded, AnswerRestarted, Completions, Text, Waiting
from app.errors import ArenaError, InvalidInput, Unavailable
from app.hosts.context import OwnContext, fitting
from app.hosts.options import options_for, system_for
from app.records.answer_cache import CachedAnswer
from app.settings.settings import Settings
from app.web.openai.bodies import ChatRequest, messages_of, output_of, tools_of
from app.web.openai.callers import Caller
from app.web.openai.frames import DONE, ChatReply, finish_reason_of, frame, usage_of, waiting_words
from app.web.shared.openai_errors import error_body
from app.web.shared.services import Services

_REFUSED = {
    "bad_request": "the model's server refuses this request as it is; ask without tools, response_format or images, "
    "or ask another model",
    "prompt_too_long": "the messages are longer than the model's context; shorten them",
}
NOTHING_WRITTEN = "stop"
"""A battle's side that is blank has failed; here it is an answer, as after the result of a tool that says it all."""

_RESTARTED = "the answer had to be begun anew, and what was sent can't be taken back; ask again"
_SENTENCES = {
    code: sentence.replace("; it leaves the battle.", "; ask again.").replace("; the model leaves the battle.", ".")
    for code, sentence in ERROR_SENTENCES.items()
}


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer that was asked for: its id, how the client gets it, and what gives its call back.

    ``known`` is the answer from the cache, ``cache`` what came of looking there, where that was asked for; ``keep`` is
    called with an answer that is complete.
    """

    id: str
    reply: ChatReply
    completions: Completions
    give_back: Callable[[], None]
    known: CachedAnswer | None = None
    cache: Outcome | None = None
    keep: Callable[[], None] = lambda: None


def request_of(
    settings: Settings, model: str, body: ChatRequest, own: OwnContext = lambda _: None
) -> GenerationRequest:
    """What the model is asked: the caller's options over the arena's, its memory's (``num_ctx``) untouched.

    Raises:
        InvalidInput: a message or a format that is not taken.
        MessageTooLarge: more than the model's context can hold.
    """
    messages = messages_of(body)
    system = system_for(settings, model)
    if system and messages[0].role != "system":
        messages = (Message("system", system), *messages)
    fitting(settings, [model], "\n".join(message.content for message in messages), "", own, all_of_them=True)
    return GenerationRequest(model, messages, options_of(settings, model, body), output_of(body), tools_of(body))


def options_of(settings: Settings, model: str, body: ChatRequest) -> GenerationOptions:
    """The model's options with what the caller sets instead; his limit of tokens ends at the configured one."""
    options = options_for(settings, model)
    asked = {
        "top_p": body.top_p,
        "top_k": body.top_k,
        "min_p": body.min_p,
        "frequency_penalty": body.frequency_penalty,
        "presence_penalty": body.presence_penalty,
        "stop": [body.stop] if isinstance(body.stop, str) else body.stop,
    }
    limit = body.limit if body.limit is not None else options.num_predict
    return replace(
        options,
        num_predict=min(limit, settings.arena_api_max_tokens),
        temperature=options.temperature if body.temperature is None else float(body.temperature),
        seed=options.seed if body.seed is None else body.seed,
        extra={**options.extra, **{name: value for name, value in asked.items() if value is not None}},
    )


async def asked_for(
    services: Services, model: str, body: ChatRequest, caller: Caller, give_back: Callable[[], None]
) -> Asked:
    """Queue the answer; the same request of a client that tries again is the answer that is there.

    Raises:
        InvalidInput: the request can't be done.
        Unavailable: no host can write it now, or their queues are full.
    """
    request = request_of(services.settings, model, body, services.contestants.context_of)
    _refuse_impossible(services, request)
    outcome: Outcome | None = None
    if caller.cache:
        outcome, known = await services.cache.found(caller.name, request)
        if known is not None:
            reply = ChatReply(new_completion_id(), services.completions.asked_at(), model, cached=True)
            return Asked(reply.id, reply, services.completions, give_back, known, outcome)
    digest = body_hash([caller.name, caller.chat, body.model_dump(by_alias=True)])
    id_ = await services.completions.repeated(digest) if caller.retry else None
    if id_ is None:
        await services.contestants.room_for([model])
        id_ = await services.completions.start(request, digest)
    reply = ChatReply(id_, services.completions.asked_at(), model)
    asked = Asked(id_, reply, services.completions, give_back, cache=outcome)
    return replace(asked, keep=partial(services.cache.keep, caller.name, id_)) if outcome == "MISS" else asked


def _refuse_impossible(services: Services, request: GenerationRequest) -> None:
    """Refuse what the model's hosts are known not to do; what is not known is left to them."""
    model, tools = request.model, request.tools
    if any(message.images for message in request.messages) and not services.contestants.sees(model):
        raise InvalidInput(f"{model} can't look at images; leave them out or ask another model", field="messages")
    if tools is None or tools.choice == "none":
        return
    if not services.contestants.calls(model):
        raise InvalidInput(f"{model} can't call tools; leave them out or ask another model", field="tools")
    if tools.forced and not services.contestants.calls_on_demand(model):
        raise InvalidInput(f"{model} can't be made to call a tool; leave tool_choice at auto", field="tool_choice")


async def streamed(asked: Asked, *, usage: bool) -> AsyncGenerator[bytes]:
    """Yield the frames; a reader who leaves frees the model's slot."""
    reply, ended = asked.reply, asked.known is not None
    try:
        yield reply.first()
        if asked.known is not None:
            yield reply.text(asked.known.text)
            yield reply.chunk({}, asked.known.finish_reason)
            if usage:
                yield reply.usage(usage_of(asked.known))
            yield DONE
            return
        async with aclosing(_frames(asked, usage=usage)) as frames:
            async for one in frames:
                yield one
        ended = True
        yield DONE
    finally:
        if not ended:
            asked.completions.give_up(asked.id)
        asked.give_back()


async def _frames(asked: Asked, *, usage: bool) -> AsyncGenerator[bytes]:
    reply, written, status_shown = asked.reply, False, False
    async with aclosing(asked.completions.pieces(asked.id)) as pieces:
        async for piece in pieces:
            match piece:
                case Waiting(state="writing"):
                    if status_shown:
                        yield reply.status("Writing", done=True)
                case Waiting():
                    status_shown = True
                    yield reply.status(waiting_words(piece), done=False)
                case Text():
                    written = True
                    yield reply.text(piece.text)
                case AnswerRestarted() if written:
                    asked.completions.give_up(asked.id)
                    yield frame(error_body(_RESTARTED, "interrupted", 500))
                    return
                case AnswerEnded(error="empty"):
                    yield reply.chunk({}, NOTHING_WRITTEN)
                    if usage:
                        yield reply.usage(usage_of(piece.timing))
                case AnswerEnded(error=str()):
                    failure = _failure(piece)
                    yield frame(error_body(failure.sentence, failure.code, failure.status, failure.field))
                case AnswerEnded():
                    asked.keep()
                    if piece.calls:
                        yield reply.calls(piece.calls)
                    yield reply.chunk({}, finish_reason_of(piece))
                    if usage:
                        yield reply.usage(usage_of(piece.timing))


async def whole(asked: Asked) -> dict[str, object]:
    """The answer as one body.

    Raises:
        Unavailable: the model did not write it.
        InvalidInput: its server refused the request as it is.
    """
    texts: list[str] = []
    if asked.known is not None:
        asked.give_back()
        return asked.reply.body(asked.known.text, asked.known.finish_reason, usage_of(asked.known))
    try:
        async with aclosing(asked.completions.pieces(asked.id)) as pieces:
            async for piece in pieces:
                match piece:
                    case Text():
                        texts.append(piece.text)
                    case AnswerRestarted():
                        texts.clear()
                    case AnswerEnded(error="empty"):
                        return asked.reply.body("", NOTHING_WRITTEN, usage_of(piece.timing))
                    case AnswerEnded(error=str()):
                        raise _failure(piece)
                    case AnswerEnded():
                        asked.keep()
                        return asked.reply.body(
                            "".join(texts), finish_reason_of(piece), usage_of(piece.timing), piece.calls
                        )
        raise Unavailable(_SENTENCES["interrupted"], code="interrupted")
    finally:
        asked.completions.give_up(asked.id)
        asked.give_back()


def _failure(ended: AnswerEnded) -> ArenaError:
    """What a client is told of an answer that failed; the model server's own words stay in the log."""
    if ended.cause in _REFUSED:
        return InvalidInput(_REFUSED[ended.cause], code=ended.cause, field="messages")
    code = ended.error or "unavailable"
    return Unavailable(_SENTENCES[code], code=code, retry_after_s=2)
