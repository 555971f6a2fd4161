"""Costs: exact arithmetic, the right price at the right time, and unknown that stays unknown."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from factories_prices import (
    FIRST_LIST,
    INSIDE,
    enriched,
    listed_ledger,
    moment,
    one,
    shipped_ledger,
    token_prices,
)
from hypothesis import given, settings
from hypothesis import strategies as st

ACME = {"provider": "acme", "requested_model": "maker/model", "task": "chat-completion"}
HOSTED = {"provider": "hf-inference", "provider_model": "facebook/bart-large-cnn"}


def tokens(uncached: int, output: int, **more: Any) -> dict[str, Any]:
    return {"uncached_input_tokens": uncached, "output_tokens": output, **more}


def half_even(amount: Fraction) -> Decimal:
    """USD rounded once at nine places; Python's round of a Fraction is half-even and exact."""
    return Decimal(round(amount * 10**9)).scaleb(-9)


# -- token prices -----------------------------------------------------------------------------


def test_a_call_costs_its_tokens_at_the_list_price() -> None:
    ledger = listed_ledger(*token_prices("0.5", "1.5"))
    row = one(ledger, **ACME, **tokens(1_000, 200))
    assert row["cost"] == row["list_cost"] == Decimal("0.0008")
    assert row["cost"] == Decimal(1_000) * Decimal("0.5e-6") + Decimal(200) * Decimal("1.5e-6")
    assert row["cost_basis"] == "list_price_tokens"
    assert row["price_id"] == "acme/maker/model@2026-01-01"
    assert row["payer"] == "huggingface"


def test_cached_input_has_its_own_price_where_one_is_known() -> None:
    cached = {"kind": "cache_read_tokens", "usd": Decimal("0.05")}
    written = {"kind": "cache_write_tokens", "usd": Decimal("0.625")}
    ledger = listed_ledger(*token_prices("0.5", "1.5"), cached, written)
    call = tokens(1_000, 200, cache_read_tokens=4_000, cache_write_tokens=800)
    expected = (1_000 * 500 + 4_000 * 50 + 800 * 625 + 200 * 1_500) // 1_000
    assert one(ledger, **ACME, **call)["cost"] == Decimal(expected).scaleb(-6)


def test_cached_input_without_a_price_of_its_own_costs_as_input() -> None:
    ledger = listed_ledger(*token_prices("0.5", "1.5"))
    plain = one(ledger, **ACME, **tokens(5_800, 200))
    cached = one(
        ledger, **ACME, **tokens(1_000, 200, cache_read_tokens=4_000, cache_write_tokens=800)
    )
    assert cached["cost"] == plain["cost"] == Decimal("0.0032")


@pytest.mark.parametrize(
    ("uncached", "expected"),
    [
        (1, "0.000000000"),  # 0.5 nano-dollars: half goes to the even neighbour, 0
        (3, "0.000000002"),  # 1.5 → 2
        (5, "0.000000002"),  # 2.5 → 2
        (7, "0.000000004"),  # 3.5 → 4
        (6, "0.000000003"),  # 3 is exact
    ],
)
def test_a_cost_is_rounded_once_half_to_even(uncached: int, expected: str) -> None:
    ledger = listed_ledger(*token_prices("0.0005", "0"))
    assert one(ledger, **ACME, **tokens(uncached, 0))["cost"] == Decimal(expected)


def test_parts_are_not_rounded_before_they_are_added() -> None:
    ledger = listed_ledger(*token_prices("0.0004", "0.0004"))
    assert one(ledger, **ACME, **tokens(1, 1))["cost"] == Decimal("0.000000001")  # 0.4 + 0.4 = 0.8


def test_an_embedding_needs_no_output_tokens() -> None:
    ledger = listed_ledger(*token_prices("0.01", "0"))
    call = {**ACME, "task": "feature-extraction", "uncached_input_tokens": 512}
    assert one(ledger, **call)["cost"] == Decimal("0.00000512")


