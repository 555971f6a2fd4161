"""Columns under one name, whatever versions of a tool and databases call them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.imports import naming
from hf_ledger.ingest.doors.imports.naming import Names

NAMES = Names("startTime total_tokens", {"response_cost": "spend"})


@pytest.mark.parametrize(
    "column", ["startTime", "start_time", "STARTTIME", "Start Time", " startTime"]
)
def test_a_column_in_any_spelling(column: str) -> None:
    assert NAMES.of({column: 1}) == {"startTime": 1}


def test_other_columns_are_left_out_and_further_names_taken() -> None:
    assert NAMES.of({"prompt": "x", "response_cost": 2}) == {"spend": 2}


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"start_time": 1, "startTime": 2}, 2),
        ({"startTime": 2, "start_time": 1}, 2),
        ({"startTime": "", "start_time": 1}, 1),
        ({"start_time": 1, "startTime": None}, 1),
        ({"startTime": "", "start_time": None}, ""),
        ({"startTime": 0, "start_time": 1}, 0),
    ],
)
def test_our_own_name_comes_first_where_it_says_something(row: dict[str, Any], found: Any) -> None:
    assert NAMES.of(row) == {"startTime": found}


@given(st.dictionaries(st.text(max_size=12), st.none() | st.integers() | st.text(max_size=3)))
def test_nothing_is_made_up(row: dict[str, Any]) -> None:
    found = NAMES.of(row)
    assert set(found) <= {"startTime", "total_tokens", "spend"}
    assert all(value in row.values() for value in found.values())


def test_names_without_end_do_not_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "REMEMBERED", 10)
    names = Names("a")
    for number in range(100):
        names.of({f"column{number}": 1, "A": 2})
    assert len(names._known) == 10
    assert names.of({"_a": 3}) == {"a": 3}
