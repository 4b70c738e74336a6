"""Whose a battle is: of whoever has its token, which the answer to its opening bears.

A token is HMAC-SHA256 of the battle's id under ``ARENA_SECRET``, cut to 128 bits: every worker knows it, nothing is
stored, and nothing that is stored gives it away. Browsers keep it as a cookie that is sent to that battle only and that
no script reads; others send it in a header. See docs/decisions/0014.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request, Response

from app.arena.requests import NATIVE, OPENED_BY
from app.errors import Forbidden, InvalidInput
from app.web.shared.access import has_admin_key
from app.web.shared.fields import BattleId
from app.web.shared.services import Services, services_in

COOKIE = "arena_battle_token"
COOKIE_MAX_AGE_S = 400 * 24 * 3600
"""As long as browsers keep any cookie."""
MOST_TOKENS = 100

NOT_YOURS = (
    "this battle is not yours: send the token that its opening answered as X-Battle-Token (browsers: as its cookie)"
)
NO_TOKENS = (
    "a list is of battles that are yours: send X-Battle-Tokens: <battle_id>:<token>, … with the token that the opening "
    "of each answered, or the admin key"
)

TokenHeader = Annotated[
    str | None,
    Header(alias="X-Battle-Token", max_length=200, description="The token of the 201; browsers send it as a cookie."),
]
TokensHeader = Annotated[
    str | None,
    Header(
        alias="X-Battle-Tokens",
        max_length=100 * MOST_TOKENS,
        description=f"`<battle_id>:<token>`, up to {MOST_TOKENS} with commas between them.",
    ),
]


def battle_token(secret: bytes, battle_id: str) -> str:
    """32 hex digits."""
    return hmac.new(secret, f"battle:{battle_id}".encode(), "sha256").hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a caller shows for his right to a battle: tokens, or with his ``request`` the admin key."""

    services: Services
    tokens: tuple[str, ...] = ()
    request: Request | None = None

    def owns(self, battle_id: str) -> bool:
        """Whether he may judge, take back, stop and erase it."""
        if any(_is_token(self.services, battle_id, token) for token in self.tokens):
            return True
        settings = self.services.settings
        return settings.arena_open or (self.request is not None and has_admin_key(self.request, settings))

    async def check_legacy(self, battle_id: str) -> None:
        """Let existing clients judge the battles that they opened; of the native API's battles only the owner.

        Raises:
            Forbidden: the battle is of the native API, and somebody else's.
            NotFound: there is no such battle.
        """
        if self.owns(battle_id):
            return
        record = await self.services.manager.record(battle_id)
        if record.options.get(OPENED_BY) == NATIVE:
            raise Forbidden(NOT_YOURS, code="not_yours")


def _is_token(services: Services, battle_id: str, token: str) -> bool:
    return hmac.compare_digest(token.encode(), battle_token(services.secret, battle_id).encode())


async def claim_of(request: Request, token: TokenHeader = None) -> Claim:
    """What the caller shows."""
    shown = tuple(one for one in (token, request.cookies.get(COOKIE)) if one)
    return Claim(services_in(request), shown, request)


Claimed = Annotated[Claim, Depends(claim_of)]


async def owner_of(battle_id: BattleId, request: Request, token: TokenHeader = None) -> None:
    """Let only the battle's owner pass.

    Raises:
        NotFound: there is no such battle.
        Forbidden: it is somebody else's.
    """
    claim = await claim_of(request, token)
    if not claim.owns(battle_id):
        await claim.services.manager.record(battle_id)  # who asks for no battle at all is told so
        raise Forbidden(NOT_YOURS, code="not_yours")


OwnersOnly = Depends(owner_of)


def hand_over(response: Response, request: Request, battle_id: str, token: str) -> None:
    """Give a browser the token of a battle that it opened, and say where the battle is."""
    path = f"{request.scope.get('root_path', '')}/api/arena/battles/{battle_id}"
    response.headers["Location"] = path
    response.set_cookie(
        COOKIE,
        token,
        max_age=COOKIE_MAX_AGE_S,
        path=path,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def owned_among(services: Services, header: str) -> list[str]:
    """The battles of a ``X-Battle-Tokens`` header whose tokens are right; others are left out in silence.

    Raises:
        InvalidInput: it is no such list, or too long.
    """
    pairs = [pair.strip().partition(":") for pair in header.split(",") if pair.strip()]
    if not pairs or len(pairs) > MOST_TOKENS or not all(name and token for name, _, token in pairs):
        sentence = f"X-Battle-Tokens is <battle_id>:<token>, up to {MOST_TOKENS} with commas between them"
        raise InvalidInput(sentence, field="X-Battle-Tokens")
    return [name for name, _, token in pairs if _is_token(services, name, token)]
