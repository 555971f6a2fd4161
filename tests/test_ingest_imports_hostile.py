"""Exports as nobody should write them: no record raises, none holds the reading up, none is lost.

Every field of every kind of export is filled with what does not belong there.
"""

from __future__ import annotations

import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from factories_imports import (
    HELICONE,
    LANGFUSE,
    LITELLM,
    MARKER,
    OPENROUTER,
    export,
    in_ledger,
    json_lines,
    ledger_rows,
    read,
    run,
    span,
    taken,
)
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.imports import fields
from hf_ledger.ingest.doors.imports.fields import Unfit
from hf_ledger.ingest.doors.imports.formats import FORMATS
from hf_ledger.ingest.doors.imports.records import Record
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.wire.exchange import WireSettings

ROWS = {
    "litellm": LITELLM,
    "langfuse": LANGFUSE,
    "openrouter": OPENROUTER,
    "helicone": HELICONE,
}
FIELDS = [(kind, name) for kind, row in ROWS.items() for name in row]

HOSTILE: tuple[Any, ...] = (
    None,
    "",
    "\x00",
    "\ud800",
    "1e999999",
    "-1e999999",
    "NaN",
    "x" * 100_000,
    -1,
    0.1,
    10**30,
    float("nan"),
    float("inf"),
    True,
    [],
    {},
    [None, {}],
    {"a": {"b": [None]}},
    "{" * 5000,
    '{"a": ' + "9" * 5000 + "}",
)


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids="-".join)
def test_a_field_of_nonsense_makes_a_call_a_rejection_or_nothing(kind: str, name: str) -> None:
    reader = FORMATS[kind].reader(WireSettings())
    begun = time.perf_counter()
    for value in HOSTILE:
        calls, done = taken(reader, [Record(1, {**ROWS[kind], name: value})])
        assert len(calls) + len(done.rejected) + done.asides.total() >= 1
        for call in calls:
            assert msgspec.json.decode(msgspec.json.encode(call), type=type(call)) == call
        for rejected in done.rejected:
            assert str(value)[:40] not in rejected.reason or len(str(value)) < 6
    assert time.perf_counter() - begun < 10


@pytest.mark.parametrize("kind", ROWS)
def test_a_good_record_behind_a_bad_one_is_kept(kind: str) -> None:
    good = {**ROWS[kind]}
    calls, done = taken(
        FORMATS[kind].reader(WireSettings()), [Record(1, {"nonsense": 1}), Record(2, good)]
    )
    assert len(calls) == 1
    assert [rejected.line for rejected in done.rejected] in ([1], [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("startTimeUnixNano", "1e999999"),
        ("startTimeUnixNano", None),
        ("startTimeUnixNano", {}),
        ("endTimeUnixNano", "yesterday"),
        ("endTimeUnixNano", "-5"),
        ("attributes", None),
        ("attributes", {"key": "x"}),
        ("attributes", [None, {}, {"key": 1}, {"key": "a", "value": []}]),
        ("status", None),
        ("status", "OK"),
        ("traceId", None),
        ("traceId", "\ud800"),
        ("spanId", []),
        ("events", "none"),
    ],
)
def test_a_span_of_nonsense_does_not_take_its_neighbour_along(name: str, value: Any) -> None:
    pages = export({**span(1), name: value}, span(2, gen_ai__response__id="chatcmpl-2"))
    calls, _ = taken(FORMATS["otlp"].reader(WireSettings()), [Record(1, pages)])
    assert [call.output_tokens for call in calls][-1:] == [424]
    assert "chatcmpl-2" in {call.provider_request_id for call in calls}


# Single values ----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["1e31", "-1e31", "1e999999", "9" * 5000, 10**40])
def test_no_number_is_so_large(value: Any) -> None:
    for read_as in (fields.number, fields.count, fields.money, fields.moment, fields.duration_ms):
        with pytest.raises(Unfit, match="cost is too large"):
            read_as(value, "cost")


def test_the_smallest_numbers_are_zero_money_and_no_count() -> None:
    assert fields.money("1e-999999", "cost") == "0.000000000"
    with pytest.raises(Unfit, match="is no count"):
        fields.count("1e-999999", "tokens")


def test_amounts_are_rounded_half_to_even_at_nine_places() -> None:
    assert fields.money("0.0000000005", "cost") == "0.000000000"
    assert fields.money("0.0000000015", "cost") == "0.000000002"
    assert fields.money("999999999", "cost") == "999999999.000000000"
    with pytest.raises(Unfit, match="too large"):
        fields.money("1000000000", "cost")


