"""What voters sent and were told, and how it is compared with what the database holds.

A round is judged in *tries*: a second one begins when a client was told that the verdict of the first is taken back.
Within a try all clients must be told of one verdict. In the database that is, for each round, one row for each try in
their order; all but the last one taken back, the last one standing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass
class Try:
    """The verdicts that were sent for a round, those that were told to stand, and whether they were taken back."""

    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    taken_back: bool = False


@dataclass
class Claims:
    """What the voter of one battle knows; ``models`` is how many entered."""

    battle: str
    models: int
    tries: dict[int, list[Try]] = field(default_factory=lambda: defaultdict(lambda: [Try()]))
    wrong: list[str] = field(default_factory=list)

    def now(self, round_number: int) -> Try:
        """The try that is under way."""
        return self.tries[round_number][-1]

    def took_back(self, round_number: int) -> None:
        """The verdict is taken back; the next try begins."""
        self.now(round_number).taken_back = True
        self.tries[round_number].append(Try())

    def standing(self) -> dict[int, str]:
        """The verdicts that must be in every answer from now on, by round."""
        return {
            number: min(tries[-1].acknowledged) for number, tries in list(self.tries.items()) if tries[-1].acknowledged
        }

    def check(self, asked: str, must: Mapping[int, str], shown: Iterable[Mapping[str, object]]) -> None:
        """Compare a snapshot with what was known when it was asked for, and with what was ever sent."""
        votes = [(int(str(vote["round"])), str(vote["verdict"])) for vote in shown]
        if len({number for number, _ in votes}) != len(votes):
            self.wrong.append(f"{self.battle}: {asked} shows a round twice: {votes}")
        if missing := set(must.items()) - set(votes):
            self.wrong.append(f"{self.battle}: {asked} shows {votes} without {missing}")
        if invented := [vote for vote in votes if vote[1] not in self.now(vote[0]).sent]:
            self.wrong.append(f"{self.battle}: {asked} shows {invented}, which nobody sent")


@dataclass(frozen=True)
class VoteRow:
    """A row of votes; rows are compared in the order of their ids."""

    battle: str
    round: int
    verdict: str
    taken_back: bool


@dataclass(frozen=True)
class BattleRow:
    """A row of battles with the number of its answers that failed."""

    id: str
    status: str
    failed: int


@dataclass
class Findings:
    """What the comparison found; all lists are empty when the books agree."""

    lost: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    unsent: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    standing: int = 0

    @property
    def clean(self) -> bool:
        """Whether the books agree."""
        return not (self.lost or self.double or self.unsent or self.wrong or self.unfinished)


def audit(claims: Iterable[Claims], battles: Iterable[BattleRow], votes: Iterable[VoteRow]) -> Findings:
    """Compare what was told with what is there."""
    findings = Findings()
    rows: defaultdict[str, defaultdict[int, list[VoteRow]]] = defaultdict(lambda: defaultdict(list))
    for vote in votes:
        rows[vote.battle][vote.round].append(vote)
        findings.standing += not vote.taken_back
    known = {battle.id: battle for battle in battles}
    for claim in claims:
        findings.wrong += claim.wrong
        stored = rows.pop(claim.battle, defaultdict(list))
        for number in sorted({*stored, *claim.tries}):
            _audit_round(findings, claim, number, stored[number])
        _audit_end(findings, claim, known.get(claim.battle))
    findings.unsent += [f"{battle}: nobody knows the battle" for battle in rows]
    return findings


def _audit_round(findings: Findings, claim: Claims, number: int, rows: list[VoteRow]) -> None:
    where = f"{claim.battle} round {number}"
    tries = claim.tries[number]
    if sum(not row.taken_back for row in rows) > 1:
        findings.double.append(f"{where}: {rows}")
    if invented := [row for row in rows if not any(row.verdict in one.sent for one in tries)]:
        findings.unsent.append(f"{where}: {invented}")
    findings.wrong += [
        f"{where}: two verdicts were told to stand: {one.acknowledged}" for one in tries if len(one.acknowledged) > 1
    ]
    acknowledged = Counter((verdict, one.taken_back) for one in tries for verdict in one.acknowledged)
    stored = Counter((row.verdict, row.taken_back) for row in rows)
    if acknowledged - stored:
        findings.lost.append(f"{where}: told {dict(acknowledged)}, there is {rows}")
    if stored - acknowledged:
        findings.double.append(f"{where}: told {dict(acknowledged)}, but there is {rows}")


def _audit_end(findings: Findings, claim: Claims, battle: BattleRow | None) -> None:
    votes = len(claim.standing())
    if battle is None:
        findings.lost.append(f"{claim.battle}: the battle is not there")
    elif battle.status != "finished" or votes != claim.models - 1 - battle.failed:
        findings.unfinished.append(f"{battle} with {votes} verdicts of {claim.models} models")
