"""``arena migrate``, ``export``, ``import`` and ``forget``, as ops type them."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from app.battle.battle import Verdict
from app.cli.main import main
from app.database.database import Database, head, migrate
from app.records.answer_cache import AnswerCache, CachedAnswer
from app.records.ledger import Ledger, utc_now
from tests.helpers import HUNG_S
from tests.records.builders import judged_battle
from tests.whole.harness import OURS, environment


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    returncode: int
    stdout: bytes
    stderr: bytes


Arena = Callable[..., Ran]


@pytest.fixture
def arena(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Arena:
    """Run ``arena …`` in a folder of its own, in this process: to start one costs more than most commands."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def run(*words: str, given: bytes = b"", **settings: str) -> Ran:
        with monkeypatch.context() as patched:
            for name, value in ({"ARENA_DATA_DIR": str(tmp_path), "ARENA_SECRET": "s"} | settings).items():
                patched.setenv(name, value)
            patched.setattr(sys, "argv", ["arena", *words])
            patched.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(cast("io.RawIOBase", io.BytesIO(given)))))
            with pytest.raises(SystemExit) as left:
                main()
        return Ran(int(left.value.code or 0), *capfdbinary.readouterr())

    return run


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """A database with a judged battle of the session ``s-1``."""

    async def write() -> None:
        url = f"sqlite:///{tmp_path}/arena.db"
        await migrate(url)
        database = Database(url)
        await judged_battle(Ledger(database), "b1", (Verdict.A, Verdict.TIE), message="Ada?", session_id="s-1")
        await database.aclose()

    asyncio.run(write())
    return tmp_path / "arena.db"


def test_migrate_says_where_it_came_to(arena: Arena) -> None:
    assert arena("migrate").stdout.decode() == f"The database is at schema {head()}.\n"
    assert arena("migrate", "0001").stdout.decode() == "The database is at schema 0001.\n"
    refused = arena("export")
    assert refused.returncode == 2
    assert "run `arena migrate`" in refused.stderr.decode()
    assert arena("migrate", "base").stdout.decode() == "The database is empty.\n"


def test_an_export_goes_to_another_arena_and_comes_out_the_same(arena: Arena, books: Path, tmp_path: Path) -> None:
    exported = arena("export", "--output", "votes.jsonl")
    assert (exported.returncode, exported.stdout, exported.stderr) == (0, b"", b"")
    elsewhere = {"DATABASE_URL": f"sqlite:///{tmp_path}/elsewhere.db"}

    imported = arena("import", "votes.jsonl", **elsewhere)
    again = arena("import", "-", given=(tmp_path / "votes.jsonl").read_bytes(), **elsewhere)

    assert imported.stdout == b"2 votes were added, 0 were known already, 0 lines were refused.\n"
    assert again.stdout == b"0 votes were added, 2 were known already, 0 lines were refused.\n"
    assert arena("export", "--format", "arena", **elsewhere).stdout == (tmp_path / "votes.jsonl").read_bytes()
    assert sorted(file.name for file in tmp_path.glob("votes*")) == ["votes.jsonl"]


