"""What the tests of limiting checks share: a key, a request, and a purse before a real bank."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest
from factories_calls import make_call
from factories_limits import asking_of, budget, purses, state_with

from hf_ledger.ingest.doors.gateway.asking import Asking, Check
from hf_ledger.ingest.doors.gateway.limits.bank import Bank
from hf_ledger.ingest.doors.gateway.limits.leases import Purse
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import Key, Price, State
from hf_ledger.ingest.places import Places

MODEL = "meta-llama/Llama-3.3-70B-Instruct"
#: A thousand output tokens cost 2 cents; input is free.
PRICE = Price(provider="together", model=MODEL, price_id=1, input="0", output="20")
BUDGETED = state_with(budget("b", "0.05"), prices=(PRICE,))
ASKED = {"messages": [], "max_tokens": 1000}


def key(**changes: Any) -> Key:
    return Key(**{"key_id": "k1", "key_hash": "", "name": "k", "user": "ann", **changes})


def request(asked: Any = ASKED, **changes: Any) -> Asking:
    given = {"key": key(), "state": BUDGETED, **changes}
    return asking_of(asked, make_call(user_id=None, routing="explicit"), **given)


@asynccontextmanager
async def purse(places: Places, state: State = BUDGETED) -> AsyncIterator[tuple[Bank, Purse]]:
    with closing(Bank(places, state)) as bank:
        async with purses(bank) as [made]:
            yield bank, made


async def checked(check: Check, asking: Asking) -> Asking:
    wait = check.check(asking)
    if wait is not None:
        await wait
    return asking


async def code_of(check: Check, asking: Asking) -> tuple[int, str]:
    with pytest.raises(Refused) as refused:
        await checked(check, asking)
    return refused.value.status, refused.value.code
