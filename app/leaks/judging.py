"""Whether a text that uses a name speaks of itself there: the phrases of all languages, and what speaks against it."""

from __future__ import annotations

import re

from app.leaks import answering, fields, wording
from app.leaks.context import Context, context_of, flat, is_quoted, line_of
from app.leaks.first_person import is_subject
from app.leaks.languages import guards
from app.leaks.languages.asian import CHINESE, JAPANESE, KOREAN
from app.leaks.languages.eastern import BENGALI, HEBREW, THAI
from app.leaks.languages.english import ENGLISH
from app.leaks.languages.european import FINNISH, HUNGARIAN, ROMANIAN
from app.leaks.languages.germanic import DUTCH, GERMAN
from app.leaks.languages.others import CZECH, GREEK, PERSIAN, SCANDINAVIAN, URDU
from app.leaks.languages.phrase import Language
from app.leaks.languages.romance import FRENCH, ITALIAN, PORTUGUESE, SPANISH
from app.leaks.languages.slavic import POLISH, RUSSIAN
from app.leaks.languages.southern import ARABIC, HAUSA, HINDI, INDONESIAN, SWAHILI, TURKISH, VIETNAMESE
from app.leaks.persons import is_employed, is_somebody

LANGUAGES: tuple[Language, ...] = (
    *(ENGLISH, GERMAN, DUTCH, FRENCH, SPANISH, PORTUGUESE, ITALIAN, RUSSIAN, POLISH),
    *(TURKISH, ARABIC, HINDI, HAUSA, SWAHILI, INDONESIAN, VIETNAMESE, CHINESE, JAPANESE, KOREAN),
    *(SCANDINAVIAN, GREEK, PERSIAN, CZECH),
    *(FINNISH, HUNGARIAN, ROMANIAN, BENGALI, HEBREW, THAI, URDU),
)

# A tag ends a sentence, too: what stands in <think> is one of its own.
_SENTENCE_END = re.compile(r"[.!?][)\"'\u201d*_]*\s|[\n。\uff01\uff1f>]")

