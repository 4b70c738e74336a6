"""Answers that read like answers: a small generator of our own, different per model, the same for the same seed.

Sentences are filled from patterns with the question's own words and a vocabulary; each model has habits (how it
opens, how long its sentences are, whether it likes lists or code) that are drawn from its name. No text means
anything, and every answer can be known as simulated by the header and the metadata that go with it.
"""

from __future__ import annotations

import functools
import itertools
import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_TOPIC: Final = re.compile(r"[^\W\d_]{4,}")
_COMMON: Final = frozenset(
    [
        "what",
        "when",
        "where",
        "which",
        "that",
        "this",
        "with",
        "from",
        "have",
        "does",
        "will",
        "would",
        "could",
        "should",
        "about",
        "into",
        "your",
        "they",
        "them",
        "there",
        "their",
        "than",
        "then",
        "these",
        "those",
        "please",
        "explain",
        "describe",
        "tell",
        "give",
        "write",
        "make",
        "list",
        "show",
        "help",
        "between",
        "very",
        "some",
    ]
)
_OPENERS: Final = (
    "Good question.", "In short:", "Here is a short overview.", "It depends on what matters to you.", "Certainly.",
    "Let me put it simply.", "There are a few sides to this.", "The direct answer first.", "Sure, step by step.",
)  # fmt: skip
_PATTERNS: Final = (
    "{T} is mostly a matter of {n} and {n}.",
    "When you look at {t}, the {a} part is how the {n} changes the {n}.",
    "Most people start with the {n}, because it makes the {n} {a}.",
    "A {a} {n} helps, but only if the {n} is {a} enough.",
    "That is why {t} often {v} the {n} before it {v} the {n}.",
    "In practice, {t} {v} a {n}, and the {n} follows.",
    "You can check this with a {a} {n}: if it {v}, the {n} was right.",
    "Compared with the {n}, {t} is more {a} and less {a}.",
    "There is one exception, and it is the {n} of a {a} {n}.",
    "If the {n} is {a}, {t} needs more {n} than you might expect.",
)
_NOUNS: Final = (
    "balance", "structure", "context", "habit", "reason", "season", "measure", "method", "limit", "detail", "pattern",
    "resource", "example", "question", "process", "signal", "region", "budget", "history", "choice", "weather",
    "material", "result", "community", "purpose", "memory", "surface", "distance", "schedule", "effect",
)  # fmt: skip
_ADJECTIVES: Final = (
    "clear", "gradual", "practical", "simple", "careful", "local", "common", "reliable", "early", "warm", "hidden",
    "steady", "useful", "sensitive", "broad", "modest", "natural", "precise",
)  # fmt: skip
_VERBS: Final = (
    "changes", "supports", "limits", "explains", "needs", "shapes", "improves", "replaces", "reveals", "follows",
    "carries", "holds",
)  # fmt: skip
_THOUGHTS: Final = (
    "Okay, the user asks about {t}.", "First I should think about the {n}.", "Maybe the {n} matters more.",
    "Let me check the {n} once more.", "So the answer should mention {t} and the {n}.", "That seems {a}.",
)  # fmt: skip
_ARTICLE: Final = re.compile(r"\ba(?= [aeiou])")
_PIECES: Final = re.compile(r"\n+|[ ]?[^\s\w]|[ ]?\w{1,8}|[ ]")


@dataclass(frozen=True, slots=True)
class AnswerText:
    """What a model will say, token by token, unless a limit or a stop sequence comes first."""

    thinking: tuple[str, ...]
    content: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Habits:
    """How one model writes."""

    opener: str
    patterns: tuple[str, ...]
    list_every: int
    code: bool
    length: float


@functools.lru_cache(maxsize=256)
def _habits(model: str) -> _Habits:
    chance = random.Random(f"habits of {model}")
    return _Habits(
        chance.choice(_OPENERS),
        tuple(chance.sample(_PATTERNS, 7)),
        chance.choice((0, 0, 3, 4)),
        "code" in model,
        chance.uniform(0.85, 1.15),
    )


