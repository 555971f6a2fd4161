"""The documents on questions and reports say what the code does: columns, parameters, sheets."""

from __future__ import annotations

import inspect
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from factories_questions import WEEK, asked, make_row

from hf_ledger.analytics.kernel.suitable import FAMILIES, LABEL_TOKENS, LOW_BELOW, MEDIUM_BELOW
from hf_ledger.analytics.periods import NAMES
from hf_ledger.analytics.questions import QUESTIONS, find
from hf_ledger.analytics.recommendations import ERROR_CALLS, ERROR_SHARE
from hf_ledger.analytics.report import MOST_ROWS, weekly
from hf_ledger.analytics.savings import WIDELY
from hf_ledger.analytics.scope import DERIVED, DIMENSIONS
from hf_ledger.dashboard.report import xlsx

DOCS = Path(__file__).resolve().parent.parent / "docs"
CALL_ID = "01900000-0000-7000-8000-000000000001"
NEEDED = {"values": {"dimension": "team"}, "call": {"call_id": CALL_ID}}


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def section(question: str) -> str:
    found = re.search(
        rf"^## `{question}`\n(.*?)(?=^## )", text("questions.md"), re.MULTILINE | re.DOTALL
    )
    assert found, f"docs/questions.md has no section for {question}"
    return found[1]


@pytest.mark.parametrize("question", sorted(set(QUESTIONS) - {"call"}))
def test_every_column_of_a_question_is_documented(question: str) -> None:
    table = asked([make_row(call_id=CALL_ID)])(question, WEEK, **NEEDED.get(question, {}))
    said = section(question)
    assert [name for name in table.column_names if f"`{name}`" not in said] == []


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_parameter_of_a_question_is_documented(question: str) -> None:
    parameters = list(inspect.signature(find(question)).parameters)[2:]
    assert [name for name in parameters if f"`{name}`" not in section(question)] == []


def test_every_dimension_and_period_is_documented() -> None:
    said = text("questions.md")
    assert [name for name in (*DIMENSIONS, *DERIVED, *NAMES) if f"`{name}`" not in said] == []


def test_the_rule_is_documented_as_it_is() -> None:
    said = section("overkill")
    assert f"low below {LOW_BELOW} tokens, medium below {MEDIUM_BELOW:,}" in said
    assert f"1 to {LABEL_TOKENS} tokens" in said
    for _, classes in FAMILIES:
        assert f"| {' | '.join(classes)} |" in said


def test_thresholds_are_documented_as_they_are() -> None:
    said = section("recommendations")
    assert f"at least {ERROR_CALLS} calls" in said
    assert f"at least {ERROR_SHARE:.0%}".replace("%", " %") in said
    assert WIDELY == 2
    assert "at least two\n  providers price" in section("savings")


def test_every_sheet_of_the_report_is_documented() -> None:
    report = weekly(asked(), "2026-W33", now=datetime(2026, 8, 17, 9, tzinfo=UTC))
    said = text("reports.md")
    assert [sheet.name for sheet in xlsx.tables(report) if sheet.name not in said] == []
    assert f"At most {MOST_ROWS} rows a table" in said
