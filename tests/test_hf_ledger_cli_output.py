"""How single values and whole answers are written: for people, as JSON, as CSV."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.analytics.scope import Scope
from hf_ledger.cli.options import Asked, Format
from hf_ledger.cli.output import (
    as_text,
    cell,
    field,
    list_line,
    money_notes,
    priced_line,
    write,
    write_csv,
)
from hf_ledger.ingest.places import Places

NOON = datetime(2026, 8, 12, 12, tzinfo=UTC)


def asking(shape: Format, **options: Any) -> Asked:
    scope = Scope(datetime(2026, 8, 10, tzinfo=UTC), datetime(2026, 8, 17, tzinfo=UTC), **options)
    return Asked(Places(Path("nowhere")), scope, "10 – 16 Aug 2026", shape)


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("cost", None, "price unknown"),
        ("cost_after", None, "price unknown"),
        ("amount", None, "–"),
        ("team", None, "–"),
        ("share", None, "–"),
        ("cost", Decimal("1234.5"), "$1,234.50"),
        ("cost", Decimal("0.000123456"), "$0.00012"),
        ("per_call", Decimal("0.015000000"), "$0.015"),
        ("usd", Decimal("0.269000000"), "$0.269"),
        ("share", 0.12345, "12.3 %"),
        ("calls", 12345, "12,345"),
        ("latency_ms", 812.34, "812.3"),
        ("stream", True, "True"),
        ("team", "search", "search"),
        ("ts", NOON, "2026-08-12 12:00:00"),
        ("day", date(2026, 8, 12), "2026-08-12"),
    ],
)
def test_one_value_for_people(name: str, value: object, written: str) -> None:
    assert cell(name, value) == written


def test_times_for_people_are_in_the_zone() -> None:
    assert cell("ts", NOON, "Asia/Kathmandu") == "2026-08-12 17:45:00"


def test_values_for_programs_are_exact() -> None:
    assert as_text(Decimal("0E-9")) == "0.000000000"
    assert as_text(Decimal("0.000000001")) == "0.000000001"
    assert as_text(NOON) == "2026-08-12T12:00:00+00:00"
    assert as_text(date(2026, 8, 12)) == "2026-08-12"
    with pytest.raises(TypeError, match="set has no place in an answer"):
        as_text({1})


def test_lists_become_json_in_csv() -> None:
    assert field(["a", "ß"]) == '["a", "ß"]'
    assert field({"a": 1}) == '{"a": 1}'
    assert field(None) is None


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=30)


@given(st.lists(st.tuples(st.one_of(st.none(), words), st.integers(0, 10**12)), max_size=10))
def test_any_text_survives_json_and_csv(rows: list[tuple[str | None, int]]) -> None:
    table = pa.table(
        {
            "team": pa.array([team for team, _ in rows], pa.string()),
            "calls": pa.array([calls for _, calls in rows], pa.int64()),
        }
    )
    with pytest.MonkeyPatch.context() as patch:
        out = io.StringIO()
        patch.setattr("sys.stdout", out)
        write(asking(Format.json), "spend", table, title="Spend")
        read = json.loads(out.getvalue())["rows"]
        out.seek(0)
        out.truncate()
        write_csv(table)
    assert [(row["team"], row["calls"]) for row in read] == rows
    lines = list(csv.reader(io.StringIO(out.getvalue())))
    assert lines[0] == ["team", "calls"]
    assert [(team, int(calls)) for team, calls in lines[1:]] == [(t or "", c) for t, c in rows]


def test_the_table_shows_chosen_columns_and_notes(capsys: pytest.CaptureFixture[str]) -> None:
    table = pa.table({"team": ["[b]x[/b]"], "calls": [1234], "secret": ["hidden"]})
    shown = {"columns": ["team", "calls"], "notes": ["A note."]}
    write(asking(Format.table), "spend", table, title="Spend", **shown)  # type: ignore[arg-type]
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "Spend, 10 – 16 Aug 2026 (UTC)"
    assert lines[-1] == "A note."
    assert "[b]x[/b]" in lines[-2]
    assert "1,234" in lines[-2]
    assert not any("hidden" in line for line in lines)


def test_an_empty_table_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    empty = pa.table({"team": pa.array([], pa.string())})
    write(asking(Format.table), "spend", empty, title="Spend", empty="Nothing here.")
    assert capsys.readouterr().out.splitlines()[1].strip() == "Nothing here."


@pytest.mark.parametrize(
    ("origins", "label"),
    [
        (("live", "import"), None),
        (("sample",), "Sample data"),
        (("practice",), "Practice server, no model ran"),
    ],
)
def test_figures_that_are_nobodys_are_labelled(
    origins: tuple[str, ...], label: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pa.table({"team": ["a"]})
    write(asking(Format.table, origins=origins), "spend", table, title="Spend")
    second = capsys.readouterr().out.splitlines()[1].strip()
    assert (second == label) == (label is not None)


def test_long_names_are_folded_and_ids_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    call_id = "01900000-0000-7000-8000-000000000001"
    names = {f"column_{n}": ["word " * 20] for n in range(5)}
    write(asking(Format.table), "calls", pa.table({**names, "call_id": [call_id]}), title="Calls")
    assert call_id in capsys.readouterr().out


TOTALS: dict[str, Any] = {
    "calls": 100,
    "endpoint_calls": 0,
    "unpriced_calls": 0,
    "priced_tokens": 500,
    "unpriced_tokens": 0,
    "cost": Decimal(12),
    "price_list_at": datetime(2026, 7, 27, tzinfo=UTC),
}


def test_notes_on_money_say_what_it_covers() -> None:
    assert money_notes(TOTALS, TOTALS["price_list_at"] + timedelta(days=7, hours=23)) == [
        "Estimated cost, USD, before credits and tax: $12.00 for 100 calls.",
        "Priced: 100 % of calls, 100 % of tokens.",
        "At the list of 27 Jul 2026 (7 days old).",
        "Dedicated endpoint hours not included.",
    ]


def test_notes_on_money_with_calls_missing() -> None:
    notes = money_notes({**TOTALS, "unpriced_calls": 7, "unpriced_tokens": 500})
    assert notes[0].endswith("at least $12.00 for 100 calls.")
    assert notes[1] == (
        "Priced: 93 % of calls, 50 % of tokens; 7 calls have no known price and are not in this "
        "total."
    )


def test_notes_on_money_without_any() -> None:
    notes = money_notes({**TOTALS, "calls": 0, "priced_tokens": None, "unpriced_tokens": None})
    assert notes[0].endswith("$12.00 for 0 calls.")
    assert not any(note.startswith("Priced") for note in notes)
    assert list_line(None, datetime.now(UTC)) == "No price list in this ledger: price unknown."


def test_a_list_older_than_a_week_is_warned_of() -> None:
    made = TOTALS["price_list_at"]
    assert list_line(made, made + timedelta(days=8)) == (
        "At the list of 27 Jul 2026 (8 days old). Prices may have changed since: hf-ledger prices "
        "refresh."
    )


def test_notes_on_money_say_which_prices_are_of_another_list_or_too_high() -> None:
    further = {"further_price_calls": 2, "cache_at_input_price_calls": 1}
    notes = "\n".join(money_notes({**TOTALS, **further}))
    assert "2 calls priced by the provider's own list or the collection genai-prices" in notes
    assert "1 call with cached input at the price of other input" in notes
    assert "priced by" not in "\n".join(money_notes(TOTALS))


def test_one_call_is_said_in_the_singular() -> None:
    line = priced_line(0.5, None, 1)
    assert line == "Priced: 50 % of calls; 1 call has no known price and is not in this total."
