"""docs/events.md has every event of the catalogue, with data that are what the schemas say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from app.battle.events import ERROR_SENTENCES, EventName
from app.web.schemas.events import EVENT_SCHEMAS
from tests.documented import check, check_event

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
SECTIONS = {part.split("\n", 1)[0]: part for part in PAGE.split("\n## ")[1:]}
FIELD = re.compile(r"\w+")


def test_the_page_has_a_section_and_a_line_for_each_event_and_for_no_other() -> None:
    assert set(SECTIONS) == {name.value for name in EventName} | {"The fold"}
    table, fold = PAGE.split("\n## ")[0], SECTIONS["The fold"]
    assert re.findall(r"^\| `(\w+)` \|.*\| `(\w+)` \|$", table, re.MULTILINE) == [
        (name.value, EVENT_SCHEMAS[name].__name__) for name in EventName
    ]
    assert set(re.findall(r"^\| `(\w+)` \|", fold, re.MULTILINE)) == {name.value for name in EventName}


@pytest.mark.parametrize("name", EventName)
def test_the_examples_of_an_event_are_what_its_schema_says(name: EventName) -> None:
    shown = re.findall(r"```json\n(.*?)```", SECTIONS[name], re.DOTALL)
    assert shown
    for text in shown:
        check_event(name, text.encode())
        check(f"/components/schemas/{EVENT_SCHEMAS[name].__name__}", json.loads(text), name)


@pytest.mark.parametrize("name", [name for name in EventName if name is not EventName.SNAPSHOT])
def test_the_fields_of_an_event_are_told(name: EventName) -> None:
    listed = re.search(r"`\{(.*?)\}`", SECTIONS[name])
    assert listed is not None
    outer = re.sub(r": \{.*\}", "", listed[1]).split(", ")
    fields = EVENT_SCHEMAS[name].model_fields
    assert outer == [field if one.is_required() else f"{field}?" for field, one in fields.items()]


def test_the_codes_of_errors_are_told() -> None:
    assert all(f"`{code}`" in SECTIONS["answer"] for code in ERROR_SENTENCES)