_SPOKEN = re.compile(
    r"^[^.!?]{0,60}?,? ?\b(?:said|says|asked|asks|replied|cried|whispered|shouted|answered|sagte|sagt|rief|dit"
    r"|disait|dijo|disse|zei)\b (?:the|she|he|they|a|an|my|her|his|our|sie|er|elle|il|ella|ele|der|die|das|le|la|el|o"
    r"|hij|[a-z]+$|[a-z]+[.,])"
    r"|^[^.!?]{0,60}?, (?:he|she|they|the \w+) (?:wrote|said|says|writes|thought|told|began|sang)\b"
    r"|^[^?]{0,70}\b(?:what|who) am i ?\?"
    r"|^\W{0,3}(?:said|says|asked|replied|cried)\b"
)
#: A name inside an identifier or a path, or that is imported, run or downloaded.
_IN_CODE_BEFORE = re.compile(
    r"(?:\w\([^()\n]*\w ?= ?[\"']|[A-Za-z0-9]_|[\w/]/|\w\.|::|->|(?<!-)--|\bimport (?:\w+, )*"
    r"|(?:^|\n)[ >$]*(?:from|FROM|using|require|include|class|def|\w+ =) "
    r"|\b(?:ollama|pip3?|npm|docker|brew|git|conda) [\w-]+ )$",
    re.ASCII,
)
_CODE = 80  # characters before a name that are part of its identifier, call or command
_IN_CODE_AFTER = re.compile(
    r"_[A-Za-z0-9]|\(|\.(?:cpp|py|js|c|h|gguf|from_|load|create|com|ai|org|dev)\b|/\w|::|-?cpp\b", re.ASCII
)
_TAG = re.compile(r":(?:\d|latest\b|mini\b|[\w.]+-(?:cloud|instruct|text|q\d))", re.IGNORECASE)
#: A row of a table or a point of a list.
_ITEM = re.compile(r"\s*(?:\||[-*+\u2022] |\d{1,2}[.)] |#{1,6} )")
#: What a program tells a model to be is no answer of one.
_PROMPT_IN_CODE = re.compile(
    r"(?:^|[^a-z])(?:system\w*|content|prompt\w*|instructions?|persona)[\"']?\s*(?:[:=(,]\s*)*[fru]?[\"']{1,3}\s*"
    r"you(?: are|'re) [^\"\n]{0,100}$",
    re.IGNORECASE,
)
_SOMEBODY_ELSE = re.compile(
    r"\s*,\s+(?:the\s+)?(?!I\b|I['\u2019]|Ich\b|Je\b|J['\u2019]|Yo\b|Eu\b|Io\b|Ik\b)[A-Z]|\s+(?:ist|is|est|es|kostet)\s+[A-Z]"
)
_AS = re.compile(r"(?:^|[.!?:;(] ?)(?:as|als|comme|como|come|kama|sebagai|jako|как)\b[^.!?]*$")
_FIRST_PERSON = re.compile(r"\b(?:i|i'm|my|ich|je|yo|eu|io|ik|saya)\b")
_LOWER_I = re.compile(r"(?:^|[.!?,\s])(?:i(?:['\u2019]?m| am)|it['\u2019]?s me,)\s+$")
_OPENING = re.compile("[\"'\u2018\u201c\u201d\u201e\u00ab\u00bb\u300c\u300e][\\s\u00a0]?$")
_CLOSING = re.compile("[\\s\u00a0]?[\"'\u2019\u201c\u201d\u00ab\u00bb\u300d\u300f](?![a-z])")
_ENDS = re.compile(r"\s*(?:$|[.!?,;:)]|(?:lol|haha\w*|btw|xd|yes|and you|nice)\b|:\)|and i)")
_INLINE_TAG = re.compile(
    r"</?(?:a|b|i|u|em|strong|code|mark|small|span|p|br|div|h[1-6]|kbd)(?:\s[^<>\n]{0,80})?/?>", re.IGNORECASE
)
_ELEMENT = re.compile(r"<([\w-]{2,20})>\s*$")
#: A text in a test of a program.
_TESTED = re.compile(
    r"(?:[!=]==?|\bassert\w*\b[^\n]*|\bexpect\([^\n]*|\.to\w+\()\s*[fru]?[\"'`][^\"'`\n]*$", re.IGNORECASE
)


def is_worth_it(before: str, after: str, languages: tuple[Language, ...]) -> bool:
    """Whether to look closer: some language may speak of itself there, or a field or a sentence names a model."""
    if languages or fields.may_be_value(before) or _ELEMENT.search(before) or answering.may_answer(before):
        return True
    return wording.IS_AN_ASSISTANT.match(after) is not None


def is_code(before: str, after: str) -> bool:
    """Whether the name is part of an identifier, a path, a command or a prompt in a program."""
    if _IN_CODE_BEFORE.search(before[-_CODE:]) is not None or _IN_CODE_AFTER.match(after) is not None:
        return True
    return _PROMPT_IN_CODE.search(before) is not None or _TESTED.search(before[-_CODE:]) is not None


def is_tag(name: str, after: str) -> bool:
    """Whether the name is an identifier of a model server (``qwen3:8b``): programs, commands and tables use it."""
    return ":" in name or _TAG.match(after) is not None


def lines_of(before: str, after: str) -> str:
    """The line that a name stands in; in a table or a list, all that is known of it: models stand below each other."""
    line = before[before.rfind("\n") + 1 :] + after.partition("\n")[0]
    return before + after if _ITEM.match(line) is not None else line


def sentence_of(before: str) -> str:
    """What stands before a name in its own sentence."""
    ends = [end.end() for end in _SENTENCE_END.finditer(before)]
    return before[ends[-1] :] if ends else before


def speakers(before: str, after: str) -> tuple[Language, ...]:
    """The languages in which the line there may speak of itself; most lines that use a name do not."""
    line = line_of(before, after)
    return tuple(language for language in LANGUAGES if language.speaks_of_itself(line))