def jsonl(folder: Path, name: str, *votes: tuple[str, str, str]) -> list[str]:
    rows = [{"model_a": a, "model_b": b, "winner": winner} for a, b, winner in votes]
    (folder / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return (folder / name).read_text().splitlines(keepends=True)


def test_files_of_like_votes_are_other_votes_and_the_same_lines_in_another_order_are_known(
    arena: Arena, tmp_path: Path
) -> None:
    arena("migrate")
    one = jsonl(tmp_path, "one.jsonl", *[("x", "y", "model_a")] * 8, ("x", "z", "tie"), ("y", "z", "tie"))
    two = jsonl(tmp_path, "two.jsonl", *[("x", "y", "model_a")] * 8, ("x", "w", "tie"), ("y", "w", "tie"))
    (tmp_path / "joined.jsonl").write_text("".join(reversed([*one, *two])))

    for name, added in (("one.jsonl", 10), ("two.jsonl", 10)):
        assert arena("import", name).stdout.startswith(b"%d votes were added, 0 were known" % added)
        assert arena("import", name).stdout.startswith(b"0 votes were added, 10 were known")
    (tmp_path / "one.jsonl").rename(tmp_path / "moved.jsonl")
    moved, joined = arena("import", "moved.jsonl"), arena("import", "joined.jsonl")
    assert b"the same lines as" in moved.stdout
    assert b"0 votes were added, 10 were known already" in moved.stdout
    assert b"0 votes were added, 20 were known already" in joined.stdout
    assert arena("import", "moved.jsonl", "--source", "other").stdout.startswith(b"10 votes were added")
    assert len(arena("export").stdout.splitlines()) == 30


def test_an_import_tells_what_it_refused_and_left_out(arena: Arena, tmp_path: Path) -> None:
    arena("migrate")
    votes: list[dict[str, object]] = [
        {"winner": "model_a"},
        {"winner": "model_b", "anony": False},
        {"winner": "tie (bothbad)"},
        {"winner": "x"},
    ]
    lines = "".join(f"{json.dumps({'model_a': 'x', 'model_b': 'y', **vote})}\n" for vote in votes)
    (tmp_path / "votes.jsonl").write_text(lines)

    refused = arena("import", "votes.jsonl", "--both-bad", "drop")

    assert refused.returncode == 2
    assert refused.stdout.splitlines() == [
        b"1 vote was added, 0 were known already, 1 line was refused.",
        b"1 vote was left out: their voters saw the names (anony: false); --not-blind takes them.",
        b"1 vote was left out: both answers were bad.",
    ]
    assert b"line 4: verdict: " in refused.stderr
    assert arena("import", "votes.jsonl", "--both-bad", "tie").stdout.startswith(b"1 vote was added, 1 was known")


def test_an_export_is_of_the_days_that_are_asked_for(arena: Arena, tmp_path: Path) -> None:
    arena("migrate")
    lines = [
        {
            "model_a": "x",
            "model_b": "y",
            "winner": "tie",
            "question_id": f"{day:020}",
            "voted_at": f"2026-03-{day}T23:59:59Z",
        }
        for day in (10, 11, 12)
    ]
    arena("import", "-", given=b"\n".join(json.dumps(line).encode() for line in lines))

    def days(*words: str) -> list[str]:
        return [json.loads(line)["voted_at"][8:10] for line in arena("export", *words).stdout.splitlines()]

    assert days() == ["10", "11", "12"]
    assert days("--since", "2026-03-11") == ["11", "12"]
    assert days("--until", "2026-03-11") == ["10", "11"]
    assert days("--since", "2026-03-11", "--until", "2026-03-11") == ["11"]
    assert days("--since", "0d") == []
    refused = arena("export", "--since", "yesterday")
    assert refused.returncode == 2
    assert b"--since is a day such as 2026-08-31 or a number of days such as 30d; 'yesterday'" in refused.stderr
    assert b"is before --since" in arena("export", "--since", "2026-03-11", "--until", "2026-03-10").stderr


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
def test_a_file_is_read_in_the_encoding_that_its_byte_order_mark_tells(
    arena: Arena, tmp_path: Path, encoding: str
) -> None:
    arena("migrate")
    (lines,) = jsonl(tmp_path, "votes.jsonl", ("größer", "kleiner", "model_a"))
    lines = lines.encode().decode("unicode_escape")
    assert arena("import", "-", given=lines.encode(encoding)).stdout.startswith(b"1 vote was added")
    (vote,) = arena("export").stdout.splitlines()
    assert json.loads(vote)["model_a"] == "größer"


def test_utf_16_without_a_mark_is_refused_with_what_to_do(arena: Arena, tmp_path: Path) -> None:
    arena("migrate")
    (lines,) = jsonl(tmp_path, "votes.jsonl", ("x", "y", "model_a"))
    (tmp_path / "votes.jsonl").write_bytes(lines.encode("utf-16-le"))
    refused = arena("import", "votes.jsonl")
    assert refused.returncode == 2
    assert refused.stderr.startswith(b"arena: this is no UTF-8 but most likely UTF-16 without a byte order mark; ")
    assert b"iconv -f UTF-16LE -t UTF-8" in refused.stderr


def test_formats_and_switches_can_be_chosen(arena: Arena, books: Path) -> None:
    pairs = [json.loads(line) for line in arena("export", "--format", "dpo", "--ties").stdout.splitlines()]
    assert [pair["preference_strength"] for pair in pairs] == [1.0, 0.5, 0.5]
    assert b"Ada" not in arena("export", "--format", "csv", "--redact").stdout
    assert arena("export", "--format", "xml").returncode == 2


def test_a_session_is_forgotten_and_its_verdicts_stay(arena: Arena, books: Path) -> None:
    assert arena("forget", "--session", "s-1").stdout.startswith(b"1 battles were erased")
    [first, _] = [json.loads(line) for line in arena("export").stdout.splitlines()]
    assert (first["prompt"], first["answer_a"]["text"], first["voter"], first["verdict"]) == (None, None, None, "a")
    assert arena("export", "--format", "dpo").stdout == b""


@pytest.mark.parametrize("words", [[], ["--session", "s", "--older-than", "1h"], ["--older-than", "soon"]])
def test_forget_needs_to_know_whom(arena: Arena, books: Path, words: list[str]) -> None:
    refused = arena("forget", *words)
    assert refused.returncode == 2
    assert refused.stderr.startswith(b"arena: ")
    assert refused.stderr.count(b"\n") == 1


def test_a_file_that_cannot_be_written_or_read_is_one_line(arena: Arena, books: Path) -> None:
    for words in (("export", "--output", "nowhere/x.jsonl"), ("import", "nowhere.jsonl")):
        refused = arena(*words)
        assert refused.returncode == 2
        assert b"nowhere" in refused.stderr
        assert refused.stderr.count(b"\n") == 1


def test_serve_refuses_an_older_schema_with_the_command_to_run(arena: Arena, books: Path, tmp_path: Path) -> None:
    arena("migrate", "0002")
    known = environment({"ARENA_DATA_DIR": str(tmp_path)})
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0"]
    refused = subprocess.run(command, cwd=tmp_path, env=known, capture_output=True, timeout=HUNG_S)
    assert refused.returncode == 2
    assert refused.stderr.decode().splitlines()[-1].endswith("run `arena migrate`, and start again")


def test_an_export_goes_through_links_and_to_devices(arena: Arena, books: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/stdout")
    (tmp_path / "latest").symlink_to("votes.jsonl")
    whole = arena("export").stdout
    assert arena("export", "--output", "link").stdout == whole
    assert arena("export", "--output", "/proc/self/fd/1").stdout == whole
    assert arena("export", "--output", "/dev/null").stdout == b""
    assert arena("export", "--output", "latest").returncode == 0
    assert (tmp_path / "votes.jsonl").read_bytes() == whole
    assert (tmp_path / "latest").is_symlink()
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("output", ["/dev/full", "-"])
def test_an_export_that_does_not_fit_is_one_line(books: Path, tmp_path: Path, output: str) -> None:
    known = environment({"ARENA_DATA_DIR": str(tmp_path), "ARENA_SECRET": "s"})
    command = [sys.executable, "-m", "app.cli", "export", "--output", output]
    with Path("/dev/full").open("wb") as full:
        refused = subprocess.run(command, cwd=tmp_path, env=known, stdout=full, stderr=subprocess.PIPE, timeout=HUNG_S)
    assert refused.returncode == 2
    assert refused.stderr.count(b"\n") == 1
    assert b"can't be written (No space left on device)" in refused.stderr


def test_the_newest_battles_are_listed(arena: Arena, books: Path) -> None:
    listed = json.loads(arena("battles", "list", "--json").stdout)
    assert len(listed) == 1
    (battle,) = listed
    assert battle["status"] == "finished"
    line = arena("battles", "list").stdout.decode()
    assert line.startswith(battle["id"])
    assert battle["message"] in line
    assert json.loads(arena("battles", "list", "--json", "--since", "0s").stdout) == []


def test_one_battle_is_shown_whole(arena: Arena, books: Path) -> None:
    (battle,) = json.loads(arena("battles", "list", "--json").stdout)
    shown = json.loads(arena("battles", "show", battle["id"], "--json").stdout)
    assert shown["votes"]
    assert {answer["model"] for answer in shown["answers"]} <= set(shown["contestants"])
    words = arena("battles", "show", battle["id"]).stdout.decode()
    assert f"prompt: {battle['message']}" in words
    assert "round 1: " in words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "nothing"), b"There is no battle 'nothing'"),
        (("list", "--since", "soon"), b"--since: 'soon' is no duration"),
    ],
)
def test_what_can_not_be_shown_is_said_in_one_line(
    arena: Arena, books: Path, words: tuple[str, ...], said: bytes
) -> None:
    left = arena("battles", *words)
    assert left.returncode == 2
    assert said in left.stderr
    assert left.stderr.count(b"\n") == 1


def test_the_cache_is_shown_and_cleared(arena: Arena, books: Path) -> None:
    async def fill() -> None:
        database = Database(f"sqlite:///{books}")
        answers = [CachedAnswer(f"k{number}", "m:1b", "d", "x" * 999_700, "stop") for number in range(2)]
        await AnswerCache(database, utc_now, 10**9, timedelta(days=1)).keep("ann", answers)
        await database.aclose()

    asyncio.run(fill())
    shown = arena("cache", "stats", ARENA_CACHE_BYTES="4000000").stdout.decode().splitlines()
    assert shown[0].startswith("ann                             2 answers       2.0 MB, since ")
    assert shown[1] == "2.0 of 4 MB (ARENA_CACHE_BYTES)"
    (key,) = json.loads(arena("cache", "stats", "--json").stdout)["keys"]
    assert (key["scope"], key["answers"], key["bytes"]) == ("ann", 2, 2_000_000)
    assert arena("cache", "clear", "--key", "bob").stdout == b"0 answers forgotten\n"
    assert arena("cache", "clear", "--key", "ann", "--model", "m:1b").stdout == b"2 answers forgotten\n"
    assert json.loads(arena("cache", "stats", "--json").stdout)["keys"] == []
