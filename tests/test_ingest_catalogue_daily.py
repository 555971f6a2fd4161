"""The daily refresh over loopback: what broken replies leave alone, and what a look keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from factories_stub import Stub, listing, stubbed, usd

from hf_ledger.ingest.catalogue.daily import poll, refresh
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.ledger.ledger import Ledger

FOUR = [(f"acme/m{n}", "novita", usd(n, 2 * n)) for n in range(1, 5)]
MACHINE = {"vendor": "aws", "instance_type": "q1", "instance_size": "x1", "price_per_hour": 2}
RUNNING = {"name": "e", "status": {"state": "running", "readyReplica": 1}}


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger.memory() as opened:
        yield opened


@pytest.fixture
def stub() -> Iterator[Stub]:
    with stubbed() as opened:
        opened.answer("/v1/models", listing(*FOUR))
        opened.answer("/api/models", [])
        yield opened


def prices(ledger: Ledger) -> list[tuple[Any, ...]]:
    return ledger.cursor().execute("from prices order by all").fetchall()


def test_refreshed_twice_adds_nothing(ledger: Ledger, stub: Stub) -> None:
    first = refresh(ledger, stub.addresses())
    before = prices(ledger)
    second = refresh(ledger, stub.addresses())
    assert (first.new, second.new, second.changed, second.ended) == (4, 0, 0, 0)
    assert prices(ledger) == before and len(before) == 8


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 200),
        (b"null", 200),
        (b'{"data": []}', 200),
        (b'{"data": [{"id": "acme/m1", "providers": [', 200),
        (listing(FOUR[0]), 200),
        (listing(*FOUR), 500),
        (listing(*FOUR), 302),
    ],
)
def test_a_broken_reply_leaves_every_price(
    ledger: Ledger, stub: Stub, body: Any, status: int
) -> None:
    refresh(ledger, stub.addresses())
    before, changes = prices(ledger), ledger.changes
    stub.answer("/v1/models", body, status)
    with pytest.raises(Unusable):
        refresh(ledger, stub.addresses())
    assert (prices(ledger), ledger.changes) == (before, changes)


def test_the_token_goes_only_where_it_is_needed(ledger: Ledger, stub: Stub) -> None:
    stub.answer("/v2/provider/me", [MACHINE])
    done = refresh(ledger, stub.addresses(namespace="me", token="hf_marker"))
    assert done.hardware == 1
    tokens = {path.partition("?")[0]: token for path, token in stub.asked}
    assert tokens == {
        "/v1/models": None, "/api/models": None, "/v2/provider/me": "Bearer hf_marker"
    }  # fmt: skip


@pytest.mark.parametrize("answered", [{"items": []}, {}, [], {"items": [{"name": "e"}]}])
def test_a_look_that_shows_nothing_keeps_nothing(ledger: Ledger, stub: Stub, answered: Any) -> None:
    stub.answer("/v2/endpoint/me", answered)
    assert poll(ledger, stub.addresses(namespace="me", token="hf_marker")) == 0
    assert ledger.cursor().execute("select count(*) from endpoint_states").fetchall() == [(0,)]


def test_a_look_is_trusted_for_a_quarter_of_an_hour(ledger: Ledger, stub: Stub) -> None:
    stub.answer("/v2/endpoint/me", {"items": [RUNNING]})
    assert poll(ledger, stub.addresses(namespace="me", token="hf_marker")) == 1
    kept = ledger.cursor().execute("select endpoint, holds_minutes, source from endpoint_states")
    assert kept.fetchall() == [("e", 15, "poll")]
