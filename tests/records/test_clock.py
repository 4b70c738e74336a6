"""Machines' clocks differ; what one dates and another compares goes by the database's."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.arena.transitions import is_opening
from app.battle.battle import Verdict
from app.database.clock import SLOW_S, DatabaseClock
from app.database.database import Database
from app.errors import Unavailable
from app.records.erasure import forget_older
from app.records.ledger import Ledger
from tests.helpers import known
from tests.records.builders import new_battle, vote

UNDO = timedelta(seconds=30)
ROOT = Path(__file__).parents[2]


class Server(Database):
    """A database whose clock shows ``shown``; asking it takes ``took_s`` of ``machine``'s time."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.shown: float | None = 10_000.0
        self.took_s = 0.0
        self.unavailable = False

    async def time(self) -> float | None:
        if self.unavailable:
            raise Unavailable("it does not answer", code="database_away")
        self.machine.passed(self.took_s)
        return self.shown


class Machine:
    """A machine with a wall clock, which may be set, and a monotonic one."""

    def __init__(self) -> None:
        self.wall, self.monotonic = 20_000.0, 7.0

    def passed(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds

    def clock(self, server: Database) -> DatabaseClock:
        return DatabaseClock(server, wall=lambda: self.wall, monotonic=lambda: self.monotonic)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def server(machine: Machine) -> Server:
    return Server(machine)


async def test_the_time_is_the_databases_and_goes_on_from_there(machine: Machine, server: Server) -> None:
    clock = machine.clock(server)
    assert clock.time() == 20_000.0, "nothing else is known yet"
    await clock.sync()
    assert clock.time() == 10_000.0
    machine.passed(5.0)
    assert clock.now() == datetime.fromtimestamp(10_005.0, UTC)


async def test_a_step_of_the_machines_clock_changes_nothing(machine: Machine, server: Server) -> None:
    clock = machine.clock(server)
    await clock.sync()
    machine.wall -= 3600
    assert clock.time() == 10_000.0


async def test_the_way_to_the_database_counts_half(machine: Machine, server: Server) -> None:
    clock = machine.clock(server)
    server.took_s = 0.4
    await clock.sync()
    assert clock.time() == pytest.approx(10_000.2)


async def test_an_answer_that_took_long_replaces_only_ignorance(machine: Machine, server: Server) -> None:
    clock = machine.clock(server)
    server.took_s = 2 * SLOW_S
    await clock.sync()
    assert clock.time() == 10_000.0 + SLOW_S
    server.shown = 50_000.0
    await clock.sync()
    assert clock.time() == 10_000.0 + SLOW_S + server.took_s


async def test_while_the_database_is_away_the_clock_goes_on(machine: Machine, server: Server) -> None:
    clock = machine.clock(server)
    await clock.sync()
    server.unavailable = True
    with pytest.raises(Unavailable):
        await clock.sync()
    machine.passed(60.0)
    assert clock.time() == 10_060.0


async def test_a_clock_that_differs_is_logged_once(machine: Machine, server: Server) -> None:
    clock = machine.clock(server)
    with capture_logs() as lines:
        await clock.sync()
        await clock.sync()
    assert [(line["event"], line["ahead_s"]) for line in lines] == [("clock_differs", 10_000.0)]


async def test_sqlite_has_the_machines_clock_and_postgresql_its_own(
    kind: str, database: Database, machine: Machine
) -> None:
    theirs = await database.time()
    clock = machine.clock(database)
    await clock.sync()
    if kind == "sqlite":
        assert theirs is None
        assert clock.time() == machine.wall
    else:
        assert abs(known(theirs) - time.time()) < 60, "this machine has both clocks"
        assert abs(clock.time() - time.time()) < 60


def off_by(database: Database, seconds: float) -> DatabaseClock:
    """The clock of a machine that shows another time than this one."""
    wall: Callable[[], float] = lambda: time.time() + seconds  # noqa: E731
    return DatabaseClock(database, wall=wall)


@pytest.mark.parametrize("ahead_s", [-600.0, 600.0])
async def test_machines_whose_clocks_differ_agree_on_what_is_too_late(
    kind: str, database: Database, ahead_s: float
) -> None:
    if kind == "sqlite":
        return  # all its processes are on one machine
    right, wrong = off_by(database, 0.0), off_by(database, ahead_s)
    await right.sync()
    await wrong.sync()
    on_time, ahead = Ledger(database, right.now), Ledger(database, wrong.now)

    record = await ahead.open_battle(new_battle())
    assert is_opening(record, on_time.clock()) == is_opening(record, ahead.clock())
    await vote(ahead, Verdict.A)
    assert await on_time.retract_vote("b1", 1, UNDO), "it was cast a moment ago"
    await vote(on_time, Verdict.B)
    assert await ahead.retract_vote("b1", 1, UNDO)
    assert not await on_time.unended(timedelta(minutes=5), 10), "it is not old"
    assert (await forget_older(database, on_time.clock() - timedelta(minutes=5))).battles == 0


OWN_CLOCK = re.compile(r"\btime\.time\(\)|\bdatetime\.(now|utcnow)\(|(?<![\w.])time\(\)")

#: Where this machine's own clock is right: none of these times is compared with another machine's.
THIS_MACHINES = {
    "app/records/ledger.py": "the default clock, for one process alone",
    "app/readiness/write_probe.py": "a row that is rolled back",
    "app/leaderboard/query.py": "which day today is",
    "app/cli/records.py": "which day today is",
    "app/cli/hosts_today.py": "which day today is",
}


def test_no_code_asks_this_machine_for_the_date_where_another_may_compare() -> None:
    sources = [p for p in (ROOT / "app").rglob("*.py") if "simulator" not in p.parts]
    asking = {str(p.relative_to(ROOT)) for p in sources if OWN_CLOCK.search(p.read_text())}
    assert asking == set(THIS_MACHINES)
