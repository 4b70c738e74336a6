"""The OpenAPI document as a file: ``python -m app.web.openapi`` prints it, and nothing has to run for that."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractAsyncContextManager
from typing import Any

from app.web import application
from app.web.shared.services import Services


def document() -> dict[str, Any]:
    """The document of the application."""
    return application.create(_never_opened).openapi()


def _never_opened() -> AbstractAsyncContextManager[Services]:
    raise AssertionError("an application that only prints its document is never started")


def rendered(document: dict[str, Any]) -> str:
    """The document as docs/openapi.json keeps it: a line for each value, so that changes can be read."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(rendered(document()))
