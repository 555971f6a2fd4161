"""Prices of the collection genai-prices: used where ours end, dated, and never in their place."""

from __future__ import annotations

import socket
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from factories_prices import (
    INSIDE,
    enriched,
    listed_ledger,
    moment,
    one,
    shipped_ledger,
    token_prices,
)
from genai_prices import Usage, calc_price
from genai_prices.data import providers
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.catalogue import collection
from hf_ledger.ingest.catalogue.collection import (
    COLLECTED_PROVIDER,
    COLLECTED_ROUTE,
    KNOWN_FROM,
    PREFIX,
    PROVIDERS,
    direct,
    eras,
    keep_collected,
    since,
)
from hf_ledger.ingest.catalogue.lists import Route
from hf_ledger.ingest.catalogue.load import load_reference
from hf_ledger.ingest.catalogue.mapped import keep_routes
from hf_ledger.ingest.ledger.ledger import Ledger

KNOWN = moment("2026-11-09")
LATE = moment("2026-11-20T09:00")
LLAMA = "meta-llama/Llama-3.3-70B-Instruct"
CHAT = {"task": "chat-completion", "ts": LATE}


def info(prices: Any, name: str = "maker/model") -> ModelInfo:
    return ModelInfo(id=name, match=ClauseEquals(name), prices=prices)


def usd(entry: str, output: str, **further: str) -> ModelPrice:
    named = {"input_mtok": entry, "output_mtok": output, **further}
    return ModelPrice(**{name: Decimal(value) for name, value in named.items()})


def from_day(day: str, price: ModelPrice) -> ConditionalPrice:
    return ConditionalPrice(StartDateConstraint(date.fromisoformat(day)), prices=price)


def per_mtok(entry: str, output: str) -> frozenset[tuple[str, Decimal, int]]:
    prices = {("input_tokens", Decimal(entry), 10**6), ("output_tokens", Decimal(output), 10**6)}
    return frozenset(prices)


def test_a_route_that_left_the_list_is_priced_by_the_collection() -> None:
    """1,000 × 0.25 + 400 × 0.75 = 550 millionths at nebius, which the list dropped in July."""
    call = {"provider": "nebius", "requested_model": LLAMA, **CHAT}
    row = one(shipped_ledger(), uncached_input_tokens=1_000, output_tokens=400, **call)
    assert (row["cost"], row["cost_basis"]) == (Decimal("0.00055"), "collected_price")
    assert row["list_cost"] == row["cost"]
    assert row["price_id"] == (
        f"nebius/{LLAMA}@2026-11-09T0000 genai-prices-0.2.3/huggingface_nebius/{LLAMA}"
    )


def test_before_it_is_dated_its_price_is_unknown() -> None:
    call = {"provider": "nebius", "requested_model": LLAMA, "task": "chat-completion"}
    row = one(
        shipped_ledger(), ts=moment("2026-11-08T23:59:59.999999"), uncached_input_tokens=1,
        output_tokens=1, **call,
    )  # fmt: skip
    assert (row["cost"], row["cost_basis"], row["price_id"]) == (None, "unknown", None)


def test_our_list_is_never_shadowed_though_the_collection_is_newer() -> None:
    """Its Llama at together began later and costs 1.04, as ours; cerebras' gpt-oss differs."""
    call = {"provider": "cerebras", "requested_model": "openai/gpt-oss-120b", **CHAT}
    row = one(shipped_ledger(), uncached_input_tokens=10**6, output_tokens=0, **call)
    assert (row["cost"], row["cost_basis"]) == (Decimal("0.25"), "list_price_tokens")
    ranks = shipped_ledger().execute(
        "select rank, usd from prices where provider = 'cerebras' and kind = 'input_tokens'"
        " and lower(model) = 'openai/gpt-oss-120b' and valid_to is null order by rank"
    )
    assert ranks.fetchall() == [(0, Decimal("0.25")), (2, Decimal("0.35")), (3, Decimal("0.35"))]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_of_several_ranks_the_lowest_counts(rank: int) -> None:
    lower = token_prices("1", "1", price_id="lower", rank=rank - 1)
    higher = token_prices("9", "9", price_id="higher", rank=rank, valid_from=moment("2026-06-01"))
    call = {"provider": "acme", "requested_model": "maker/model", "task": "chat-completion"}
    tokens = {"uncached_input_tokens": 1, "output_tokens": 1}
    row = one(listed_ledger(*higher, *lower), ts=INSIDE, **call, **tokens)
    assert (row["price_id"], row["cost"]) == ("lower", Decimal("0.000002"))
    row = one(listed_ledger(*higher), ts=INSIDE, **call, **tokens)
    basis = "provider_list_price" if rank == 1 else "collected_price"
    assert (row["price_id"], row["cost_basis"]) == ("higher", basis)


