"""What was found, and how sure it is: by hand, and by the laws of the interval."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.evaluation import tallying
from hf_ledger.ingest.doors.evaluation.comparing import FAILED, Paired
from hf_ledger.ingest.doors.evaluation.running import Answer, Evaluation
from hf_ledger.ingest.doors.evaluation.sets import Item
from hf_ledger.ingest.doors.evaluation.tallying import how_sure, tallied, wilson
from hf_ledger.ingest.doors.replays.judges import EXACT, Judged


def evaluation(expected: list[str | None]) -> Evaluation:
    rows = [Item(f"Row {n}", None, {}, each) for n, each in enumerate(expected)]
    return Evaluation(rows, 2, lambda *_: None, lambda *_: None, lambda *_: None)


def answer(text: str | None, cost: str | None, ms: float | None, **more: int) -> Answer:
    return Answer(text=text, cost=None if cost is None else Decimal(cost), latency_ms=ms, **more)


def test_columns_by_hand() -> None:
    found = evaluation(["4", "5", None])
    found.answers |= {
        (0, 0): answer("4", "0.001", 100.0, input_tokens=10, output_tokens=1),
        (1, 0): answer("6", "0.002", 300.0, input_tokens=20, output_tokens=2),
        (2, 0): answer("x", None, 200.0),
        (0, 1): answer("4", "0.0001", 50.0),
        (1, 1): answer(None, "0", 9999.0),
    }
    found.verdicts |= {
        (0, 1): Paired(Judged(EXACT, "same"), 1.0, Decimal("0.5")),
        (1, 1): FAILED,
    }
    baseline, other = tallied(found, EXACT)
    assert (baseline.answered, baseline.failed, baseline.right[:2]) == (3, 0, (1, 2))
    assert (baseline.cost, baseline.unpriced) == (Decimal("0.003"), 1)
    assert baseline.per_thousand == Decimal("1.5")  # of the two calls with a known cost
    assert (baseline.latency_ms, baseline.input_tokens, baseline.output_tokens) == (200.0, 30, 3)
    assert (other.answered, other.failed, other.right[:2]) == (1, 1, (1, 1))
    assert dict(other.verdicts) == {"same": 1, "failed": 1}
    assert (other.latency_ms, other.judge_cost) == (50.0, Decimal("0.5"))
    assert other.per_thousand == Decimal("0.05")


def test_unknown_costs_are_unknown() -> None:
    found = evaluation([None])
    found.answers[0, 0] = answer("x", None, None)
    (first, second) = tallied(found, EXACT)
    assert (first.cost, first.per_thousand, first.latency_ms) == (None, None, None)
    assert (second.answered, second.cost, second.right.value) == (0, None, None)
    found.verdicts[0, 1] = Paired(Judged("llm/1:m", "same"), None, None)
    assert tallied(found, EXACT)[1].judge_cost is None


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (380, 400, 0.9240, 0.9674),
    ],
)
def test_wilsons_interval(k: int, n: int, low: float, high: float) -> None:
    found = wilson(k, n)
    assert found.low == pytest.approx(low, abs=1e-4)
    assert found.high == pytest.approx(high, abs=1e-4)


def test_of_nothing_there_is_no_interval() -> None:
    assert wilson(0, 0) == (0, 0, None, None)


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_is_symmetric(pair: tuple[int, int]) -> None:
    k, n = pair
    found, other = wilson(k, n), wilson(n - k, n)
    assert found.low is not None
    assert found.high is not None
    assert other.high is not None
    assert 0 <= found.low <= k / n <= found.high <= 1
    assert found.low == pytest.approx(1 - other.high, abs=1e-12)


def test_more_of_the_same_is_surer() -> None:
    widths = [wilson(9 * n, 10 * n) for n in (1, 10, 100)]
    spread = [(each.high or 0) - (each.low or 0) for each in widths]
    assert spread == sorted(spread, reverse=True)


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (12, "n = 12: too few to say; at least 400 for a 95 % target."),
        (399, "n = 399: too few to say; at least 400 for a 95 % target."),
        (400, "n = 400: enough for a target of 95 %; at least 1,000 for one of 98 %."),
        (1000, ""),
    ],
)
def test_small_numbers_are_said_to_be_small(n: int, said: str) -> None:
    assert how_sure(n) == said
    assert tallying.ENOUGH == 400
