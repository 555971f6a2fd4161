"""How captures become a price history: changes only, gaps bridged, withdrawn and unclear prices."""

from __future__ import annotations

import importlib.util
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "build_data.py"


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_data", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["build_data"] = module
    spec.loader.exec_module(module)
    return module


build = loaded()

PARTIAL, WHOLE = "pydantic/genai-prices@x", "jadnohra/hf-providers@x"


def capture(day: int, source: str = PARTIAL, *, fresh: bool = True) -> Any:
    return build.Capture(f"2026-01-{day:02d}T00:00:00", source, fresh, f"sha-{day}", 1)


def price(entry: str, output: str) -> tuple[Decimal, Decimal]:
    return Decimal(entry), Decimal(output)


def history(seen: dict[Any, Any], captures: list[Any]) -> list[tuple[Any, str, str]]:
    """Prices with the days on which they begin and end."""
    return [
        (version.prices, version.first.captured_at[8:10], version.valid_to[8:10])
        for version in build.versions_of(build.Pair(seen), captures)
    ]


OLD, NEW = price("1", "2"), price("1.25", "2.5")


def test_the_same_price_again_is_no_change() -> None:
    captures = [capture(1), capture(2), capture(3)]
    assert history(dict.fromkeys(captures, OLD), captures) == [(OLD, "01", "")]


def test_a_change_ends_one_price_and_begins_the_next() -> None:
    captures = [capture(1), capture(2), capture(3)]
    seen = dict(zip(captures, (OLD, NEW, NEW), strict=True))
    assert history(seen, captures) == [(OLD, "01", "02"), (NEW, "02", "")]


def test_a_price_that_comes_back_is_a_version_of_its_own() -> None:
    captures = [capture(1), capture(2), capture(3)]
    seen = dict(zip(captures, (OLD, NEW, OLD), strict=True))
    assert history(seen, captures) == [(OLD, "01", "02"), (NEW, "02", "03"), (OLD, "03", "")]


def test_a_gap_is_bridged() -> None:
    captures = [capture(1), capture(2), capture(3)]
    assert history({captures[0]: OLD, captures[2]: OLD}, captures) == [(OLD, "01", "")]
    changed = {captures[0]: OLD, captures[2]: NEW}
    assert history(changed, captures) == [(OLD, "01", "03"), (NEW, "03", "")]


def test_a_pair_left_out_for_good_ends_at_the_first_list_without_it() -> None:
    captures = [capture(1), capture(2), capture(3)]
    assert history({captures[0]: OLD}, captures) == [(OLD, "01", "02")]


def test_another_sources_partial_list_proves_nothing() -> None:
    """The partial source lists fewer providers; only a whole list shows that a pair is gone."""
    captures = [capture(1, WHOLE), capture(2, PARTIAL), capture(3, WHOLE)]
    assert history({captures[0]: OLD}, captures) == [(OLD, "01", "03")]
    assert history({captures[0]: OLD}, captures[:2]) == [(OLD, "01", "")]


def test_a_list_not_fetched_afresh_proves_nothing() -> None:
    captures = [capture(1), capture(2, fresh=False), capture(3, fresh=False)]
    assert history({captures[0]: OLD}, captures) == [(OLD, "01", "")]


def test_a_pair_shown_without_a_price_has_none_from_then_on() -> None:
    captures = [capture(1), capture(2, WHOLE), capture(3, WHOLE)]
    seen = {captures[0]: OLD, captures[1]: None, captures[2]: None}
    assert history(seen, captures) == [(OLD, "01", "02")]
    later = {captures[0]: OLD, captures[1]: None, captures[2]: NEW}
    assert history(later, captures) == [(OLD, "01", "02"), (NEW, "03", "")]


def test_a_pair_never_priced_has_no_history() -> None:
    captures = [capture(1), capture(2)]
    assert history(dict.fromkeys(captures), captures) == []


@pytest.mark.parametrize(
    ("entry", "output", "expected"),
    [
        ("0.5", "1.5", price("0.5", "1.5")),
        ("0.01", "0.0", price("0.01", "0")),  # an embedding's output costs nothing
        ("0.0", "0.0", None),  # free, or a placeholder
        (None, None, None),
        ("0.5", None, None),
    ],
)
def test_what_counts_as_a_price(entry: str | None, output: str | None, expected: Any) -> None:
    assert build.price_of({"input_usd": entry, "output_usd": output}) == expected


def test_rows_of_a_version_share_id_dates_and_list() -> None:
    first = capture(5)
    version = build.Version(price("0.50", "2"), first, first, "2026-02-01T00:00:00")
    entry, output = build.version_rows("Maker/Model", "acme", version)
    assert (entry["kind"], entry["usd"]) == ("input_tokens", "0.5")
    assert (output["kind"], output["usd"]) == ("output_tokens", "2")
    shared = {name: value for name, value in entry.items() if name not in ("kind", "usd")}
    assert shared.items() <= output.items()
    assert shared["price_id"] == "acme/Maker/Model@2026-01-05T0000"
    assert (shared["valid_to"], shared["snapshot"]) == ("2026-02-01T00:00:00", "sha-5")


def row(model: str, provider: str, entry: str | None, **more: Any) -> dict[str, Any]:
    return {
        "model_lower": model.lower(),
        "model": model,
        "provider": provider,
        "input_usd": entry,
        "output_usd": entry,
        **more,
    }


def test_the_digest_depends_on_prices_only() -> None:
    one, two = row("a/b", "acme", "1"), row("c/d", "acme", "2")
    unpriced = row("e/f", "acme", None)
    assert build.digest([one, two]) == build.digest([two, unpriced, one])
    assert build.digest([one]) != build.digest([row("a/b", "acme", "1.1")])
    assert len(build.digest([])) == 64


def test_hf_inference_needs_no_routes_and_a_first_sight_stays() -> None:
    route = {"provider_model_id": "own-id", "task": "conversational", "source": "s"}
    rows = [
        row("A/B", "acme", None, captured_at="2026-01-01", **route),
        row("A/B", "acme", None, captured_at="2026-01-02", **route),
        row("A/B", "hf-inference", None, captured_at="2026-01-01", **route),
        row("A/C", "acme", None, captured_at="2026-01-01", **{**route, "provider_model_id": None}),
    ]
    assert build.route_rows(rows) == [
        {
            "model": "A/B",
            "provider": "acme",
            "provider_model": "own-id",
            "task": "chat-completion",
            "seen_from": "2026-01-01",
            "source": "s",
        }
    ]


PRICE = st.sampled_from([OLD, NEW, price("3", "4"), None])
ABSENT = st.just("absent")


@given(st.lists(st.tuples(PRICE | ABSENT, st.booleans(), st.booleans()), min_size=1, max_size=12))
def test_at_every_capture_that_shows_a_price_the_history_says_it(
    shown: list[tuple[Any, bool, bool]],
) -> None:
    captures = [
        capture(day, WHOLE if whole else PARTIAL, fresh=fresh)
        for day, (_, whole, fresh) in enumerate(shown, start=1)
    ]
    seen = {
        each: prices
        for each, (prices, _, _) in zip(captures, shown, strict=True)
        if prices != "absent"
    }
    versions = build.versions_of(build.Pair(seen), captures)
    for each, prices in seen.items():
        at = each.captured_at
        holding = [
            version.prices
            for version in versions
            if version.first.captured_at <= at and (not version.valid_to or at < version.valid_to)
        ]
        assert holding == ([prices] if prices else [])
