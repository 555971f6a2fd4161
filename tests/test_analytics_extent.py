"""What the ledger holds: extent, values of a dimension, health, and the price list."""

from __future__ import annotations

from decimal import Decimal

import pytest
from factories_questions import (
    WEEK,
    asked,
    at,
    insert,
    make_row,
    memory,
    model_row,
    price_rows,
    scope,
)

from hf_ledger.analytics.questions import asking
from hf_ledger.ingest.errors import Usage


def test_the_extent_is_by_origin_and_of_all_time() -> None:
    rows = [
        make_row(ts=at("2021-03-04T05:06:07"), origin="import"),
        make_row(ts=at("2026-08-12T00:00:00")),
        make_row(ts=at("2026-08-13T00:00:00")),
    ]
    assert asked(rows)("extent").to_pylist() == [
        {
            "origin": "import",
            "calls": 1,
            **dict.fromkeys(("first_ts", "last_ts"), at("2021-03-04T05:06:07")),
        },
        {"origin": "live", "calls": 2, "first_ts": at("2026-08-12"), "last_ts": at("2026-08-13")},
    ]


def test_an_empty_ledger_has_no_extent() -> None:
    assert asked()("extent").num_rows == 0


def test_values_come_most_frequent_first_then_by_name_and_not_set_last() -> None:
    teams = ["b", "a", "c", "c", None]
    rows = asked([make_row(team=team) for team in teams])(
        "values", WEEK, dimension="team"
    ).to_pylist()
    assert [(r["value"], r["calls"]) for r in rows] == [("c", 2), ("a", 1), ("b", 1), (None, 1)]


@pytest.mark.parametrize(
    ("dimension", "column", "text"),
    [("status", {"status": 429}, "429"), ("stream", {"stream": True}, "true")],
)
def test_values_are_text_that_filters_again(
    dimension: str, column: dict[str, object], text: str
) -> None:
    ask = asked([make_row(**column), make_row(status=200, stream=False)])
    assert text in ask("values", WEEK, dimension=dimension)["value"].to_pylist()
    assert ask("calls", scope(**{dimension: text})).num_rows == 1


def test_values_respect_the_scope() -> None:
    rows = [make_row(team="a", app="x"), make_row(team="b", app="y"), make_row(origin="sample")]
    table = asked(rows)("values", scope(app="x"), dimension="team")
    assert table["value"].to_pylist() == ["a"]


def test_an_unknown_dimension_is_refused() -> None:
    with pytest.raises(Usage, match="unknown dimension 'call_id'"):
        asked()("values", WEEK, dimension="call_id")


def health(ask_rows: list[dict[str, str]]) -> dict[str, str]:
    return {row["name"]: row["value"] for row in ask_rows}


def test_the_health_of_an_empty_ledger() -> None:
    found = health(asked()("health").to_pylist())
    zero = ("calls", "segments", "lines_taken", "quarantined", "open_calls", "price_rows")
    assert {found[name] for name in zero} == {"0"}
    assert [found[name] for name in ("last_call", "last_taken", "price_list_at")] == [None] * 3


def test_health_counts_what_was_taken_left_and_seen() -> None:
    ledger = memory([make_row(ts=at("2026-08-12T01:02:03"))])
    cursor = ledger.cursor()
    moment = at("2026-08-12T05:00:00").replace(tzinfo=None)
    segment = {"first_seen": moment, "last_taken": moment, "taken_bytes": 10, "recorder": None}
    insert(cursor, "segments", [{**segment, "name": n, "taken_lines": 3} for n in ("a", "b")])
    noticed = [("polls", 2), ("mapping", 5), ("mapping", 1)]
    insert(
        cursor,
        "noticed",
        [{"segment": "a", "ts": moment, "reason": r, "count": c} for r, c in noticed],
    )
    found = health(asking(cursor)("health").to_pylist())
    assert (found["segments"], found["lines_taken"]) == ("2", "6")
    assert found["last_taken"] == "2026-08-12T05:00:00Z"
    assert found["last_call"] == "2026-08-12T01:02:03Z"
    assert (found["not_counted:mapping"], found["not_counted:polls"]) == ("6", "2")


def test_health_counts_models_whose_size_is_known() -> None:
    ledger = memory()
    insert(ledger.cursor(), "models", [model_row("a", "xl"), model_row("b", None)])
    assert health(asking(ledger.cursor())("health").to_pylist())["models_sized"] == "1"


def test_route_prices_have_their_dates() -> None:
    ledger = memory()
    rows = [
        *price_rows("novita", "Org/Model", "0.1", "0.4", since="2026-01-01", until="2026-02-01"),
        *price_rows("groq", "other", "1", "2"),
    ]
    insert(ledger.cursor(), "prices", rows)
    ask = asking(ledger.cursor())
    assert ask("route_prices").num_rows == 4
    found = ask("route_prices", model="org/model").to_pylist()
    assert [(r["provider"], r["model"], r["kind"], r["usd"], r["per_units"]) for r in found] == [
        ("novita", "Org/Model", "input_tokens", Decimal("0.1"), 1_000_000),
        ("novita", "Org/Model", "output_tokens", Decimal("0.4"), 1_000_000),
    ]
    assert (found[0]["valid_from"], found[0]["valid_to"]) == (at("2026-01-01"), at("2026-02-01"))


def test_the_shipped_price_list_is_there_to_be_asked() -> None:
    from hf_ledger.ingest.ledger.ledger import Ledger

    ask = asking(Ledger.memory(reference=True).cursor())
    table = ask("route_prices", model="meta-llama/Llama-3.3-70B-Instruct")
    assert table.num_rows > 10
    assert all(usd is not None and usd >= 0 for usd in table["usd"].to_pylist())
    assert ask("route_prices", model="no/such-model").num_rows == 0
