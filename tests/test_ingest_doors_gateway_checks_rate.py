"""How often: a bucket for each user and model."""

from __future__ import annotations

from factories_calls import make_call
from factories_checks import checked, code_of, key, purse, request
from factories_limits import asking_of

from hf_ledger.ingest.doors.gateway.asking import Outcome
from hf_ledger.ingest.doors.gateway.checks.rate import Rate
from hf_ledger.ingest.doors.gateway.state import Limits, State
from hf_ledger.ingest.places import Places


async def test_each_user_and_model_has_a_bucket(places: Places) -> None:
    async with purse(places) as (_, made):
        rate = Rate(made, capacity=2, per_second=0.0)
        for _ in range(2):
            done = await checked(rate, request())
        assert done.answer["ratelimit"] == '"api";r=0;t=0'
        assert done.verdicts == {"rate": "ok"}
        assert await code_of(rate, request()) == (429, "rate_limited")
        await checked(rate, request(key=key(user="bob")))
        other = request()
        other.call = make_call(requested_model="another")
        await checked(rate, other)
        rate.finish(other, Outcome())


async def test_another_name_in_a_header_is_no_other_bucket(places: Places) -> None:
    async with purse(places) as (_, made):
        rate = Rate(made, capacity=2, per_second=0.0)
        nobodys = key(user=None)
        for number in range(2):
            asking = request(key=nobodys)
            asking.call = make_call(user_id=f"user-{number}")
            await checked(rate, asking)
        asking = request(key=nobodys)
        asking.call = make_call(user_id="user-3")
        assert await code_of(rate, asking) == (429, "rate_limited")


async def test_a_key_with_limits_of_its_own_has_a_bucket_of_its_own(places: Places) -> None:
    own = key(limits=Limits(capacity=1))
    async with purse(places) as (_, made):
        rate = Rate(made, capacity=2, per_second=0.0)
        await checked(rate, request(key=own))
        assert await code_of(rate, request(key=own)) == (429, "rate_limited")
        await checked(rate, request())  # the same user's others are not touched


async def test_a_team_has_limits_for_its_users(places: Places) -> None:
    state = State(teams={"search": Limits(capacity=1, per_second=0.0)})
    async with purse(places) as (_, made):
        rate = Rate(made)
        await checked(rate, request(key=key(team="search"), state=state))
        asking = request(key=key(team="search"), state=state)
        assert await code_of(rate, asking) == (429, "rate_limited")


async def test_what_is_no_call_takes_no_token(places: Places) -> None:
    async with purse(places) as (_, made):
        rate = Rate(made, capacity=0, per_second=0.0)
        assert rate.check(asking_of({}, None, key=key())) is None
