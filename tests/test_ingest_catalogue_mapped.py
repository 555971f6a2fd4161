"""A provider's own list, from the Hub's mappings or a file: below the router's, changes only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import shared_file
from factories_calls import NOON, ledger_with, make_call

from hf_ledger.cli import main
from hf_ledger.ingest.catalogue.lists import Route, digest, routes_of
from hf_ledger.ingest.catalogue.mapped import keep_routes
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places

DAY = timedelta(days=1)
CHAT = "chat-completion"


def mapped(entry: str | None, output: str | None, provider_model: str = "x") -> Route:
    usd = [None if each is None else Decimal(each) for each in (entry, output)]
    return Route("a/m", "acme", provider_model, CHAT, *usd)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger.memory() as opened:
        yield opened


def keep(ledger: Ledger, day: int, *routes: Route) -> None:
    keep_routes(ledger, routes, "hub.test", NOON + day * DAY, "5ha")


def kept(ledger: Ledger) -> list[tuple[Any, ...]]:
    found = ledger.cursor().execute(
        "select kind, usd, valid_from, valid_to, source, snapshot from prices"
        " where rank = 1 order by valid_from, kind"
    )
    return found.fetchall()


def on(day: int) -> datetime:
    return (NOON + day * DAY).replace(tzinfo=None)


def test_only_changes_are_kept_with_their_dates(ledger: Ledger) -> None:
    for day, entry in enumerate(("1", "1", "1.25", "1.25")):
        keep(ledger, day, mapped(entry, "2"))
    shared = ("hub.test", "5ha")
    assert kept(ledger) == [
        ("input_tokens", Decimal(1), on(0), on(2), *shared),
        ("output_tokens", Decimal(2), on(0), on(2), *shared),
        ("input_tokens", Decimal("1.25"), on(2), None, *shared),
        ("output_tokens", Decimal(2), on(2), None, *shared),
    ]


@pytest.mark.parametrize(
    "then",
    [[mapped(None, None)], [mapped("1", "2"), mapped("3", "4", "y")]],
    ids=["no price", "two prices"],
)
def test_a_mapping_that_names_no_single_price_ends_it(ledger: Ledger, then: list[Route]) -> None:
    keep(ledger, 0, mapped("1", "2"))
    keep(ledger, 1, *then)
    assert {row[3] for row in kept(ledger)} == {on(1)}


def test_a_pair_that_is_not_mapped_keeps_its_price(ledger: Ledger) -> None:
    keep(ledger, 0, mapped("1", "2"))
    keep(ledger, 1, Route("a/other", "acme", "z", CHAT))
    assert {row[3] for row in kept(ledger)} == {None}


@pytest.mark.parametrize(
    "pricing",
    ['{"input":0,"output":0}', '{"input":1}', '{"input":-1,"output":2}', '"1"', "null"],
)
def test_what_is_no_price_is_none(pricing: str) -> None:
    body = (
        '[{"id":"a/m","inferenceProviderMapping":[{"provider":"acme","providerId":"x",'
        f'"task":"conversational","providerDetails":{{"pricing":{pricing}}}}}]}}]'
    )
    assert routes_of(body.encode(), "hub.test") == [mapped(None, None)]


def test_a_file_of_a_provider_prices_what_the_router_s_list_does_not(
    places: Places, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kept below the list: the listed route keeps its cost, the other one gets one."""
    listed = "meta-llama/Llama-3.3-70B-Instruct"
    file = tmp_path / "acme-list.csv"
    file.write_text(
        "provider,model,kind,usd,valid_from\n"
        "acme,acme/own,input_tokens,2,2026-01-01\n"
        "acme,acme/own,output_tokens,3,2026-01-01\n"
        f"novita,{listed},input_tokens,99,2026-08-01\n"
        f"novita,{listed},output_tokens,99,2026-08-01\n"
    )
    assert main(["prices", "import", str(file), "--list"]) == 0
    assert "4 list prices of acme-list.csv" in capsys.readouterr().out
    own = {"provider": "acme", "requested_model": "acme/own", "provider_model": "acme/own"}
    calls = [make_call(**own, uncached_input_tokens=10, output_tokens=20), make_call()]
    with ledger_with(places, calls) as ledger:
        rows = ledger.cursor().execute("select cost_basis, cost, price_id from calls order by 1")
        (basis, cost, price_id), (other, _, _) = sorted(rows.fetchall(), reverse=True)
    assert (basis, cost, other) == ("provider_list_price", Decimal("0.00008"), "list_price_tokens")
    assert price_id.startswith("list/") and price_id.endswith("/acme/acme/own@2026-01-01T0000")


def test_a_list_has_no_discounts(
    places: Places, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "list.csv"
    file.write_text("provider,discount_percent,valid_from\nacme,10,2026-01-01\n")
    assert main(["prices", "import", str(file), "--list"]) == 2
    assert "has a discount in it" in capsys.readouterr().err


def test_the_hub_s_own_sample_is_kept_as_it_states_it(ledger: Ledger) -> None:
    """Of its pairs of chat each has one price, or none; other tasks have none."""
    body = shared_file("prices/raw_list_models_expand_sample.json").read_bytes()
    routes = routes_of(body, "hub.test")
    keep_routes(ledger, routes, "hub.test", NOON, digest(body))
    expected = {
        (model["id"], mapping["provider"], kind, Decimal(str(usd)))
        for model in json.loads(body)
        for mapping in model.get("inferenceProviderMapping", [])
        for kind, usd in mapping.get("providerDetails", {}).get("pricing", {}).items()
    }
    found = ledger.cursor().execute(
        "select model, provider, split_part(kind, '_', 1), usd from prices where rank = 1"
    )
    assert set(found.fetchall()) == expected and len(expected) > 20
    (snapshot,) = {row[5] for row in kept(ledger)}
    assert snapshot == digest(body)


def test_a_half_stated_price_has_a_row_for_what_is_stated(ledger: Ledger) -> None:
    """The other half stays unknown; the routes of the same reply are kept."""
    keep(ledger, 0, mapped("1", None))
    keep(ledger, 1, mapped("1", None))
    assert kept(ledger) == [("input_tokens", Decimal(1), on(0), None, "hub.test", "5ha")]
