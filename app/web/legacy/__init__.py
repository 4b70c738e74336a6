"""The calls that existing clients make, translated to our verbs; nothing inward learns their words.

- ``bodies``, ``words``: what they send. ``answers``: what they read, made of a ``history``.
- ``opening``, ``judging``: their moves. ``encoder``, ``streams``: a round as their parsers read it.
- ``waiting``: how long a call waits for a battle.
- ``progressive``, ``battles``, ``chat``, ``status``, ``records``: the routes; ``routes``: how they refuse.
- ``training``: the files of training data. The leaderboard has the same path and answer for everybody: its route is
  the native API's, and is served from here under both tags.
- ``examples``: what OpenAPI shows.

Their quirks that stay: ``battle_id`` may be the caller's session id (its newest battle is meant), each call has its
own base of counts, strings and lists are never null, and there is an ``error`` key only in failures.
"""

from __future__ import annotations

from fastapi import APIRouter

from app.web.api import leaderboard
from app.web.legacy import battles, chat, progressive, records, status

router = APIRouter(tags=["existing clients"])
for room in (progressive, battles, chat, status, leaderboard, records):
    router.include_router(room.router)
router.include_router(battles.outside)
