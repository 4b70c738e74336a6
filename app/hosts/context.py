"""Whether a prompt can fit into a model's context, before anybody is asked. Pure.

Nobody but the model's own tokenizer knows how many tokens a text has, so this is a bound from below: a prompt is only
called too long when it is, whatever the tokenizer. Common tokenizers (BPE of 32,000 to 262,000 entries) make about
4 letters of English prose a token, 2.5 to 3.5 of code, and one to two characters of other scripts; runs of one repeated
character shrink more. The margin covers that: a quarter less than the estimate, and what repeats counts once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from app.errors import MessageTooLarge
from app.hosts.options import options_for, system_for
from app.settings.settings import Settings

ASCII_PER_TOKEN = 4.0
OTHERS_PER_TOKEN = 2.0
MARGIN = 0.75
"""The share of the estimate that a prompt has at least."""

_RUN = re.compile(r"(.)\1{7,}", re.DOTALL)


def least_tokens(text: str) -> int:
    """How many tokens ``text`` has at least, by any common tokenizer."""
    shorter = _RUN.sub(r"\1", text)
    others = 0 if shorter.isascii() else sum(1 for char in shorter if ord(char) > 127)
    estimate = (len(shorter) - others) / ASCII_PER_TOKEN + others / OTHERS_PER_TOKEN
    return int(estimate * MARGIN)


def longest_that_fits(num_ctx: int) -> int:
    """How many characters of English may fit into ``num_ctx`` tokens."""
    return int(num_ctx * ASCII_PER_TOKEN)


OwnContext = Callable[[str], int | None]
"""How many tokens a model's context has where its server decided that at its start; None where the arena decides."""


def that_fit(
    settings: Settings, models: Iterable[str], message: str, system: str | None = None, own: OwnContext = lambda _: None
) -> tuple[str, ...]:
    """The models whose context may hold the message and their system prompt."""
    tokens = least_tokens(message)
    return tuple(
        model
        for model in models
        if tokens + least_tokens(system_for(settings, model, system)) < _context_of(settings, model, own)
    )


def _context_of(settings: Settings, model: str, own: OwnContext) -> int:
    return own(model) or options_for(settings, model).num_ctx


def fitting(
    settings: Settings,
    models: Sequence[str],
    message: str,
    system: str | None = None,
    own: OwnContext = lambda _: None,
    *,
    all_of_them: bool = False,
) -> tuple[str, ...]:
    """The models that can be asked; with ``all_of_them`` none may be left out.

    Raises:
        MessageTooLarge: the prompt is too long for too many of them (code ``prompt_too_long``).
    """
    fit = that_fit(settings, models, message, system, own)
    if len(fit) < (len(models) if all_of_them else min(2, len(models))):
        contexts = sorted(_context_of(settings, model, own) for model in models)
        raise _too_long(contexts[0] if all_of_them else contexts[-2:][0])
    return fit


def _too_long(context: int) -> MessageTooLarge:
    return MessageTooLarge(
        f"the message is too long for the models' context of {context:,} tokens (about "
        f"{longest_that_fits(context):,} characters of English, the system prompt included); shorten it",
        code="prompt_too_long",
        field="message",
    )