@pytest.mark.parametrize(
    "call",
    [
        {},
        {"uncached_input_tokens": 10},
        {"output_tokens": 10},
        {"uncached_input_tokens": -5, "output_tokens": 10},
        {"uncached_input_tokens": 5, "output_tokens": 10, "provider": "other"},
        {"uncached_input_tokens": 5, "output_tokens": 10, "provider": None},
        {"uncached_input_tokens": 5, "output_tokens": 10, "requested_model": "maker/other"},
        {"uncached_input_tokens": 5, "output_tokens": 10, "requested_model": None},
    ],
)
def test_what_cannot_be_priced_is_unknown_never_nought(call: dict[str, Any]) -> None:
    row = one(listed_ledger(*token_prices("0.5", "1.5")), **{**ACME, **call})
    assert (row["cost"], row["list_cost"], row["price_id"]) == (None, None, None)
    assert row["cost_basis"] == "unknown"


def test_an_amount_beyond_all_sense_is_unknown() -> None:
    ledger = listed_ledger(*token_prices("100000", "100000"))
    row = one(ledger, **ACME, **tokens(9 * 10**18, 9 * 10**18))
    assert (row["cost"], row["cost_basis"]) == (None, "unknown")


def test_kinds_in_unlike_units_are_not_added_up() -> None:
    prices = token_prices("0.5", "1.5")
    prices[1]["per_units"] = 1_000
    assert one(listed_ledger(*prices), **ACME, **tokens(10, 10))["cost"] is None


def test_an_interrupted_stream_is_priced_on_what_came() -> None:
    ledger = listed_ledger(*token_prices("0.5", "1.5"))
    row = one(ledger, **ACME, **tokens(100, 7), outcome="interrupted", stream=True)
    assert row["cost"] == Decimal("0.0000605") and row["cost_basis"] == "list_price_tokens"


def test_a_cost_that_is_known_already_stays() -> None:
    ledger = listed_ledger(*token_prices("0.5", "1.5"))
    given = {"cost": Decimal("0.42"), "cost_basis": "billed_session", "payer": "provider"}
    row = one(ledger, **ACME, **tokens(100, 7), **given)
    assert {name: row[name] for name in given} == given
    assert row["list_cost"] is None


# -- time -------------------------------------------------------------------------------------

RISE = moment("2026-05-01")
BEFORE = {"price_id": "acme/maker/model@old", "valid_to": RISE}
AFTER = {"price_id": "acme/maker/model@new", "valid_from": RISE}


@pytest.mark.parametrize(
    ("ts", "price_id", "cost"),
    [
        (RISE - timedelta(microseconds=1), "acme/maker/model@old", "0.001"),
        (RISE, "acme/maker/model@new", "0.00125"),
        (RISE + timedelta(days=30), "acme/maker/model@new", "0.00125"),
    ],
)
def test_a_price_holds_from_its_first_moment_up_to_its_last(
    ts: datetime, price_id: str, cost: str
) -> None:
    ledger = listed_ledger(
        *token_prices("1", "1", **BEFORE), *token_prices("1.25", "1.25", **AFTER)
    )
    row = one(ledger, **ACME, **tokens(500, 500), ts=ts)
    assert (row["cost"], row["price_id"]) == (Decimal(cost), price_id)


def test_after_a_withdrawn_price_the_cost_is_unknown() -> None:
    ledger = listed_ledger(*token_prices("1", "1", valid_to=RISE))
    assert one(ledger, **ACME, **tokens(500, 500), ts=RISE)["cost_basis"] == "unknown"


def test_where_two_prices_overlap_the_later_one_counts() -> None:
    ledger = listed_ledger(
        *token_prices("1", "1", price_id="list"), *token_prices("0.8", "0.8", **AFTER)
    )
    row = one(ledger, **ACME, **tokens(500, 500))
    assert (row["cost"], row["price_id"]) == (Decimal("0.0008"), "acme/maker/model@new")


OLD = FIRST_LIST - timedelta(microseconds=1)