class Writer:
    """Writes answers of about ``mean_tokens`` (their lengths vary as people's answers do, log-normally)."""

    def __init__(self, seed: int, mean_tokens: int, spread: float = 0.35) -> None:
        self._seed = seed
        self._mean = mean_tokens
        self._spread = spread

    def write(
        self, model: str, prompt: str, variant: str, *, limit: int, scale: float = 1.0, think: bool = False
    ) -> AnswerText:
        """The answer of a model to a prompt; another ``variant`` (sampling seed) gives another one.

        What lies beyond ``limit`` tokens is not made up: it will not be read.
        """
        chance = random.Random(f"{self._seed} {model} {variant} {prompt}")
        habits = _habits(model)
        topics = _topics(prompt)
        length = max(
            1, round(self._mean * scale * habits.length * chance.lognormvariate(-(self._spread**2) / 2, self._spread))
        )
        thinking = _pieces_of(_thoughts(chance, topics), max(8, length // 2), chance) if think else ()
        return AnswerText(thinking, _content(chance, habits, topics, length, limit))

    def write_json(self, model: str, prompt: str, variant: str) -> AnswerText:
        """An answer for ``format``: one JSON object."""
        chance = random.Random(f"{self._seed} {model} {variant} {prompt}")
        topic = chance.choice(_topics(prompt))
        text = f'{{"topic": "{topic}", "answer": "{chance.choice(_NOUNS)}", "score": {chance.randint(1, 10)}}}'
        return AnswerText((), tuple(_PIECES.findall(text)))

    @staticmethod
    def write_arguments(arguments: Mapping[str, object]) -> AnswerText:
        """The tokens of a tool call."""
        return AnswerText((), tuple(_PIECES.findall(json.dumps(dict(arguments)))))


def _topics(prompt: str) -> tuple[str, ...]:
    words = [word.lower() for word in _TOPIC.findall(prompt[-4000:]) if word.lower() not in _COMMON]
    return tuple(dict.fromkeys(words))[-12:] or ("this",)


def _fill(pattern: str, chance: random.Random, topics: tuple[str, ...]) -> str:
    topic = chance.choice(topics)
    banks = {"{t}": (topic,), "{T}": (topic.capitalize(),), "{n}": _NOUNS, "{a}": _ADJECTIVES, "{v}": _VERBS}
    return re.sub(r"\{[tTnav]\}", lambda match: chance.choice(banks[match.group()]), pattern)


def _thoughts(chance: random.Random, topics: tuple[str, ...]) -> str:
    return " ".join(_fill(chance.choice(_THOUGHTS), chance, topics) for _ in range(4))


def _content(
    chance: random.Random, habits: _Habits, topics: tuple[str, ...], length: int, limit: int
) -> tuple[str, ...]:
    """Whole sentences, ending at the one that comes nearest to the length."""
    pieces: list[str] = _PIECES.findall(habits.opener)
    for sentence in itertools.count(1):
        text = _separator(habits, sentence) + _fill(chance.choice(habits.patterns), chance, topics)
        more = _PIECES.findall(_ARTICLE.sub("an", text))
        if habits.code and sentence == 3:
            more = _code(chance, topics)
        if len(pieces) >= limit or len(pieces) + len(more) / 2 > length:
            break
        pieces += more
    return tuple(pieces)


def _separator(habits: _Habits, sentence: int) -> str:
    if habits.list_every and sentence % habits.list_every == 0:
        return f"\n\n{sentence // habits.list_every}. "
    return "\n\n" if sentence % 6 == 5 else " "


def _code(chance: random.Random, topics: tuple[str, ...]) -> list[str]:
    name, factor = chance.choice(topics), str(chance.randint(2, 9))
    return [
        "\n\n```",
        "python\n",
        "def",
        f" {name}",
        "(value",
        "):\n",
        "    return",
        " value",
        " *",
        f" {factor}",
        "\n```",
    ]


def _pieces_of(text: str, limit: int, chance: random.Random) -> tuple[str, ...]:
    pieces = _PIECES.findall(text)
    while len(pieces) < limit:
        pieces += _PIECES.findall(" " + _fill(chance.choice(_THOUGHTS), chance, ("it",)))
    return tuple(pieces[:limit])
