"""Files of records: every form is read piece by piece, bad records are named, the rest is kept."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories_imports import csv_table, json_lines, json_page, read, zipped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.doors.imports import window
from hf_ledger.ingest.doors.imports.records import Record, read_records

ROWS: list[dict[str, Any]] = [{"a": n, "b": f"text {n}", "c": {"d": [n]}} for n in range(5)]


def positions(path: Path) -> list[tuple[int, str]]:
    """Where the good records of a file stood."""
    return [(r.position, r.unit) for r in read_records(path) if isinstance(r, Record)]


def test_json_lines(tmp_path: Path) -> None:
    assert read(json_lines(tmp_path / "a", ROWS)) == (ROWS, [])


def test_an_array(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(ROWS, indent=2))
    assert read(path) == (ROWS, [])


def test_a_page(tmp_path: Path) -> None:
    assert read(json_page(tmp_path / "a.json", ROWS, object="list")) == (ROWS, [])


def test_pages_on_lines(tmp_path: Path) -> None:
    pages = [{"data": ROWS[:2], "meta": {}}, {"data": ROWS[2:], "meta": {}}]
    assert read(json_lines(tmp_path / "a", pages)) == (ROWS, [])


def test_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.har"
    path.write_text(json.dumps({"log": {"version": "1.2", "pages": [], "entries": ROWS}}))
    assert read(path) == (ROWS, [])


def test_one_record_over_many_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(ROWS[1], indent=4))
    assert read(path) == ([ROWS[1]], [])


def test_records_that_follow_each_other_without_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("".join(map(json.dumps, ROWS)))
    assert read(path) == (ROWS, [])


def test_csv_has_text_only_and_counts_lines(tmp_path: Path) -> None:
    path = csv_table(tmp_path / "a.csv", [{"a": "1", "b": "two\nlines"}, {"a": "2", "b": ""}])
    assert read(path)[0] == [{"a": "1", "b": "two\nlines"}, {"a": "2", "b": ""}]
    assert positions(path) == [(3, "line"), (4, "line")]


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [1, 2], "b": ["x", None]}), path)
    assert read(path) == ([{"a": 1, "b": "x"}, {"a": 2, "b": None}], [])
    assert positions(path) == [(1, "record"), (2, "record")]


def test_decimals_are_exact(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "a", ['{"cost": 0.1000000000000000055, "n": 3}'])
    assert read(path)[0] == [{"cost": Decimal("0.1000000000000000055"), "n": 3}]


@pytest.mark.parametrize("form", ["lines", "array", "page", "csv"])
def test_gzip_of_any_form(tmp_path: Path, form: str) -> None:
    plain = tmp_path / "a"
    rows: list[dict[str, Any]] = [{"a": str(n)} for n in range(9)]
    if form == "lines":
        json_lines(plain, rows)
    elif form == "array":
        plain.write_text(json.dumps(rows))
    elif form == "page":
        json_page(plain, rows)
    else:
        csv_table(plain, rows)
    assert read(zipped(plain)) == read(plain) == (rows, [])


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\r\n1,2\r\n")
    assert read(path)[0] == [{"a": "1", "b": "2"}]


def test_an_empty_file_has_no_records(tmp_path: Path) -> None:
    for content in (b"", b"\n \n", b"[]", b"a,b\n"):
        path = tmp_path / "a"
        path.write_bytes(content)
        assert read(path) == ([], [])


# -- what is broken ----------------------------------------------------------------------------


@pytest.mark.parametrize("broken", ['{"a": 1', "nonsense", '{"a": }', '{"a": "MARKER', "]", "}"])
def test_a_broken_line_is_named_and_the_rest_kept(tmp_path: Path, broken: str) -> None:
    path = json_lines(tmp_path / "a", [*ROWS[:2], broken, *ROWS[2:]])
    good, bad = read(path)
    assert good == ROWS
    assert [(each.line, each.unit, each.reason) for each in bad] == [
        (3, "record", "not JSON, or cut off")
    ]


def test_a_broken_record_of_an_array_is_named_and_the_rest_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(f'[{json.dumps(ROWS[0])}, {{"a": broken, "b": ["}}"]}}, {json.dumps(ROWS[1])}]')
    good, bad = read(path)
    assert good == ROWS[:2]
    assert [each.line for each in bad] == [2]


@pytest.mark.parametrize("value", ["1", '"text"', "null", "[1]"])
def test_a_record_that_is_no_object(tmp_path: Path, value: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(f'[{{"a": 1}}, {value}, {{"a": 2}}]')
    good, bad = read(path)
    assert good == [{"a": 1}, {"a": 2}]
    assert [(each.line, each.reason) for each in bad] == [(2, "not an object")]


@pytest.mark.parametrize("cut", [5, 40, 100])
def test_an_array_that_is_cut_off_keeps_what_came(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(ROWS)[:-cut])
    good, bad = read(path)
    assert good == ROWS[: len(good)]
    assert len(good) >= 2
    assert bad[-1].reason.startswith("not JSON, or cut off")


def test_a_page_that_is_cut_off_behind_its_records(tmp_path: Path) -> None:
    path = json_page(tmp_path / "a.json", ROWS * 8000)
    path.write_text(path.read_text()[:-20])
    good, bad = read(path)
    assert len(good) == 8000 * len(ROWS)
    assert len(bad) == 1


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_a_truncated_gzip_keeps_what_came(tmp_path: Path, kind: str) -> None:
    rows = [{"a": str(n)} for n in range(500)]
    plain = tmp_path / "a"
    (json_lines if kind == "json" else csv_table)(plain, rows)
    packed = gzip.compress(plain.read_bytes(), compresslevel=0)
    path = tmp_path / "a.gz"
    path.write_bytes(packed[: len(packed) // 2])
    good, bad = read(path)
    assert good == rows[: len(good)]
    assert "the gzip archive ends too early" in bad[-1].reason


def test_a_damaged_gzip_is_said(tmp_path: Path) -> None:
    plain = json_lines(tmp_path / "a", [{"a": str(n)} for n in range(50_000)])
    packed = bytearray(gzip.compress(plain.read_bytes()))
    packed[len(packed) // 2] ^= 0xFF
    path = tmp_path / "a.gz"
    path.write_bytes(bytes(packed))
    reasons = [each.reason for each in read(path)[1]]
    assert any("gzip archive" in reason or "not JSON" in reason for reason in reasons)


def test_rows_of_the_wrong_width_are_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n1\n1,2,3\n\n3,4\n")
    good, bad = read(path)
    assert good == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    assert [(each.line, each.unit) for each in bad] == [(3, "line"), (4, "line")]
    assert bad[0].reason == "1 cells under 2 columns"


def test_a_cell_may_be_long(tmp_path: Path) -> None:
    path = csv_table(tmp_path / "a.csv", [{"a": "x" * 500_000, "b": "2"}])
    assert len(read(path)[0][0]["a"]) == 500_000


def test_damaged_parquet_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": list(range(1000))}), path)
    path.write_bytes(path.read_bytes()[:-30])
    good, bad = read(path)
    assert good == []
    assert "the Parquet file is damaged" in bad[0].reason


def test_a_binary_file_has_no_records(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40)
    assert all(set(each) == {"\ufffdPNG"} for each in read(path)[0])


# -- whatever the pieces -----------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
# A record under one of these names would be a page.
names = st.text(max_size=5).filter(lambda name: name not in ("data", "observations", "log"))
records = st.lists(st.dictionaries(names, values, max_size=4), max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(rows=records, chunk=st.integers(1, 40), form=st.sampled_from(["lines", "array", "page"]))
def test_records_do_not_depend_on_the_size_of_pieces(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: list[dict[str, Any]],
    chunk: int,
    form: str,
) -> None:
    monkeypatch.setattr(window, "CHUNK", chunk)
    path = tmp_path / "a.json"
    if form == "lines":
        json_lines(path, rows)
    elif form == "array":
        path.write_text(json.dumps(rows))
    else:
        json_page(path, rows)
    assert read(path) == (rows, [])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(content=st.binary(max_size=300), head=st.sampled_from([b"", b"{", b"[", b'{"data": [']))
def test_no_bytes_raise(tmp_path: Path, content: bytes, head: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(head + content)
    good, bad = read(path)
    assert all(isinstance(each, dict) for each in good)
    assert all(each.line >= 1 for each in bad)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Sixteen times the records in the same memory, a page and a table alike."""

    def peak(path: Path) -> int:
        tracemalloc.start()
        for _ in read_records(path):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    row = {"a": "x" * 400, "b": "y" * 400}
    for write in (json_page, csv_table):
        small, large = tmp_path / "small", tmp_path / "large"
        write(small, [row] * 1_000)
        write(large, [row] * 16_000)
        assert large.stat().st_size > 10 << 20
        assert peak(large) < 1.5 * peak(small) + (1 << 20)
