"""What reply headers state. Values are those of the documented and recorded servers."""

from __future__ import annotations

import pytest
from factories_wire import CHAT_URL, ENDPOINT, ROUTER, answered, asked, chat, completion
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.wire.headers import (
    Names,
    compute_seconds,
    positive,
    set_header_facts,
    wanted,
)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-compute-time": "2.484567121", "x-total-time": "2484"}, 2.484567121),  # TGI
        ({"x-compute-time": "0.593"}, 0.593),  # pipelines
        ({"x-compute-time": "15.767369777999999"}, 15.767369777999999),
        ({"x-compute-time": "57"}, 0.057),  # TGI of 2023: whole milliseconds
        ({"x-compute-time": "12", "x-total-time": "13"}, 0.012),  # TEI
        ({"x-compute-time": "3", "x-total-time": "3050"}, 3.0),  # whole seconds beside milliseconds
        ({"x-compute-time": "0"}, 0.0),
        ({"x-compute-time": "1e-05"}, 0.00001),
        ({"x-total-time": "2484"}, None),
        ({"x-compute-time": "-1"}, None),
        ({"x-compute-time": "nan"}, None),
        ({"x-compute-time": "inf"}, None),
        ({"x-compute-time": ""}, None),
        ({"x-compute-time": "1_0"}, None),
        ({}, None),
    ],
)
def test_compute_time_in_seconds_whatever_its_unit(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert compute_seconds(headers) == (None if seconds is None else pytest.approx(seconds))


@given(st.floats(0.001, 1000))
def test_a_fraction_with_its_total_is_always_seconds(seconds: float) -> None:
    headers = {"x-compute-time": f"{seconds:.9f}", "x-total-time": str(int(seconds * 1000) + 1)}
    assert compute_seconds(headers) == pytest.approx(seconds, rel=1e-3, abs=1e-6)


@given(st.text(max_size=20))
def test_no_number_breaks_the_reader(stated: str) -> None:
    found = positive(stated)
    assert found is None or 0 <= found < 1e100


@pytest.mark.parametrize(
    ("headers", "request_id", "provider_request_id"),
    [
        ({"x-request-id": "Root=1-67dd;uuid"}, "Root=1-67dd;uuid", None),
        ({"x-request-id": "r", "x-inference-id": "i"}, "r", "i"),
        ({"x-request-id": "r", "inference-id": "0-019f"}, "r", "0-019f"),
        ({"inference-id": "0-019f", "x-inference-id": "i"}, "0-019f", "i"),
        ({"x-inference-id": "i"}, "i", None),
        ({"x-fal-request-id": "f"}, "f", None),
        ({}, "trace-of-client", None),
    ],
)
def test_request_ids(
    headers: dict[str, str], request_id: str, provider_request_id: str | None
) -> None:
    call = Call(call_id="", ts=0, request_id="trace-of-client")
    set_header_facts(call, headers)
    assert (call.request_id, call.provider_request_id) == (request_id, provider_request_id)


def test_the_bodys_id_stands_in_for_a_providers() -> None:
    call = answered(asked(CHAT_URL, chat()), completion({}), headers={"x-request-id": "r"})
    assert (call.request_id, call.provider_request_id) == ("r", "chatcmpl-1")


def test_only_the_router_says_which_provider_served() -> None:
    routed = answered(
        asked(CHAT_URL, chat("a/b:fastest")),
        completion(),
        headers={"x-inference-provider": "novita"},
    )
    assert (routed.provider, routed.routing) == ("novita", "fastest")
    own = answered(
        asked(f"{ENDPOINT}/v1/chat/completions", chat()),
        completion(),
        headers={"x-inference-provider": "novita"},
    )
    assert own.provider is None


def test_without_the_header_an_automatic_provider_stays_unknown() -> None:
    assert answered(asked(CHAT_URL, chat()), completion()).provider is None


def test_a_cached_reply_replays_the_first_ones_compute_time() -> None:
    call = answered(
        asked(f"{ROUTER}/hf-inference/models/a/b", {"inputs": "x"}),
        [[{"label": "a", "score": 1.0}]],
        headers={"x-compute-type": "cache", "x-compute-time": "54.987"},
    )
    assert (call.cached_reply, call.compute_seconds, call.compute_type) == (True, 54.987, "cache")


@pytest.mark.parametrize("kind", ["cpu", "gpu", "1-t4", "gpu+optimized", "8-nvidia-h100-80gb-hbm3"])
def test_the_hardware_is_kept(kind: str) -> None:
    call = Call(call_id="", ts=0)
    set_header_facts(call, {"x-compute-type": kind})
    assert (call.compute_type, call.cached_reply) == (kind, False)


def test_characters_seconds_of_audio_and_units() -> None:
    call = Call(call_id="", ts=0)
    set_header_facts(
        call,
        {
            "x-compute-characters": "231",
            "x-compute-audio-length": "4.65",
            "x-fal-billable-units": "1.50",
        },
    )
    assert (call.input_chars, call.audio_seconds) == (231, 4.65)
    assert (call.units, call.unit_kind) == ("1.50", "fal_billable_unit")


def test_binary_inputs_have_no_characters() -> None:
    call = Call(call_id="", ts=0)
    set_header_facts(call, {"x-compute-characters": "-1"})
    assert call.input_chars is None


@pytest.mark.parametrize("units", ["", "x", "-1", "NaN", "Infinity", "1e12"])
def test_nonsense_units_are_unknown(units: str) -> None:
    call = Call(call_id="", ts=0)
    set_header_facts(call, {"x-fal-billable-units": units})
    assert (call.units, call.unit_kind) == (None, None)


def test_long_headers_are_cut() -> None:
    call = Call(call_id="", ts=0)
    set_header_facts(call, {"x-request-id": "r" * 9999, "x-compute-type": "c" * 9999})
    assert (len(call.request_id or ""), len(call.compute_type or "")) == (300, 300)


def test_retry_after_on_a_good_reply_is_no_rate_limit() -> None:
    call = answered(asked(CHAT_URL, chat()), completion({}), headers={"retry-after": "30"})
    assert (call.outcome, call.error_kind) == ("ok", None)


NAMES = st.sampled_from(["X-Request-Id", "x-request-id", "Content-Type", "Date", "Set-Cookie"])
HEADERS = st.lists(st.tuples(NAMES.map(str.encode), st.binary(max_size=5)), max_size=6)


@given(st.lists(HEADERS, max_size=4))
def test_those_headers_are_found_that_are_read_wherever_they_stand(
    replies: list[list[tuple[bytes, bytes]]],
) -> None:
    """The places are remembered from reply to reply; what is found there must not be."""
    read = Names("x-request-id", "content-type")
    for headers in replies * 2:
        lower = {name.lower(): value.decode("latin-1") for name, value in headers}
        assert wanted(headers, read) == {
            name: lower[name.encode()] for name in read.values() if name.encode() in lower
        }


def test_only_so_many_sets_of_names_are_remembered() -> None:
    read = Names("a")
    for number in range(1000):
        assert wanted([(b"x-%d" % number, b""), (b"A", b"1")], read) == {"a": "1"}
    assert len(read.places) <= 256
