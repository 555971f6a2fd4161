"""Each policy's rule, and the laws that hold for all of them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from factories_policies import MODEL, NOON, Scene, names, price, reasons, target
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.doors.router.advice import Advice, Rule, Segment
from hf_ledger.ingest.doors.router.eligibility import NOT_PROVEN
from hf_ledger.ingest.doors.router.metrics import WINDOW_S
from hf_ledger.ingest.doors.router.policies import ORDERS, balance_of
from hf_ledger.ingest.doors.router.ranked import Health, Ranking
from hf_ledger.ingest.doors.router.standing import unreliable
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.wanted import POLICIES, Wanted
from hf_ledger.ingest.errors import Usage

A, B, C = target("a"), target("b"), target("c")
PRICES = (price("a", "3", "3"), price("b", "1", "1"), price("c", "2", "2"))
OWN = Target(name="own", kind="self_hosted", url="http://box:8000/v1", model=MODEL, most_at_once=2)
ENDPOINT = Target(name="endpoint", kind="endpoint", url="https://e.example", model=MODEL)


def test_every_policy_that_may_be_wanted_has_its_order() -> None:
    assert set(ORDERS) == set(POLICIES)


# -- laws ------------------------------------------------------------------------------------------

worlds = st.fixed_dictionaries(
    {
        "prices": st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 50)),
        "failing": st.sets(st.sampled_from("abcdef")),
        "shut": st.sets(st.sampled_from("abcdef")),
        "places": st.lists(st.sampled_from("abcdef"), unique=True, max_size=6),
    }
)


def in_world(world: dict[str, Any], policy: str, **wanted: Any) -> tuple[Scene, Ranking]:
    scene = Scene(*(price(n, str(usd), str(usd)) for n, usd in world["prices"].items()))
    for name in world["failing"]:
        scene.observe(target(name), 20, outcome="error", error_kind="timeout")
    for name in world["shut"]:
        scene.breakers.failed(target(name), 0.0, retry_after_s=5)
    if policy == "split":
        wanted["weights"] = {"a": 30.0, "b": 20.0, "z": 10.0}
    return scene, scene.rank([target(n) for n in world["places"]], policy=policy, **wanted)


@pytest.mark.parametrize("policy", POLICIES)
@settings(deadline=None)
@given(worlds, st.text(max_size=3))
def test_every_target_is_ranked_or_left_out_once_and_the_ill_come_last(
    policy: str, world: dict[str, Any], key: str
) -> None:
    scene, ranking = in_world(world, policy, sticky=key)
    assert sorted(names(ranking) + list(reasons(ranking))) == sorted(world["places"])
    assert set(reasons(ranking)) == set(world["places"]) & world["shut"]
    ill = [name in world["failing"] for name in names(ranking)]
    assert ill == sorted(ill)
    assert all(each.why for each in (*ranking.ranked, *ranking.excluded))
    wanted = Wanted(policy=policy, sticky=key, weights={"a": 30.0} if policy == "split" else {})
    some = scene.ranker.rank(wanted, [target(n) for n in world["places"]], 0.0, most=2)
    assert len(some.ranked) == min(2, len(ranking.ranked))


@pytest.mark.parametrize("policy", [each for each in POLICIES if each != "split"])
@settings(deadline=None)
@given(worlds, st.randoms())
def test_the_order_does_not_depend_on_that_of_the_targets(
    policy: str, world: dict[str, Any], chance: Any
) -> None:
    scene, ranking = in_world(world, policy)
    mixed = list(world["places"])
    chance.shuffle(mixed)
    assert names(scene.rank([target(n) for n in mixed], policy=policy)) == names(ranking)


# -- balanced --------------------------------------------------------------------------------------


def balanced_scene() -> Scene:
    """a is dear and fast, b cheap and slow, c in between and unreliable."""
    scene = Scene(*PRICES)
    for place, ms in ((A, 100), (B, 1000), (C, 500)):
        scene.observe(place, 98, latency_ms=ms)
    scene.observe(C, 20, outcome="error", error_kind="overloaded", status=503)
    return scene


@pytest.mark.parametrize(
    ("weights", "first"),
    [
        ({"price": 1.0}, "b"),
        ({"speed": 2.0}, "a"),
        ({"price": 1.0, "speed": 5.0}, "a"),
        ({"price": 5.0, "speed": 1.0}, "b"),
    ],
)
def test_weights_say_what_matters(weights: dict[str, float], first: str) -> None:
    ranking = balanced_scene().rank([A, B, C], policy="balanced", weights=weights)
    assert names(ranking)[0] == first


def test_its_score_is_the_documented_sum() -> None:
    ranking = balanced_scene().rank([A, B, C], policy="balanced")
    healths = {each.target.name: each for each in ranking.ranked}
    slowest = healths["b"].health.latency_ms
    for each in ranking.ranked:
        usd = {"a": 3.0, "b": 1.0, "c": 2.0}[each.target.name]
        assert each.health.latency_ms is not None and slowest is not None
        failed = 20 if each.target.name == "c" else 0
        risk = (failed + 1) / (98 + failed + 2)
        expected = usd / 3 / 3 + each.health.latency_ms / slowest / 3 + risk / 3
        assert each.score == pytest.approx(expected)


def test_what_is_not_known_counts_as_the_worst() -> None:
    scene = Scene(price("b", "1", "1"), price("c", "2", "2"))
    scene.observe(C, 1, latency_ms=500)
    ranking = scene.rank([A, B, C], policy="balanced", weights={"price": 1.0, "speed": 1.0})
    assert {each.target.name: each.score for each in ranking.ranked} == {
        "a": pytest.approx(0.5 + 0.5),
        "b": pytest.approx(0.25 + 0.5),
        "c": pytest.approx(0.5 + 0.5),
    }


def test_little_that_was_seen_is_not_taken_for_certain() -> None:
    assert unreliable(Health()) == 1 / 2
    assert unreliable(Health(calls=1, success=1.0)) == 1 / 3
    assert unreliable(Health(calls=98, success=1.0)) == 1 / 100


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["price", "speed", "success"]), st.floats(0.01, 1e6)))
def test_weights_sum_to_one(weights: dict[str, float]) -> None:
    assert sum(balance_of(Wanted(weights=weights))) == pytest.approx(1)


@pytest.mark.parametrize("weights", [{"price": -1.0}, {"price": 0.0}, {"latency": 1.0}])
def test_weights_that_say_nothing(weights: dict[str, float]) -> None:
    with pytest.raises(Usage, match="price, speed, success"):
        Scene().rank([A], policy="balanced", weights=weights)


# -- sticky ----------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.text(min_size=1), min_size=1, max_size=30, unique=True), st.integers(0, 7))
def test_a_target_that_leaves_moves_only_its_own_keys(keys: list[str], leaving: int) -> None:
    scene, places = Scene(), [target(f"t{n}") for n in range(8)]
    before = {key: names(scene.rank(places, policy="sticky", sticky=key)) for key in keys}
    left = [each for n, each in enumerate(places) if n != leaving]
    for key in keys:
        after = names(scene.rank(left, policy="sticky", sticky=key))
        assert after == [name for name in before[key] if name != f"t{leaving}"]


def test_an_ill_target_moves_only_its_own_keys_and_gets_them_back() -> None:
    scene, places = Scene(), [A, B, C]
    keys = [f"session-{n}" for n in range(60)]

    def homes() -> dict[str, str]:
        return {key: names(scene.rank(places, policy="sticky", sticky=key))[0] for key in keys}

    before = homes()
    scene.observe(A, 20, outcome="error", error_kind="timeout")
    during = homes()
    assert all((before[key] == during[key]) == (before[key] != "a") for key in keys)
    scene.clock.now += WINDOW_S + 10
    assert homes() == before


def test_keys_are_spread_evenly() -> None:
    scene, places = Scene(), [target(f"t{n}") for n in range(10)]
    homes = Counter(
        scene.ranker.rank(Wanted(policy="sticky", sticky=f"k{n}"), places, 0.0, most=1)
        .ranked[0]
        .target.name
        for n in range(5000)
    )
    assert len(homes) == 10
    # 500 each with a standard deviation of 21: six of them either way.
    assert min(homes.values()) > 370 and max(homes.values()) < 630


def test_the_same_in_every_process() -> None:
    places = [target(f"t{n}") for n in range(10)]
    assert names(Scene().rank(places, policy="sticky", sticky="session-1"))[:3] == [
        "t2",
        "t7",
        "t4",
    ]


# -- hybrid ----------------------------------------------------------------------------------------


def test_what_is_ones_own_comes_first_and_bursts_go_where_a_bill_is_sent() -> None:
    scene = Scene(*PRICES)
    places = [A, B, OWN]
    for _ in range(2):
        assert names(scene.rank(places, policy="hybrid")) == ["own", "b", "a"]
        scene.metrics.sent(OWN, 0.0)
    burst = scene.rank(places, policy="hybrid")
    assert names(burst) == ["b", "a"]
    assert reasons(burst) == {"own": "2 under way, and 2 at once allowed"}
    scene.metrics.done(OWN)
    assert names(scene.rank(places, policy="hybrid"))[0] == "own"


def test_of_ones_own_the_idlest_comes_first() -> None:
    scene = Scene(*PRICES)
    scene.metrics.sent(ENDPOINT, 0.0)
    assert names(scene.rank([A, ENDPOINT, OWN], policy="hybrid")) == ["own", "endpoint", "a"]
    scene.metrics.sent(OWN, 0.0)
    scene.metrics.done(ENDPOINT)
    assert names(scene.rank([A, ENDPOINT, OWN], policy="hybrid")) == ["endpoint", "own", "a"]


def test_ones_own_that_is_ill_waits_behind_the_others() -> None:
    scene = Scene(*PRICES)
    scene.observe(OWN, 20, outcome="error", error_kind="connection", status=None)
    assert names(scene.rank([A, OWN], policy="hybrid")) == ["a", "own"]


# -- split -----------------------------------------------------------------------------------------


def firsts(scene: Scene, places: list[Target], weights: dict[str, float], draws: int) -> Any:
    wanted = Wanted(policy="split", weights=weights)
    return Counter(
        scene.ranker.rank(wanted, places, 0.0, most=1).ranked[0].target.name for _ in range(draws)
    )


def test_each_gets_its_per_cent_and_the_cheapest_of_the_others_the_rest() -> None:
    drawn = firsts(Scene(*PRICES), [A, B, C], {"a": 20.0, "c": 30.0}, 4000)
    # Standard deviations are 25, 29 and 32: five of them either way.
    assert abs(drawn["a"] - 800) < 130
    assert abs(drawn["c"] - 1200) < 150
    assert abs(drawn["b"] - 2000) < 160


@pytest.mark.parametrize("gone", ["a", "c"])
def test_the_share_of_one_that_is_left_out_goes_to_the_next_with_a_share(gone: str) -> None:
    scene = Scene(*PRICES)
    scene.breakers.failed(target(gone), 0.0, retry_after_s=5)
    other = {"a": "c", "c": "a"}[gone]
    assert firsts(scene, [A, B, C], {"a": 50.0, "c": 50.0}, 200) == {other: 200}


def test_behind_the_one_that_is_drawn_stand_all_the_others() -> None:
    ranking = Scene(*PRICES).rank([A, B, C], policy="split", weights={"a": 100.0})
    assert names(ranking) == ["a", "b", "c"]


@pytest.mark.parametrize("weights", [{}, {"a": 101.0}, {"a": 60.0, "b": 50.0}, {"a": -1.0}])
def test_shares_that_are_none(weights: dict[str, float]) -> None:
    with pytest.raises(Usage, match="per cent"):
        Scene().rank([A], policy="split", weights=weights)


# -- advised ---------------------------------------------------------------------------------------

STRONG = target("strong", model="maker/strong", known="discovered")
SMALL = target("small", model="maker/small", known="discovered")
NOW = datetime.fromtimestamp(NOON, UTC)
DAY = timedelta(days=1)


def rule(**changes: Any) -> Rule:
    given: dict[str, Any] = {
        "task": "chat-completion",
        "from_model": "maker/strong",
        "to_model": "Maker/Small",
        "share": 0.25,
        "certificate_id": "c1",
        "certified_at": NOW - DAY,
        "expires_at": NOW + DAY,
    }
    return Rule(**{**given, **changes})


def advised(*rules: Rule) -> Scene:
    advice = Advice(version=1, number=1, created_at=NOW, rules=rules)
    return Scene(price("strong", "9", "9"), price("small", "1", "1"), *PRICES, advice=advice)


def shares(scene: Scene, draws: int = 2000, **wanted: Any) -> Any:
    return Counter(
        names(scene.rank([STRONG, SMALL], policy="advised", **wanted))[0] for _ in range(draws)
    )


def test_the_certified_model_gets_its_share_and_the_strong_one_the_rest() -> None:
    drawn = shares(advised(rule()))
    assert drawn["small"] + drawn["strong"] == 2000
    assert abs(drawn["small"] - 500) < 100  # a standard deviation is 19


def test_the_other_one_stands_behind() -> None:
    everything = advised(rule(share=1.0)).rank([STRONG, SMALL], policy="advised")
    assert names(everything) == ["small", "strong"]
    nothing = advised(rule(share=0.0)).rank([STRONG, SMALL], policy="advised")
    assert names(nothing) == ["strong", "small"]


def test_what_has_expired_is_never_taken() -> None:
    scene = advised(rule(share=1.0, expires_at=NOW + timedelta(seconds=5)))
    assert names(scene.rank([STRONG, SMALL], policy="advised")) == ["small", "strong"]
    scene.clock.now += 5
    ranking = scene.rank([STRONG, SMALL], policy="advised")
    assert names(ranking) == ["strong"]
    assert reasons(ranking) == {"small": NOT_PROVEN}


def test_what_is_certified_from_tomorrow_is_not_taken_today() -> None:
    scene = advised(rule(share=1.0, certified_at=NOW + DAY, expires_at=NOW + 2 * DAY))
    assert names(scene.rank([STRONG, SMALL], policy="advised")) == ["strong"]
    scene.clock.now += DAY.total_seconds()
    assert names(scene.rank([STRONG, SMALL], policy="advised")) == ["small", "strong"]


def test_a_rule_for_the_segment_counts_before_one_for_all() -> None:
    scene = advised(rule(share=0.0), rule(share=1.0, segment=Segment(team="search")))
    assert shares(scene, 20) == {"strong": 20}
    assert shares(scene, 20, segment="search") == {"small": 20}
    assert shares(scene, 20, segment="other") == {"strong": 20}


def test_one_word_does_not_prove_two_conditions() -> None:
    both = Segment(team="search", template_hash="search")
    assert not both.fits("search") and Segment().fits(None) and not Segment(app="x").fits(None)


def test_a_rule_of_another_task_proves_nothing() -> None:
    scene = advised(rule(task="summarization"))
    assert names(scene.rank([STRONG, SMALL, A], policy="advised")) == ["a"]


def test_a_provider_that_was_certified_is_meant() -> None:
    elsewhere = target("elsewhere", model="maker/small", known="discovered")
    scene = advised(rule(share=1.0, to_provider="Small"))
    ranking = scene.rank([STRONG, SMALL, elsewhere], policy="advised")
    assert names(ranking) == ["small", "strong"]
    assert reasons(ranking) == {"elsewhere": NOT_PROVEN}


@pytest.mark.parametrize("policy", [each for each in POLICIES if each != "split"])
def test_what_is_not_proven_is_never_chosen_unasked(policy: str) -> None:
    ranking = advised(rule()).rank(
        [STRONG, SMALL, A, target("x", known="discovered")], policy=policy
    )
    assert set(names(ranking)) == {"strong", "small", "a"}
    assert reasons(ranking) == {"x": NOT_PROVEN}
