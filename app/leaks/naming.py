"""Compiled names of one model: where a name may begin (fast), and what stands there (exact).

``trigger`` is searched for in every piece of text, so it is built for speed, and nothing else is done for text without
one. ``beginning`` finds the first part of a trigger at the end of a text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from app.leaks.families import FAMILIES, Family, families_of, own_names

#: Letters and digits of alphabets that put spaces between words; Chinese does not, so it has no borders.
_LETTER = "[0-9A-Za-z\u00c0-\u024f\u0370-\u03ff\u0400-\u04ff]"
_ENDS = f"(?:(?<!{_LETTER})|(?!{_LETTER}))"
#: "Phi3" and "phi-3" are Phi.
_VERSION = r"(?:[- ]?[1-9](?:\.\d)?(?![0-9]))?"
#: Letter by letter: "G e m m a", "L.l.a.m.a".
_CAN_BE_SPELT = re.compile("[A-Za-z]{4,12}")
_HEAD = re.compile(r"(?:\(\?-i:)?([^\W_]+)")
_BY = r"(?:,? (?:by|from|of|von|par|de|por|da|di|door))"

_PUBLIC = re.compile(
    r"Chat[- ]?GPT|GPT-?(?:[345](?:\.\d)?|4o)|Deep[- ]?Seek|深度求索|Meta AI|书生|智谱|零一万物|月之暗面|Moonshot AI",
    re.IGNORECASE,
)


def is_public(name: str) -> bool:
    """Whether everybody writes of what is called so: a company, or a model that the newspapers know."""
    return _PUBLIC.fullmatch(name) is not None


_COMPANY = re.compile(
    r"Mistral|Tongyi|通义|.*\b(?:Google|DeepMind|Meta|Microsoft|IBM|Alibaba|Cohere|OpenAI|NVIDIA)\b.*", re.IGNORECASE
)


def names_company(name: str) -> bool:
    """Whether a model's name is that of its maker, too, or has it in it ("Google's Gemma")."""
    return _COMPANY.fullmatch(name) is not None


@dataclass(frozen=True)
class Names:
    """What one model is called.

    ``ascii_…`` are the same for text in ASCII, which most is. Where ``family_unknown``, every family's names count,
    in self-descriptions only.
    """

    family: str
    families: tuple[Family, ...]
    trigger: re.Pattern[str]
    beginning: re.Pattern[str]
    name: re.Pattern[str]
    heads: re.Pattern[str]
    longest: int
    family_unknown: bool
    ascii_trigger: re.Pattern[str]
    ascii_beginning: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class _Words:
    """What a model may be called by, in each of the ways in which a family's table lists it.

    ``spelt`` are plain names letter by letter ("G.P.T").
    """

    plain: list[str]
    spelt: list[str]
    sure: list[str]
    makers: list[str]
    tokens: list[str]

    @property
    def heads(self) -> set[str]:
        """The literal words that they begin with, in small letters."""
        named = {_head(name).lower() for name in (*self.plain, *self.sure, *self.makers)}
        return named | {name.lower() for name in self.spelt}


def _words_of(model: str, known: tuple[Family, ...]) -> _Words:
    """Those of its families; of all families, and its own, where its family is not known."""
    families = known or FAMILIES
    whole, word = own_names(model)
    plain = [*_all(families, "plain"), *([] if known or not word else [word])]
    spelt = [] if not known else [sign.join(name) for name in plain if _CAN_BE_SPELT.fullmatch(name) for sign in " .-"]
    sure = [*_all(families, "sure"), *([re.escape(whole)] if whole else [])]
    return _Words(plain, spelt, sure, _all(families, "makers"), _all(families, "tokens"))