def names_model(before: str, name: str, after: str, languages: tuple[Language, ...]) -> bool:
    """Whether the text calls itself ``name`` there, or says that ``name`` is a language model.

    ``before`` and ``after`` are the text round the name, as far as it is looked at.
    """
    before, after = _plain(before, after)
    context = context_of(before, after)
    if fields.names_model(context, after):
        return wording.is_capital(name)
    if not _claims_name(before, name, after, context, languages) or _is_anothers(before, context):
        return False
    return not is_somebody(context, name, after) and not guards.is_relation(context)


def _claims_name(before: str, name: str, after: str, context: Context, languages: tuple[Language, ...]) -> bool:
    """Whether a phrase there calls the text's own model ``name``; most names stand in none."""
    if answering.names_model(before) or wording.names_itself(flat_sentence(before), name, after):
        return True
    if wording.ANOTHER_NAME.match(after) is not None:
        return False
    if not any(language.names_model(context) for language in languages):
        return False
    return wording.is_capital(name) or name[-1:].isdigit() or _is_written_small(before, after)


def names_maker(before: str, after: str, languages: tuple[Language, ...]) -> bool:
    """Whether the text says that the company named there made it."""
    before, after = _plain(before, after)
    context = context_of(before, after)
    if fields.names_maker(context, before, after):
        return True
    if not _claims_maker(before, after, context, languages) or _is_anothers(before, context):
        return False
    return not is_employed(before, after)


def _claims_maker(before: str, after: str, context: Context, languages: tuple[Language, ...]) -> bool:
    """Whether a phrase there says that the company made the writer."""
    if answering.names_maker(before):
        return True
    if languages and after[:1] != "-" and wording.names_its_maker(flat_sentence(before), after):
        return True
    if _AS.search(context.before) and not _FIRST_PERSON.search(context.before) and _SOMEBODY_ELSE.match(after):
        return False
    return any(language.names_maker(context) for language in languages)


def _is_anothers(before: str, context: Context) -> bool:
    """Whether somebody else says it, or it is denied or only supposed."""
    return is_quoted(before) or _SPOKEN.match(context.after) is not None or guards.denies(context)


def flat_sentence(before: str) -> str:
    """The sentence before a name, in lower case, without accents and quotation marks."""
    return flat(sentence_of(before), keep_end=True)


def speaks_of_itself(before: str, after: str) -> bool:
    """Whether the sentence there is about who writes: an unmistakable name in it is the writer's."""
    before, after = _plain(before, after)
    sentence = flat(f"{sentence_of(before)} @ {_rest_of_sentence(after)}")
    return is_subject(sentence) and not is_quoted(before) and not guards.denies(context_of(before, after))


def _rest_of_sentence(after: str) -> str:
    end = _SENTENCE_END.search(after)
    return after if end is None else after[: end.start()]


def _plain(before: str, after: str) -> tuple[str, str]:
    """The text round a name without inline tags and lone quotation marks; an element of XML reads as a field."""
    before, after = _INLINE_TAG.sub("", before), _INLINE_TAG.sub("", after)
    opened = _ELEMENT.search(before)
    if opened is not None and after.startswith(f"</{opened[1]}>"):
        return f"{before[: opened.start()]}{opened[1]}: ", after[len(opened[1]) + 3 :]
    return _unquoted(before, after)


def _unquoted(before: str, after: str) -> tuple[str, str]:
    """The text round a name without the quotation marks that hold nothing but the name."""
    opening, closing = _OPENING.search(before), _CLOSING.match(after)
    if opening is None or closing is None:
        return before, after
    return before[: opening.start()], after[closing.end() :]


def _is_written_small(before: str, after: str) -> bool:
    """Whether the whole sentence is in small letters, as in a chat: ``i'm claude!``."""
    return _LOWER_I.search(before) is not None and _ENDS.match(after) is not None