@pytest.mark.parametrize(
    "call",
    [
        tokens(10, 10),
        {"outcome": "error"},
        {"outcome": "refused"},
        {**HOSTED, "requested_model": None, "cached_reply": True},
    ],
)
def test_before_the_first_list_nothing_is_free(call: dict[str, Any]) -> None:
    row = one(listed_ledger(*token_prices("1", "1")), **{**ACME, **call, "ts": OLD})
    assert (row["cost"], row["list_cost"], row["cost_basis"]) == (None, None, "unknown")


def test_without_any_list_nothing_is_free() -> None:
    ledger = listed_ledger()
    ledger.execute("delete from price_lists")
    assert one(ledger, **ACME, outcome="error")["cost"] is None


# -- what is free, reported, by the hour --------------------------------------------------------


@pytest.mark.parametrize("outcome", ["error", "refused"])
def test_a_failed_call_costs_nothing_and_nobody_pays(outcome: str) -> None:
    row = one(listed_ledger(*token_prices("1", "1")), **ACME, **tokens(10, 10), outcome=outcome)
    assert (row["cost"], row["list_cost"]) == (Decimal(0), Decimal(0))
    assert (row["cost_basis"], row["payer"], row["price_id"]) == ("free", "nobody", None)


def test_a_cached_reply_of_hf_inference_is_free() -> None:
    row = one(listed_ledger(), **HOSTED, cached_reply=True, compute_type="cache", compute_seconds=4)
    assert (row["cost"], row["cost_basis"], row["payer"]) == (Decimal(0), "free", "nobody")


def test_another_providers_cached_reply_is_not() -> None:
    row = one(listed_ledger(), **ACME, cached_reply=True)
    assert (row["cost"], row["cost_basis"]) == (None, "unknown")


def test_what_the_provider_reports_counts_and_the_list_price_stands_beside_it() -> None:
    ledger = listed_ledger(*token_prices("1", "1"))
    row = one(ledger, **ACME, **tokens(500, 500), reported_cost=Decimal("0.0007"))
    assert (row["cost"], row["list_cost"]) == (Decimal("0.0007"), Decimal("0.001"))
    assert row["cost_basis"] == "provider_reported"


def test_a_reported_cost_needs_no_list() -> None:
    row = one(listed_ledger(), **ACME, reported_cost=Decimal("0.0007"), ts=OLD)
    assert (row["cost"], row["list_cost"]) == (Decimal("0.0007"), None)


def test_a_dedicated_endpoint_is_billed_by_the_hour_not_by_the_call() -> None:
    call = {**ACME, "host_kind": "endpoint", "endpoint": "x.endpoints.huggingface.cloud"}
    row = one(listed_ledger(*token_prices("1", "1")), **call, **tokens(5, 5))
    assert (row["cost"], row["list_cost"]) == (None, None)
    assert (row["cost_basis"], row["payer"]) == ("endpoint_hours", "huggingface")


def test_a_server_of_ones_own_has_no_known_cost() -> None:
    row = one(
        listed_ledger(*token_prices("1", "1")),
        **{**ACME, "host_kind": "self_hosted"},
        **tokens(5, 5),
    )
    assert (row["cost"], row["cost_basis"], row["payer"]) == (None, "unknown", "self")


@pytest.mark.parametrize(
    ("host_kind", "said", "payer"),
    [
        ("router", None, "huggingface"),
        ("legacy", None, "huggingface"),
        ("provider", None, "provider"),
        ("router", "provider", "provider"),
        (None, None, None),
    ],
)
def test_who_pays(host_kind: str | None, said: str | None, payer: str | None) -> None:
    call = {**ACME, "host_kind": host_kind, "payer": said}
    assert one(listed_ledger(), **call)["payer"] == payer


# -- other units --------------------------------------------------------------------------------


def test_images_have_a_price_each() -> None:
    ledger = listed_ledger({"kind": "images", "usd": Decimal("0.025"), "per_units": 1})
    row = one(ledger, **ACME, images=3)
    assert (row["cost"], row["cost_basis"]) == (Decimal("0.075"), "list_price_units")


def test_audio_is_priced_by_its_seconds() -> None:
    ledger = listed_ledger({"kind": "audio_seconds", "usd": Decimal("0.36"), "per_units": 3600})
    assert one(ledger, **ACME, audio_seconds=4.65)["cost"] == Decimal("0.000465")


