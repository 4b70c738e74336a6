"""The text round a name, cleaned for phrases: lower case, no accents or markup, single spaces, straight apostrophes."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_ACCENT = re.compile("[\u0300-\u036f]")
_MARKUP = re.compile(r"\]\([^)\s]*\)|[*`\[\]{}<>#~]+|(?<!\w)_+|_+(?!\w)|\((?:https?:|/)[^)\s]*\)")
_LINK = re.compile(r"\]\([^)\s]{0,80}\)?")
_SPACES = re.compile(r"[\s\u00a0\u3000]+")
_APOSTROPHES = str.maketrans(
    {"\u2019": "'", "\u2018": "'", "\u02bc": "'", "\u2013": "-", "\u2014": "-", "\u2011": "-", "|": ":"}
)
_LETTERS = re.compile(r"[^\W\d_]+")
_NEW_LINE = "\n"
_LOOKED_AT = 160  # characters of the line before a name that phrases are searched in
_QUOTES = re.compile('["\u201c\u201d\u201e\u201f\u00ab\u00bb\u300c\u300d\u300e\u300f]')

#: A mark of inches or seconds opens no quotation.
_INCH = re.compile(r"(?<=\d)\"")
#: A string in a program, a document or a list of values is the text's own.
_STRING = re.compile(
    r"(?:[\w\])]\(|=|\b(?:print|echo|return|puts|say|log|printf|alert)\b\W?|\"\s*:|[{\[,])\s*[fru]?\"[^\"]*$"
)
#: A straight single quotation mark before a word that no other one closes; a string in a program stands behind a sign.
_SINGLE = re.compile(
    r"(?:^|(?<![:=(\[{,])(?<!SELECT)(?<!VALUES)\s)'(?=[A-Z\u00c0-\u00de])(?!.*'(?!\w))[^']*(?:\w'\w[^']*)*$"
)
_PAIRS = (("\u201c", "\u201d"), ("\u00ab", "\u00bb"), ("\u300c", "\u300d"), ("\u300e", "\u300f"), ("\u201e", "\u201c"))


def without_accents(text: str) -> str:
    """Latin, Greek and Cyrillic letters without their accents, other alphabets as they are."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFD", text)))


@dataclass(frozen=True, slots=True)
class LineWords:
    """The line round a name: its text in lower case without accents, its words and their last two letters."""

    text: str
    words: frozenset[str]


def line_of(before: str, after: str) -> LineWords:
    """The line that a name stands in, without the name."""
    text = without_accents(f"{before[before.rfind(_NEW_LINE) + 1 :]} {after.partition(_NEW_LINE)[0]}".lower())
    words = _LETTERS.findall(text)
    return LineWords(text, frozenset([*words, *[f"-{word[-2:]}" for word in words]]))


@dataclass(frozen=True, slots=True)
class Context:
    """``before`` ends where the name begins and ``after`` begins where it ends; both are parts of one line."""

    before: str
    after: str


def context_of(before: str, after: str) -> Context:
    """Clean the text round a name."""
    line = before[before.rfind("\n") + 1 :]
    rest = after.partition("\n")[0]
    return Context(_cleaned(line).lstrip()[-_LOOKED_AT:], _cleaned(_LINK.sub("", rest, count=1)).rstrip())


def _cleaned(text: str) -> str:
    plain = _QUOTES.sub("", _MARKUP.sub("", text.translate(_APOSTROPHES)))
    return without_accents(_SPACES.sub(" ", plain).lower())


def flat(text: str, *, keep_end: bool = False) -> str:
    """Text of several lines, cleaned; ``keep_end`` keeps the space at its end."""
    cleaned = _cleaned(text)
    return cleaned if keep_end else cleaned.strip()


def is_quoted(before: str) -> bool:
    """Whether a quotation is open at the end of the text: somebody in a story speaks, not the model."""
    paragraph = before[before.rfind("\n") + 1 :]
    straight = _INCH.sub("", paragraph)
    if straight.count('"') % 2 == 1 and _STRING.search(straight) is None:
        return True
    if any(_is_open(paragraph, start, end) for start, end in _PAIRS):
        return True
    if _SINGLE.search(paragraph) is not None:
        return True
    single = paragraph.rfind("\u2018")
    return single >= 0 and re.search(r"\u2019(?!\w)", paragraph[single:]) is None


def _is_open(text: str, start: str, end: str) -> bool:
    opened = text.rfind(start)
    if start == "\u201c" and "\u201e" in text:
        return False
    return opened > text.rfind(end) if start != end else False
