"""How many at once, of a key, a team and a process."""

from __future__ import annotations

import asyncio

import pytest
from factories_checks import checked, code_of, key, request

from hf_ledger.ingest.doors.gateway.asking import Outcome
from hf_ledger.ingest.doors.gateway.checks.concurrency import Concurrency
from hf_ledger.ingest.doors.gateway.state import Key, Limits, State


async def test_a_key_has_so_many_requests_under_way() -> None:
    check = Concurrency(per_key=2)
    first = await checked(check, request())
    await checked(check, request())
    assert await code_of(check, request()) == (429, "too_many_requests_at_once")
    await checked(check, request(key=key(key_id="k2")))
    check.finish(first, Outcome())
    await checked(check, request())


@pytest.mark.parametrize("own", [key(limits=Limits(concurrent=1)), key(team="search")])
async def test_keys_and_teams_have_limits_of_their_own(own: Key) -> None:
    state = State(teams={"search": Limits(concurrent=1)})
    check = Concurrency()
    await checked(check, request(key=own, state=state))
    asking = request(key=own, state=state)
    assert await code_of(check, asking) == (429, "too_many_requests_at_once")


async def test_a_process_has_so_many_under_way() -> None:
    check = Concurrency(per_process=3)
    running = [await checked(check, request(key=key(key_id=str(n)))) for n in range(3)]
    assert (await code_of(check, request()))[0] == 429
    for each in running:
        check.finish(each, Outcome())
    await asyncio.gather(*(checked(check, request()) for _ in range(3)))
