"""Who votes, from what a request tells; what leaves this module is a keyed hash."""

from __future__ import annotations

from dataclasses import dataclass
from secrets import token_hex
from typing import Annotated

from fastapi import Depends, Request

from app.records.voters import Known, voter_key
from app.web.shared.ownership import Claim, Claimed

#: Where browsers keep the session of the pages around ours.
COOKIE = "session"
MAX_SESSION = 200


@dataclass(frozen=True, slots=True)
class Voter:
    """The sender of a vote, and what he shows for his right to it."""

    claim: Claim
    known_by: Known | None
    value: str

    @property
    def key(self) -> str | None:
        """Tells him from others; None when nothing is known of him."""
        return None if self.known_by is None else voter_key(self.claim.services.secret, self.known_by, self.value)

    def in_session(self, session: str) -> Voter:
        """The same sender, known by his session."""
        return Voter(self.claim, "session", session)


async def voter_of(request: Request, claim: Claimed) -> Voter:
    """The sender: his session (``X-Session-ID``), else his cookie, else the address that he comes from."""
    session = request.headers.get("X-Session-ID", "").strip()
    if 0 < len(session) <= MAX_SESSION and session.isprintable():
        return Voter(claim, "session", session)
    cookie = request.cookies.get(COOKIE)
    if cookie:
        return Voter(claim, "cookie", cookie)
    if request.client is None:
        return Voter(claim, None, "")
    address = request.client.host
    battle = request.path_params.get("battle_id") or token_hex(8)  # older calls have it in the body: each is another
    claim.services.addresses.voted(battle, address, request.headers.get("X-Forwarded-For", ""))
    return Voter(claim, "address", address)


Sender = Annotated[Voter, Depends(voter_of)]
