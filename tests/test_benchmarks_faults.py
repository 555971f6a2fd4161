"""The fault run: what it counts as lost and doubled, and a short run of real kills."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.faults import Run, owners, shares
from benchmarks.faults_judging import Row, judge, noted

ROOT = Path(__file__).resolve().parent.parent


def row(name: str, call_id: str = "", outcome: str = "ok") -> Row:
    return Row(name, call_id or f"id-{name}", outcome)


def test_all_is_well_where_each_acknowledged_call_has_its_row() -> None:
    verdict = judge(["a", "b"], [], [row("a"), row("b")])
    assert verdict.good
    assert (verdict.acknowledged, verdict.lost, verdict.doubled) == (2, [], [])


def test_an_acknowledged_call_without_a_row_is_lost() -> None:
    verdict = judge(["a", "b"], [], [row("a")])
    assert verdict.lost == ["b"]
    assert not verdict.good


def test_a_row_of_outcome_lost_is_no_row_of_an_acknowledged_call() -> None:
    assert judge(["a"], [], [row("a", outcome="lost")]).lost == ["a"]


@pytest.mark.parametrize("second", [row("a", "another"), row("b", "id-a")])
def test_two_rows_of_one_name_or_of_one_id_are_doubled(second: Row) -> None:
    verdict = judge(["a"], [], [row("a"), second])
    assert verdict.doubled == ["a" if second.operation == "a" else "id-a"]
    assert not verdict.good


def test_a_call_kept_and_not_acknowledged_is_neither() -> None:
    verdict = judge([], [], [row("a")])
    assert verdict.good
    assert verdict.unacknowledged == 1


def test_a_long_call_of_a_killed_program_must_have_a_row() -> None:
    assert judge([], ["a"], [row("a", outcome="lost")]).good
    missed = judge([], ["a"], [])
    assert (missed.missed, missed.good) == (1, False)
    assert judge(["a"], ["a"], [row("a")]).long == 0


@given(st.lists(st.text("abc", min_size=1, max_size=3), unique=True), st.integers(0, 20))
def test_a_note_that_was_cut_off_is_no_acknowledgement(names: list[str], cut: int) -> None:
    data = b"".join(f"{name}\n".encode() for name in names)
    ended, begun = noted(data[: max(len(data) - cut, 0)])
    assert ended == names[: len(ended)]
    assert begun == {}
    assert noted(data)[0] == names


def test_a_slow_calls_beginning_is_told_from_an_end() -> None:
    assert noted(b"?slow 12.5\nquick\n?cut 1") == (["quick"], {"slow": 12.5})


@pytest.mark.parametrize("kills", [1, 10, 99, 500])
def test_kills_are_shared_out_among_all_kinds(kills: int) -> None:
    assert sum(shares(kills)) == kills
    assert shares(500) == (300, 150, 50)


def test_a_seed_gives_the_same_order_of_victims(tmp_path: Path) -> None:
    run = Run(tmp_path, seed=3, deadline=0.0)
    assert owners(run, 20, 5) == owners(run, 20, 5)
    assert Counter(each.__name__ for each in owners(run, 20, 5)) == {"collector": 20, "server": 5}
    assert run.chance("a").random() == Random("3 a").random()


@pytest.mark.slow
def test_a_short_run_loses_and_doubles_nothing() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", "faults", "--kills", "10", "--seed", "11"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = dict(re.findall(r"^(\w+): ([\d,]+)", ran.stdout, re.MULTILINE))
    assert (told["kills"], told["lost"], told["doubled"]) == ("10", "0", "0")
    assert int(told["acknowledged"].replace(",", "")) > 100
