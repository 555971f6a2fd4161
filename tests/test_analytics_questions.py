"""Asking by name: every question answers, wrong ones are refused in one sentence."""

from __future__ import annotations

import inspect
from datetime import timedelta

import pyarrow as pa
import pytest
from factories_questions import WEEK, asked, free, make_row, memory, on_endpoint, priced, unpriced

from hf_ledger.analytics.questions import QUESTIONS, WITHOUT_SCOPE, answer, asking, find
from hf_ledger.analytics.scope import DERIVED, DIMENSIONS, Scope
from hf_ledger.ingest.errors import Usage

CALL_ID = "01900000-0000-7000-8000-000000000001"

#: Parameters of questions that need some.
NEEDED = {"values": {"dimension": "team"}, "call": {"call_id": CALL_ID}}

LEDGERS = {
    "empty": [],
    "one call": [priced("1", call_id=CALL_ID)],
    "all unpriced": [unpriced(), unpriced(model=None, provider=None, task=None)],
    "only endpoints": [on_endpoint()],
    "only failures": [free(), free(uncached_input_tokens=None, output_tokens=None)],
    "of everything": [
        priced("1", call_id=CALL_ID),
        free(),
        unpriced(),
        on_endpoint(),
        make_row(team=None),
    ],
}


@pytest.mark.parametrize("rows", LEDGERS.values(), ids=LEDGERS)
@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_answers_every_ledger(name: str, rows: list[dict[str, object]]) -> None:
    table = asked(rows)(name, WEEK, **NEEDED.get(name, {}))
    assert isinstance(table, pa.Table)
    for field in table.schema:
        assert not pa.types.is_null(field.type), f"{field.name} has no type"
        if pa.types.is_floating(field.type):
            assert not any(value != value for value in table[field.name].to_pylist())  # noqa: PLR0124


@pytest.mark.parametrize("name", QUESTIONS)
def test_columns_and_types_do_not_depend_on_the_calls(name: str) -> None:
    params = NEEDED.get(name, {})
    empty, full = (
        asked(LEDGERS[each])(name, WEEK, **params) for each in ("empty", "of everything")
    )
    assert empty.schema.equals(full.schema)


@pytest.mark.parametrize("name", QUESTIONS)
def test_answers_cross_a_socket(name: str) -> None:
    table = asked(LEDGERS["of everything"])(name, WEEK, **NEEDED.get(name, {}))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    assert pa.ipc.open_stream(sink.getvalue()).read_all().equals(table)


@pytest.mark.parametrize("name", QUESTIONS)
def test_asking_twice_gives_the_same_rows_in_the_same_order(name: str) -> None:
    rows = [make_row(team=t, model=m, ts=WEEK.since) for t in "abc" for m in ("x", "y")] * 2
    rows = [{**row, "call_id": f"01900000-0000-7000-8000-{n:012d}"} for n, row in enumerate(rows)]
    params = NEEDED.get(name, {})
    assert asked(rows)(name, WEEK, **params).equals(asked(rows[::-1])(name, WEEK, **params))


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_takes_cursor_scope_and_named_parameters(name: str) -> None:
    first, second, *_ = inspect.signature(find(name)).parameters
    assert (first, second.lstrip("_")) == ("cursor", "scope")


def test_some_questions_need_no_scope() -> None:
    ask = asked(LEDGERS["one call"])
    for name in WITHOUT_SCOPE:
        assert ask(name, **NEEDED.get(name, {})).num_rows >= 0
    for name in set(QUESTIONS) - WITHOUT_SCOPE:
        with pytest.raises(Usage, match=f"the question '{name}' needs a period"):
            ask(name, **NEEDED.get(name, {}))


def test_an_unknown_question_comes_with_the_nearest() -> None:
    with pytest.raises(Usage, match=r"unknown question 'spent'; did you mean 'spend'\?"):
        asked()("spent", WEEK)
    with pytest.raises(Usage, match="there are totals, spend"):
        asked()("xyzzy", WEEK)


def test_an_unknown_parameter_names_those_there_are() -> None:
    with pytest.raises(
        Usage, match="the question 'spend' does not know 'group'; it takes by, grain"
    ):
        asked()("spend", WEEK, group=["team"])
    with pytest.raises(Usage, match="it takes no parameters"):
        asked()("totals", WEEK, by=["team"])


def test_parameters_may_be_given_as_a_mapping() -> None:
    cursor = memory(LEDGERS["one call"]).cursor()
    table = answer(cursor, "spend", WEEK, {"by": ["team"]})
    assert table["team"].to_pylist() == ["search"]
    assert asking(cursor)("spend", WEEK, by=["team"]).equals(table)


def test_asking_changes_nothing_in_the_ledger() -> None:
    ledger = memory(LEDGERS["of everything"])
    before = ledger.cursor().execute("select * from calls order by call_id").fetchall()
    for name in QUESTIONS:
        answer(ledger.cursor(), name, WEEK, NEEDED.get(name))
    after = ledger.cursor().execute("select * from calls order by call_id").fetchall()
    assert before == after
    tables = (
        ledger.cursor().execute("select count(*) from duckdb_tables() where temporary").fetchone()
    )
    assert tables == (0,)


def test_a_period_without_calls_is_like_an_empty_ledger() -> None:
    shift = timedelta(days=365)
    never = Scope(WEEK.since - shift, WEEK.until - shift)
    for name in sorted(set(QUESTIONS) - WITHOUT_SCOPE):
        params = NEEDED.get(name, {})
        found = asked(LEDGERS["of everything"])(name, never, **params).to_pylist()
        assert found == asked([])(name, never, **params).to_pylist(), name


def test_derived_dimensions_are_not_stored_ones() -> None:
    assert not set(DERIVED) & set(DIMENSIONS)
