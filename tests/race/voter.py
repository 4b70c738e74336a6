"""A person with a restless hand and a bad line, who notes what was sent and what was told."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any

import aiohttp

from app.battle.events import Event, Snapshot, fold
from tests.race.books import Claims
from tests.race.service import Service

BATTLES = "/api/arena/battles"
VERDICTS = ("a", "b", "tie", "both_bad")
GESTURES = ("click", "click", "double click", "keyless double click", "resent elsewhere", "two tabs", "cut line")
UNDO = 0.04
#: How many read the events of their battle from its opening on when it has ended.
LOOK_BACK = 0.2
REQUEST_LIMIT_S = 10.0
#: Answers after which the same request may be sent again, as clients do.
AGAIN = (429, 503)


@dataclass(frozen=True)
class Reply:
    """An answer; ``doubtful`` when the same request was sent before and nobody knows what became of it."""

    status: int
    body: dict[str, Any]
    doubtful: bool = False

    @property
    def code(self) -> str:
        """The code of an error, or nothing."""
        return str(self.body.get("code", ""))


@dataclass(frozen=True)
class Ballot:
    """One vote as one tab sends it: over and over under one key, until it knows."""

    verdict: str
    key: str | None
    url: str | None = None
    cut_after_s: float | None = None


class Line:
    """The way to the workers; ``counts`` has what was sent, and what was answered that should not be."""

    def __init__(self, service: Service, http: aiohttp.ClientSession, rng: Random) -> None:
        self._service, self._http, self.rng = service, http, rng
        self.counts: Counter[str] = Counter()
        self.odd: list[str] = []

    def any_url(self) -> str:
        """The address of a worker that was not killed yet."""
        return self.rng.choice(self._service.urls)

    async def insist(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        url: str | None = None,
        cut_after_s: float | None = None,
        token: str = "",
    ) -> Reply:
        """Send until there is an answer; the first time to ``url`` and with a cut line, then to anybody."""
        doubtful = False
        headers = {"X-Battle-Token": token} | ({} if key is None else {"Idempotency-Key": key})
        while True:
            reply = await self._send(method, (url or self.any_url()) + path, body, headers, cut_after_s)
            if reply is not None and reply.status in (200, 201, 409):
                return Reply(reply.status, reply.body, doubtful)
            if reply is not None and reply.status not in AGAIN:
                self.odd.append(f"{method} {path}: {reply}")
            doubtful, url, cut_after_s = doubtful or reply is None or reply.status not in AGAIN[:1], None, None
            await asyncio.sleep(self.rng.uniform(0.02, 0.2))

    async def read(self, path: str) -> list[str]:
        """The frames of an event stream, read again from the start until it ends with the battle's end."""
        while True:
            with suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with asyncio.timeout(REQUEST_LIMIT_S), self._http.get(self.any_url() + path) as response:
                    whole = await response.text()
                if "event: end" in whole:
                    return whole.split("\n\n")
            await asyncio.sleep(self.rng.uniform(0.02, 0.2))

    async def _send(
        self, method: str, url: str, body: object, headers: dict[str, str], cut_after_s: float | None
    ) -> Reply | None:
        self.counts[method if method != "POST" or "votes" not in url else "votes sent"] += 1
        try:
            async with asyncio.timeout(cut_after_s or REQUEST_LIMIT_S):
                async with self._http.request(method, url, json=body, headers=headers) as response:
                    return Reply(response.status, await response.json())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            cut = cut_after_s is not None and isinstance(error, TimeoutError)
            self.counts["cut" if cut else f"unanswered ({type(error).__name__})"] += 1
            return None


