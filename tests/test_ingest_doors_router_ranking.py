"""Who may do it, who first, and why: the parts of a ranking that every policy shares."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from factories_policies import MODEL, NOON, Scene, names, price, reasons, target
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.doors.gateway.compliance.policy import Allowed, Policy
from hf_ledger.ingest.doors.gateway.limits.pricing import Prices, cost_of
from hf_ledger.ingest.doors.gateway.state import State
from hf_ledger.ingest.doors.router.costs import DEFAULT_INPUT_TOKENS, DEFAULT_OUTPUT_TOKENS
from hf_ledger.ingest.doors.router.eligibility import NOT_PROVEN
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.wanted import CHAT, Wanted
from hf_ledger.ingest.errors import Usage

A, B, C = target("a"), target("b"), target("c")
OWN = Target(name="own", kind="self_hosted", url="http://box:8000/v1", model=MODEL)
HOST = "abc.eu-west-1.aws.endpoints.huggingface.cloud"
ENDPOINT = Target(name="endpoint", kind="endpoint", url=f"https://{HOST}", model=MODEL)
PRICES = (price("a", "3", "3"), price("b", "1", "1"), price("c", "2", "2"))


# -- cheapest --------------------------------------------------------------------------------------


def test_the_cheapest_is_first_and_says_what_it_costs() -> None:
    ranking = Scene(*PRICES).rank([A, B, C], input_tokens=1000, output_tokens=500)
    assert names(ranking) == ["b", "c", "a"]
    first = ranking.ranked[0]
    assert first.cost == Decimal(1500) / 1_000_000
    assert first.why == "$0.0015 at the list, no calls yet"
    assert first.score < ranking.ranked[1].score < ranking.ranked[2].score
    assert ranking.policy == "cheapest"


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=6),
    st.lists(st.sampled_from([1, 3, 1000, 1_000_000]), min_size=6, max_size=6),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)
def test_its_cost_is_that_of_the_ledger_and_orders(
    rates: list[tuple[int, int]], units: list[int], tokens_in: int, tokens_out: int
) -> None:
    known = [
        price(f"p{n}", f"{a / 1000:.3f}", f"{b / 1000:.3f}", per_units=units[n])
        for n, (a, b) in enumerate(rates)
    ]
    scene = Scene(*known)
    places = [target(f"p{n}") for n in range(len(rates))]
    ranking = scene.rank(places, input_tokens=tokens_in, output_tokens=tokens_out)
    prices = Prices(State(prices=tuple(known)))
    for each in ranking.ranked:
        assert each.cost == cost_of(asked(each.target, tokens_in, tokens_out), prices)
    costs = [each.cost for each in ranking.ranked]
    assert costs == sorted(costs, key=lambda cost: cost or 0)


def asked(place: Target, tokens_in: int, tokens_out: int) -> Any:
    from factories_policies import call_to

    return call_to(place, uncached_input_tokens=tokens_in, output_tokens=tokens_out, task=CHAT)


def test_an_unknown_price_is_last_and_never_zero() -> None:
    ranking = Scene(price("a", "900", "900")).rank([ENDPOINT, B, A, OWN])
    assert names(ranking) == ["own", "a", "b", "endpoint"]
    own, a, b, endpoint = ranking.ranked
    assert own.cost == 0 and own.why.startswith("no bill is sent")
    assert a.cost is not None and a.cost > 0
    assert b.cost is None and b.why == "price unknown, no calls yet"
    assert endpoint.cost is None and "billed by the hour" in endpoint.why


def test_a_price_of_input_alone_is_enough_where_nothing_is_written() -> None:
    scene = Scene(price("a", "1", None))
    embedding = target("a", tasks=frozenset({"feature-extraction", CHAT}))
    (ranked,) = scene.rank([embedding], task="feature-extraction", input_tokens=2000).ranked
    assert ranked.cost == Decimal(2000) / 1_000_000
    assert scene.rank([embedding]).ranked[0].cost is None


def test_lengths_that_are_not_known_are_the_same_for_all() -> None:
    (ranked,) = Scene(price("a", "1", "2")).rank([A]).ranked
    expected = Decimal(DEFAULT_INPUT_TOKENS + 2 * DEFAULT_OUTPUT_TOKENS) / 1_000_000
    assert ranked.cost == expected


def test_where_the_router_chooses_it_is_at_most_the_dearest() -> None:
    scene = Scene(*PRICES)
    auto = target("auto", provider=None, routing="auto")
    cheap = target("cheap", provider=None, routing="cheapest")
    ranking = scene.rank([auto, cheap, C], input_tokens=10**6, output_tokens=0)
    assert [(each.target.name, each.cost) for each in ranking.ranked] == [
        ("cheap", Decimal(1)),
        ("c", Decimal(2)),
        ("auto", Decimal(3)),
    ]
    assert "at most" in ranking.ranked[2].why


def test_a_price_that_ended_counts_no_more() -> None:
    scene = Scene(price("a", "1", "1", valid_to=int(NOON) + 10))
    assert scene.rank([A]).ranked[0].cost is not None
    scene.clock.now += 10
    assert scene.rank([A]).ranked[0].cost is None


def test_new_prices_are_seen_at_once() -> None:
    scene = Scene(*PRICES)
    assert names(scene.rank([A, B]))[0] == "b"
    scene.prices = Prices(State(prices=(price("a", "1", "1"), price("b", "5", "5"))))
    assert names(scene.rank([A, B]))[0] == "a"


def test_equals_stand_by_name() -> None:
    scene = Scene(*(price(name, "1", "1") for name in "abc"))
    assert names(scene.rank([C, A, B])) == names(scene.rank([B, C, A])) == ["a", "b", "c"]


def test_only_the_first_are_made_where_only_they_are_wanted() -> None:
    scene = Scene(*PRICES)
    wanted = Wanted()
    assert names(scene.ranker.rank(wanted, [A, B, C], 0.0, most=2)) == ["b", "c"]


def test_a_policy_that_there_is_not() -> None:
    with pytest.raises(Usage, match="no policy 'best'; known: cheapest"):
        Scene().rank([A], policy="best")


# -- fastest ---------------------------------------------------------------------------------------


def test_the_fastest_is_first_by_what_was_measured() -> None:
    scene = Scene(*PRICES)
    scene.observe(A, 3, latency_ms=900)
    scene.observe(B, 3, latency_ms=300)
    scene.observe(C, 3, latency_ms=600)
    ranking = scene.rank([A, B, C], policy="fastest")
    assert names(ranking) == ["b", "c", "a"]
    assert "100 % of 3 calls ok, 29" in ranking.ranked[0].why


def test_what_the_list_states_counts_where_nothing_was_measured() -> None:
    stated = target("stated", throughput=500.0, first_token_ms=100.0)  # 100 + 250 / 500 s
    scene = Scene(price("stated", "1", "1"), *PRICES)
    scene.observe(A, latency_ms=500)
    scene.observe(B, latency_ms=700)
    ranking = scene.rank([A, B, C, stated], policy="fastest")
    assert names(ranking) == ["a", "stated", "b", "c"]
    assert "no calls yet, 600 ms stated" in ranking.ranked[1].why


# -- health and breakers ---------------------------------------------------------------------------


def test_the_ill_stand_behind_the_healthy() -> None:
    scene = Scene(*PRICES)
    scene.observe(B, 10, outcome="error", error_kind="server_error", status=500)
    scene.observe(B, 9)
    assert names(scene.rank([A, B])) == ["b", "a"], "19 calls are too few"
    scene.observe(B)
    ranking = scene.rank([A, B])
    assert names(ranking) == ["a", "b"]
    assert ranking.ranked[1].why.endswith(
        "50 % of 20 calls ok, 503 ms, below 80 % and so behind the healthy"
    )


def test_an_open_breaker_leaves_a_target_out_for_a_while() -> None:
    scene = Scene(*PRICES)
    scene.breakers.failed(B, 0.0, retry_after_s=7)
    ranking = scene.rank([A, B])
    assert names(ranking) == ["a"]
    assert reasons(ranking) == {"b": "its breaker is open for 7.0 s more"}
    assert names(scene.rank([A, B], now_s=7.0)) == ["b", "a"]


def test_ranking_takes_no_probe() -> None:
    scene = Scene(*PRICES)
    scene.breakers.failed(B, 0.0, retry_after_s=7)
    for _ in range(3):
        assert names(scene.rank([A, B], now_s=8.0)) == ["b", "a"]
    assert scene.breakers.admits(B, 8.0)
    assert names(scene.rank([A, B], now_s=8.0)) == ["a"]


def test_limits_of_a_target_leave_it_out() -> None:
    scene = Scene(*PRICES)
    b = target("b", most_at_once=1)
    c = target("c", requests_per_minute=1)
    for each in (b, c):
        scene.metrics.sent(each, 0.0)
    assert reasons(scene.rank([A, b, c])) == {
        "b": "1 under way, and 1 at once allowed",
        "c": "all 1 of this minute are used up",
    }
    scene.metrics.done(b)
    assert names(scene.rank([A, b, c], now_s=61.0)) == ["b", "c", "a"]


# -- who may do it ---------------------------------------------------------------------------------

WIDE = target("wide", tools=True, structured_output=True, context_length=8000)
CASES: list[tuple[Target, dict[str, Any], str | None]] = [
    (A, {}, None),
    (A, {"task": "summarization"}, "it does not do summarization"),
    (A, {"targets": ("b*",)}, "its name is not among those wanted (b*)"),
    (A, {"targets": ("A",)}, None),
    (A, {"models": ("maker/*",)}, None),
    (A, {"models": ("other/*", "x")}, "its model is not among those wanted (other/*, x)"),
    (A, {"targets": ("a",), "models": ("x",)}, "its model is not among those wanted (x)"),
    (A, {"tools": True}, "not known to call tools"),
    (target(tools=False), {"tools": True}, "it can't call tools"),
    (WIDE, {"tools": True, "structured_output": True}, None),
    (A, {"structured_output": True}, "not known to have structured output"),
    (
        target(structured_output=False),
        {"structured_output": True},
        "it has no structured output",
    ),
    (WIDE, {"input_tokens": 7000, "output_tokens": 1000}, None),
    (
        WIDE,
        {"input_tokens": 7000, "output_tokens": 1001},
        "its context of 8,000 tokens is too short for 8,001",
    ),
    (A, {"input_tokens": 10**9}, None),  # not known: it may fit
    (
        target(max_output_tokens=100),
        {"output_tokens": 101},
        "it writes 100 tokens at most, 101 are wanted",
    ),
    (
        target(data_classes=frozenset({"public"})),
        {"data_class": "internal"},
        "it takes no internal data",
    ),
    (target(data_classes=frozenset({"public"})), {"data_class": "public"}, None),
    (target(known="discovered"), {}, NOT_PROVEN),
    (target(known="discovered"), {"models": (MODEL,)}, None),
    (target(known="discovered"), {"targets": ("a",)}, None),
]


@pytest.mark.parametrize(("place", "wanted", "why"), CASES)
def test_eligibility(place: Target, wanted: dict[str, Any], why: str | None) -> None:
    ranking = Scene(*PRICES).ranker.rank(Wanted(**wanted), [place], 0.0)
    assert [each.why for each in ranking.excluded] == ([] if why is None else [why])
    assert len(ranking.ranked) == (why is None)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_what_is_known_not_to_fit_is_never_tried(tokens_in: int, tokens_out: int) -> None:
    ranking = Scene().rank([WIDE, A], input_tokens=tokens_in, output_tokens=tokens_out)
    assert ("wide" in names(ranking)) == (tokens_in + tokens_out <= 8000)
    assert "a" in names(ranking)


def test_data_goes_only_where_compliance_lets_it() -> None:
    scene = Scene(*PRICES)
    scene.compliance = Policy(
        allowed={
            "confidential": Allowed(providers=("a", "self_hosted", "endpoint")),
            "restricted": Allowed(hosts=("box",), regions=("eu-west-1",)),
        }
    )
    places = [A, B, OWN, ENDPOINT, target("auto", provider=None, routing="auto")]
    confidential = scene.rank(places, data_class="confidential")
    assert set(names(confidential)) == {"a", "own", "endpoint"}
    assert "may not go to this provider; allowed are a" in reasons(confidential)["b"]
    assert "name one of them behind the model's name" in reasons(confidential)["auto"]
    assert set(names(scene.rank(places, data_class="restricted"))) == {"own", "endpoint"}
    assert set(names(scene.rank(places))) == {each.name for each in places}
