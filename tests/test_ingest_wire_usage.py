"""Tokens as each provider states them; never guessed or added up. By hand after the facts."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from factories_wire import ENDPOINT, MESSAGES, ROUTER, answered, asked, chat, chatted, completion
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.wire.usage import header_count, set_usage

Counts = tuple[int | None, int | None, int | None, int | None, int | None]


def counts(call: Call) -> Counts:
    """total input, cache read, cache write, output, reasoning"""
    return (
        call.input_tokens,
        call.cache_read_tokens,
        call.cache_write_tokens,
        call.output_tokens,
        call.reasoning_tokens,
    )


def stated(usage: Any) -> Call:
    call = Call(call_id="", ts=0)
    set_usage(call, msgspec.Raw(json.dumps(usage).encode()))
    return call


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        # OpenAI's form, as most providers have it
        (
            {"prompt_tokens": 4, "completion_tokens": 197, "total_tokens": 201},
            (4, None, None, 197, None),
        ),
        # together: flat cached tokens, inside the prompt
        (
            {"prompt_tokens": 40, "completion_tokens": 2, "cached_tokens": 30},
            (40, 30, None, 2, None),
        ),
        # nebius, novita: details there but null
        (
            {
                "prompt_tokens": 40,
                "completion_tokens": 2,
                "prompt_tokens_details": None,
                "completion_tokens_details": None,
            },
            (40, None, None, 2, None),
        ),
        # nested details
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 40},
            },
            (100, 64, None, 50, 40),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 0},
            },
            (9, 0, None, 1, None),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 8, "reasoning_tokens": 7},
            (9, None, None, 8, 7),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 4},
            (9, 4, None, 1, None),
        ),
        # Responses API
        (
            {
                "input_tokens": 20,
                "input_tokens_details": {"cached_tokens": 5},
                "output_tokens": 7,
                "output_tokens_details": {"reasoning_tokens": 3},
            },
            (20, 5, None, 7, 3),
        ),
        # Anthropic: cached tokens stand beside the input
        (
            {
                "input_tokens": 10,
                "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 20,
                "output_tokens": 5,
            },
            (130, 100, 20, 5, None),
        ),
        ({"input_tokens": 10, "output_tokens": 5}, (10, None, None, 5, None)),
        # Cohere: what ran, not what it bills
        (
            {
                "billed_units": {"input_tokens": 11, "output_tokens": 461},
                "tokens": {"input_tokens": 540, "output_tokens": 463},
            },
            (540, None, None, 463, None),
        ),
        ({"billed_units": {"input_tokens": 11, "output_tokens": 4}}, (11, None, None, 4, None)),
        # sambanova: timings inside usage
        (
            {
                "prompt_tokens": 46,
                "completion_tokens": 20,
                "time_to_first_token": 0.1,
                "total_latency": 0.3,
            },
            (46, None, None, 20, None),
        ),
        # embeddings
        ({"prompt_tokens": 8, "total_tokens": 8}, (8, None, None, None, None)),
        # numbers written as floats
        ({"prompt_tokens": 8.0, "completion_tokens": 2.0}, (8, None, None, 2, None)),
        # slips: more cached than there was, nonsense, wrong types
        ({"prompt_tokens": 5, "completion_tokens": 1, "cached_tokens": 9}, (5, 5, None, 1, None)),
        ({"prompt_tokens": -1, "completion_tokens": 1}, (None, None, None, 1, None)),
        ({"prompt_tokens": "5", "completion_tokens": True}, (None, None, None, None, None)),
        ({"prompt_tokens": 1.5, "completion_tokens": 1e300}, (None, None, None, None, None)),
        ({"prompt_tokens": 2**60}, (None, None, None, None, None)),
        ({}, (None, None, None, None, None)),
        (None, (None, None, None, None, None)),
        ([], (None, None, None, None, None)),
        ("usage", (None, None, None, None, None)),
    ],
)
def test_usage_in_all_its_spellings(usage: Any, expected: Counts) -> None:
    assert counts(stated(usage)) == expected


@given(
    total=st.integers(0, 10**9),
    cached=st.integers(0, 10**9),
    written=st.integers(0, 10**9),
    made=st.integers(0, 10**9),
)
def test_parts_add_up_to_the_stated_total(total: int, cached: int, written: int, made: int) -> None:
    call = stated(
        {
            "prompt_tokens": total,
            "completion_tokens": made,
            "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        }
    )
    assert call.input_tokens == total
    assert call.output_tokens == made
    assert (
        min(
            call.uncached_input_tokens or 0,
            call.cache_read_tokens or 0,
            call.cache_write_tokens or 0,
        )
        >= 0
    )


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_anthropics_parts_add_up_to_more(fresh: int, read: int, written: int) -> None:
    call = stated(
        {
            "input_tokens": fresh,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
        }
    )
    assert call.input_tokens == fresh + read + written


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["prompt_tokens", "tokens", "cached_tokens", "prompt_tokens_details", "x"]
                ),
                inner,
            )
        ),
    )
)
def test_no_usage_breaks_the_reader(usage: Any) -> None:
    total = stated(usage).input_tokens
    assert total is None or total >= 0


@pytest.mark.parametrize(
    ("stated_cost", "kept"),
    [
        ("0.000123", "0.000123"),
        ("1e-7", "0.0000001"),
        ("0", "0"),
        ("12", "12"),
        ("-1", None),
        ("null", None),
        ('"0.5"', None),
        ("1e30", None),
    ],
)
def test_a_providers_own_price_is_kept_to_the_last_digit(
    stated_cost: str, kept: str | None
) -> None:
    call = Call(call_id="", ts=0)
    set_usage(call, msgspec.Raw(b'{"estimated_cost": %s}' % stated_cost.encode()))
    assert call.reported_cost == kept
    assert kept is None or Decimal(kept) == Decimal(stated_cost)


def test_transcription_may_be_billed_by_the_second() -> None:
    assert stated({"type": "duration", "seconds": 12.5}).audio_seconds == 12.5


# -- in whole replies -----------------------------------------------------------------------------


def test_usage_is_the_source_where_it_is_stated() -> None:
    call = chatted(completion({"prompt_tokens": 40, "completion_tokens": 2}))
    assert counts(call) == (40, None, None, 2, None)
    assert call.tokens_source == "usage"


def test_no_usage_leaves_tokens_unknown_not_zero() -> None:
    call = chatted(completion())
    assert counts(call) == (None, None, None, None, None)
    assert call.tokens_source == "none"


def test_tgi_states_tokens_in_headers() -> None:
    headers = {
        "x-prompt-tokens": "17",
        "x-generated-tokens": "20",
        "content-type": "application/json",
    }
    call = answered(
        asked(f"{ENDPOINT}/generate", {"inputs": "Hi"}), [{"generated_text": "Ho"}], headers=headers
    )
    assert counts(call) == (17, None, None, 20, None)
    assert call.tokens_source == "header"


def test_usage_beats_headers_and_headers_beat_details() -> None:
    headers = {"x-prompt-tokens": "17", "x-generated-tokens": "20"}
    both = chatted(completion({"prompt_tokens": 1, "completion_tokens": 2}), headers=headers)
    assert (both.input_tokens, both.output_tokens, both.tokens_source) == (1, 2, "usage")
    detailed = answered(
        asked(f"{ENDPOINT}/generate", {"inputs": "Hi"}),
        [{"generated_text": "Ho", "details": {"generated_tokens": 3}}],
        headers=headers,
    )
    assert (detailed.input_tokens, detailed.output_tokens, detailed.tokens_source) == (
        17,
        20,
        "header",
    )


def test_tei_states_the_inputs_tokens_in_a_header() -> None:
    call = answered(
        asked(f"{ENDPOINT}/embed", {"inputs": "Hi"}), [[0.1]], headers={"x-compute-tokens": "6"}
    )
    assert (call.input_tokens, call.output_tokens, call.tokens_source) == (6, None, "header")


def test_details_without_headers_tell_the_output_only() -> None:
    reply = [{"generated_text": "x", "details": {"generated_tokens": 75, "prefill": [{"id": 0}]}}]
    call = answered(asked(f"{ROUTER}/hf-inference/models/a/b", {"inputs": "Hi"}), reply)
    assert (call.input_tokens, call.output_tokens, call.tokens_source) == (None, 75, "details")


def test_a_batchs_details_add_up() -> None:
    reply = [{"generated_text": "x", "details": {"generated_tokens": n}} for n in (3, 4, 5)]
    call = answered(asked(f"{ROUTER}/hf-inference/models/a/b", {"inputs": ["a", "b", "c"]}), reply)
    assert call.output_tokens == 3 + 4 + 5


def test_a_batch_with_one_unknown_is_unknown() -> None:
    reply = [{"generated_text": "x", "details": {"generated_tokens": 3}}, {"generated_text": "y"}]
    call = answered(asked(f"{ROUTER}/hf-inference/models/a/b", {"inputs": ["a", "b"]}), reply)
    assert call.output_tokens is None


def test_best_of_counts_the_answer_alone() -> None:
    details = {"generated_tokens": 1, "best_of_sequences": [{"generated_tokens": 1}] * 3}
    call = answered(
        asked(f"{ROUTER}/hf-inference/models/a/b", {"inputs": "a"}),
        [{"generated_text": "x", "details": details}],
    )
    assert call.output_tokens == 1


def test_llama_cpp_counts_in_its_own_words() -> None:
    call = answered(
        asked(f"{ENDPOINT}/completion", {"prompt": "Hi"}),
        {"content": "Ho", "tokens_evaluated": 12, "tokens_predicted": 30, "stop": True},
    )
    assert (call.input_tokens, call.output_tokens, call.tokens_source) == (12, 30, "details")


def test_coheres_older_api_states_tokens_in_meta() -> None:
    reply = {"text": "Hi", "meta": {"tokens": {"input_tokens": 70, "output_tokens": 6}}}
    call = answered(
        asked("https://api.cohere.com/v1/chat", {"message": "x", "model": "command"}), reply
    )
    assert (call.input_tokens, call.output_tokens, call.task) == (70, 6, "chat-completion")


def test_embeddings_have_an_input_only() -> None:
    reply = {
        "data": [{"embedding": [0.1]}],
        "model": "m",
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    }
    call = answered(asked(f"{ROUTER}/v1/embeddings", {"model": "a/b", "input": "Hi"}), reply)
    assert (call.input_tokens, call.output_tokens) == (8, None)


def test_the_messages_api_states_cached_tokens_beside_the_input() -> None:
    usage = {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5}
    call = answered(
        asked(f"{ROUTER}/v1/messages", {"model": "a/b", "messages": MESSAGES}),
        {"id": "msg_1", "type": "message", "model": "b", "content": [], "usage": usage},
    )
    assert (call.input_tokens, call.uncached_input_tokens, call.cache_read_tokens) == (100, 10, 90)


def test_deepinfra_states_its_price() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "estimated_cost": 0.0000123}
    call = answered(
        asked(f"{ROUTER}/deepinfra/v1/openai/chat/completions", chat()), completion(usage)
    )
    assert call.reported_cost is not None
    assert Decimal(call.reported_cost) == Decimal("0.0000123")


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ("5", 5),
        ("0", 0),
        ("-1", None),
        ("1.5", None),
        ("", None),
        ("x", None),
        ("9" * 30, None),
        ("٣", None),
    ],
)
def test_header_counts(value: str, count: int | None) -> None:
    assert header_count({"n": value}, "n") == count
    assert header_count({}, "n") is None


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.integers(0, 10**6)
            for name in (
                "prompt_tokens",
                "input_tokens",
                "completion_tokens",
                "cached_tokens",
                "cache_read_input_tokens",
            )
        }
        | {
            name: st.fixed_dictionaries({"cached_tokens": st.integers(0, 999)})
            for name in ("prompt_tokens_details", "input_tokens_details")
        },
    )
)
def test_one_broken_count_leaves_the_others_as_they_are(usage: dict[str, Any]) -> None:
    whole, broken = stated(usage), stated({**usage, "reasoning_tokens": "many"})
    assert counts(broken) == counts(whole)
    assert broken.tokens_source == whole.tokens_source
