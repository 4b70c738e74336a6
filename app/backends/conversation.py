"""What a model is asked: the turns of a conversation, the functions that it may call, and its options.

Importers get these from ``base``, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that a model wants to be called; ``arguments`` is JSON as the model wrote it, which nobody checks."""

    id: str
    name: str
    arguments: str = "{}"


@dataclass(frozen=True, slots=True)
class Tools:
    """Functions that a model may call, as OpenAI's API writes them.

    ``choice`` is ``"none"``, ``"auto"``, ``"required"`` or the object that names one of them; None leaves it to the
    server. ``parallel`` is whether several may be called at once.
    """

    offered: tuple[dict[str, object], ...]
    choice: str | dict[str, object] | None = None
    parallel: bool | None = None

    @property
    def forced(self) -> bool:
        """Whether the model has to call one."""
        return self.choice not in (None, "auto", "none")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation that a model gets; ``images`` are base64, and only models with vision take any.

    ``calls`` are the functions that an assistant's turn called; a turn of the role tool has what one of them gave, and
    ``call_id`` says which.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    images: tuple[str, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """Sampling and memory options, the same for warm-up and battle (another num_ctx reloads the model).

    ``think`` is sent explicitly; None leaves it to the server. ``extra`` goes to the server as it is.
    """

    num_ctx: int = 4096
    num_predict: int = 1024
    temperature: float = 0.7
    seed: int | None = None
    think: bool | str | None = False
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """Everything a backend needs to write one answer.

    ``output`` is what the answer has to be: ``"json"``, a JSON schema, or None for text. ``tools`` are the functions
    that may be called; in battles there are none.
    """

    model: str
    messages: tuple[Message, ...]
    options: GenerationOptions = GenerationOptions()
    output: Literal["json"] | dict[str, object] | None = None
    tools: Tools | None = None
