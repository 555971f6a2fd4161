"""docs/console-tasks.md names every task with its inputs, every parameter and every limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from hf_ledger.dashboard.console.parameters import PARAMETERS
from hf_ledger.dashboard.console.snippets import LANGUAGES
from hf_ledger.dashboard.console.uploads import LIMITS, MOST_COLUMNS, MOST_ROWS
from hf_ledger.ingest.doors.router.tasks import TASKS
from hf_ledger.ingest.doors.saved_prompts import KEPT_DAYS, MOST_SAVED

PAGE = (Path(__file__).parent.parent / "docs" / "console-tasks.md").read_text(encoding="utf-8")
ANSWERS, _, REST = PAGE.partition("| file | endings | at most |")


def rows_of(text: str, task: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|") and f"`{task}`" in line]


@pytest.mark.parametrize("task", TASKS)
def test_each_task_has_a_row(task: str) -> None:
    assert len(rows_of(ANSWERS, task)) == 1


@pytest.mark.parametrize("task", PARAMETERS)
def test_each_parameter_stands_in_its_tasks_row(task: str) -> None:
    (row,) = rows_of(REST, task)
    named = set(row.split("`"))
    assert {each.name for each in PARAMETERS[task]} <= named


def test_each_limit_is_stated() -> None:
    for sort, limit in LIMITS.items():
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| {limit.what} |"))
        assert f"{limit.megabytes} MB" in row, sort
        assert ", ".join(limit.endings) in row, sort
    assert f"{MOST_ROWS:,} rows, {MOST_COLUMNS} columns" in PAGE


def test_languages_and_times_are_stated() -> None:
    assert all(f"- `{language}` has" in PAGE for language in LANGUAGES)
    assert f"expires after {KEPT_DAYS} days" in PAGE
    assert f"At most {MOST_SAVED} prompts" in PAGE