def test_a_list_that_lacks_the_output_price_leaves_it_to_the_next() -> None:
    half = {"kind": "input_tokens", "usd": Decimal(1), "price_id": "half"}
    further = token_prices("2", "3", price_id="whole", rank=2)
    call = {"provider": "acme", "requested_model": "maker/model", "task": "chat-completion"}
    row = one(listed_ledger(half, *further), uncached_input_tokens=1, output_tokens=1, **call)
    assert (row["price_id"], row["cost"]) == ("whole", Decimal("0.000005"))


def test_units_fall_back_too() -> None:
    images = {"kind": "images", "usd": Decimal(2), "per_units": 1, "price_id": "far", "rank": 3}
    near = {**images, "usd": Decimal(1), "price_id": "near", "rank": 1}
    call = {"provider": "acme", "requested_model": "maker/model", "images": 3}
    row = one(listed_ledger(images, near), **call)
    assert (row["cost"], row["cost_basis"]) == (Decimal(3), "provider_list_price")
    row = one(listed_ledger(images), **call)
    assert (row["cost"], row["cost_basis"]) == (Decimal(6), "collected_price")


CACHED = {
    "provider": "acme", "requested_model": "maker/model", "task": "chat-completion",
    "uncached_input_tokens": 100, "cache_read_tokens": 900, "output_tokens": 0,
}  # fmt: skip


def further_cache(entry: str, output: str, read: str, **given: Any) -> list[dict[str, Any]]:
    shared = {"price_id": "further", "rank": 3, "valid_from": moment("2026-06-01"), **given}
    read_price = {"kind": "cache_read_tokens", "usd": Decimal(read), **shared}
    return [*token_prices(entry, output, **shared), read_price]


def test_a_cache_price_of_the_same_tariff_completes_the_list() -> None:
    """100 × 1 + 900 × 0.1 = 190 millionths; the provenance names both."""
    ledger = listed_ledger(*token_prices("1", "2"), *further_cache("1", "2", "0.1"))
    row = one(ledger, **CACHED)
    assert (row["cost"], row["cost_basis"]) == (Decimal("0.00019"), "list_price_tokens")
    assert row["price_id"] == "acme/maker/model@2026-01-01 + further"
    row = one(ledger, **{**CACHED, "ts": moment("2026-05-31T23:59:59")})
    assert (row["cost"], row["price_id"]) == (Decimal("0.001"), "acme/maker/model@2026-01-01")
    row = one(ledger, **{**CACHED, "cache_read_tokens": 0})
    assert row["price_id"] == "acme/maker/model@2026-01-01"


@pytest.mark.parametrize(
    "further",
    [
        further_cache("1", "2.1", "0.1"),
        further_cache("1", "2", "0.1", valid_to=moment("2026-06-15")),
        further_cache("1", "2", "0.1", provider="other"),
    ],
    ids=["another output price", "ended", "another provider"],
)
def test_of_another_tariff_no_cache_price_is_taken(further: list[dict[str, Any]]) -> None:
    row = one(listed_ledger(*token_prices("1", "2"), *further), **CACHED)
    assert row["cost"] == Decimal("0.001")  # 1,000 × 1: rather too much than too little


def test_undated_prices_hold_from_when_the_version_is_known() -> None:
    assert eras(info(usd("1", "2")), KNOWN) == [(per_mtok("1", "2"), KNOWN, None)]
    assert since("0.2.3", datetime.now(UTC)) == KNOWN
    later = datetime(2027, 1, 5, 7, tzinfo=UTC)
    assert since("9.9.9", later) == later.replace(tzinfo=None)


def test_dated_prices_hold_from_their_date() -> None:
    prices = [
        ConditionalPrice(prices=usd("1", "1")),
        from_day("2026-10-01", usd("2", "2")),
        from_day("2026-12-01", usd("3", "3")),
    ]
    october, december = moment("2026-10-01"), moment("2026-12-01")
    assert eras(info(prices), KNOWN) == [
        (per_mtok("2", "2"), october, december),
        (per_mtok("3", "3"), december, None),
    ]
    coming = [prices[0], prices[2]]
    assert eras(info(coming), KNOWN) == [
        (per_mtok("1", "1"), KNOWN, december),
        (per_mtok("3", "3"), december, None),
    ]


