"""docs/routing-policies.md says what the code does: its tables and its example are tried out."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from factories_policies import call_to, target

from hf_ledger.cli.route_explain import COLUMNS
from hf_ledger.ingest.call import ErrorKind
from hf_ledger.ingest.doors.router import breakers, costs, deciding, metrics, standing, telling
from hf_ledger.ingest.doors.router.advice import Advice, Rule, Segment, decoded
from hf_ledger.ingest.doors.router.eligibility import DOWN, NOT_PROVEN
from hf_ledger.ingest.doors.router.wanted import POLICIES, Wanted

DOC = Path(__file__).resolve().parent.parent / "docs" / "routing-policies.md"


def text() -> str:
    return " ".join(DOC.read_text(encoding="utf-8").split())


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    section = DOC.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_example_is_a_policy_file() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)
    advice = decoded(example.encode())
    now = datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()
    rule = advice.rule_for("chat-completion", "search", now)
    assert rule is not None and rule.holds(now)
    assert advice.rule_for("chat-completion", "other", now) is None


@pytest.mark.parametrize("struct", [Advice, Rule, Segment])
def test_every_field_of_the_policy_file_is_explained(struct: type) -> None:
    named = " ".join(cell for row in rows("The policy file") for cell in row)
    fields = struct.__struct_fields__  # type: ignore[attr-defined]
    assert [name for name in fields if name != "rules" and f"`{name}`" not in named] == []


def test_the_table_of_failures_is_what_is_decided() -> None:
    table = {row[0].strip("`"): row[2:] for row in rows("What follows a failure")}
    assert set(table) == set(get_args(ErrorKind))
    for kind, said in table.items():
        call = call_to(target(), outcome="error", error_kind=kind)
        decided = [
            deciding.decide(call, None, None, attempt, Wanted(), 60, only=only).action
            for attempt, only in ((1, False), (2, False), (1, True))
        ]
        assert said == decided, kind


def test_every_policy_has_its_rule() -> None:
    assert [row[0] for row in rows("In which order")] == [f"`{each}`" for each in POLICIES]


def test_every_column_of_explain_is_explained() -> None:
    named = " ".join(row[0] for row in rows("What `route explain` prints"))
    assert [name for name in COLUMNS if f"`{name}`" not in named] == []


@pytest.mark.parametrize(
    "said",
    [
        f'"{NOT_PROVEN}"',
        f"{costs.DEFAULT_INPUT_TOKENS:,} tokens of input",
        f"and {costs.DEFAULT_OUTPUT_TOKENS} of output",
        f"**{standing.FLOOR * 100:.0f} % of at least {standing.ENOUGH} calls**",
        f"opens** after {breakers.LIMITS.in_a_row} failures in a row",
        f"half of the last {breakers.LIMITS.calls} requests",
        f"pause is {breakers.LIMITS.pause_s:.0f} seconds",
        f"`Retry-After` of at most {deciding.SHORT_S:.0f} seconds",
        f"else {deciding.LOADING_S:.0f} seconds",
        *(f"`{state}`" for state in sorted(DOWN)),
    ],
)
def test_figures_are_those_of_the_code(said: str) -> None:
    assert said in text()


def test_figures_in_words_are_those_of_the_code() -> None:
    assert (metrics.WINDOW_S, metrics.SLICE_S) == (600, 10)
    assert "the last ten minutes in slices of ten seconds" in text()
    assert (telling.TELL_SECONDS, telling.SETTLE_SECONDS) == (5, 2)
    assert "every five seconds" in text() and "settled (two seconds" in text()
    limits = breakers.LIMITS
    assert (limits.share, limits.longest_s, limits.jitter, limits.probe_s) == (0.5, 300, 0.2, 120)
    assert limits.longest_asked_s == 3600 and deciding.BACKOFF_S == 0.25
    assert telling.LONGEST_CALL.total_seconds() == 900