class Voter:
    """Plays one battle to its end; ``claims`` is what he was told."""

    def __init__(self, name: str, models: int, line: Line, rng: Random) -> None:
        self._name, self._models, self._line, self._rng = name, models, line, rng
        self._keys = (f"{name}-{number}" for number in count())
        self._last: list[Ballot] = []
        self._shown: dict[str, Any] = {}
        self._token = ""
        self.claims: Claims | None = None
        self.at = "opening"

    async def play(self) -> None:
        """Open a battle and judge it until it ends."""
        body = {"message": f"Question {self._name}", "num_models": self._models}
        opened = await self._line.insist("POST", BATTLES, body, key=next(self._keys))
        self._opened, self._token = opened.body, str(opened.body["token"])
        self.claims = claims = Claims(str(opened.body["battle_id"]), self._models)
        while (now := await self._ready(claims))["status"] == "running":
            await self._judge(claims, int(now["round"]))
            if self._rng.random() < UNDO:
                await self._undo(claims, int(now["round"]))
        if self._rng.random() < LOOK_BACK:
            await self._look_back(claims, now)
        self.at = "ended"
        if len(now["votes"]) != now["rounds_total"] or now["reveal"] is None:
            claims.wrong.append(f"{claims.battle} ended as {now}")

    async def _ready(self, claims: Claims) -> dict[str, Any]:
        """The snapshot in which the round can be judged or the battle has ended: often a vote's answer is one."""
        shown, self._shown = self._shown, {}
        if shown.get("can_vote") and not claims.now(int(shown["round"])).acknowledged:
            return shown
        pause = 0.01
        while True:
            must = claims.standing()
            now = (await self._line.insist("GET", f"{BATTLES}/{claims.battle}")).body
            self.at = f"round {now.get('round')} {now.get('status')}"
            claims.check("GET", must, now["votes"])
            if now["status"] != "running" or now["can_vote"]:
                return now
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.5)

    async def _look_back(self, claims: Claims, end: dict[str, Any]) -> None:
        """Read the battle's events from its opening on: folded, they are the battle as it ended."""
        path = f"{BATTLES}/{claims.battle}/events?after={self._opened['cursor']}"
        frames = await self._line.read(path)
        state = Snapshot.from_dict(self._opened)
        for frame in frames:
            fields = dict(line.split(": ", 1) for line in frame.splitlines() if not line.startswith(":"))
            if "data" in fields:
                state = fold(state, Event(fields["event"], json.loads(fields["data"])), fields["id"])
        self._line.counts["looks back"] += 1
        if state.to_dict() | {"cursor": ""} != end | {"cursor": ""}:
            claims.wrong.append(f"{claims.battle}: folded {state.to_dict()}, but it ended as {end}")

    def _ballots(self) -> list[Ballot]:
        gesture, url, key = self._rng.choice(GESTURES), self._line.any_url(), next(self._keys)
        one, other = self._rng.sample(VERDICTS, 2)
        self._line.counts[gesture] += 1
        if gesture == "double click":
            return [Ballot(one, key, url)] * 2
        if gesture == "keyless double click":
            return [Ballot(one, None, url)] * 2
        if gesture == "resent elsewhere":
            return [Ballot(one, key)] * 3
        if gesture == "two tabs":
            return [Ballot(one, key), Ballot(other, next(self._keys))]
        if gesture == "cut line":
            return [Ballot(one, key, cut_after_s=self._rng.uniform(0.001, 0.03))]
        return [Ballot(one, key)]

    async def _judge(self, claims: Claims, round_number: int) -> None:
        """Send ballots until it is told what stands."""
        ballots = self._ballots()
        claims.now(round_number).sent.update(ballot.verdict for ballot in ballots)
        while not claims.now(round_number).acknowledged:
            await asyncio.gather(*(self._cast(claims, round_number, ballot) for ballot in ballots))
            await asyncio.sleep(0)
        self._line.counts["rounds told"] += 1
        self._last = ballots

    async def _cast(self, claims: Claims, round_number: int, ballot: Ballot) -> None:
        must, body = claims.standing(), {"round": round_number, "verdict": ballot.verdict}
        path = f"{BATTLES}/{claims.battle}/votes"
        reply = await self._line.insist(
            "POST", path, body, key=ballot.key, url=ballot.url, cut_after_s=ballot.cut_after_s, token=self._token
        )
        if reply.status == 200:
            self._line.counts["votes told"] += 1
            claims.now(round_number).acknowledged.add(ballot.verdict)
            claims.check("a vote's answer", must | {round_number: ballot.verdict}, reply.body["votes"])
            self._shown = reply.body
        elif reply.code == "already_judged" and reply.body["vote"]["round"] == round_number:
            self._line.counts["votes told what stands"] += 1
            claims.now(round_number).acknowledged.add(str(reply.body["vote"]["verdict"]))
        elif reply.code in ("not_ready", "not_this_round"):  # Redis was emptied, the round comes back
            self._line.counts["votes told to wait"] += 1
            await asyncio.sleep(0.05)
        else:
            claims.wrong.append(f"{claims.battle} round {round_number}: {ballot} was answered with {reply}")
            await asyncio.sleep(0.5)

    async def _undo(self, claims: Claims, round_number: int) -> None:
        """Take the verdict back, twice; then its key must be worth nothing."""
        if any(ballot.key is None for ballot in self._last):
            return  # what has no key may come late and count as a new vote, and rightly so
        if round_number not in claims.tries or not claims.now(round_number).acknowledged:
            return
        path, self._shown = f"{BATTLES}/{claims.battle}/votes/{round_number}", {}
        reply = await self._line.insist("DELETE", path, token=self._token)
        if reply.code == "battle_over":
            return
        if reply.status != 200 and not (reply.doubtful and reply.code == "not_judged"):
            claims.wrong.append(f"{path}: an undo was answered with {reply}")
            return
        claims.took_back(round_number)
        self._line.counts["undone"] += 1
        again = await self._line.insist("DELETE", path, token=self._token)
        if again.status == 200:
            claims.wrong.append(f"{path}: the same verdict was taken back twice: {again}")
        await self._resend(claims, round_number)

    async def _resend(self, claims: Claims, round_number: int) -> None:
        """The keys of what was taken back: none may count."""
        for ballot in self._last:
            body = {"round": round_number, "verdict": ballot.verdict}
            path = f"{BATTLES}/{claims.battle}/votes"
            reply = await self._line.insist("POST", path, body, key=ballot.key, token=self._token)
            if reply.status == 200 and ballot.verdict in claims.tries[round_number][-2].acknowledged:
                claims.wrong.append(f"{claims.battle} round {round_number}: {ballot} was taken back and told 200")
            if reply.status == 200 or reply.code == "already_judged":  # the other tab's key was never used up
                claims.now(round_number).sent.add(ballot.verdict)
                acknowledged = ballot.verdict if reply.status == 200 else str(reply.body["vote"]["verdict"])
                claims.now(round_number).acknowledged.add(acknowledged)
