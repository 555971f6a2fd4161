"""Prefixes shared with earlier calls: as a slow count says, in whatever order calls arrive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from factories_calls import NOON, make_call, spool
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool import filling
from hf_ledger.ingest.spool.collector import collect

MINUTES_5, HOUR = 5 * 60 * 10**6, 3600 * 10**6


@pytest.fixture
def ledger(places: Places) -> Iterator[Ledger]:
    with Ledger.open(places) as opened:
        yield opened


def hashed(seconds: float, blocks: Sequence[int], **overrides: Any) -> Call:
    """A call so long after noon whose input has these block hashes."""
    given = {"hash_key_id": "k1", "input_hash": "0" * 32, "uncached_input_tokens": 1200}
    ts = NOON + timedelta(seconds=seconds)
    return make_call(ts=ts, prefix=list(blocks) or None, **{**given, **overrides})


def collected(ledger: Ledger, places: Places, *calls: Call) -> dict[str, tuple[Any, Any]]:
    """Tokens shared within five minutes and an hour, by call, after these came in, too."""
    spool(places, calls)
    collect(ledger, places)
    found = ledger.cursor().execute(
        "select call_id::varchar, prefix_tokens_5m, prefix_tokens_1h from calls"
    )
    return {call_id: (short, long) for call_id, short, long in found.fetchall()}


def tokens(call: Call, depth: int) -> int:
    """What docs/storage.md says that so many shared blocks are worth."""
    blocks = len(call.prefix or [])
    total = call.input_tokens or 0
    share = total * depth // (blocks + 1)
    return min(share, depth * 512) if blocks >= 512 else share


def route(call: Call) -> tuple[Any, ...]:
    model = (call.provider_model or call.requested_model or "").lower()
    return call.origin, call.host_kind, call.endpoint or call.provider, model, call.hash_key_id


def shared(call: Call, others: Sequence[Call], within: int) -> int | None:
    """The slow answer: compare with every other call, block by block."""
    if call.hash_key_id is None or call.outcome == "error" or call.input_tokens is None:
        return None
    deepest = 0
    for other in others:
        if other.outcome == "error" or route(other) != route(call):
            continue
        if not 0 < call.ts - other.ts <= within:
            continue
        depth = 0
        for ours, theirs in zip(call.prefix or [], other.prefix or [], strict=False):
            if ours != theirs:
                break
            depth += 1
        deepest = max(deepest, depth)
    return tokens(call, deepest)


def slow(calls: Sequence[Call]) -> dict[str, tuple[int | None, int | None]]:
    return {
        call.call_id: (shared(call, calls, MINUTES_5), shared(call, calls, HOUR)) for call in calls
    }


def test_a_turn_of_a_conversation_shares_what_was_said_before(
    ledger: Ledger, places: Places
) -> None:
    first, second = hashed(0, [1, 2]), hashed(60, [1, 2, 3])
    found = collected(ledger, places, first, second)
    assert found[first.call_id] == (0, 0)
    # Two of three whole blocks and a rest: at least 2 / 4 of 1,200 tokens.
    assert found[second.call_id] == (600, 600)


@pytest.mark.parametrize(
    ("seconds", "short", "long"),
    [
        (0.000001, 400, 400),
        (300, 400, 400),
        (300.000001, 0, 400),
        (3600, 0, 400),
        (3600.000001, 0, 0),
        (0, 0, 0),
    ],
)
def test_windows_end_on_the_microsecond(
    ledger: Ledger, places: Places, seconds: float, short: int, long: int
) -> None:
    later = hashed(seconds, [1, 9])
    found = collected(ledger, places, hashed(0, [1, 2]), later)
    assert found[later.call_id] == (short, long)


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"provider": "novita"},
        {"provider_model": "another"},
        {"hash_key_id": "k2"},
        {"origin": "practice"},
        {"host_kind": "provider"},
        {"outcome": "error", "status": 500},
        {"provider": None},
        {"hash_key_id": None, "input_hash": None},
    ],
)
def test_what_went_elsewhere_or_was_not_read_shares_nothing(
    ledger: Ledger, places: Places, elsewhere: dict[str, Any]
) -> None:
    later = hashed(10, [1, 2])
    found = collected(ledger, places, hashed(0, [1, 2], **elsewhere), later)
    assert found[later.call_id] == (0, 0)


@pytest.mark.parametrize(
    "unknown",
    [
        {"hash_key_id": None, "input_hash": None},
        {"uncached_input_tokens": None},
        {"provider": None},
        {"outcome": "error"},
        {"outcome": "refused"},
    ],
)
def test_what_is_not_known_is_null_and_not_zero(
    ledger: Ledger, places: Places, unknown: dict[str, Any]
) -> None:
    first, later = hashed(0, [1, 2]), hashed(10, [1, 2], **unknown)
    assert collected(ledger, places, first, later)[later.call_id] == (None, None)


def test_an_endpoint_shares_with_itself_whatever_the_model_is_called(
    ledger: Ledger, places: Places
) -> None:
    where = {"host_kind": "endpoint", "endpoint": "e.example", "provider": None}
    nameless = {**where, "provider_model": None, "requested_model": None}
    later = hashed(10, [1, 2], **nameless)
    found = collected(ledger, places, hashed(0, [1, 2], **nameless), later)
    assert found[later.call_id] == (800, 800)


def test_an_input_longer_than_its_blocks_counts_512_tokens_a_block(
    ledger: Ledger, places: Places
) -> None:
    blocks = list(range(512))
    later = hashed(10, blocks, uncached_input_tokens=10**6)
    found = collected(ledger, places, hashed(0, blocks), later)
    assert found[later.call_id] == (512 * 512, 512 * 512)


def test_huge_counts_are_no_obstacle(ledger: Ledger, places: Places) -> None:
    most = 2**63 - 1
    later = hashed(10, [1], uncached_input_tokens=most)
    over = hashed(20, [1], uncached_input_tokens=most, cache_read_tokens=most)
    found = collected(ledger, places, hashed(0, [1]), later, over)
    assert found[later.call_id] == (most // 2, most // 2)
    assert len(found) == 3


def test_a_call_that_comes_late_counts_for_those_after_it(ledger: Ledger, places: Places) -> None:
    early, late = hashed(0, [1, 2]), hashed(100, [1, 2])
    assert collected(ledger, places, late)[late.call_id] == (0, 0)
    found = collected(ledger, places, early)
    assert (found[early.call_id], found[late.call_id]) == ((0, 0), (800, 800))


def test_a_nearer_call_that_comes_late_fills_the_shorter_window(
    ledger: Ledger, places: Places
) -> None:
    call = hashed(1000, [1, 2])
    assert collected(ledger, places, hashed(0, [1, 2]), call)[call.call_id] == (0, 800)
    assert collected(ledger, places, hashed(900, [1, 5]))[call.call_id] == (400, 800)


def chained(parts: Sequence[object]) -> list[int]:
    """Hashes as a recorder chains them: each stands for all parts up to it."""
    states = [sha256(repr(parts[: end + 1]).encode()).digest() for end in range(len(parts))]
    return [int.from_bytes(state[:8], "big", signed=True) for state in states]


calls = st.lists(
    st.builds(
        lambda seconds, common, own, more: hashed(
            seconds, chained([*range(common), *[f"own {own}"] * own]), **more
        ),
        st.sampled_from([0, 1, 2, 250, 299, 300, 301, 600, 3000, 3599, 3600, 3601, 5000, 9000]),
        st.integers(0, 4),
        st.integers(0, 3),
        st.sampled_from(
            [
                {},
                {},
                {},
                {"provider": "novita"},
                {"hash_key_id": "k2"},
                {"outcome": "error"},
                {"uncached_input_tokens": None},
                {"uncached_input_tokens": 7, "cache_read_tokens": 990},
            ]
        ),
    ),
    min_size=1,
    max_size=14,
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None
)
@given(drawn=calls, data=st.data())
def test_any_order_in_any_batches_gives_the_slow_answer(
    ledger: Ledger, places: Places, drawn: list[Call], data: st.DataObject
) -> None:
    _forget(ledger)
    arriving = data.draw(st.permutations(drawn))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(arriving)), max_size=3)))
    found: dict[str, tuple[Any, Any]] = {}
    for start, end in zip([0, *cuts], [*cuts, len(arriving)], strict=True):
        found = collected(ledger, places, *arriving[start:end])
    assert found == slow(drawn)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10, deadline=None
)
@given(drawn=calls)
def test_small_batches_of_one_collection_give_the_same(
    ledger: Ledger, places: Places, drawn: list[Call]
) -> None:
    _forget(ledger)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(filling, "BATCH_CALLS", 3)
        assert collected(ledger, places, *drawn) == slow(drawn)


def _forget(ledger: Ledger) -> None:
    for table in ("calls", "prefixes"):
        ledger.cursor().execute(f"delete from {table}")
