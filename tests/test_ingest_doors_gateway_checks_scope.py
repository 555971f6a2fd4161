"""What a key may call: models and providers by pattern; what can't be told is refused."""

from __future__ import annotations

from typing import Any

import pytest
from factories_gateway_keys import asking_of, call_of, key_of
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.asking import Outcome
from hf_ledger.ingest.doors.gateway.checks.scope import MOST_NAMED, Scope
from hf_ledger.ingest.doors.gateway.refusal import Refused


def code(call: Call | None, method: str = "POST", **scope: Any) -> str:
    """The refusal's code, or what the check decided."""
    key = key_of(**scope)[1]
    asking = asking_of(key, key=key, call=call, method=method)
    try:
        Scope().check(asking)
    except Refused as error:
        assert error.status == 403
        return error.code
    return asking.verdicts["scope"]


def sentence(call: Call | None, **scope: Any) -> str:
    key = key_of(**scope)[1]
    with pytest.raises(Refused) as caught:
        Scope().check(asking_of(key, key=key, call=call))
    return caught.value.sentence


def test_a_key_without_a_scope_may_call_anything() -> None:
    assert code(call_of()) == code(call_of(None)) == code(None) == "any"


@pytest.mark.parametrize(
    ("model", "pattern"),
    [
        ("openai/gpt-oss-120b", "openai/gpt-oss-120b"),
        ("openai/gpt-oss-120b", "openai/*"),
        ("OpenAI/GPT-OSS-120B", "openai/*"),
        ("openai/gpt-oss-120b", "OpenAI/GPT-*"),
        ("openai/gpt-oss-120b", "*"),
        ("meta-llama/Llama-3.1-8B-Instruct", "*/llama-3.?-*"),
    ],
)
def test_models_match_as_patterns_in_any_case(model: str, pattern: str) -> None:
    assert code(call_of(model), models=("a/b", pattern)) == "restricted"


@pytest.mark.parametrize(
    ("model", "pattern"),
    [
        ("openai/gpt-oss-120b", "openai/gpt-oss"),
        ("openai/gpt-oss-120b", "gpt-oss-120b"),
        ("openai/gpt-oss-120b\n", "openai/gpt-oss-120b"),
        ("evil/openai/gpt-oss-120b", "openai/*"),
        ("openai/gpt-oss-120b", "openai/gpt.oss.120b"),
        ("", "*"),
    ],
)
def test_what_does_not_match_as_a_whole_is_refused(model: str, pattern: str) -> None:
    assert code(call_of(model), models=(pattern,)) == "model_not_allowed"


def test_a_providers_own_id_counts_only_without_a_hugging_face_id() -> None:
    own = "accounts/fireworks/models/gpt-oss-120b"
    assert code(call_of(None, provider_model=own), models=("accounts/*",)) == "restricted"
    named = call_of("openai/gpt-oss-120b", provider_model=own)
    assert code(named, models=("accounts/*",)) == "model_not_allowed"


@pytest.mark.parametrize("call", [None, call_of(None), call_of("")])
def test_an_unknown_model_is_refused_where_models_are_restricted(call: Call | None) -> None:
    assert code(call, models=("*",)) == "model_not_allowed"
    assert "names no model" in sentence(call, models=("openai/*",))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_reading_is_no_call(method: str) -> None:
    scope = {"models": ("a/b",), "providers": ("novita",)}
    assert code(None, method, **scope) == "restricted"
    assert code(call_of(), method, **scope) == "model_not_allowed"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_what_is_neither_a_known_call_nor_reading_is_refused(method: str) -> None:
    assert code(None, method, models=("a/b",)) == "model_not_allowed"
    assert code(None, method, providers=("novita",)) == "provider_not_allowed"


def test_a_named_provider_must_be_allowed() -> None:
    scope = {"providers": ("novita", "together")}
    assert code(call_of(provider="together", routing="explicit"), **scope) == "restricted"
    assert code(call_of(provider="Together", routing="explicit"), **scope) == "restricted"
    assert code(call_of(provider="sambanova", routing="explicit"), **scope) == (
        "provider_not_allowed"
    )


@pytest.mark.parametrize("routing", ["auto", "fastest", "cheapest", "preferred", None])
def test_a_call_that_is_routed_must_name_an_allowed_provider(routing: Any) -> None:
    said = sentence(call_of(routing=routing), providers=("novita", "together"))
    assert said == "This key may use only novita, together: name one of them, as in MODEL:novita."
    assert code(call_of(routing=routing), providers=("novita",)) == "provider_not_allowed"


@pytest.mark.parametrize("kind", ["endpoint", "self_hosted"])
def test_servers_of_ones_own_count_as_providers_by_their_kind(kind: Any) -> None:
    call = call_of(host_kind=kind, routing=None)
    assert code(call, providers=(kind,)) == "restricted"
    assert code(call, providers=("novita",)) == "provider_not_allowed"


def test_both_must_hold() -> None:
    scope = {"models": ("openai/*",), "providers": ("novita",)}
    good = call_of(provider="novita")
    assert code(good, **scope) == "restricted"
    assert code(call_of("a/b", provider="novita"), **scope) == "model_not_allowed"
    assert code(call_of(provider="together"), **scope) == "provider_not_allowed"


@pytest.mark.parametrize("role", ["host", "admin"])
def test_keys_of_other_roles_call_no_models(role: Any) -> None:
    assert code(call_of(), role=role) == code(None, "GET", role=role) == "role_not_allowed"
    assert role in sentence(call_of(), role=role)


def test_without_a_key_nothing_passes() -> None:
    with pytest.raises(Refused) as caught:
        Scope().check(asking_of(call=call_of()))
    assert caught.value.code == "role_not_allowed"


def test_long_lists_are_cut_in_the_sentence() -> None:
    patterns = tuple(f"org/model-{number}" for number in range(MOST_NAMED + 7))
    said = sentence(call_of(), models=patterns)
    assert "and 7 more" in said
    assert said.count("org/") == MOST_NAMED


@given(st.text(min_size=1, max_size=60))
def test_nothing_of_the_request_is_said(model: str) -> None:
    marked = f"MARKER{model}"
    assert "MARKER" not in sentence(call_of(marked), models=("org/*",))
    assert "MARKER" not in sentence(call_of(provider=marked), providers=("novita",))


@given(st.lists(st.text(alphabet="ab/*?[]!-", min_size=1, max_size=8), min_size=1, max_size=4))
def test_more_patterns_never_allow_less(patterns: list[str]) -> None:
    allowed = [
        code(call_of("a/b"), models=tuple(patterns[:n])) for n in range(1, len(patterns) + 1)
    ]
    assert allowed == sorted(allowed)  # "model_not_allowed" before "restricted"


def test_the_end_of_a_request_needs_nothing() -> None:
    assert Scope().finish(asking_of(), Outcome()) is None
