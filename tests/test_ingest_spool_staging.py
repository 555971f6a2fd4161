"""Call lines as rows: every field arrives, defaults and bins are right, guilty lines are found."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from factories_calls import EPOCH, make_call
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.spool.lines import encode
from hf_ledger.ingest.spool.reading import PIECE_BYTES
from hf_ledger.ingest.spool.staging import AT_FAULT, Stage, guilty

#: Filled by the catalogue, the router's prefix count or an invoice: no line says them.
NOT_IN_A_LINE = {
    "bucket15",
    "lat_bin",
    "ttft_bin",
    "model",
    "params_total_b",
    "params_active_b",
    "size_class",
    "class_version",
    "prefix_route",
    "prefix_tokens_5m",
    "prefix_tokens_1h",
    "list_cost",
    "cost",
    "billed_cost",
    "cost_basis",
    "price_id",
}

#: One value for each field of a call; a test below sees to it that none is missing.
FULL: dict[str, Any] = {
    "call_id": "0199c8a0-0000-7000-8000-000000000001",
    "ts": 1_786_536_000_123_456,
    "source": "client",
    "origin": "practice",
    "purpose": "judge",
    "external_id": "row 7",
    "operation_id": "op-1",
    "operation": "summarise contract",
    "attempt": 2,
    "fallback_of": "0199c8a0-0000-7000-8000-000000000000",
    "app": "search",
    "environment": "prod",
    "team": "core",
    "project": "p",
    "user_id": "u",
    "key_id": "k",
    "tags": {"a": "b", "ü": "€"},
    "host_kind": "router",
    "provider": "together",
    "routing": "fastest",
    "requested_model": "a/b",
    "provider_model": "x/b",
    "endpoint": "e.example",
    "task": "chat-completion",
    "stream": True,
    "uncached_input_tokens": 2**53 + 1,
    "cache_read_tokens": 3,
    "cache_write_tokens": 4,
    "output_tokens": 5,
    "reasoning_tokens": 2,
    "tokens_source": "usage",
    "input_chars": 99,
    "audio_seconds": 1.25,
    "images": 2,
    "units": "123456789.123456789",
    "unit_kind": "megapixels",
    "input_hash": "0" * 32,
    "template_hash": "1" * 32,
    "hash_key_id": "k1",
    "prefix": [2**63 - 1, -(2**63)],
    "shape": {"lines": 3, "ratio": 0.5},
    "outcome": "interrupted",
    "status": 200,
    "error_kind": "timeout",
    "latency_ms": 812.5,
    "ttft_ms": 91.0,
    "compute_seconds": 0.75,
    "compute_type": "gpu",
    "cached_reply": True,
    "request_id": "r",
    "provider_request_id": "pr",
    "session_id": "s",
    "bill_to": "org",
    "payer": "huggingface",
    "reported_cost": "0.000000001",
    "stated_cost": "0.000000002",
}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Ledger.memory() as ledger:
        made = Stage(ledger.cursor(), tmp_path / "collecting.ndjson")
        made.clear()
        yield made


def body(call: Call) -> bytes:
    return encode(call)


def staged(stage: Stage, *calls: Call) -> list[dict[str, Any]]:
    """The rows that these calls become."""
    stage.clear()
    stage.add([body(call) for call in calls])
    stage.drop_repeated()
    found = stage.cursor.execute("from staged order by ts, call_id")
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_the_example_has_every_field_of_a_call() -> None:
    assert set(FULL) == {field.name for field in msgspec.structs.fields(Call)}


def test_every_field_of_a_call_arrives(stage: Stage) -> None:
    (row,) = staged(stage, Call(**FULL))
    expected = {
        **FULL,
        "call_id": uuid.UUID(FULL["call_id"]),
        "fallback_of": uuid.UUID(FULL["fallback_of"]),
        "ts": datetime(2026, 8, 12, 12, 0, 0, 123456, tzinfo=UTC).replace(tzinfo=None),
        "units": Decimal("123456789.123456789"),
        "reported_cost": Decimal("0.000000001"),
        "stated_cost": Decimal("0.000000002"),
        "shape": {"lines": 3.0, "ratio": 0.5},
    }
    assert {name: row[name] for name in expected} == expected
    assert set(row) - set(expected) == NOT_IN_A_LINE


def test_a_line_that_leaves_everything_out_has_the_structs_defaults(stage: Stage) -> None:
    bare = Call(call_id=FULL["call_id"], ts=0)
    (row,) = staged(stage, bare)
    for field in msgspec.structs.fields(Call):
        if field.name not in ("call_id", "ts"):
            assert row[field.name] == getattr(bare, field.name), field.name
    assert row["cost_basis"] == "unknown"
    assert (row["cost"], row["list_cost"], row["billed_cost"]) == (None, None, None)


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (None, None),
        (0.0, 0),
        (0.999, 0),
        (1.0, 0),
        (1.04, 0),
        (1.06, 1),  # ln 1.06 / ln 1.05 = 1.19
        (100.0, 94),  # ln 100 / ln 1.05 = 94.39
        (812.5, 137),  # 137.32
        (86_400_000.0, 374),  # a day: 374.48
    ],
)
def test_bins_are_five_percent_wide(
    stage: Stage, milliseconds: float | None, expected: int | None
) -> None:
    (row,) = staged(stage, make_call(latency_ms=milliseconds, ttft_ms=milliseconds))
    assert (row["lat_bin"], row["ttft_bin"]) == (expected, expected)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(times=st.lists(st.floats(1.0, 1e8), min_size=1, max_size=20))
def test_a_bin_holds_its_time(stage: Stage, times: list[float]) -> None:
    rows = staged(stage, *(make_call(latency_ms=each) for each in times))
    for row in rows:
        low = 1.05 ** row["lat_bin"]
        assert low * (1 - 1e-9) <= row["latency_ms"] <= low * 1.05 * (1 + 1e-9)
        assert abs(row["lat_bin"] - math.log(row["latency_ms"]) / math.log(1.05)) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0, 0), (899, 0), (900, 1), (1_786_536_000, 1_786_536_000 // 900)],
)
def test_buckets_are_quarters_of_an_hour(stage: Stage, seconds: int, bucket: int) -> None:
    (row,) = staged(stage, make_call(ts=seconds * 1_000_000 + 999_999))
    assert row["bucket15"] == bucket
    assert (row["ts"] - EPOCH.replace(tzinfo=None)).total_seconds() // 900 == bucket


@pytest.mark.parametrize("money", ["", "abc", "1e40", "NaN", "12,50"])
def test_a_malformed_amount_is_unknown_and_costs_no_call(stage: Stage, money: str) -> None:
    (row,) = staged(stage, make_call(units=money, reported_cost=money))
    assert (row["units"], row["reported_cost"]) == (None, None)


def test_a_malformed_fallback_is_unknown(stage: Stage) -> None:
    (row,) = staged(stage, make_call(fallback_of="the one before"))
    assert row["fallback_of"] is None


def test_one_call_twice_in_a_batch_is_one_row(stage: Stage) -> None:
    call = make_call()
    assert len(staged(stage, call, call, make_call())) == 2


def test_odd_strings_arrive_as_they_are(stage: Stage) -> None:
    odd = ["", " ", "a\x00b", "\u2028", "\"'\\/", "null", "1", "\U0001f600", "é" * 5000]
    rows = staged(stage, *(make_call(ts=i, operation=each) for i, each in enumerate(odd)))
    assert [row["operation"] for row in rows] == odd


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None
)
@given(
    st.lists(
        st.tuples(st.text(max_size=20), st.dictionaries(st.text(max_size=5), st.text(max_size=5))),
        min_size=1,
        max_size=8,
    )
)
def test_any_text_survives_the_way_into_a_row(
    stage: Stage, labels: list[tuple[str, dict[str, str]]]
) -> None:
    calls = [
        make_call(ts=number, team=text, tags=tags) for number, (text, tags) in enumerate(labels)
    ]
    rows = staged(stage, *calls)
    assert [row["team"] for row in rows] == [text for text, _ in labels]
    assert [row["tags"] or {} for row in rows] == [tags for _, tags in labels]


@pytest.mark.parametrize(
    "override",
    [
        {"call_id": "nonsense"},
        {"attempt": 40_000},
        {"status": 10**6},
        {"output_tokens": 2**64},
        {"ts": 2**62},
    ],
)
def test_values_that_fit_no_column_are_the_lines_fault(
    stage: Stage, override: dict[str, Any]
) -> None:
    bad = body(make_call(**override))
    with pytest.raises(AT_FAULT):
        stage.add([bad])
    good = [body(make_call()) for _ in range(9)]
    assert stage.refused([*good[:4], bad, *good[4:]]) == [4]
    stage.clear()
    stage.add(good)
    assert stage.cursor.execute("select count(*) from staged").fetchone() == (9,)


@pytest.mark.parametrize("line", [b"[]", b'{"ts":5}', b'{"call_id":null,"ts":1}', b"{", b"\xff"])
def test_lines_that_are_no_call_are_refused_and_never_become_empty_rows(
    stage: Stage, line: bytes
) -> None:
    assert stage.refused([body(make_call()), line + b"\n"]) == [1]


def test_a_line_of_some_megabytes_is_taken(stage: Stage) -> None:
    long = body(make_call(tags={"note": "x" * 5 * 2**20}))
    assert stage.refused([long, body(make_call())]) == []
    assert stage.add([long], PIECE_BYTES) == 1


def test_what_fails_on_rows_is_found_by_row_and_staged_stays(stage: Stage) -> None:
    calls = [make_call(team="bad" if number in (3, 7) else "good") for number in range(11)]
    stage.add([body(each) for each in [calls[0], *calls]])
    assert stage.drop_repeated() == 1

    def choosy() -> None:
        stage.cursor.execute("select case when team = 'bad' then error('no') end from staged")
        stage.cursor.fetchall()

    failing = stage.failing(choosy)
    assert len(failing) == 2
    stage.park(failing)
    choosy()
    assert stage.cursor.execute("select count(*) from staged").fetchone() == (9,)
    stage.unpark()
    assert stage.cursor.execute("select count(distinct call_id) from staged").fetchone() == (11,)


def test_nothing_is_left_beside_the_ledger(stage: Stage, tmp_path: Path) -> None:
    stage.add([body(make_call())])
    with pytest.raises(AT_FAULT):
        stage.add([b"{\n"])
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_not_a_lines_fault() -> None:
    assert not issubclass(duckdb.IOException, AT_FAULT)
    assert not issubclass(duckdb.OutOfMemoryException, AT_FAULT)


@given(bad=st.sets(st.integers(0, 40)), count=st.integers(0, 41))
def test_halving_finds_exactly_the_guilty(bad: set[int], count: int) -> None:
    lines = [str(number).encode() for number in range(count)]

    def passes(some: Sequence[bytes]) -> bool:
        return not any(int(line) in bad for line in some)

    assert sorted(guilty(lines, passes)) == sorted(each for each in bad if each < count)


def test_halving_one_in_a_thousand_takes_about_twenty_readings() -> None:
    readings = 0

    def passes(some: Sequence[bytes]) -> bool:
        nonlocal readings
        readings += 1
        return b"777" not in some

    assert guilty([str(number).encode() for number in range(1000)], passes) == [777]
    assert readings <= 2 * 10 + 1
