"""From records to lines: ids that last, repeated rows, times out of reason, other files."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

import pytest
from factories_imports import MIDNIGHT, taken
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.imports.exchanges import call_id_of
from hf_ledger.ingest.doors.imports.fields import Unfit
from hf_ledger.ingest.doors.imports.recordings import GIVE_UP_AFTER, Rejected
from hf_ledger.ingest.doors.imports.records import Record
from hf_ledger.ingest.doors.imports.rows import (
    LATEST,
    NoCall,
    RowImporter,
    http_status,
    imported_call,
    set_tokens,
    with_cached,
)


def plain(record: Record) -> Iterable[Call | NoCall]:
    """A reader for tests: `ts`, perhaps `id` and `team`; `aside` is no call."""
    row = record.fields
    if "aside" in row:
        return (NoCall(str(row["aside"])),)
    call = imported_call(row.get("ts"), row.get("id"))
    call.team = row.get("team")
    return (call,)


def records(*rows: dict[str, Any]) -> list[Record | Rejected]:
    return [Record(place, row) for place, row in enumerate(rows, 1)]


def ids(*rows: dict[str, Any]) -> list[str]:
    return [call.call_id for call in taken(plain, records(*rows))[0]]


def test_an_id_is_uuid_8_of_source_and_external_id() -> None:
    (found,) = ids({"ts": MIDNIGHT, "id": "a"})
    assert found == call_id_of("test", "a") != call_id_of("other", "a")
    assert uuid.UUID(found).version == 8
    assert uuid.UUID(found).variant == uuid.RFC_4122


def test_rows_without_ids_are_told_apart_by_what_they_say() -> None:
    one, two = {"ts": MIDNIGHT, "team": "a"}, {"ts": MIDNIGHT, "team": "b"}
    assert len(set(ids(one, two))) == 2
    assert ids(one, two) == list(reversed(ids(two, one)))


def test_equal_rows_without_ids_are_as_many_calls() -> None:
    row = {"ts": MIDNIGHT, "team": "a"}
    first = ids(row, row, row)
    assert len(set(first)) == 3
    assert ids(row, row, row) == first
    assert ids(row, row) == first[:2]


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("ab")), max_size=8))
def test_every_import_gives_the_same_ids(drawn: list[tuple[int, str]]) -> None:
    rows = [{"ts": MIDNIGHT + offset, "team": team} for offset, team in drawn]
    assert ids(*rows) == ids(*rows)
    assert len(set(ids(*rows))) == len(rows)


def test_what_an_importer_says_of_a_file() -> None:
    later = MIDNIGHT + 1000
    calls, done = taken(
        plain, records({"ts": later}, {"aside": "a tool"}, {"ts": MIDNIGHT}, {"aside": "a tool"})
    )
    assert (done.calls, done.first, done.last) == (2, MIDNIGHT, later)
    assert (dict(done.asides), done.noun, done.exchanges) == ({"a tool": 2}, "records", 4)
    assert [call.origin for call in calls] == ["import", "import"]


@pytest.mark.parametrize("ts", [0, -1, MIDNIGHT // 1000, LATEST])
def test_a_time_out_of_reason_is_rejected(ts: int) -> None:
    """Milliseconds taken for microseconds are 1970: nobody called a model then."""
    calls, done = taken(plain, records({"ts": ts}, {"ts": MIDNIGHT}))
    assert len(calls) == 1
    assert [(bad.line, bad.reason) for bad in done.rejected] == [
        (1, "its time lies before 2015 or after 2099")
    ]


def test_unfit_records_and_broken_lines_are_kept_apart() -> None:
    given = [Rejected(1, "broken"), Record(2, {}), Record(3, {"ts": MIDNIGHT})]
    calls, done = taken(plain, given)
    assert len(calls) == 1
    assert [(bad.line, bad.reason) for bad in done.rejected] == [
        (1, "broken"),
        (2, "it states no time"),
    ]


def test_a_file_of_another_kind_is_given_up() -> None:
    endless = (Record(n, {}) for n in range(1, 10**9))
    _, done = taken(plain, endless)
    assert done.given_up
    assert len(done.rejected) == GIVE_UP_AFTER


def test_many_bad_records_after_a_good_one_are_no_other_kind() -> None:
    given = [Record(1, {"ts": MIDNIGHT}), *(Record(n, {}) for n in range(2, 300))]
    _, done = taken(plain, given)
    assert not done.given_up
    assert len(done.rejected) == 298


def test_occurrences_run_on_over_files() -> None:
    """The same rows in two files of one import are as many calls as rows."""
    lines: list[Any] = []
    importer = RowImporter(lines.append, "test", plain)
    importer.read(records({"ts": MIDNIGHT}))
    importer.read(records({"ts": MIDNIGHT}))
    assert len({line.call_id for line in lines}) == 2


@pytest.mark.parametrize(
    ("total", "read", "write", "uncached"),
    [(100, None, None, 100), (100, 0, None, 100), (100, 60, 10, 30), (100, 100, None, 0)],
)
def test_tokens_are_disjoint(total: int, read: int, write: int, uncached: int) -> None:
    call = imported_call(MIDNIGHT, "a")
    set_tokens(call, total, 5, read=read, write=write)
    assert (call.uncached_input_tokens, call.cache_read_tokens) == (uncached, read)
    assert (call.input_tokens, call.output_tokens) == (total, 5)


def test_more_cached_than_there_was_is_unfit() -> None:
    with pytest.raises(Unfit, match="more input tokens came from the cache"):
        set_tokens(imported_call(MIDNIGHT, "a"), 10, 1, read=8, write=3)


def test_no_usage_leaves_the_source_of_tokens_open() -> None:
    call = imported_call(MIDNIGHT, "a")
    set_tokens(call, None, None, read=5)
    assert (call.tokens_source, call.input_tokens, call.cache_read_tokens) == ("none", None, None)


@pytest.mark.parametrize(
    ("stated", "cached", "total", "whole"),
    [
        (100, 60, 150, 100),  # within: 100 + 50
        (100, 60, 210, 160),  # beside: 100 + 60 + 50
        (100, 60, None, 100),
        (10, 60, None, 70),  # can't be within
        (100, 60, 999, 100),
        (None, 60, 100, None),
    ],
)
def test_the_total_tells_whether_cached_tokens_are_counted(
    stated: int | None, cached: int, total: int | None, whole: int | None
) -> None:
    assert with_cached(stated, 50, cached, total) == whole


@pytest.mark.parametrize(
    ("said", "status"),
    [("503", 503), (" 429 ", 429), ("", None), (None, None), ("5030", None), ("no 503", None)],
)
def test_a_status_stands_alone(said: str | None, status: int | None) -> None:
    assert http_status(said) == status
