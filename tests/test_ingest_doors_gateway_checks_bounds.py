"""How large: bodies, tokens and choices that a request may ask for."""

from __future__ import annotations

import pytest
from factories_checks import checked, code_of, key, request

from hf_ledger.ingest.doors.gateway.asking import Outcome
from hf_ledger.ingest.doors.gateway.checks.bounds import Bounds
from hf_ledger.ingest.doors.gateway.state import Limits


async def test_a_body_has_so_many_bytes() -> None:
    asking = request()
    size = len(asking.body)
    await checked(Bounds(body_bytes=size), asking)
    assert await code_of(Bounds(body_bytes=size - 1), asking) == (413, "body_too_large")
    own = request(key=key(limits=Limits(body_bytes=size - 1)))
    assert await code_of(Bounds(), own) == (413, "body_too_large")


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens", "max_output_tokens"])
async def test_a_key_may_ask_for_so_many_tokens(field: str) -> None:
    own = key(limits=Limits(max_tokens=100))
    await checked(Bounds(), request({field: 100}, key=own))
    asking = request({field: 101}, key=own)
    assert await code_of(Bounds(), asking) == (400, "max_tokens_too_large")


async def test_choices_are_bounded() -> None:
    await checked(Bounds(choices=2), request({"n": 2}))
    assert await code_of(Bounds(choices=2), request({"n": 3})) == (400, "too_many_choices")
    await checked(Bounds(), request([1, 2]))  # no object: nothing to bound
    Bounds().finish(request(), Outcome())