@given(st.text(st.characters(), max_size=400))
def test_any_label_can_be_written_as_utf8(value: str) -> None:
    found = fields.text(value)
    assert (found is None) == (value == "")
    if found is not None:
        assert len(found) == min(len(value), 300)
        assert found.encode().decode() == found


@given(st.integers(0, 1 << 53))
def test_every_count_survives_as_number_and_text(count: int) -> None:
    assert fields.count(count, "n") == fields.count(str(count), "n") == count
    assert fields.count(Decimal(count), "n") == count


# Files ------------------------------------------------------------------------------------------


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


ONE = [{"a": "1", "b": "2"}]


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\r\n1,2\r\n",
        b"\xef\xbb\xbfa,b\n1,2\n",
        b"\n\r\n\na,b\n\n1,2\n\n",
        b" a , b \n1,2",
        b'"a","b"\n"1","2"\n',
    ],
    ids=["crlf", "bom", "blank lines", "spaces", "quotes"],
)
def test_tables_as_spreadsheets_write_them(tmp_path: Path, content: bytes) -> None:
    assert read(written(tmp_path / "t.csv", content)) == (ONE, [])


def test_a_cell_over_lines_is_one_cell(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", b'a,b\n"x\r\ny, ""z""",2\n3,4\n')
    assert read(path) == ([{"a": 'x\r\ny, "z"', "b": "2"}, {"a": "3", "b": "4"}], [])


def test_a_table_of_its_header_alone_has_no_records(tmp_path: Path) -> None:
    assert read(written(tmp_path / "t.csv", b"a,b\n")) == ([], [])


@pytest.mark.parametrize("digits", [5000, 100_000])
def test_a_number_of_too_many_digits_costs_one_record(tmp_path: Path, digits: int) -> None:
    bad = '{"a": ' + "9" * digits + "}"
    good, rejected = read(json_lines(tmp_path / "a.jsonl", [{"a": 1}, bad, {"a": 2}]))
    assert good == [{"a": 1}, {"a": 2}]
    assert [(each.line, each.reason) for each in rejected] == [(2, "not JSON, or cut off")]
    array = written(tmp_path / "a.json", f'[{{"a": 1}}, {bad}, {{"a": 2}}]'.encode())
    good, rejected = read(array)
    assert good == [{"a": 1}, {"a": 2}]
    assert len(rejected) == 1


def test_another_encoding_loses_letters_and_no_record(tmp_path: Path, places: Places) -> None:
    row = json.dumps({**LITELLM, "user": "Jos\xe9"}, ensure_ascii=False).encode("latin-1")
    assert run("litellm", written(tmp_path / "a.jsonl", row)) == 0
    assert [each["user_id"] for each in ledger_rows(places, "user_id")] == ["Jos\ufffd"]


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize(
    "content",
    [
        "request_id,startTime\n1,2\n".encode("utf-16"),
        b"a,a\n1,2\n",
        b"\x00" * 5000,
        b"PK\x03\x04 a spreadsheet",
        b"<html><body>Sign in</body></html>",
        b"PAR1",
        b"\x1f\x8b",
    ],
    ids=["utf-16", "doubled", "zeros", "zip", "html", "parquet", "gzip"],
)
def test_a_file_of_another_kind_says_so_and_leaves_the_ledger_alone(
    kind: str,
    content: bytes,
    tmp_path: Path,
    places: Places,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(kind, written(tmp_path / "other", content)) == 1
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert str(tmp_path / "other") in said.out + said.err
    assert in_ledger(places) == 0


def test_bad_values_among_good_ones_are_named_without_their_content(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: list[Any] = [
        {**LITELLM, "request_id": "good-1"},
        {**LITELLM, "request_id": "bad-1", "startTime": f"{MARKER} o'clock"},
        {**LITELLM, "request_id": "bad-2", "startTime": "1e999999"},
        {**LITELLM, "request_id": "bad-3", "prompt_tokens": -1},
        {**LITELLM, "request_id": "good-\ud800"},
    ]
    assert run("litellm", json_lines(tmp_path / "a.jsonl", rows)) == 1
    said = capsys.readouterr()
    assert "3 records were left out" in said.err
    assert MARKER not in said.out + said.err
    assert in_ledger(places) == 2
    assert not [p for p in places.root.rglob("*") if p.is_file() and b"1e999999" in p.read_bytes()]