def test_units_as_the_provider_bills_them() -> None:
    ledger = listed_ledger({"kind": "megapixels", "usd": Decimal("0.04"), "per_units": 1})
    row = one(ledger, **ACME, units=Decimal("1.048576"), unit_kind="megapixels", images=1)
    assert row["cost"] == half_even(Fraction("1.048576") * Fraction("0.04"))


def test_tokens_come_before_other_units() -> None:
    images = {"kind": "images", "usd": Decimal(1), "per_units": 1}
    row = one(listed_ledger(*token_prices("1", "1"), images), **ACME, **tokens(5, 5), images=1)
    assert row["cost_basis"] == "list_price_tokens"


GPU = {
    "provider": "hf-inference",
    "model": "*",
    "kind": "gpu_seconds",
    "usd": Decimal("0.00012"),
    "per_units": 1,
}


@pytest.mark.parametrize("compute_type", ["gpu", "gpu+optimized", "1-t4", "1-a10-g", "1-A100"])
def test_a_second_on_one_accelerator_has_a_published_rate(compute_type: str) -> None:
    row = one(listed_ledger(GPU), **HOSTED, compute_type=compute_type, compute_seconds=10.0)
    assert row["cost"] == Decimal("0.0012")  # Hugging Face's own worked example
    assert row["cost_basis"] == "compute_time_estimate"


@pytest.mark.parametrize("compute_type", ["cpu", "cpu+optimized", "8-h100", "2-a10-g", None])
def test_a_second_elsewhere_has_none(compute_type: str | None) -> None:
    row = one(listed_ledger(GPU), **HOSTED, compute_type=compute_type, compute_seconds=10.0)
    assert (row["cost"], row["cost_basis"]) == (None, "unknown")


def test_compute_time_of_another_provider_is_not_hf_inferences() -> None:
    row = one(listed_ledger(GPU), **ACME, compute_type="gpu", compute_seconds=10.0)
    assert row["cost"] is None


# -- the law ------------------------------------------------------------------------------------

USD = st.decimals(min_value=0, max_value=1000, places=9)
COUNT = st.integers(min_value=0, max_value=50_000_000)
KINDS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
PRICED = st.tuples(
    st.tuples(USD, USD, st.none() | USD, st.none() | USD),
    st.tuples(COUNT, COUNT, COUNT, COUNT),
    st.sampled_from([1, 3, 7, 1_000, 1_000_000, 999_983]),
)
Priced = tuple[tuple[Decimal | None, ...], tuple[int, ...], int]


def listed(number: int, priced: Priced) -> list[dict[str, Any]]:
    """The prices of one made-up route."""
    route = {"price_id": f"p{number}", "model": f"maker/m{number}", "per_units": priced[2]}
    named = zip(KINDS, priced[0], strict=True)
    return [{**route, "kind": kind, "usd": usd} for kind, usd in named if usd is not None]


def called(number: int, priced: Priced) -> dict[str, Any]:
    uncached, output, read, written = priced[1]
    more = {"cache_read_tokens": read, "cache_write_tokens": written}
    return {**ACME, "requested_model": f"maker/m{number}", **tokens(uncached, output, **more)}


def by_fractions(priced: Priced) -> Decimal | None:
    """The same cost, computed another way; more than the column holds is unknown."""
    entry, exit_, cached, stored = priced[0]
    assert entry is not None and exit_ is not None
    prices = (
        entry,
        exit_,
        entry if cached is None else cached,
        entry if stored is None else stored,
    )
    parts = (count * Fraction(usd) for count, usd in zip(priced[1], prices, strict=True))
    exact = sum(parts, Fraction(0)) / priced[2]
    return half_even(exact) if exact < 999_999_999 else None


@given(st.lists(PRICED, min_size=1, max_size=30))
@settings(max_examples=30, deadline=None)
def test_sql_agrees_with_exact_fractions(cases: list[Priced]) -> None:
    ledger = listed_ledger(*(row for n, case in enumerate(cases) for row in listed(n, case)))
    rows = enriched(ledger, [called(n, case) for n, case in enumerate(cases)])
    assert [row["cost"] for row in rows] == [by_fractions(case) for case in cases]


