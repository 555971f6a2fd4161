"""The proofs of limits in short: real processes, the owner killed, not a cent too much."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_ingest_doors_gateway_limits_buckets import admits_too_many

from benchmarks.bucket_proof import most_above
from benchmarks.bucket_proof import run as bucket_run
from benchmarks.budget_proof import Result, Victim, run


@pytest.mark.parametrize("kill", [None, "owner", "gateway"])
def test_a_budget_holds_over_three_gateways(tmp_path: Path, kill: Victim | None) -> None:
    result = run(tmp_path, 7, clients=60, kill=kill)
    assert result.holds, str(result)
    assert result.ends["402"] == 60


def test_a_bucket_holds_over_three_gateways(tmp_path: Path) -> None:
    result = bucket_run(tmp_path, 7, clients=30, seconds=4, kill=True)
    assert result.holds, str(result)
    assert result.refused


@pytest.mark.parametrize(
    ("charged", "settled", "ends", "holds"),
    [
        ("0.95", "0.95", {}, True),
        ("0.95", "1.000000001", {}, False),
        ("0.95", "0.94", {}, False),  # something was charged that nobody settled
        ("0.89", "0.89", {}, False),
        ("0.95", "0.95", {"never refused": 1}, False),
    ],
)
def test_what_counts_as_held(charged: str, settled: str, ends: dict[str, int], holds: bool) -> None:
    result = Result(killed=None, charged=Decimal(charged), settled=Decimal(settled))
    result.ends.update(ends)
    assert result.holds is holds


@given(st.lists(st.integers(0, 5 * 10**9), min_size=1, max_size=40).map(sorted))
def test_the_closest_window_is_found(moments: list[int]) -> None:
    broken = admits_too_many([(each, 1) for each in moments], 3, 4)  # type: ignore[arg-type]
    assert (most_above(moments, 3, 4.0) > 1e-9) is broken
