"""docs/architecture.md lists every key that the code has in Redis."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
KEY = re.compile(r"""["'](arena:[a-zA-Z0-9_:{}.()\[\] ]+)["']""")
#: Words at the beginning of log lines and errors, not keys.
NO_KEYS = {"arena: "}


def words(key: str) -> list[str]:
    """The fixed words of a key: ``arena:calls:{{{who}}}`` has ``arena`` and ``calls``."""
    fixed = re.sub(r"\{[^{}]*\}", "", key.replace("{metrics}", "metrics"))
    return [word for word in re.split(r"[:{} ]+", fixed) if word]


def test_every_key_in_redis_is_documented() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text[text.index("**Redis**") : text.index("## Failures")].replace("{metrics}", "metrics")
    lines = table.splitlines()
    found = {
        key
        for file in (ROOT / "app").rglob("*.py")
        if "simulator" not in file.parts
        for key in KEY.findall(file.read_text(encoding="utf-8"))
        if not any(key.startswith(word) for word in NO_KEYS)
    }
    assert len(found) > 20
    missing = [key for key in sorted(found) if not any(all(word in line for word in words(key)) for line in lines)]
    assert missing == []
