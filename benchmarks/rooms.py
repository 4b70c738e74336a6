"""The rooms of the code: which imports which, on how many floors they stand, and how long their functions are.

    python -m benchmarks.rooms [FOLDER]

FOLDER holds the package (default: ``app``); another version of it may be unpacked anywhere, for nothing is imported. A
room is a package or a module directly in FOLDER. A room stands on the floor above the highest of those that it
imports; rooms that import each other share a floor. Lengths count a function's lines from its name to its end, its
docstring included; three figures are their median, 95th percentile and longest.
"""

from __future__ import annotations

import argparse
import ast
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Room:
    """One room: its files, its lines, the lengths of its functions, and the rooms that it imports."""

    files: int = 0
    lines: int = 0
    longest_file: int = 0
    functions: list[int] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)


def rooms_of(folder: Path) -> dict[str, Room]:
    """The rooms in ``folder`` by name."""
    rooms: dict[str, Room] = {}
    for file in sorted(folder.rglob("*.py")):
        name = file.relative_to(folder).parts[0].removesuffix(".py")
        if name == "__init__":
            continue
        source = file.read_text(encoding="utf-8")
        tree, lines = ast.parse(source), len(source.splitlines())
        room = rooms.setdefault(name, Room())
        room.files, room.lines = room.files + 1, room.lines + lines
        room.longest_file = max(room.longest_file, lines)
        room.functions += _lengths(tree)
        room.imports |= set(_imports(tree, folder.name)) - {name}
    return rooms


def _lengths(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (node.end_lineno or node.lineno) - node.lineno + 1


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            yield from _rooms_named([node.module, *(f"{node.module}.{name.name}" for name in node.names)], package)
        elif isinstance(node, ast.Import):
            yield from _rooms_named([name.name for name in node.names], package)


def _rooms_named(modules: list[str], package: str) -> Iterator[str]:
    for module in modules:
        parts = module.split(".")
        if parts[0] == package and len(parts) > 1:
            yield parts[1]
            return


def floors_of(imports: Mapping[str, set[str]]) -> dict[str, int]:
    """The floor of each room, counted from 1 at the ground."""
    reached = {name: _reached(name, imports) for name in imports}
    floors: dict[str, int] = {}

    def floor(name: str) -> int:
        if name not in floors:
            below = [one for one in reached[name] if name not in reached[one]]
            floors[name] = 1 + max((floor(one) for one in below), default=0)
        return floors[name]

    return {name: floor(name) for name in imports}


def _reached(name: str, imports: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    todo = [name]
    while todo:
        for one in imports[todo.pop()] - found:
            found.add(one)
            todo.append(one)
    return found


def _p95(values: list[int]) -> int:
    return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))] if values else 0


def report(folder: Path) -> str:
    """The table, from the highest floor down, and the sums."""
    rooms = rooms_of(folder)
    imports = {name: room.imports & rooms.keys() for name, room in rooms.items()}
    floors = floors_of(imports)
    rows = [
        "| floor | room | imports | files | lines | longest file | functions: median, p95, longest |",
        f"|{'---|' * 7}",
    ]
    for name in sorted(rooms, key=lambda one: (-floors[one], one)):
        room, imported = rooms[name], ", ".join(sorted(imports[name])) or "-"
        counts = f"{room.files} | {room.lines} | {room.longest_file} | {_lengths_of(room.functions)}"
        rows.append(f"| {floors[name]} | `{name}` | {imported} | {counts} |")
    every = [length for room in rooms.values() for length in room.functions]
    arrows = sum(len(some) for some in imports.values())
    sums = f"{len(rooms)} rooms, {max(floors.values())} floors, {arrows} arrows; "
    return "\n".join([*rows, "", f"{sums}{len(every)} functions: {_lengths_of(every)}"])


def _lengths_of(functions: list[int]) -> str:
    """Median, 95th percentile and longest."""
    return f"{statistics.median(functions):g}, {_p95(functions)}, {max(functions)}" if functions else "-"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("app"))
    print(report(parser.parse_args().folder))
