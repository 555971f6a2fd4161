"""A list comes in: only changes are stored, and nothing that is broken ends a price."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from conftest import shared_file
from factories_calls import NOON, ledger_with, make_call
from factories_stub import listing, stubbed, usd
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.cli import main
from hf_ledger.ingest.catalogue.fetching import (
    Addresses,
    client,
    fetch_hardware,
    fetch_list,
    fetch_routes,
)
from hf_ledger.ingest.catalogue.lists import Hardware, Route, price_list
from hf_ledger.ingest.catalogue.mapped import keep_routes
from hf_ledger.ingest.catalogue.refreshing import (
    CONFIRMED_AFTER,
    Refreshed,
    keep_hardware,
    keep_list,
)
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FOUR = [(f"acme/m{n}", "novita", usd(n, 2 * n)) for n in range(1, 5)]


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """Without reference data: the first list brings every pair."""
    with Ledger.memory() as opened:
        keep(opened, *FOUR)
        yield opened


def keep(ledger: Ledger, *pairs: Any, at: datetime = NOW) -> Refreshed:
    body = json.dumps(listing(*pairs)).encode()
    return keep_list(ledger, price_list(body, "router.test/v1/models", at))


def rows(ledger: Ledger, where: str = "true") -> list[tuple[Any, ...]]:
    found = ledger.cursor().execute(
        "select model, kind, usd, valid_from, valid_to, is_free, missing_since from prices"
        f" where {where} order by all"
    )
    return found.fetchall()


def open_prices(ledger: Ledger) -> dict[tuple[str, str], Decimal]:
    return {(row[0], row[1]): row[2] for row in rows(ledger, "valid_to is null")}


def naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def test_the_first_list_brings_every_pair(ledger: Ledger) -> None:
    assert len(rows(ledger)) == 2 * len(FOUR)
    assert open_prices(ledger)["acme/m3", "output_tokens"] == 6


def test_the_same_list_a_day_later_stores_that_it_was_looked_at(ledger: Ledger) -> None:
    before = rows(ledger)
    done = keep(ledger, *FOUR, at=NOW + DAY)
    assert rows(ledger) == before
    assert (done.new, done.changed, done.ended) == (0, 0, 0)
    lists = ledger.cursor().execute("select captured_at from price_lists order by 1").fetchall()
    assert lists == [(naive(NOW),), (naive(NOW + DAY),)]


def test_a_change_ends_the_old_price_where_the_new_begins(ledger: Ledger) -> None:
    done = keep(ledger, ("acme/m1", "novita", usd(1.25, 2.5)), *FOUR[1:], at=NOW + DAY)
    assert (done.new, done.changed) == (0, 1)
    found = rows(ledger, "model = 'acme/m1' and kind = 'input_tokens'")
    assert [(row[2], row[3], row[4]) for row in found] == [
        (Decimal("1"), naive(NOW), naive(NOW + DAY)),
        (Decimal("1.25"), naive(NOW + DAY), None),
    ]


def test_ids_in_another_case_are_the_same_pair(ledger: Ledger) -> None:
    upper = [(model.upper(), provider, pricing) for model, provider, pricing in FOUR]
    assert keep(ledger, *upper, at=NOW + DAY).new == 0


def test_one_list_without_a_pair_ends_nothing_the_next_one_does(ledger: Ledger) -> None:
    first = keep(ledger, *FOUR[1:], at=NOW + DAY)
    assert (first.missing, first.ended) == (1, 0)
    assert ("acme/m1", "input_tokens") in open_prices(ledger)
    second = keep(ledger, *FOUR[1:], at=NOW + DAY + CONFIRMED_AFTER)
    assert (second.missing, second.ended) == (0, 1)
    ends = {row[4] for row in rows(ledger, "model = 'acme/m1'")}
    assert ends == {naive(NOW + DAY + CONFIRMED_AFTER)}


def test_a_second_look_too_soon_confirms_nothing(ledger: Ledger) -> None:
    keep(ledger, *FOUR[1:], at=NOW + DAY)
    soon = keep(ledger, *FOUR[1:], at=NOW + DAY + timedelta(hours=1))
    assert (soon.missing, soon.ended) == (1, 0)


def test_a_pair_that_comes_back_kept_its_price(ledger: Ledger) -> None:
    before = rows(ledger)
    keep(ledger, *FOUR[1:], at=NOW + DAY)
    keep(ledger, *FOUR, at=NOW + 2 * DAY)
    assert rows(ledger) == before
    assert keep(ledger, *FOUR[1:], at=NOW + 3 * DAY).ended == 0


@pytest.mark.parametrize("pricing", [None, usd(0, 0)])
def test_a_pair_listed_without_a_price_is_unknown_from_then_on(
    ledger: Ledger, pricing: Any
) -> None:
    done = keep(ledger, ("acme/m1", "novita", pricing), *FOUR[1:], at=NOW + DAY)
    assert (done.ended, done.unpriced) == (1, 1)
    assert ("acme/m1", "input_tokens") not in open_prices(ledger)


def test_a_promotion_is_a_price_of_nothing_and_marked(ledger: Ledger) -> None:
    done = keep(ledger, ("acme/m1", "novita", usd(0, 0), True), *FOUR[1:], at=NOW + DAY)
    assert (done.changed, done.free) == (1, 1)
    found = rows(ledger, "model = 'acme/m1' and valid_to is null")
    assert [(row[2], row[5]) for row in found] == [(0, True), (0, True)]


def test_what_is_no_price_neither_ends_nor_changes_one(ledger: Ledger) -> None:
    before = rows(ledger)
    for days in (1, 3, 5):
        done = keep(ledger, ("acme/m1", "novita", usd(-1, 1)), *FOUR[1:], at=NOW + days * DAY)
        assert done.unreadable == 1
    assert rows(ledger) == before


def test_a_cut_list_changes_nothing(ledger: Ledger) -> None:
    before = rows(ledger)
    with pytest.raises(Unusable, match="only 1 of the 4 pairs"):
        keep(ledger, FOUR[0], at=NOW + DAY)
    assert rows(ledger) == before
    lists = ledger.cursor().execute("select count(*) from price_lists").fetchall()
    assert lists == [(1,)]


def test_an_older_list_changes_nothing(ledger: Ledger) -> None:
    with pytest.raises(Unusable, match="a later list"):
        keep(ledger, *FOUR, at=NOW - DAY)


def test_the_compute_rate_is_in_no_list_and_stays() -> None:
    with Ledger.memory(reference=True) as ledger:
        body = shared_file("prices/router_v1_models_2026-07-27.json").read_bytes()
        for days in (0, 1, 2):
            keep_list(ledger, price_list(body, "router.test/v1/models", NOW + days * DAY))
        assert [row[4] for row in rows(ledger, "kind = 'gpu_seconds'")] == [None]


def test_the_capture_of_july_changes_nothing_that_ships() -> None:
    """The list shipped last and the fixture are the same capture."""
    body = shared_file("prices/router_v1_models_2026-07-27.json").read_bytes()
    with Ledger.memory(reference=True) as ledger:
        before = rows(ledger)
        done = keep_list(ledger, price_list(body, "router.test/v1/models", NOW))
        assert (done.new, done.changed, done.ended) == (0, 0, 0)
        assert rows(ledger) == before


prices = st.tuples(st.integers(1, 5), st.integers(1, 5))
lists = st.lists(
    st.dictionaries(st.sampled_from(["a/1", "a/2", "a/3"]), prices, min_size=2), min_size=1,
    max_size=6,
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(lists)
def test_at_most_one_price_of_a_pair_holds_at_a_time(shown: list[dict[str, Any]]) -> None:
    with Ledger.memory() as ledger:
        last: dict[str, Any] = {}
        for number, pairs in enumerate(shown):
            try:
                given_ = [(model, "p", usd(*each)) for model, each in pairs.items()]
                keep(ledger, *given_, at=NOW + number * DAY)
                last = pairs
            except Unusable:
                continue
        twice = ledger.cursor().execute(
            "select count(*) from prices a join prices b on a.model = b.model"
            " and a.kind = b.kind and a.price_id < b.price_id and a.valid_from <"
            " coalesce(b.valid_to, timestamp '9999-01-01') and b.valid_from <"
            " coalesce(a.valid_to, timestamp '9999-01-01')"
        )
        assert twice.fetchall() == [(0,)]
        held = open_prices(ledger)
        assert all(held[model, "input_tokens"] == each[0] for model, each in last.items())


def test_routes_are_kept_once() -> None:
    routes = [Route("a/m", "p", "x", "chat-completion"), Route("a/n", "p", "y", None)]
    with Ledger.memory() as ledger:
        assert keep_routes(ledger, routes, "hub.test", NOW) == 2
        assert keep_routes(ledger, routes, "hub.test", NOW + DAY) == 0
        found = ledger.cursor().execute("select provider_model, seen_from from routes order by 1")
        assert found.fetchall() == [("x", naive(NOW)), ("y", naive(NOW))]


def test_hardware_changes_are_dated() -> None:
    def machine(cost: str) -> Hardware:
        return Hardware("aws", "gpu", "a10g", "x1", Decimal(cost))

    with Ledger.memory(reference=True) as ledger:
        assert keep_hardware(ledger, [machine("1")], "api.test", "", NOW) == 0
        assert keep_hardware(ledger, [machine("1.1")], "api.test", "", NOW) == 1
        found = ledger.cursor().execute(
            "select usd_per_hour, valid_to from hardware_prices where vendor = 'aws'"
            " and instance_type = 'a10g' and instance_size = 'x1' order by valid_from"
        )
        assert found.fetchall() == [(1, naive(NOW)), (Decimal("1.1"), None)]


def test_over_http_page_by_page_on_one_host() -> None:
    mapping = {"provider": "p", "providerId": "x", "task": "conversational"}
    with stubbed() as stub, client() as http:
        stub.answer("/v1/models", listing(*FOUR))
        page = [{"id": "a/m", "inferenceProviderMapping": [mapping]}]
        link = {"link": '</api/more?cursor=2>; rel="next"'}
        stub.answer("/api/models", page, headers=link)
        stub.answer(
            "/api/more",
            [{"id": "a/n", "inferenceProviderMapping": [mapping]}],
            headers={"link": '<http://elsewhere.test/api>; rel="next"'},
        )
        assert len(fetch_list(http, stub.addresses(), NOW).pairs) == 4
        routes, snapshot = fetch_routes(http, stub.addresses())
        assert [route.model for route in routes] == ["a/m", "a/n"]
        assert len(snapshot) == 64
        assert [token for _, token in stub.asked] == [None, None, None]


@pytest.mark.parametrize(("status", "said"), [(401, "refused the token"), (503, "answered 503")])
def test_a_refusal_is_one_sentence_without_the_token(status: int, said: str) -> None:
    with stubbed() as stub, client() as http:
        stub.answer("/v2/provider/me", b"secret body", status)
        with pytest.raises(Unusable, match=said) as caught:
            fetch_hardware(http, stub.addresses(token="hf_marker", namespace="me"))
        assert stub.asked == [("/v2/provider/me", "Bearer hf_marker")]
    assert "hf_marker" not in str(caught.value) and "secret" not in str(caught.value)


def test_nobody_there_is_one_sentence() -> None:
    with client() as http, pytest.raises(Unusable, match="can't be reached"):
        fetch_list(http, Addresses(router="http://127.0.0.1:9"), NOW)


@pytest.fixture
def addressed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A stub that the settings point to."""
    with stubbed() as stub:
        for name in ("ROUTER", "HUB", "ENDPOINTS"):
            monkeypatch.setenv(f"HF_LEDGER_{name}_URL", stub.url)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield stub


