"""Languages as ISO 639 codes: data sets write names, people write either, boards know one word for each."""

from __future__ import annotations

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