@given(
    quantities=st.lists(st.decimals(0, 100_000, places=9), min_size=1, max_size=20),
    usd=USD,
    per_units=st.sampled_from([1, 60, 3600, 1_000]),
)
@settings(max_examples=15, deadline=None)
def test_units_agree_with_exact_fractions(
    quantities: list[Decimal], usd: Decimal, per_units: int
) -> None:
    ledger = listed_ledger({"kind": "characters", "usd": usd, "per_units": per_units})
    calls = [{**ACME, "units": each, "unit_kind": "characters"} for each in quantities]
    expected = [half_even(Fraction(each) * Fraction(usd) / per_units) for each in quantities]
    assert [row["cost"] for row in enriched(ledger, calls)] == expected


def test_pricing_together_is_pricing_one_by_one() -> None:
    ledger = listed_ledger(*token_prices("0.37", "1.11"), GPU)
    calls = [{**ACME, **tokens(n * 37, n * 11)} for n in range(12)]
    calls += [{**HOSTED, "compute_type": "gpu", "compute_seconds": n / 7} for n in range(12)]
    together = [row["cost"] for row in enriched(ledger, calls)]
    assert together == [one(ledger, **call)["cost"] for call in calls]
    assert len(set(together)) == 23  # 0 tokens and 0 seconds both cost nothing


# -- the shipped history ------------------------------------------------------------------------

LLAMA = "meta-llama/Llama-3.3-70B-Instruct"
KIMI = "moonshotai/Kimi-K2-Instruct"
CODER = "Qwen/Qwen3-Coder-480B-A35B-Instruct"
OSS = "openai/gpt-oss-120b"
JAN, MAY, NOV = moment("2026-01-10"), moment("2026-05-05T05:05"), moment("2026-11-20T09:00")
LATE_NOV = moment("2025-11-30T23:59:59")

# when, provider, model, uncached, cached, output, USD per million in, out: written from the public
# lists by hand; None where no list names a price at that time
HAND_PRICED: list[tuple[datetime, str, str, int, int, int, str | None, str | None]] = [
    # Novita before and after the rise by a quarter of 23 February 2026
    (LATE_NOV, "novita", LLAMA, 1_155, 0, 211, "0.104", "0.312"),
    (moment("2025-12-15T20:20:44"), "novita", LLAMA, 1_155, 0, 211, "0.104", "0.312"),
    (moment("2025-12-15T20:20:45"), "novita", LLAMA, 1_155, 0, 211, "0.108", "0.32"),
    (JAN, "novita", LLAMA, 1_155, 0, 211, "0.108", "0.32"),
    (moment("2026-02-23T13:23:07"), "novita", LLAMA, 1_155, 0, 211, "0.108", "0.32"),
    (moment("2026-02-23T13:23:08"), "novita", LLAMA, 1_155, 0, 211, "0.135", "0.4"),
    (NOV, "novita", LLAMA, 1_155, 0, 211, "0.135", "0.4"),
    (NOV, "novita", LLAMA, 155, 1_000, 211, "0.135", "0.4"),
    (LATE_NOV, "novita", KIMI, 2_048, 0, 28, "0.456", "1.84"),
    (JAN, "novita", KIMI, 2_048, 0, 28, "0.456", "1.84"),
    (NOV, "novita", KIMI, 2_048, 0, 28, "0.57", "2.3"),
    (NOV, "novita", "moonshotai/kimi-k2-instruct", 2_048, 0, 28, "0.57", "2.3"),
    # others, that did not move
    (LATE_NOV, "groq", LLAMA, 1_000, 0, 1_000, "0.59", "0.79"),
    (JAN, "groq", LLAMA, 17, 0, 3, "0.59", "0.79"),
    (NOV, "groq", LLAMA, 1, 0, 0, "0.59", "0.79"),
    (JAN, "cerebras", LLAMA, 999, 0, 333, "0.85", "1.2"),
    (MAY, "cerebras", LLAMA, 999, 0, 333, "0.85", "1.2"),
    (JAN, "hyperbolic", LLAMA, 999, 0, 333, "0.4", "0.4"),
    (JAN, "fireworks-ai", LLAMA, 999, 0, 333, "0.9", "0.9"),
    (JAN, "nebius", LLAMA, 999, 0, 333, "0.25", "0.75"),
    # first listed later, or no longer
    (NOV, "deepinfra", OSS, 8_192, 0, 512, "0.037", "0.17"),
    (JAN, "deepinfra", OSS, 8_192, 0, 512, None, None),
    (MAY, "nebius", LLAMA, 999, 0, 333, "0.25", "0.75"),
    # no longer listed, and known from the price collection since it is dated
    (moment("2026-11-08T23:59:59"), "nebius", LLAMA, 999, 0, 333, None, None),
    (NOV, "nebius", LLAMA, 999, 0, 333, "0.25", "0.75"),
    (NOV, "cerebras", LLAMA, 999, 0, 333, "0.85", "1.2"),
    (NOV, "cerebras", OSS, 126_195, 0, 2_000, "0.25", "0.69"),
    (NOV, "scaleway", OSS, 3, 0, 1, "0.171", "0.684"),
    (NOV, "novita", CODER, 7_437, 0, 1_899, "0.38", "1.55"),
    # listed as free in February: a placeholder for all we know
    (moment("2026-02-24"), "together", "zai-org/GLM-4.5V", 100, 0, 100, None, None),
    # before the first list
    (moment("2025-11-24T15:39:33"), "groq", LLAMA, 1_000, 0, 1_000, None, None),
    (moment("2025-03-01"), "novita", LLAMA, 1_000, 0, 1_000, None, None),
]


