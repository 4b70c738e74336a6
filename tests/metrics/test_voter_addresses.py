"""Behind a load balancer that is not believed everybody is one voter: that is noticed and told."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.metrics.voter_addresses import MANY, VoterAddresses, read_signs
from app.tasks import cancel_and_wait
from tests.helpers import wait_until

BALANCER, SOMEBODY = "10.0.0.7", "203.0.113.9"


def warned(addresses: VoterAddresses, *calls: tuple[str, str, str]) -> list[tuple[str, str]]:
    with capture_logs() as lines:
        for call in calls:
            addresses.voted(*call)
    return [(line["sign"], line["address"]) for line in lines if line["event"] == "voters_look_alike"]


def test_a_proxy_that_is_not_believed_is_told_once() -> None:
    call = ("b1", BALANCER, SOMEBODY)
    assert warned(VoterAddresses(), call, call) == [("ignored", BALANCER)]


@pytest.mark.parametrize("header", [SOMEBODY, f"{SOMEBODY}, {BALANCER}", f"{SOMEBODY}:4711", f"9.9.9.9,{SOMEBODY}"])
def test_a_proxy_that_is_believed_is_not_told(header: str) -> None:
    assert warned(VoterAddresses(), ("b1", SOMEBODY, header)) == []
    assert warned(VoterAddresses(), ("b1", "2001:db8::1", "[2001:db8::1]:80")) == []


def test_many_battles_that_were_all_judged_from_one_address_are_told() -> None:
    addresses = VoterAddresses()
    few = [(f"b{number}", BALANCER, "") for number in range(MANY - 1)]
    assert warned(addresses, *few, *few) == [], "votes of one battle count once"
    assert warned(addresses, ("last", BALANCER, "")) == [("alone", BALANCER)]


def test_people_with_addresses_of_their_own_are_not_told() -> None:
    calls = [(f"b{number}", f"203.0.113.{number // 2}", "") for number in range(3 * MANY)]
    assert warned(VoterAddresses(), *calls) == []


@pytest.mark.usefixtures("no_key_without_ttl")
async def test_what_one_process_noticed_the_doctor_reads(redis: Redis) -> None:
    addresses = VoterAddresses(redis)
    sharing = asyncio.create_task(addresses.run())
    addresses.voted("b1", BALANCER, SOMEBODY)
    assert await wait_until(lambda: read_signs(redis)) == {BALANCER: "ignored"}
    await cancel_and_wait(sharing)
