"""docs/evaluation.md says what the code does: columns, methods, limits, words."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from hf_ledger.dashboard.console.volume import DAYS
from hf_ledger.dashboard.console.voting import CHOICES
from hf_ledger.ingest.call import Evidence
from hf_ledger.ingest.doors.evaluation import sets, tallying
from hf_ledger.ingest.doors.evaluation.comparing import METHODS
from hf_ledger.ingest.doors.evaluation.running import ROWS_AT_ONCE
from hf_ledger.ingest.doors.evaluation.verdicts import HUMAN
from hf_ledger.ingest.doors.replays.judges import LLM

TEXT = (Path(__file__).parent.parent / "docs" / "evaluation.md").read_text(encoding="utf-8")

SAID = [
    *(f"`{name}`" for name in (*sets.MAIN, *sets.BESIDE, sets.SYSTEM, *get_args(Evidence), HUMAN)),
    f"{sets.MOST_BYTES >> 20} MB and {sets.MOST_ROWS:,} rows, {sets.MOST_CHARS:,}",
    f"below {tallying.ENOUGH} rows",
    f"{tallying.ENOUGH_FOR_98:,} or more",
    f"in the {DAYS} days",
    *(f"*{words}* ({key})" for _, words, key in CHOICES),
]


@pytest.mark.parametrize("said", SAID)
def test_limits_and_words_are_the_codes(said: str) -> None:
    assert said in TEXT


@pytest.mark.parametrize(("method", "judge"), METHODS.items())
def test_every_method_has_its_judge(method: str, judge: str) -> None:
    named = f"{judge}:MODEL" if judge == LLM else judge
    assert f"| {method} | `{named}` |" in TEXT


def test_the_number_of_rows_at_once_is_the_codes() -> None:
    assert {8: "Eight"}[ROWS_AT_ONCE] + " rows are on their way at once" in TEXT


def test_the_rule_of_the_interval_is_true() -> None:
    for n in (3, 40, 400):
        low = tallying.wilson(n, n).low
        assert low == pytest.approx(n / (n + tallying.Z_95**2))
    assert round(tallying.Z_95**2, 2) == 3.84
