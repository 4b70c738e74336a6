"""Finds code that swallows the cancellation of its own task, in the syntax of a file.

Three shapes do it, each round something that is awaited: ``suppress`` of ``CancelledError`` or of ``BaseException``, a
handler of one of them (or of everything) that does not raise it again, and a jump out of a ``finally``. An ``await``
in a function that is only defined there does not count.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

CAUGHT = {"CancelledError", "BaseException", "get_cancelled_exc_class"}

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
WAITS = (ast.Await, ast.AsyncFor, ast.AsyncWith)
LOOPS = (ast.For, ast.AsyncFor, ast.While)


def swallowed(source: str) -> list[int]:
    """The lines of ``source`` at which a cancellation is swallowed."""
    tree = ast.parse(source)
    caught = CAUGHT | set(_aliases(tree))
    harmless = {id(item.context_expr) for node in ast.walk(tree) for item in _without_waits(node)}
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) == "suppress" and id(node) not in harmless:
            found |= {node.lineno} if any(_catches(argument, caught) for argument in node.args) else set()
        elif isinstance(node, ast.Try | ast.TryStar):
            found |= {jump.lineno for jump in _jumps(node.finalbody)} if _waits(node.body) else set()
            found |= {handler.lineno for handler in _handlers(node, caught)}
    return sorted(found)


def _aliases(tree: ast.Module) -> Iterator[str]:
    """Other names of what is caught: ``import … as`` and names of tuples."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (one.asname for one in node.names if one.name in CAUGHT and one.asname)
        elif isinstance(node, ast.Assign) and _catches(node.value, CAUGHT):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _without_waits(node: ast.AST) -> list[ast.withitem]:
    """What a ``with`` opens round a body that awaits nothing."""
    return node.items if isinstance(node, ast.With) and not _waits(node.body) else []


def _handlers(node: ast.Try | ast.TryStar, caught: set[str]) -> Iterator[ast.ExceptHandler]:
    """The handler that a cancellation within ``node`` would reach, if it does not raise it again."""
    if not _waits(node.body):
        return
    for handler in node.handlers:
        if handler.type is None or _catches(handler.type, caught):
            if not _raises_again(handler):
                yield handler
            return


def _raises_again(handler: ast.ExceptHandler) -> bool:
    """Whether its last statement raises what it caught, and nothing leaves it before."""
    last = handler.body[-1]
    again = isinstance(last, ast.Raise) and (
        last.exc is None or (isinstance(last.exc, ast.Name) and last.exc.id == handler.name)
    )
    return again and not any(_jumps(handler.body))


def _jumps(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that leave ``body`` without an exception; loops within may be left and continued."""
    for node in body:
        if isinstance(node, ast.Return | ast.Break | ast.Continue):
            yield node
        elif not isinstance(node, FUNCTIONS):
            inner = [child for child in ast.walk(node) if isinstance(child, ast.Return)]
            yield from inner if isinstance(node, LOOPS) else _jumps(_statements(node))


def _statements(node: ast.stmt) -> Iterator[ast.stmt]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            yield from child.body


def _waits(body: Iterable[ast.AST]) -> bool:
    for node in body:
        if isinstance(node, WAITS) or (isinstance(node, ast.comprehension) and node.is_async):
            return True
        if not isinstance(node, FUNCTIONS) and _waits(ast.iter_child_nodes(node)):
            return True
    return False


def _catches(node: ast.expr, caught: set[str]) -> bool:
    if isinstance(node, ast.Tuple):
        return any(_catches(element, caught) for element in node.elts)
    if isinstance(node, ast.Starred):
        return _catches(node.value, caught)
    return _name(node.func if isinstance(node, ast.Call) else node) in caught


def _name(node: ast.expr) -> str:
    """The last part of a dotted name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
