"""From a request's body to an ``Ask``: the order of checks is the server's own.

Body, top_logprobs, name, cloud suffix, lookup (404), unload, capabilities (400), options (500).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from app.simulator.api.bodies import Body, read_options
from app.simulator.engine.machine import Ask, Machine
from app.simulator.models.catalog import Model
from app.simulator.models.tokens import count_chat_tokens, count_tokens
from app.simulator.protocol import tools
from app.simulator.protocol.errors import ServerError
from app.simulator.protocol.names import ModelName, NameInvalid


def find_for_chat(machine: Machine, called: str) -> Model:
    """The model of a chat; raises ServerError."""
    if not called:
        raise ServerError(400, "model is required")
    try:
        name = ModelName.parse(called)
    except NameInvalid:
        raise ServerError(400, "invalid model name") from None
    return _find(machine, name, called)


def find_for_generate(machine: Machine, called: str) -> Model:
    """The model of a generate: an unreadable name is just not found."""
    try:
        name = ModelName.parse(called)
    except NameInvalid:
        raise ServerError(404, f"model '{called}' not found") from None
    return _find(machine, name, called)


def _find(machine: Machine, name: ModelName, called: str) -> Model:
    if name.is_cloud:
        raise ServerError(403, "ollama cloud is disabled: remote model is unavailable")
    model = machine.find(name)
    if model is None:
        raise ServerError(404, f"model '{called}' not found")
    return model


@dataclass(frozen=True, slots=True)
class UnloadAsk:
    """A request that only asks for the model to go."""

    model: Model


def chat_ask(machine: Machine, body: Body) -> Ask | UnloadAsk:
    """Check a chat; raises ServerError."""
    model = find_for_chat(machine, body.model)
    if not body.messages and body.keep_alive_s == 0:
        return UnloadAsk(model)
    if body.tools and "tools" not in model.capabilities:
        raise ServerError(400, f"{ModelName.parse(model.name).full} does not support tools")
    contents = [message.content for message in body.messages]
    questions = [message.content for message in body.messages if message.role == "user"]
    prompt = "\n".join(f"{message.role}: {message.content}" for message in body.messages)
    question = questions[-1] if questions else prompt
    ask = _ask(body, model, prompt, question, count_chat_tokens(contents))
    if not body.tools or not body.messages or body.messages[-1].role != "user":
        return ask
    return dataclasses.replace(ask, tool_call=tools.call(body.tools, question))


def generate_ask(machine: Machine, body: Body) -> Ask | UnloadAsk:
    """Check a generate; raises ServerError."""
    model = find_for_generate(machine, body.model)
    if not body.prompt and body.keep_alive_s == 0:
        return UnloadAsk(model)
    if body.raw and (body.template or body.system or body.context):
        raise ServerError(400, "raw mode does not support template, system, or context")
    if body.suffix and "insert" not in model.capabilities:
        raise ServerError(400, f"{ModelName.parse(model.name).full} does not support insert")
    whole = "\n".join(part for part in (body.system, body.prompt) if part) if body.prompt else ""
    tokens = count_tokens(body.prompt) if body.raw else count_chat_tokens([body.system, body.prompt])
    return _ask(body, model, whole, body.prompt, tokens)


def _ask(body: Body, model: Model, prompt: str, question: str, tokens: int) -> Ask:
    if body.think and not model.thinks:
        raise ServerError(400, f'"{body.model}" does not support thinking')
    options = read_options(body.options or {}, shift=body.shift)
    return Ask(
        model=model,
        prompt=prompt,
        question=question,
        prompt_tokens=tokens,
        options=dataclasses.replace(options.runner, num_ctx=options.runner.num_ctx or model.num_ctx),
        keep_alive_s=body.keep_alive_s,
        num_predict=options.num_predict,
        stop=options.stop,
        seed=options.seed,
        temperature=options.temperature,
        think=model.thinks and body.think is not False,
        json_format=body.json_format,
        images=bool(body.images or any(message.images for message in body.messages)),
        grain=1 if body.stream or body.logprobs else 1_000_000,
    )
