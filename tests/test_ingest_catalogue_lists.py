"""Reading price lists: what is a price, what is none, and what is no list at all."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from conftest import shared_file
from factories_stub import listing, usd
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.catalogue.lists import (
    HIGHEST,
    PriceList,
    Route,
    hardware_of,
    price_list,
    routes_of,
)
from hf_ledger.ingest.errors import Unusable

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def read(value: Any) -> PriceList:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return price_list(body, "router.test/v1/models", NOW)


def test_a_price_is_exact() -> None:
    found = read(listing(("acme/m", "novita", usd(0.1, 1.69))))
    (pair,) = found.pairs
    assert pair.prices == (Decimal("0.1"), Decimal("1.69"))
    assert (found.captured_at, found.source) == (NOW, "router.test/v1/models")


def test_a_float_of_many_digits_is_cut_at_nine_places() -> None:
    body = b'{"data":[{"id":"a/m","providers":[{"provider":"p","pricing":'
    found = read(body + b'{"input":0.30000000000000004,"output":2.5e-1}}]}]}')
    assert found.pairs[0].prices == (Decimal("0.3"), Decimal("0.25"))


def test_a_pair_without_pricing_has_no_price() -> None:
    (pair,) = read(listing(("acme/m", "fireworks-ai", None))).pairs
    assert pair.prices is None


@pytest.mark.parametrize(
    ("free", "prices"), [((), None), ((False,), None), ((True,), (Decimal(0), Decimal(0)))]
)
def test_nothing_for_nothing_is_free_only_where_the_list_says_so(
    free: tuple[bool, ...], prices: tuple[Decimal, Decimal] | None
) -> None:
    (pair,) = read(listing(("acme/m", "together", usd(0, 0), *free))).pairs
    assert pair.prices == prices


def test_a_promotion_with_a_price_keeps_the_price_and_the_mark() -> None:
    (pair,) = read(listing(("acme/m", "together", usd(1, 2), True))).pairs
    assert (pair.prices, pair.is_free) == ((Decimal(1), Decimal(2)), True)


@pytest.mark.parametrize(
    "pricing",
    [
        {"input": -1, "output": 1},
        {"input": "0.1", "output": 1},
        {"input": None, "output": 1},
        {"input": 1},
        {"input": True, "output": 1},
        {"input": 1, "output": 1e9},
        [1, 2],
        "free",
    ],
)
def test_what_is_no_price_is_counted_and_left_out(pricing: Any) -> None:
    found = read(listing(("acme/m", "novita", pricing), ("acme/n", "novita", usd(1, 2))))
    assert [pair.model for pair in found.pairs] == ["acme/n"]
    assert found.unreadable == [("acme/m", "novita")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>busy</html>",
        b'{"object":"list","data":[]}',
        b'{"data":[{"id":"a","provi',
        b"[]",
        b"null",
        b'{"data":[{"id":"a/m","providers":[]}]}',
        b'{"data":[{"id":"a/m","providers":[{"provider":"p","pricing":{"input":NaN,"output":1}}]}]}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_is_no_list_says_so(body: bytes) -> None:
    with pytest.raises(Unusable, match="no price was changed"):
        read(body)


def test_the_capture_of_july_reads_whole() -> None:
    body = shared_file("prices/router_v1_models_2026-07-27.json").read_bytes()
    found = read(body)
    assert len(found.pairs) == 285
    assert sum(pair.prices is not None for pair in found.pairs) == 189 - 2  # two at 0 and 0
    assert found.unreadable == []


def test_the_digest_is_of_the_reply() -> None:
    one, other = read(listing(("a/m", "p", usd(1, 2)))), read(listing(("a/m", "p", usd(1, 3))))
    assert len(one.snapshot) == 64
    assert one.snapshot != other.snapshot


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "id", "providers", "provider", "pricing", "input", "output"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_any_reply_gives_prices_in_range_or_one_sentence(value: Any) -> None:
    try:
        found = price_list(json.dumps(value).encode(), "router.test", NOW)
    except Unusable:
        return
    for pair in found.pairs:
        assert all(0 <= each <= HIGHEST for each in pair.prices or ())


def test_mappings_become_routes() -> None:
    body = shared_file("prices/raw_list_models_expand_sample.json").read_bytes()
    routes = routes_of(body, "hub.test")
    assert Route("deepseek-ai/DeepSeek-R1", "novita", "deepseek/deepseek-r1-turbo",
                 "chat-completion", Decimal("0.7"), Decimal("2.5")) in routes  # fmt: skip
    assert Route("deepseek-ai/DeepSeek-R1", "sambanova", "DeepSeek-R1",
                 "chat-completion") in routes  # fmt: skip
    assert len(routes) == len(set(routes))


def test_a_mapping_without_an_id_is_left_out() -> None:
    entries = [{"provider": "p", "providerId": "x"}, {"provider": "p"}, {"providerId": "y"}, 3]
    body = json.dumps([{"id": "a/m", "inferenceProviderMapping": entries}, {"id": 1}]).encode()
    assert routes_of(body, "hub.test") == [Route("a/m", "p", "x", None)]


def test_hardware_flat_and_nested_is_read_alike() -> None:
    price = {"instanceType": "nvidia-a10g", "instanceSize": "x1", "pricePerHour": 1.0}
    nested = {"vendors": [{"name": "aws", "regions": [{"name": "us", "computes": [price]}]}]}
    flat = [{"vendor": "aws", "instance_type": "a10g", "instance_size": "x1", "price_per_hour": 1}]
    found = [hardware_of(json.dumps(each).encode(), "api.test") for each in (nested, flat)]
    assert found[0] == found[1]
    assert found[0][0].usd_per_hour == 1


def test_of_two_regions_the_dearer_counts() -> None:
    machine = {"vendor": "aws", "instance_type": "t4", "instance_size": "x1"}
    body = json.dumps([{**machine, "price_per_hour": usd} for usd in (0.5, 0.6, 0.4)]).encode()
    assert [each.usd_per_hour for each in hardware_of(body, "api.test")] == [Decimal("0.6")]


@pytest.mark.parametrize("body", [b"[]", b"{}", b'[{"vendor":"aws","price_per_hour":-1}]', b"x"])
def test_no_machine_is_one_sentence(body: bytes) -> None:
    with pytest.raises(Unusable, match="no price was changed"):
        hardware_of(body, "api.test")
