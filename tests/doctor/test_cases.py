"""Each trouble is planted and named: its code, its cause, what helps, the command, and nothing that isn't there."""

from __future__ import annotations

import shlex

import pytest

from tests.doctor.cases import CASES, Case
from tests.doctor.deployment import Deployment


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}: {case.plant.__name__}")
async def test_a_planted_trouble_is_named_with_its_remedy(case: Case, deployment: Deployment) -> None:
    await case.plant(deployment)
    examination = await deployment.examined()
    found = [finding.to_dict() for finding in examination.findings]
    codes = {finding.code for finding in examination.findings}
    assert case.code in codes, found
    assert codes <= {case.code, *case.also}, found
    finding = next(finding for finding in examination.findings if finding.code == case.code)
    assert finding.severity == case.severity, found
    text = " | ".join(part for one in examination.findings if one.code == case.code for part in one.to_dict().values())
    for word in case.words:
        assert word in text
    assert "secret" not in str(found)
    for one in examination.findings:
        assert one.remedy
        assert shlex.split(one.command) or not one.command  # as a shell reads it
        assert "None" not in one.cause + one.remedy + one.command
    assert examination.can_battle == all(one.severity != "error" for one in examination.findings)
