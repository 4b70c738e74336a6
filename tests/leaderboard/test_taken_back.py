"""Votes that leave as arena JSONL and are taken in elsewhere make the same board there, to the byte."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from app.battle.battle import Pair, Side, Status, Verdict
from app.database.database import Database, migrate
from app.leaderboard.bodies import SPEED
from app.leaderboard.gather import gather, gather_for
from app.leaderboard.making import board_body, bodies_of, facts_of
from app.leaderboard.query import LeaderboardQuery
from app.ranking.votes import JudgedPair
from app.records.ended import ended_mark
from app.records.export.formats import Format
from app.records.export.stream import exported
from app.records.identity import ModelIdentity, Provenance
from app.records.imports.importer import import_lines
from app.records.ledger import Ledger
from app.records.values import AnswerRecord, NewBattle
from app.timing.stopwatch import Timing

QUERIES = [
    LeaderboardQuery.of(),
    LeaderboardQuery.of(category="code"),
    LeaderboardQuery.of(language="fr", include="leaked"),
    LeaderboardQuery.of(style="all", include="fallback,leaked"),
]
MARKS: list[dict[str, Any]] = [
    {},
    {},
    {},
    {"fallback": True},
    {"leaked": True, "leak": "flag: name X"},
    {"leak": "mask: maker X"},
]
MARKS += [{"leak": "mask: maker X"}, {"leaked": True, "leak": "void: name X"}]
CHAMPION_STAYS = (Pair(0, 1), Pair(0, 2))


@pytest.fixture
async def emptied(tmp_path: Path) -> AsyncIterator[Callable[[], Awaitable[Database]]]:
    """Makes one more empty database."""
    made: list[Database] = []

    async def make() -> Database:
        url = f"sqlite:///{tmp_path}/{len(made)}.db"
        await migrate(url)
        made.append(Database(url))
        return made[-1]

    yield make
    for database in made:
        await database.aclose()


def answer(rng: Random, entry: int, model: str) -> AnswerRecord:
    who = ModelIdentity(model, f"sha256:{model}{rng.randrange(2)}", "Q4_K_M", {"num_ctx": 4096, "seed": rng.random()})
    return AnswerRecord(
        entry,
        model=model,
        host=rng.choice(("gpu-1", "gpu-2")),
        text=rng.choice(("", "**Bold.** ", "# Head\n- one\n")) + "word " * rng.randrange(1, 90),
        finish_reason=rng.choice(("stop", "length")),
        side=Side.A if entry == 0 else Side.B,
        asked=Provenance(who, "Be brief.") if rng.random() < 0.9 else None,
        timing=Timing(ttft_s=rng.random(), tokens=9, tokens_per_s=rng.uniform(5, 90), cold=rng.random() < 0.2),
        **rng.choice(MARKS),
    )


async def play(database: Database, battles: int, *, unjudged: bool) -> None:
    """Seeded battles of three models; some verdicts are taken back and cast anew; ``unjudged`` ones have no verdict."""
    ledger, rng = Ledger(database), Random(20)
    for number in range(battles):
        models = tuple(rng.sample(("w", "x", "y", "z"), 3))
        labels: dict[str, Any] = {
            "language": rng.choice(("en", "fr", None)),
            "categories": rng.choice((("code", "math"), ("prose",), None)),
        }
        battle = f"battle-{number}"
        await ledger.open_battle(NewBattle(battle, "Why?", models, session_id="s", **labels))
        await ledger.save_answers(battle, [answer(rng, entry, model) for entry, model in enumerate(models)])
        if unjudged and number % 5 == 0:
            await ledger.end_battle(battle, Status.STOPPED)
            continue
        if number % 4 == 0:
            await ledger.cast_vote(battle, 1, Verdict.BOTH_BAD, Pair(0, 1), outcome=Status.RUNNING, key="first")
            assert await ledger.retract_vote(battle, 1, timedelta(minutes=1))
        for round_number, pair in enumerate(CHAMPION_STAYS, 1):
            outcome = Status.RUNNING if round_number == 1 else Status.FINISHED
            verdict = rng.choice((Verdict.A, Verdict.A, Verdict.B, Verdict.TIE, Verdict.BOTH_BAD))
            await ledger.cast_vote(battle, round_number, verdict, pair, outcome=outcome, key=None, voter="4f1e")


async def boards(database: Database) -> dict[str, bytes]:
    return bodies_of(await gather(database, lambda: ("x", "y", "z"), with_style=True), QUERIES)


async def lines(database: Database) -> list[bytes]:
    return b"".join([piece async for piece in exported(database, Format.ARENA)]).splitlines(keepends=True)


async def test_votes_taken_in_elsewhere_and_back_again_make_the_same_boards(
    database: Database, emptied: Callable[[], Awaitable[Database]]
) -> None:
    first, last = await emptied(), await emptied()
    await play(first, 60, unjudged=False)

    await import_lines(database, await lines(first))
    await import_lines(last, await lines(database))

    made = await boards(first)
    assert await boards(database) == made
    assert await boards(last) == made
    assert await lines(last) == await lines(first)
    left_out = orjson.loads(made[LeaderboardQuery().key])["counts"]["left_out"]
    assert {"fallback", "leaked", "void"} <= set(left_out)
    assert len({made[query.key] for query in QUERIES}) == len(QUERIES)


async def test_answers_that_nobody_judged_are_missed_by_the_speed_board_only(
    database: Database, emptied: Callable[[], Awaitable[Database]]
) -> None:
    first = await emptied()
    await play(first, 40, unjudged=True)

    await import_lines(database, await lines(first))

    imported, original = await boards(database), await boards(first)
    assert imported.keys() == original.keys()
    assert imported[SPEED] != original[SPEED]
    for query in QUERIES:
        ours, theirs = orjson.loads(imported[query.key]), orjson.loads(original[query.key])
        assert ours | {"speed": []} == theirs | {"speed": []}


WINNERS = ("model_a", "model_b", "tie", "tie (bothbad)")


def foreign_votes(count: int, voters: int) -> list[dict[str, Any]]:
    random = Random(5)
    votes: list[dict[str, Any]] = []
    for number in range(count):
        a, b = random.sample(["w", "x", "y", "z"], 2)
        vote: dict[str, Any] = {
            "model_a": a,
            "model_b": b,
            "winner": random.choices(WINNERS, [5, 3, 2, 1])[0],
            "tstamp": number,
        }
        voter = f"v{random.randrange(voters)}" if voters else None
        votes.append(vote | {"language": random.choice(["English", "French", None]), "judge": voter})
    return votes


@pytest.mark.parametrize("voters", [0, 3])
async def test_a_board_of_imported_votes_is_that_of_the_votes_one_by_one(database: Database, voters: int) -> None:
    votes = foreign_votes(400, voters)
    await import_lines(database, [orjson.dumps(vote) for vote in votes], chunk=70)

    gathered = await gather(database, tuple, with_style=False)

    rows = [
        JudgedPair(
            vote["model_a"],
            vote["model_b"],
            Verdict(dict(zip(WINNERS, Verdict, strict=True))[vote["winner"]]),
            language={"English": "en", "French": "fr"}.get(vote["language"]),
            at_s=float(vote["tstamp"]),
            voter=vote["judge"],
        )
        for vote in votes
    ]
    assert len(gathered.rows) < 300
    assert sum(row.count for row in gathered.rows) == 400
    for query in (LeaderboardQuery(), LeaderboardQuery.of(language="fr"), LeaderboardQuery.of(both_bad="tie")):
        assert board_body(gathered, query) == board_body(replace(gathered, rows=tuple(rows)), query)
    facts = facts_of(gathered)
    assert (facts.votes, sum(facts.usage.values())) == (400, 800)
    assert facts.languages == Counter(row.language for row in rows if row.language)


async def test_public_votes_have_a_styled_board_where_their_set_tells_the_looks(database: Database) -> None:
    def styles(a: int, b: int) -> dict[str, object]:
        counts: dict[str, object] = {f"{kind}_count_{side}": {} for kind in ("header", "list", "bold") for side in "ab"}
        counts = {name: {"any": 0} for name in counts}
        return {"conv_metadata": {"sum_assistant_a_tokens": a, "sum_assistant_b_tokens": b, **counts}}

    longer_wins = [{"model_a": "x", "model_b": "y", "winner": "model_a"} | styles(9, 3)] * 6
    shorter_wins = [{"model_a": "x", "model_b": "y", "winner": "model_b"} | styles(9, 3)] * 2
    shorter_wins += [{"model_a": "y", "model_b": "x", "winner": "model_b"} | styles(9, 3)] * 2
    unmeasured = [{"model_a": "x", "model_b": "y", "winner": "model_b"}] * 5
    lines = [orjson.dumps(vote) for vote in longer_wins + shorter_wins + unmeasured]
    await import_lines(database, lines)

    board = orjson.loads(
        board_body(await gather(database, tuple, with_style=True), LeaderboardQuery.of(style="length"))
    )

    assert board["counts"]["left_out"] == {"unmeasured": 5}
    assert board["counts"]["rated"] == 10
    assert board["method"]["style"]["length"] != 0


async def test_an_import_is_on_the_board_at_once(database: Database) -> None:
    mark = await database.read(ended_mark)
    await import_lines(database, [orjson.dumps({"model_a": "x", "model_b": "y", "winner": "tie"})])
    assert await database.read(ended_mark) != mark


async def test_imported_votes_since_a_day_are_those_since_then(database: Database) -> None:
    days = [{"model_a": "x", "model_b": "y", "winner": "model_a", "tstamp": 86400.0 * n} for n in range(20)]
    await import_lines(database, [orjson.dumps(day) for day in days])
    queries = [LeaderboardQuery.of(since=day) for day in ("", "1970-01-05", "1970-01-16", "1999-01-01")]

    gathered = await gather_for(database, tuple, queries)

    assert len(gathered.rows) == 3
    counts = [orjson.loads(board_body(gathered, query))["counts"] for query in queries]
    assert [count["votes"] for count in counts] == [20, 16, 5, 0]
    assert [count["left_out"].get("since", 0) for count in counts] == [0, 4, 15, 20]


@pytest.mark.parametrize(("voters", "asked", "kept_apart"), [(3, "", True), (101, "", False), (101, "voter", True)])
async def test_imported_voters_are_told_apart_where_they_are_few_or_asked_for(
    database: Database, voters: int, asked: str, kept_apart: bool
) -> None:
    votes = [{"model_a": "x", "model_b": "y", "winner": WINNERS[n % 3], "judge": f"j{n % voters}"} for n in range(202)]
    await import_lines(database, [orjson.dumps(vote) for vote in votes])

    gathered = await gather_for(database, tuple, [LeaderboardQuery.of(cluster=asked)])

    assert {row.voter for row in gathered.rows} == ({f"j{n}" for n in range(voters)} if kept_apart else {None})
    assert sum(row.count for row in gathered.rows) == 202