@pytest.mark.parametrize(
    "prices",
    [
        [
            ConditionalPrice(prices=usd("1", "1")),
            ConditionalPrice(
                TimeOfDateConstraint(time(0, tzinfo=UTC), time(8, tzinfo=UTC)),
                prices=usd("2", "2"),
            ),
        ],
        ModelPrice(
            input_mtok=TieredPrices(base=Decimal(1), tiers=[Tier(start=9, price=Decimal(2))]),
            output_mtok=Decimal(1),
        ),
        usd("0", "0"),
        ModelPrice(),
    ],
    ids=["by the hour", "by length", "placeholder", "none"],
)
def test_what_is_no_single_price_is_left_out(prices: Any) -> None:
    assert eras(info(prices), KNOWN) == []


def test_a_provider_s_own_id_names_the_entry() -> None:
    models = [info(usd("1", "1"), "maker/model-turbo"), info(usd("2", "2"), "maker/model")]
    names = {("acme", "maker/model"): {"Maker/Model-Turbo"}}
    assert [(model, found.id) for model, found in direct(models, "acme", names)] == [
        ("maker/model", "maker/model-turbo"),
        ("maker/model-turbo", "maker/model-turbo"),
    ]
    names = {("acme", "maker/model"): {"maker/model", "maker/model-turbo"}}
    ambiguous = [model for model, _ in direct(models, "acme", names)]
    assert ambiguous == ["maker/model-turbo"]
    names = {("acme", "maker/model"): set(), ("other", "maker/model"): {"x"}}
    assert ("maker/model", models[1]) in list(direct(models, "acme", names))


def test_every_provider_named_is_in_the_collection_and_dated_once() -> None:
    ids = {each.id for each in providers}
    assert set(PROVIDERS.values()) <= ids
    assert collection.version(collection.PACKAGE) in KNOWN_FROM
    assert sum(each.startswith(PREFIX) for each in ids) >= 11


def test_all_hugging_face_entries_arrive_but_placeholders() -> None:
    expected = {
        (each.id.removeprefix(PREFIX), model.id.lower())
        for each in providers
        if each.id.startswith(PREFIX)
        for model in each.models
        if eras(model, KNOWN)
    }
    found = shipped_ledger().execute(
        "select distinct provider, lower(model) from prices where rank = ?", [COLLECTED_ROUTE]
    )
    assert set(found.fetchall()) == expected and len(expected) > 200


def test_the_collection_spells_no_model_anew() -> None:
    """Its lower-case ids stand in the Hub's spelling, and name no model of a call."""
    call = {"provider": "nebius", "requested_model": LLAMA.lower(), **CHAT}
    assert one(shipped_ledger(), **call)["model"] == LLAMA
    again = "select count(distinct model) from prices where lower(model) = lower(?)"
    assert shipped_ledger().execute(again, [LLAMA]).fetchall() == [(1,)]


@pytest.fixture
def stored() -> Any:
    with Ledger.memory(reference=True) as ledger:
        yield ledger.cursor()


def open_prices(cursor: Any) -> set[Any]:
    found = cursor.execute(
        "select provider, model, kind, usd from prices where rank >= 2 and valid_to is null"
    )
    return set(found.fetchall())


def test_the_same_version_again_adds_nothing(stored: Any) -> None:
    before = stored.execute("select count(*) from prices").fetchall()
    assert keep_collected(stored) == 0
    load_reference(stored)
    assert stored.execute("select count(*) from prices").fetchall() == before


