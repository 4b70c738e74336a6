"""Training data: what is in the files, who may have them written, and that nobody is held up by that."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from threading import get_ident
from typing import Any

import httpx
import pytest

from app.battle.battle import Pair, Status, Verdict
from app.database.database import Database
from app.errors import Unavailable
from app.legible import harmless
from app.records.comparisons import comparisons
from app.records.export.formats import CSV_COLUMNS, lines
from app.records.ledger import Ledger
from app.records.values import NewBattle
from app.web.legacy import training
from tests.helpers import PATIENCE_S
from tests.leaderboard.playing import BOTH_BAD, TIE, A, B, Player
from tests.legacy.conftest import LegacyDeployment
from tests.legacy.test_contract import check_shape
from tests.records.conftest import _migrated_file, database, ledger, url
from tests.services import app_with, services_with, settings_with

__all__ = ["_migrated_file", "database", "ledger", "url"]

PATH = "/api/arena/export_training_data"
TEXTS = ('It bends, "so" to speak.\nTwice.', "=1+1, ü")
KEY = "open sesame"

Read = Callable[[], AsyncIterator[Any]]


@pytest.fixture
def kind() -> str:
    return "sqlite"


class Operator:
    """Someone on the arena's machine, and its data folder."""

    def __init__(self, folder: Path, read: Read, **settings: object) -> None:
        self.folder, self.exports = folder, folder / "exports"
        self.app = app_with(services_with(settings_with(arena_data_dir=folder, **settings), comparisons=read))

    async def ask(
        self, address: str = "127.0.0.1", headers: dict[str, str] | None = None, **query: str
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=(address, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
            return await http.get(PATH, params=query, headers=headers)

    async def export(self, kind: str = "dpo", form: str = "jsonl") -> tuple[dict[str, Any], str]:
        """The answer and the file's text."""
        reply = await self.ask(type=kind, format=form)
        assert reply.status_code == 200, reply.text
        with (self.folder / reply.json()["file_path"]).open(encoding="utf-8", newline="") as file:
            return reply.json(), file.read()


@pytest.fixture
def operator(tmp_path: Path, database: Database) -> Operator:
    return Operator(tmp_path / "arena", partial(comparisons, database, 2))


@pytest.fixture
async def votes(ledger: Ledger) -> None:
    """Five battles with a verdict each, and one of three models with two."""
    player = Player(ledger)
    for verdict in (A, B, TIE, BOTH_BAD):
        await player.battle(verdict, texts=TEXTS)
    await player.battle(A, texts=("the same", "the same"))
    battle = await player.battle(B, "x", "y", "z", texts=TEXTS, end=Status.RUNNING)
    await ledger.cast_vote(battle, 2, Verdict.TIE, Pair(2, 1), outcome=Status.FINISHED, key=None)


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def test_pairs_are_told_with_their_number(operator: Operator, votes: None) -> None:
    answer, text = await operator.export()
    assert answer == {
        "success": True,
        "file_path": "exports/dpo.jsonl",
        "export_type": "dpo",
        "format": "jsonl",
        "battles_included": 6,
        "examples_generated": 5,
    }
    lines = [json.loads(line) for line in text.splitlines()]
    made = [(line["chosen"], line["rejected"], line["preference_strength"]) for line in lines]
    first, second = TEXTS
    tie = [(first, second, 0.5), (second, first, 0.5)]
    assert made == [(first, second, 1.0), (second, first, 1.0), *tie, (second, first, 1.0)]
    assert {"battle_id", "timestamp", "chosen_model", "rejected_model"} <= lines[0]["metadata"].keys()


async def test_ranks_are_told(operator: Operator, votes: None) -> None:
    answer, text = await operator.export("rlhf", "json")
    check_shape(answer, {"file_path": "exports/rlhf.json", "export_type": "rlhf", "format": "json"})
    assert (operator.folder / "exports/rlhf.json").stat().st_mode & 0o077 == 0, "it holds what people asked"
    assert "examples_generated" not in answer
    ranks = [tuple(response["rank"] for response in row["responses"]) for row in json.loads(text)]
    assert ranks == [(1, 2), (2, 1), (1, 1), (0, 0), (1, 2), (2, 1)]


async def test_the_table_of_all_votes_is_that_of_the_command(operator: Operator, votes: None) -> None:
    answer, text = await operator.export("analytics", "csv")
    assert (answer["battles_included"], answer["export_type"]) == (6, "analytics")
    assert tuple(table(text)[0]) == CSV_COLUMNS
    assert [row["preference"] for row in table(text)] == ["a", "b", "tie", "both_bad", "a", "b", "tie"]
    assert (table(text)[0]["response_a"], table(text)[0]["response_b"]) == tuple(map(harmless, TEXTS))


async def test_no_cell_of_a_table_is_a_formula(operator: Operator, ledger: Ledger) -> None:
    await Player(ledger).battle(A, texts=("=HYPERLINK(1)", "-1"))
    (row,) = table((await operator.export("dpo", "csv"))[1])
    assert (row["chosen"], row["rejected"]) == ("'=HYPERLINK(1)", "'-1")


@pytest.mark.parametrize("what", ["dpo", "rlhf", "analytics"])
async def test_every_form_holds_the_same(operator: Operator, votes: None, what: str) -> None:
    texts = {form: (await operator.export(what, form))[1] for form in ("jsonl", "json", "csv")}
    lines = [json.loads(line) for line in texts["jsonl"].splitlines()]
    assert json.loads(texts["json"]) == lines
    rows = table(texts["csv"])
    assert len(rows) == len(lines) > 4
    if what != "analytics":
        assert [row["prompt"] for row in rows] == ["Why?"] * len(rows)
        assert [json.loads(row["metadata"]) for row in rows] == [line["metadata"] for line in lines]
    if what == "dpo":
        assert [row["chosen"] for row in rows] == [harmless(line["chosen"]) for line in lines]


@pytest.mark.parametrize(("form", "empty"), [("jsonl", ""), ("json", []), ("csv", [])])
async def test_without_votes_a_file_is_empty_and_still_one_of_its_form(
    operator: Operator, form: str, empty: object
) -> None:
    answer, text = await operator.export("dpo", form)
    assert (answer["battles_included"], answer["examples_generated"]) == (0, 0)
    forms: dict[str, Callable[[str], object]] = {"jsonl": str, "json": json.loads, "csv": table}
    assert forms[form](text) == empty


async def test_a_new_export_takes_the_place_of_the_old_one_and_leaves_nothing_else(
    operator: Operator, votes: None, ledger: Ledger
) -> None:
    await operator.export()
    await ledger.open_battle(NewBattle("late", "Why?", ("x", "y")))
    await ledger.cast_vote("late", 1, Verdict.A, Pair(0, 1), outcome=Status.FINISHED, key=None)
    answer, _ = await operator.export()
    assert answer["battles_included"] == 7
    assert sorted(file.name for file in operator.exports.iterdir()) == [".lock", "dpo.jsonl"]


@pytest.mark.parametrize(
    ("field", "words"), [("type", ["dpo", "rlhf", "analytics"]), ("format", ["jsonl", "json", "csv"])]
)
async def test_an_unknown_word_is_refused_with_those_that_are_known(
    operator: Operator, field: str, words: list[str]
) -> None:
    for word in ("", "DPO2", "../x", "x" * 51):
        given: dict[str, Any] = {field: word}
        reply = await operator.ask(**given)
        assert reply.status_code == 400
        assert reply.json()["field"] == field
        assert isinstance(reply.json()["error"], str)
        if len(word) <= 50:
            assert reply.json()[f"valid_{field}s"] == words
    assert not operator.exports.exists()


async def test_a_known_word_is_taken_in_capitals(operator: Operator) -> None:
    assert (await operator.ask(type="RLHF", format="Json")).json()["file_path"] == "exports/rlhf.json"


async def test_only_those_who_run_the_arena_may_export(tmp_path: Path, votes: None, database: Database) -> None:
    locked = Operator(tmp_path / "arena", partial(comparisons, database), arena_admin_key=KEY)
    assert (await locked.ask("127.0.0.1")).status_code == 200
    for address, headers in (
        ("10.0.0.7", {}),
        ("127.0.0.1", {"X-Forwarded-For": "9.9.9.9"}),
        ("10.0.0.7", {"X-Admin-Key": "no"}),
    ):
        reply = await locked.ask(address, headers, type="what?")
        assert reply.status_code == 403
        assert reply.json()["code"] == "operators_only"
    assert (await locked.ask("10.0.0.7", {"X-Admin-Key": KEY})).status_code == 200
    assert (await locked.ask("10.0.0.7", {"Authorization": f"Bearer {KEY}"})).status_code == 200


class Gate:
    """Votes that come when the test says so; ``error`` is raised in their place."""

    def __init__(self, read: Read, error: Exception | None = None) -> None:
        self.read, self.error = read, error
        self.reached, self.open = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> AsyncIterator[Any]:
        async for votes in self.read():
            yield votes
            self.reached.set()
            await self.open.wait()
            if self.error:
                raise self.error


Gated = tuple[Operator, Operator, Gate]


@pytest.fixture
def gated(tmp_path: Path, votes: None, database: Database) -> Gated:
    """An operator, another one on the same folder as a second worker has it, and the gate of both."""
    gate = Gate(partial(comparisons, database, 2))
    return Operator(tmp_path / "arena", gate), Operator(tmp_path / "arena", gate), gate


async def test_one_export_is_written_at_a_time_whichever_worker_is_asked(gated: Gated) -> None:
    one, two, gate = gated
    writing = asyncio.create_task(one.ask())
    await asyncio.wait_for(gate.reached.wait(), PATIENCE_S)
    for refused in await asyncio.gather(*(who.ask(type=kind) for who in (one, two) for kind in ("dpo", "rlhf"))):
        assert (refused.status_code, refused.json()["code"]) == (503, "export_running")
        assert int(refused.headers["retry-after"]) > 0
    gate.open.set()
    assert (await writing).json()["examples_generated"] == 5
    assert (await two.ask()).status_code == 200


async def test_an_export_that_fails_leaves_the_old_file_and_no_draft(gated: Gated) -> None:
    one, _, gate = gated
    gate.open.set()
    await one.ask()
    before = (one.exports / "dpo.jsonl").read_bytes()
    gate.error = Unavailable("the database is unavailable", code="database_away")
    reply = await one.ask()
    assert (reply.status_code, reply.json()["code"]) == (503, "database_away")
    assert (one.exports / "dpo.jsonl").read_bytes() == before
    assert not list(one.exports.glob("*.part"))


async def test_an_export_whose_caller_went_away_ends_and_lets_the_next_one_in(gated: Gated) -> None:
    one, two, gate = gated
    writing = asyncio.create_task(one.ask())
    await asyncio.wait_for(gate.reached.wait(), PATIENCE_S)
    writing.cancel()
    await asyncio.wait({writing}, timeout=PATIENCE_S)
    assert not list(one.exports.glob("dpo*"))
    gate.open.set()
    assert (await two.ask()).status_code == 200


async def test_a_link_on_another_disk_is_kept_and_what_a_dead_process_left_goes(gated: Gated, tmp_path: Path) -> None:
    one, _, gate = gated
    gate.open.set()
    await one.ask()
    (one.exports / "dpo.jsonl").rename(tmp_path / "elsewhere")
    (one.exports / "dpo.jsonl").symlink_to(tmp_path / "elsewhere")
    (one.exports / "rlhf.csv.0123.part").write_bytes(b"half")
    (tmp_path / "elsewhere").write_bytes(b"old")
    assert (await one.ask()).status_code == 200
    assert (one.exports / "dpo.jsonl").is_symlink()
    assert len((tmp_path / "elsewhere").read_bytes().splitlines()) == 5
    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o600
    assert not list(one.exports.glob("*.part"))


async def test_a_fifo_in_place_of_an_export_is_told_and_holds_nobody_up(gated: Gated) -> None:
    one, _, gate = gated
    gate.open.set()
    await one.ask()
    (one.exports / "dpo.jsonl").unlink()
    os.mkfifo(one.exports / "dpo.jsonl")
    reply = await one.ask()
    assert (reply.status_code, reply.json()["code"]) == (503, "export_failed")
    assert "dpo.jsonl is not a file" in reply.json()["error"]


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, database: Database) -> None:
    (tmp_path / "arena").write_text("a file")
    reply = await Operator(tmp_path / "arena", partial(comparisons, database)).ask()
    assert (reply.status_code, reply.json()["code"]) == (503, "export_failed")
    assert "ARENA_DATA_DIR" in reply.json()["error"]
    assert str(tmp_path) not in reply.text


async def test_the_lines_are_made_in_threads_while_the_loop_goes_on(
    operator: Operator, votes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    makers: set[int] = set()
    make = lines

    def recorded(*given: Any, **how: Any) -> Any:
        makers.add(get_ident())
        return make(*given, **how)

    monkeypatch.setattr(training, "lines", recorded)
    for kind in ("dpo", "analytics"):
        await operator.export(kind, "csv")
    assert makers
    assert get_ident() not in makers


async def test_a_script_on_the_machine_gets_its_file_from_either_worker(deployed: LegacyDeployment) -> None:
    for caller in (deployed.caller(), deployed.caller()):
        for form in ("jsonl", "csv"):
            made = await caller.get(f"{PATH}?type=dpo&format={form}")
            assert made["success"] is True
            assert (deployed.deployment.folder / "data" / made["file_path"]).exists()
    proxied = await deployed.caller(headers={"X-Forwarded-For": "9.9.9.9"}).send("GET", PATH)
    assert proxied.status_code == 403
    assert isinstance(proxied.json()["error"], str)
