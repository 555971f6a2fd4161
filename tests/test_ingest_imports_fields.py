"""Single values: unknown stays unknown, nonsense is unfit, and nothing is rounded on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from factories_imports import MARKER, MIDNIGHT
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.imports import fields
from hf_ledger.ingest.doors.imports.fields import Unfit
from hf_ledger.ingest.doors.imports.providers import (
    host_of,
    provider_name,
    set_host,
    task_name,
)
from hf_ledger.ingest.wire.exchange import WireSettings

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("value", [None, ""])
def test_nothing_said_is_unknown(value: Any) -> None:
    assert fields.text(value) is None
    assert fields.number(value, "x") is None
    assert fields.count(value, "x") is None
    assert fields.money(value, "x") is None
    assert fields.estimate(value, "x") is None
    assert fields.moment(value, "x") is None
    assert fields.duration_ms(value, "x") is None


@pytest.mark.parametrize(
    ("value", "found"), [(0, 0), ("12", 12), (12.0, 12), ("1e3", 1000), (Decimal(7), 7)]
)
def test_counts(value: Any, found: int) -> None:
    assert fields.count(value, "x") == found


@pytest.mark.parametrize("value", [-1, 1.5, "1.5", 2**60, True, "x", MARKER, "NaN", float("inf")])
def test_what_is_no_count(value: Any) -> None:
    with pytest.raises(Unfit, match=r"^tokens is ") as said:
        fields.count(value, "tokens")
    assert MARKER not in str(said.value)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("0.1", "0.100000000"),
        (9.9337e-05, "0.000099337"),
        (Decimal("0.0000000005"), "0.000000000"),  # half to even
        (Decimal("0.0000000015"), "0.000000002"),
        (0, "0.000000000"),
    ],
)
def test_money_has_nine_places(value: Any, found: str) -> None:
    assert fields.money(value, "x") == found


@given(st.decimals(0, 10**8, places=9))
def test_money_is_exact(amount: Decimal) -> None:
    assert Decimal(fields.money(str(amount), "x") or "") == amount


@pytest.mark.parametrize(("value", "found"), [(0, None), ("0.000", None), ("1", "1.000000000")])
def test_an_estimate_of_zero_is_none(value: Any, found: str | None) -> None:
    assert fields.estimate(value, "x") == found


@pytest.mark.parametrize(
    "value",
    [
        "2026-07-27T00:00:00Z",
        "2026-07-27 00:00:00.000",
        "2026-07-27T02:00:00+02:00",
        "2026-07-26T20:00:00-04:00",
        datetime(2026, 7, 27, tzinfo=UTC).replace(tzinfo=None),
        datetime(2026, 7, 27, 2, tzinfo=BERLIN),
        MIDNIGHT // 1_000_000,
        str(MIDNIGHT // 1_000_000),
    ],
)
def test_moments_are_utc(value: Any) -> None:
    assert fields.moment(value, "x") == MIDNIGHT


def test_a_time_without_a_zone_may_be_of_another() -> None:
    assert fields.moment("2026-07-27 02:00", "x", zone=BERLIN) == MIDNIGHT
    winter = fields.moment("2026-01-01 01:00", "x", zone=BERLIN)
    assert winter == fields.moment("2026-01-01T00:00Z", "x")


@pytest.mark.parametrize(
    ("unit", "factor"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)]
)
def test_epochs_in_any_unit(unit: str, factor: int) -> None:
    assert fields.moment(MIDNIGHT // 10**6 * factor, "x", unit=unit) == MIDNIGHT


@given(st.integers(1_420_070_400_000_000, 4_070_908_800_000_000))
def test_moments_lose_no_microsecond(when: int) -> None:
    text = (fields.EPOCH + timedelta(microseconds=when)).isoformat()
    assert fields.moment(text, "x") == when


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01", "27.07.2026", MARKER])
def test_what_is_no_time(value: str) -> None:
    with pytest.raises(Unfit, match="ts is not a time of ISO 8601") as said:
        fields.moment(value, "ts")
    assert value not in str(said.value)


@pytest.mark.parametrize(
    ("value", "unit", "found"), [(5, "ms", 5.0), ("1.5", "s", 1500.0), (-1, "ms", None)]
)
def test_durations(value: Any, unit: str, found: float | None) -> None:
    assert fields.duration_ms(value, "x", unit=unit) == found


def test_a_span_between_clocks_that_disagree_is_unknown() -> None:
    assert fields.between_ms(2000, 1000) is None
    assert fields.between_ms(None, 1000) is None
    assert fields.between_ms(1000, 2500) == 1.5


@pytest.mark.parametrize("value", ["true", "True", "t", "1", True, 1, "YES"])
def test_yes(value: Any) -> None:
    assert fields.flag(value) is True


@pytest.mark.parametrize("value", ["false", "", None, 0, "None", "no", []])
def test_not_yes(value: Any) -> None:
    assert fields.flag(value) is False


@pytest.mark.parametrize(
    ("value", "found"),
    [('{"a": 1}', {"a": 1}), ({"a": 1}, {"a": 1}), ("{broken", {}), ([1], {}), (None, {})],
)
def test_objects_also_inside_texts(value: Any, found: dict[str, Any]) -> None:
    assert fields.mapping(value) == found


@pytest.mark.parametrize(
    ("value", "found"), [('["a"]', ["a"]), (["a"], ["a"]), ("[broken", []), ("{}", []), (3, [])]
)
def test_lists_also_inside_texts(value: Any, found: list[Any]) -> None:
    assert fields.sequence(value) == found


def test_long_texts_are_cut() -> None:
    assert fields.text("x" * 1000) == "x" * fields.LONGEST_TEXT
    assert fields.text({"content": MARKER}) is None


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Cerebras", "cerebras"),
        ("DeepInfra", "deepinfra"),
        ("Fireworks", "fireworks-ai"),
        ("together_ai", "together"),
        ("Together AI", "together"),
        ("Z.AI", "zai-org"),
        ("NovitaAI", "novita"),
        ("hf-inference", "hf-inference"),
        ("Brand New", "brand-new"),
        ("huggingface", None),
        ("CUSTOM", None),
        ("", None),
        (None, None),
    ],
)
def test_providers_have_hugging_faces_names(said: str | None, name: str | None) -> None:
    assert provider_name(said) == name


@pytest.mark.parametrize("name", [None, "", "walk", "agent"])
def test_unknown_operations_have_no_task(name: str | None) -> None:
    assert task_name(name) is None


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://router.huggingface.co/v1", "router.huggingface.co"),
        ("router.huggingface.co", "router.huggingface.co"),
        ("http://user:pw@localhost:8080/v1", "localhost:8080"),
        ("http://[broken", None),
        ("", None),
        (None, None),
    ],
)
def test_hosts_of_addresses(url: str | None, host: str | None) -> None:
    assert host_of(url) == host


def test_a_named_host_of_the_users_own() -> None:
    call = Call(call_id="", ts=0)
    set_host(call, "10.0.0.5:8000", WireSettings(extra_hosts={"10.0.0.5:8000": "self_hosted"}))
    assert (call.host_kind, call.endpoint) == ("self_hosted", "10.0.0.5")


@pytest.mark.parametrize("host", ["huggingface.co", "fal.media", "nobody.example", None])
def test_hosts_that_serve_no_model_tell_nothing(host: str | None) -> None:
    call = Call(call_id="", ts=0)
    set_host(call, host, WireSettings())
    assert (call.host_kind, call.provider, call.endpoint) == (None, None, None)


def test_a_stated_provider_comes_before_the_hosts() -> None:
    call = Call(call_id="", ts=0, provider="own")
    set_host(call, "api.groq.com", WireSettings())
    assert (call.host_kind, call.provider) == ("provider", "own")
    assert datetime.fromtimestamp(MIDNIGHT / 1e6, UTC) == datetime(2026, 7, 27, tzinfo=UTC)


@pytest.mark.parametrize(
    "stated",
    [
        "2026-07-27 00:00:00.123456 UTC",
        "2026-07-27 00:00:00.123456+00",
        "2026-07-27 00:00:00.123456 +0000 UTC",
        "2026-07-27T00:00:00.123456789Z",
        "2026-07-27 02:00:00.123456+02:00",
    ],
)
def test_times_as_databases_write_them(stated: str) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert fields.moment(stated, "ts", zone=berlin) == 1_785_110_400_123_456
