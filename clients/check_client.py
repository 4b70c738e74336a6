"""What a script of somebody who uses the API does with the generated client: it must pass mypy, it never runs."""

from arena_client import Client
from arena_client.api.battles import open_battle, read_battle, vote
from arena_client.models import BattleSnapshot, ErrorBody, OpenBody, OpenedBattle, Verdict, VoteBody


def play(client: Client) -> str | None:
    """Play a round and tell who won."""
    opened = open_battle.sync(client=client, body=OpenBody(message="Why is the sky blue?", num_models=3))
    if isinstance(opened, ErrorBody) or opened is None:
        return None
    battle: OpenedBattle = opened
    judged = vote.sync(battle.battle_id, client=client, body=VoteBody(round_=1, verdict=Verdict.BOTH_BAD))
    now = read_battle.sync(battle.battle_id, client=client)
    if isinstance(judged, BattleSnapshot) and isinstance(now, BattleSnapshot) and now.reveal is not None:
        return now.reveal.champion
    return None
