"""docs/openapi.json is what the service tells at /openapi.json: clients are made from the file."""

from __future__ import annotations

from app.web.openapi import document, rendered
from tests.documented import FILE


def test_the_file_is_what_the_service_tells() -> None:
    assert FILE.read_text() == rendered(document()), "make openapi writes it anew"