def test_another_version_ends_what_it_changed_and_nothing_else(
    stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_prices(stored)
    monkeypatch.setattr(collection, "version", lambda _: "0.2.4")
    changed = info(usd("7", "8"), LLAMA)
    nebius = next(each for each in providers if each.id == "huggingface_nebius")
    kept = [model for model in nebius.models if model.id.lower() != LLAMA.lower()]
    monkeypatch.setattr(nebius, "models", [*kept, changed])
    moved_at = datetime(2026, 12, 24, 6, tzinfo=UTC)
    assert keep_collected(stored, moved_at) == 1
    after = open_prices(stored)
    assert {(row[0], row[3]) for row in after - before} == {("nebius", 7), ("nebius", 8)}
    assert {row[:2] for row in before - after} == {("nebius", LLAMA)}
    ends = stored.execute("select distinct valid_to from prices where rank >= 2").fetchall()
    assert set(ends) == {(None,), (moved_at.replace(tzinfo=None),)}


def test_a_route_met_later_finds_its_entry() -> None:
    """The collection knows it by fireworks' own id only."""
    route = Route("acme/Tuned", "fireworks-ai", "accounts/fireworks/models/deepseek-v3p2", None)
    with Ledger.memory(reference=True) as ledger:
        asked = "select rank, kind, usd from prices where model = 'acme/Tuned' order by kind"
        assert ledger.cursor().execute(asked).fetchall() == []
        keep_routes(ledger, [route], "hub.test", datetime(2026, 11, 24, tzinfo=UTC))
        assert ledger.cursor().execute(asked).fetchall() == [
            (COLLECTED_PROVIDER, "cache_read_tokens", Decimal("0.28")),
            (COLLECTED_PROVIDER, "input_tokens", Decimal("0.56")),
            (COLLECTED_PROVIDER, "output_tokens", Decimal("1.68")),
        ]


def test_nothing_is_asked_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    with Ledger.memory(reference=True) as ledger:
        assert open_prices(ledger.cursor())


def test_costs_agree_with_the_collection_s_own_computation() -> None:
    """Every priced Hugging Face entry that our list lacks now: the library's sum, rounded once."""
    usage = {"input_tokens": 123_457, "output_tokens": 7_919}
    ledger = shipped_ledger()
    routes = ledger.execute(
        "select distinct provider, model from prices as p where rank = 2 and not exists ("
        " from prices as o where o.rank < 2 and o.provider = p.provider"
        " and lower(o.model) = lower(p.model) and o.valid_to is null) order by all"
    ).fetchall()
    assert len(routes) > 100
    calls = [
        {
            "provider": provider, "requested_model": model, **CHAT,
            "uncached_input_tokens": 123_457, "output_tokens": 7_919,
        }
        for provider, model in routes
    ]  # fmt: skip
    expected = [
        calc_price(
            Usage(**usage),
            model,
            provider_id=PREFIX + provider,
            genai_request_timestamp=LATE.replace(tzinfo=UTC),
        ).total_price
        for provider, model in routes
    ]
    rows = enriched(ledger, calls)
    assert [row["cost"] for row in rows] == [round(each, 9) for each in expected]
    assert {row["cost_basis"] for row in rows} == {"collected_price"}


versions = st.tuples(
    st.integers(0, 3),  # rank
    st.integers(1, 28),  # from this day of January
    st.one_of(st.none(), st.integers(1, 14)),  # for so many days
    st.integers(1, 3),  # input and output price, in cents
    st.one_of(st.none(), st.just(1)),  # cached input, in hundredths of a cent
)
Version = tuple[int, int, int | None, int, int | None]


def rows_of(number: int, version: Version) -> list[dict[str, Any]]:
    rank, day, days, cents, read = version
    start = datetime(2026, 1, day)  # noqa: DTZ001 - as the ledger keeps times
    end = None if days is None else start + timedelta(days=days)
    shared = {"price_id": f"v{number}", "rank": rank, "valid_from": start, "valid_to": end}
    price = f"0.0{cents}"
    found = token_prices(price, price, per_units=1, **shared)
    if read is not None:
        more = {"kind": "cache_read_tokens", "usd": Decimal("0.0001"), "per_units": 1}
        found.append({**more, **shared})
    return found


def by_hand(found: list[Version], day: int, cached: int) -> Decimal | None:
    """The lowest rank that holds, with the cache price of the same tariff, its own or another's."""
    holding = [v for v in found if v[1] <= day and (v[2] is None or day < v[1] + v[2])]
    if not holding:
        return None
    rank = min(v[0] for v in holding)
    cents = [v[3] for v in holding if v[0] == rank]
    if len(cents) > 1:
        return Decimal(-1)  # overlapping versions of one list: not this law's
    tariff = [v for v in holding if v[3] in cents and v[4] is not None]
    entry = Decimal(cents.pop()) / 100
    read = Decimal("0.0001") if tariff else entry
    return 10 * entry + cached * read


@settings(max_examples=40, deadline=None)
@given(st.lists(versions, max_size=6), st.integers(1, 31), st.integers(0, 9))
def test_the_lowest_rank_that_holds_prices_a_call_and_unknown_is_never_zero(
    found: list[Version], day: int, cached: int
) -> None:
    expected = by_hand(found, day, cached)
    assume(expected != -1)
    prices = [row for number, version in enumerate(found) for row in rows_of(number, version)]
    row = one(
        listed_ledger(*prices), ts=datetime(2026, 1, day), provider="acme",  # noqa: DTZ001
        requested_model="maker/model", task="chat-completion", uncached_input_tokens=10,
        cache_read_tokens=cached, output_tokens=0,
    )  # fmt: skip
    assert row["cost"] == expected
    assert (row["cost"] is None) == (row["cost_basis"] == "unknown") == (row["price_id"] is None)
