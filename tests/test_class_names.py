"""One name, one class: whoever searches for a class finds the only one."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import app

ROOT = Path(app.__path__[0])

#: Why some names are shared. A response type in ``app/web/schemas/`` has the name of the value that it shows: its name
#: is in openapi.json, and generated clients use it.
SHARED = {
    "AnswerTiming": {"ranking/votes.py", "web/schemas/battles.py"},
    "Contender": {"hosts/catalog.py", "web/schemas/hosts.py"},
    "HostEvent": {"scheduling/report.py", "web/schemas/hosts.py"},
    "SpeedRow": {"ranking/board.py", "web/schemas/leaderboard.py"},
}


def modules_by_class() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                found[node.name].add(str(path.relative_to(ROOT)))
    return found


def test_no_two_classes_share_a_name() -> None:
    shared = {name: modules for name, modules in modules_by_class().items() if len(modules) > 1}
    assert shared == SHARED
    assert all(any(module.startswith("web/schemas/") for module in modules) for modules in shared.values())