def test_calls_priced_by_hand() -> None:
    assert len(HAND_PRICED) == 32
    calls = [
        {
            "ts": ts,
            "provider": provider,
            "requested_model": model,
            "task": "chat-completion",
            **tokens(uncached, output, cache_read_tokens=cached),
        }
        for ts, provider, model, uncached, cached, output, _, _ in HAND_PRICED
    ]
    expected = [
        None
        if entry is None or exit_ is None
        else half_even(
            ((uncached + cached) * Fraction(entry) + output * Fraction(exit_)) / 1_000_000
        )
        for _, _, _, uncached, cached, output, entry, exit_ in HAND_PRICED
    ]
    assert [row["cost"] for row in enriched(shipped_ledger(), calls)] == expected
    # Some of them once more as plain arithmetic: 1,155 × 0.104 + 211 × 0.312 = 185.952 millionths
    assert expected[0] == Decimal("0.000185952")
    assert expected[5] == Decimal("0.000240325")  # 1,155 × 0.135 + 211 × 0.4 = 240.325
    assert expected[14] == Decimal("0.00000059")


def test_the_price_id_of_a_shipped_price_names_route_and_date() -> None:
    call = {"provider": "groq", "requested_model": LLAMA, **tokens(1, 1)}
    row = one(shipped_ledger(), **call, ts=NOV)
    assert row["price_id"] == f"groq/{LLAMA}@2025-11-24T1539"


def test_a_cost_does_not_depend_on_the_sessions_zone() -> None:
    ledger = shipped_ledger()
    call = {"provider": "novita", "requested_model": LLAMA, **tokens(1_155, 211)}
    before = one(ledger, **call, ts=moment("2026-02-23T13:23:07"))["cost"]
    ledger.execute("set TimeZone = 'Asia/Tokyo'")
    assert one(ledger, **call, ts=moment("2026-02-23T13:23:07"))["cost"] == before
    ledger.execute("set TimeZone = 'UTC'")
    assert before == half_even((1_155 * Fraction("0.108") + 211 * Fraction("0.32")) / 10**6)


def test_enriching_leaves_no_table_behind() -> None:
    ledger = listed_ledger(*token_prices("1", "1"))
    one(ledger, **ACME, ts=INSIDE)
    left = ledger.execute(
        "select table_name from duckdb_tables() where temporary order by 1"
    ).fetchall()
    assert left == [("staged",)]
