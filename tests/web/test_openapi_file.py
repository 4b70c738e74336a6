"""docs/openapi.json is what the service tells at /openapi.json: clients are made from the file."""

from __future__ import annotations

from pathlib import Path

from app.web.openapi import document, rendered

FILE = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_file_is_what_the_service_tells() -> None:
    assert FILE.read_text() == rendered(document()), "make openapi writes it anew"
