"""One command for one setting: findings that want different values are given the one that serves them all. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from app.doctor.finding import Finding
from app.doctor.texts.commands import Assignment, assignment_in

_LESS_SERVES_ALL = frozenset({"ARENA_NUM_CTX", "ARENA_NUM_PREDICT", "ARENA_MAX_MESSAGE", "ARENA_NUM_MODELS"})
_LISTS = frozenset({"ARENA_MODELS", "FORWARDED_ALLOW_IPS"})
_ALL_THAT_BOTH_HAVE = frozenset({"ARENA_MODELS"})


def agreed(findings: Sequence[Finding]) -> list[Finding]:
    """The same findings; of commands that contradict each other only one is left, and the others name it."""
    wanted: dict[tuple[str, str], list[tuple[Finding, Assignment]]] = {}
    for finding in findings:
        assignment = assignment_in(finding.command)
        if assignment is not None:
            wanted.setdefault((assignment.name, _where(finding, assignment)), []).append((finding, assignment))
    changed: dict[Finding, Finding] = {}
    for rivals in wanted.values():
        if len({assignment.value for _, assignment in rivals}) > 1:
            changed |= _settled(rivals)
    return [changed.get(finding, finding) for finding in findings]


def _where(finding: Finding, assignment: Assignment) -> str:
    """Settings of the arena are one; those of a server are its host's, which stands at the end of ``model on host``."""
    return finding.subject.rpartition(" on ")[2] if assignment.of_server else ""


def _settled(rivals: Iterable[tuple[Finding, Assignment]]) -> dict[Finding, Finding]:
    rivals = list(rivals)
    value = _serving_all(rivals[0][1].name, [assignment.value for _, assignment in rivals])
    settled = {}
    for finding, assignment in rivals:
        if assignment.value == value:
            continue
        others = ", ".join(one.subject for one, other in rivals if other.value == value) or "the others"
        both = f"{finding.remedy}; {assignment.name}={value}, as for {others}, serves both"
        settled[finding] = replace(
            finding,
            remedy=both if value else finding.remedy,
            command=assignment.with_value(value) if value else "",
        )
    return settled


def _serving_all(name: str, values: Sequence[str]) -> str:
    if name in _LISTS:
        lists = [value.split(",") for value in values]
        if name in _ALL_THAT_BOTH_HAVE:
            common = [one for one in lists[0] if all(one in other for other in lists)]
            return ",".join(common) if len(common) > 1 else ""
        return ",".join(dict.fromkeys(one for known in lists for one in known))
    try:
        numbers = sorted(values, key=int)
    except ValueError:
        return values[0]
    return numbers[0] if name in _LESS_SERVES_ALL else numbers[-1]
