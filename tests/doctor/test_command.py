"""``arena doctor`` as it is typed: its words, its JSON, its status."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from app.cli.doctor import doctor
from tests.doctor.deployment import TRIO, Deployment


@pytest.fixture
def typed(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """Type the command where the deployment is configured by the environment; gives the status and what was printed."""

    async def run(**options: Any) -> tuple[int, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "400")
        url = deployment.host["url"]
        environment = {
            "OLLAMA_HOST": url,
            "ARENA_MODELS": ",".join(TRIO),
            "REDIS_URL": deployment.redis_server.url,
            "DATABASE_URL": deployment.database,
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(typer.Exit) as ended:
            await asyncio.to_thread(doctor, **options)
        return ended.value.exit_code, capsys.readouterr().out

    return run


async def test_a_healthy_deployment_ends_with_status_0_and_one_line(
    deployment: Deployment, typed: Callable[..., Any]
) -> None:
    await deployment.start()
    await deployment.report(host="local")
    await deployment.redis.delete("arena:host:{gpu}:lease")
    assert await typed() == (0, "Battles can run (3 models on 1 host; nothing is wrong).\n")


async def test_a_warning_leaves_the_status_at_0_and_is_told_with_its_command(
    deployment: Deployment, typed: Callable[..., Any]
) -> None:
    await deployment.start()
    await deployment.report(("load_hung", TRIO[0]), host="local")
    await deployment.redis.delete("arena:host:{gpu}:lease")
    status, text = await typed()
    assert status == 0
    assert text.startswith("warning local loads_hang\n")
    assert "  $ sudo systemctl daemon-reload && sudo systemctl restart ollama\n" in text
    assert text.endswith("Battles can run (3 models on 1 host; 1 finding).\n")


async def test_an_error_ends_with_status_1(deployment: Deployment, typed: Callable[..., Any]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        deployment.host["url"] = f"http://127.0.0.1:{taken.getsockname()[1]}"
        status, text = await typed()
    assert status == 1
    assert "refuses the connection" in text
    assert "Battles can't run (0 models on 1 host" in text


async def test_json_has_findings_and_whether_battles_can_run(deployment: Deployment, typed: Callable[..., Any]) -> None:
    await deployment.start()
    status, text = await typed(as_json=True)
    body = json.loads(text)
    assert status == 0
    assert body["can_battle"] is True
    assert body["models"] == list(TRIO)
    # The host is called local here, and the one that reports is called gpu.
    assert {finding["code"] for finding in body["findings"]} == {"nobody_drives", "redis_shared"}
    assert set(body["findings"][0]) == {"code", "severity", "subject", "cause", "remedy", "command"}


async def test_a_set_that_does_not_fit_is_shown_as_a_table(deployment: Deployment) -> None:
    from io import StringIO

    from rich.console import Console

    from app.doctor.render import show

    deployment.settings["arena_num_ctx"], deployment.loaded = 32768, ()
    await deployment.start()
    out = StringIO()
    show(await deployment.examined(), Console(file=out, width=120))
    text = out.getvalue()
    assert "gpu: 24.0 GiB" in text
    assert "all fit at" in text
    assert "together" in text