@lru_cache(maxsize=512)
def names_of(model: str) -> Names:
    """The names of ``model``, compiled once."""
    known = families_of(model)
    words = _words_of(model, known)
    heads, tokens = words.heads, words.tokens
    in_ascii = {head for head in heads if head.isascii()}, [token for token in tokens if token.isascii()]
    return Names(
        family=known[0].name if known else "",
        families=known,
        trigger=re.compile(_searched(heads, tokens, unfinished=False), re.ASCII),
        beginning=re.compile(_searched(heads, tokens, unfinished=True), re.ASCII),
        name=re.compile(
            _exact([*words.plain, *words.spelt], words.sure, words.makers, tokens), re.ASCII | re.IGNORECASE
        ),
        heads=re.compile("|".join(map(re.escape, _longest_first(heads))), re.IGNORECASE),
        longest=max(map(len, (*heads, *tokens))),
        family_unknown=not known,
        ascii_trigger=re.compile(_searched(*in_ascii, unfinished=False), re.ASCII),
        ascii_beginning=re.compile(_searched(*in_ascii, unfinished=True), re.ASCII),
    )


@lru_cache(maxsize=64)
def other_names(families: tuple[Family, ...]) -> re.Pattern[str]:
    """The names of all other families: text that uses one beside a name of these lists or compares models."""
    own = {name.lower() for family in families for name in (*family.plain, *family.sure)}
    others = [name for family in FAMILIES if family not in families for name in (*family.sure, *family.plain)]
    names = "|".join(name for name in _longest_first(others) if name.lower() not in own and name[0].isascii())
    return re.compile(rf"(?<!{_LETTER})(?:{names}){_VERSION}(?!{_LETTER})", re.ASCII)


def _all(families: tuple[Family, ...], field: str) -> list[str]:
    return list(dict.fromkeys(name for family in families for name in getattr(family, field)))


def _head(name: str) -> str:
    """The literal word that a name begins with."""
    found = _HEAD.match(name)
    assert found is not None, f"{name!r} does not begin with a word"
    return found[1]


def _longest_first(names: object) -> list[str]:
    return sorted(names, key=lambda name: (-len(name), name))  # type: ignore[call-overload, no-any-return]


def _searched(heads: set[str], tokens: list[str], *, unfinished: bool) -> str:
    """A pattern for the heads and tokens, or (``unfinished``) for a beginning of one at the very end of the text.

    It branches letter by letter, at the top into single characters: those the engine looks for without trying the rest.
    """
    words = {head.lower() for head in heads} | set(tokens)
    borders = {word[0]: f"(?<!{_LETTER}.)" for word in words if word[0].isalnum()}
    branches = []
    for first in sorted({word[0] for word in words}):
        rest = borders.get(first, "") + _branches({word[1:] for word in words if word[0] == first}, unfinished)
        branches += [re.escape(form) + rest for form in sorted({first.lower(), first.upper()})]
    return f"(?:{'|'.join(branches)})"


def _branches(endings: set[str], unfinished: bool) -> str:
    """The endings as nested alternatives; a word that begins with another is found by the shorter one."""
    if "" in endings:
        return "(?!)" if unfinished else ""
    firsts = sorted({ending[0].lower() for ending in endings})
    parts = [
        _any_case(first) + _branches({ending[1:] for ending in endings if ending[0].lower() == first}, unfinished)
        for first in firsts
    ]
    return f"(?:{'|'.join([*parts, *([chr(92) + 'Z'] if unfinished else [])])})"


def _any_case(letter: str) -> str:
    return f"[{letter.lower()}{letter.upper()}]" if letter.isascii() and letter.isalpha() else re.escape(letter)


def _exact(plain: list[str], sure: list[str], makers: list[str], tokens: list[str]) -> str:
    """The name at a place, the longest kind first; groups ``token``, ``sure``, ``maker``, ``plain``."""
    words = f"(?:{'|'.join(map(re.escape, _longest_first(plain))) or '(?!)'}){_VERSION}"
    owners = "|".join(map(re.escape, _longest_first(makers))) or "(?!)"
    pairs = (rf"(?:{owners})(?:['\u2019]s)? (?:{words})", rf"(?:{words}){_BY} (?:the )?(?:{owners})")
    unmistakable = "|".join([*pairs, *_longest_first(sure)])
    variant = r"(?:(?:[- ]Instruct|-it|-chat)(?!\w))?"
    names = rf"(?:(?P<sure>(?:{unmistakable}){variant})|(?P<maker>{owners})|(?P<plain>{words})){_ENDS}"
    return f"(?P<token>{'|'.join(map(re.escape, tokens)) or '(?!)'})|{names}"