def test_the_command_refreshes_and_a_call_from_then_on_has_the_new_price(
    addressed: Any, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    reply = json.loads(shared_file("prices/router_v1_models_2026-07-27.json").read_text())
    dear = {"provider": "together", "pricing": usd(4, 8)}
    wanted = "meta-llama/Llama-3.3-70B-Instruct"
    (model,) = [each for each in reply["data"] if each["id"] == wanted]
    model["providers"] = [p for p in model["providers"] if p["provider"] != "together"] + [dear]
    addressed.answer("/v1/models", reply)
    addressed.answer("/api/models", [])
    assert main(["prices", "refresh"]) == 0
    assert "285 routes listed, 0 new, 1 changed" in capsys.readouterr().out
    calls = [make_call(ts=NOON), make_call(ts=datetime.now(UTC) + DAY)]
    with ledger_with(places, calls) as ledger:
        costs = ledger.cursor().execute("select cost from calls order by ts").fetchall()
    assert costs[1] == ((100 * Decimal(4) + 20 * Decimal(8)) / 1_000_000,)
    assert costs[0][0] < costs[1][0]


def test_the_command_says_when_the_prices_are_in_and_the_routes_are_not(
    addressed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    addressed.answer("/v1/models", b"not json")
    assert main(["prices", "refresh"]) == 2
    assert "no price was changed" in capsys.readouterr().err
    body = shared_file("prices/router_v1_models_2026-07-27.json").read_bytes()
    addressed.answer("/v1/models", body)
    assert main(["prices", "refresh"]) == 1
    said = capsys.readouterr()
    assert "Prices: 285 routes" in said.out and "the prices are in, but" in said.err
