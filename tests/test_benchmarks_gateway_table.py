"""The gateways' benchmark: what its figures mean, and what its table must say."""

from __future__ import annotations

import pytest

from benchmarks.gateway_load import Measured
from benchmarks.gateway_profile import shares
from benchmarks.gateway_table import AIMS, OURS, Figures, Result, quantiles_ms, row, show


def test_quantiles_of_a_few_are_unknown() -> None:
    assert quantiles_ms([0.001] * 19) is None
    assert quantiles_ms([each / 1000 for each in range(1, 1000)]) == (500, 950, 990)


def test_a_phase_has_its_rate_of_good_replies_and_its_quantiles() -> None:
    measured = Measured([0.002] * 30, [0.001] * 30, [], failed=5, took_s=0.5)
    figures = Figures.of(measured, cpu_s=0.06)
    assert (figures.good, figures.failed, figures.per_s) == (30, 5, 60)
    assert figures.latency_ms == pytest.approx((2, 2, 2))
    assert figures.first_ms == pytest.approx((1, 1, 1))
    assert figures.late_ms is None
    assert figures.cpu_s_per_1000 == pytest.approx(2)


def result(good: int = 100, per_s: float = 2600.0, cpu_s: float = 0.04) -> Result:
    figures = Figures(good, 0, per_s, (0.5, 0.6, 0.7), (0.7, 0.8, 0.9), None, cpu_s)
    phases = {name: [figures] for name in ("c1", "100/s", "200/s", "c64", "stream")}
    return Result(0.9, 100.0, phases, figures, [90.0, 100.0, 100.0, 101.0])


def test_cpu_is_for_good_replies_and_unknown_without_one() -> None:
    assert result().cpu("c1") == pytest.approx(0.4)
    assert result(good=0).cpu("c1") is None


def test_growth_is_between_the_second_and_the_last_quarter() -> None:
    assert result().grown_mb() == pytest.approx(1.0)
    assert Result().grown_mb() is None


def test_aims_are_met_by_good_figures_and_missed_by_slow_or_unknown_ones() -> None:
    assert [aim.said for aim in AIMS if not aim.met(aim.of(result()))] == []
    assert [aim.limit for aim in AIMS if not aim.met(aim.of(result(per_s=2499)))] == [2500]
    assert [aim.limit for aim in AIMS if not aim.met(aim.of(result(cpu_s=0.051)))] == [0.5]
    assert not any(aim.met(aim.of(Result())) for aim in AIMS)


def test_the_median_over_rounds_is_told_with_its_range() -> None:
    three = result()
    three.phases["c64"] = [Figures(9, 0, rate, None, None, None, 0) for rate in (900, 100, 300)]
    assert row(OURS, three)[4] == "300 (100–900)"


def test_the_table_names_failures_and_replies_that_came_without_the_upstream(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = result()
    bad.phases["c1"][0].failed = 7
    bad.phases["c1"][0].unasked = 3
    show({"other": bad}, load=0.5)
    told = capsys.readouterr().out
    assert "- other: failed, c1: 7, 100/s: 7" in told
    assert "15 replies came without asking the upstream" in told
    assert "MISSED" not in told


def test_ours_is_judged_by_its_aims(capsys: pytest.CaptureFixture[str]) -> None:
    show({OURS + " 0.1": result(per_s=1000), "other": result()}, load=0)
    told = capsys.readouterr().out
    assert "requests a second of a core, 64 at once: 1,000.00 (aim ≥ 2,500): MISSED" in told
    assert told.count(": met") == len(AIMS) - 1


def test_samples_are_shared_out_by_function() -> None:
    own, below, total = shares(["main;a 3", "main;a;b 5", "main 2", "main;a;a 1"])
    assert total == 11
    assert own == {"a": 4, "b": 5, "main": 2}
    assert below == {"main": 11, "a": 9, "b": 5}
