"""Which imported calls were recorded live as well: by either id, near in time, never practice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from factories_calls import NOON, make_call, micros, spool

from hf_ledger.analytics.connect import connect
from hf_ledger.ingest.places import Places

IMPORTED: dict[str, Any] = {"source": "import", "origin": "import"}


def matched(places: Places, *calls: Any, **bounds: int) -> int:
    spool(places, calls)
    with connect(places) as session:
        (row,) = session.ask("matches", **bounds).to_pylist()
    return int(row["calls"])


@pytest.mark.parametrize("one", ["request_id", "provider_request_id"])
@pytest.mark.parametrize("other", ["request_id", "provider_request_id"])
def test_a_shared_id_is_a_match_whatever_it_is_called(places: Places, one: str, other: str) -> None:
    live, brought = make_call(**{one: "r1"}), make_call(**{other: "r1"}, **IMPORTED)
    assert matched(places, live, brought) == 1


def test_other_ids_and_no_ids_are_no_match(places: Places) -> None:
    calls = [
        make_call(request_id="r1"),
        make_call(),
        make_call(request_id="r2", **IMPORTED),
        make_call(**IMPORTED),
    ]
    assert matched(places, *calls) == 0


def test_each_imported_call_counts_once(places: Places) -> None:
    calls = [
        make_call(request_id="r1", provider_request_id="p1"),
        make_call(request_id="r1"),
        make_call(request_id="r1", provider_request_id="p1", **IMPORTED),
    ]
    assert matched(places, *calls) == 1


def test_traces_that_were_posted_are_imports_too(places: Places) -> None:
    live = make_call(request_id="r1")
    traced = make_call(provider_request_id="r1", source="otlp")
    assert matched(places, live, traced) == 1


@pytest.mark.parametrize("origin", ["practice", "sample"])
def test_practice_and_sample_are_never_matched(places: Places, origin: str) -> None:
    calls = [make_call(request_id="r1", origin=origin), make_call(request_id="r1", **IMPORTED)]
    assert matched(places, *calls) == 0


def test_two_imports_of_the_same_are_not_live(places: Places) -> None:
    calls = [make_call(request_id="r1", **IMPORTED), make_call(request_id="r1", **IMPORTED)]
    assert matched(places, *calls) == 0


@pytest.mark.parametrize(("minutes", "count"), [(59, 1), (61, 0)])
def test_clocks_may_differ_by_an_hour(places: Places, minutes: int, count: int) -> None:
    live = make_call(request_id="r1", ts=NOON - timedelta(minutes=minutes))
    brought = make_call(request_id="r1", **IMPORTED)
    bounds = {"first_us": micros(NOON), "last_us": micros(NOON)}
    assert matched(places, live, brought, **bounds) == count
