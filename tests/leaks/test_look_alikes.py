"""The letters that look like one of ASCII are Unicode's own."""

from __future__ import annotations

import re

from confusable_homoglyphs.confusables import confusables_data

from app.leaks.folding import FOREIGN
from app.leaks.look_alikes import LOOK_ALIKES

DOTLESS_I = "\u0131"
"""Turkish writes it as a letter of its own."""


def test_the_look_alikes_are_all_foreign_letters_that_unicode_confuses_with_one_letter_of_ascii() -> None:
    foreign = re.compile(f"[{FOREIGN}]")
    confused = {
        character: [one["c"] for one in others if len(one["c"]) == 1 and one["c"].isascii() and one["c"].isalpha()]
        for character, others in confusables_data.items()
        if len(character) == 1 and foreign.match(character) and character != DOTLESS_I
    }
    assert len(LOOK_ALIKES) > 200
    assert {character: letters[0] for character, letters in confused.items() if letters} == LOOK_ALIKES
