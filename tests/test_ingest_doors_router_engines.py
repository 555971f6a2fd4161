"""What each engine says of itself becomes the right target, and nothing more than it says."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

import factories_engines as engines
import pytest
from factories_engines import Engine, Reply, serving
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.router.engines import PATHS, read_server
from hf_ledger.ingest.doors.router.facts import MOST_TOKENS, decoded
from hf_ledger.ingest.doors.router.found import Found
from hf_ledger.ingest.doors.router.listings import read_endpoints, read_router
from hf_ledger.ingest.doors.router.refreshing import refresh
from hf_ledger.ingest.doors.router.registry import Registry
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.places import Places

CHAT = frozenset({"chat-completion"})
GENERATION = CHAT | {"text-generation"}


async def discovered(places: Places, engine: Engine, stated: str = "") -> Registry:
    """A registry whose settings name this server alone, after one look at it."""
    with serving(engine):
        places.make()
        places.config.write_text(
            f'[targets.own]\nkind = "self_hosted"\nurl = "{engine.url}/v1"\n{stated}'
        )
        registry = Registry.open(places)
        await refresh(registry, places, environment={})
        return registry


def facts(target: Target) -> tuple[Any, ...]:
    return target.engine, target.model, target.tasks, target.context_length


EXPECTED = [
    (engines.vllm(), ("vllm", "Qwen/Qwen3-4B", CHAT, 40_960)),
    (engines.tgi(), ("tgi", "HuggingFaceH4/zephyr-7b-beta", GENERATION, 4096)),
    (engines.tei(), ("tei", "BAAI/bge-small-en-v1.5", frozenset({"feature-extraction"}), 512)),
    (
        engines.tei("BAAI/bge-reranker-base", kind="reranker"),
        ("tei", "BAAI/bge-reranker-base", frozenset({"text-ranking"}), 512),
    ),
    (
        engines.tei("o/sentiment", kind="classifier"),
        ("tei", "o/sentiment", frozenset({"text-classification"}), 512),
    ),
    (engines.tei("o/odd", kind="splade"), ("tei", "o/odd", frozenset(), 512)),
    (engines.llama(), ("llama.cpp", "Qwen3-0.6B-Q8_0.gguf", CHAT, 8192)),
    (
        engines.llama("/home/marker-user/models/m.gguf", slot=None),
        ("llama.cpp", "m.gguf", CHAT, None),
    ),
    (engines.transformers(), ("transformers", "Qwen/Qwen2.5-0.5B-Instruct", CHAT, None)),
]


@pytest.mark.parametrize(("engine", "expected"), EXPECTED, ids=lambda each: str(each)[:40])
async def test_a_server_is_known_by_what_it_says(
    places: Places, engine: Engine, expected: tuple[Any, ...]
) -> None:
    registry = await discovered(places, engine)
    (target,) = registry.targets
    assert (target.name, target.known, target.url) == ("own", "settings", engine.url)
    assert facts(target) == expected
    assert (target.max_output_tokens, target.tools, target.structured_output) == (None,) * 3
    assert registry.seen("own") is not None


async def test_a_path_of_somebody_s_home_is_kept_nowhere(places: Places) -> None:
    await discovered(places, engines.llama("/home/marker-user/models/m.gguf"))
    assert b"marker" not in places.discovered_targets.read_bytes()


async def test_what_the_settings_state_stands(places: Places) -> None:
    stated = 'model = "me/mine"\ncontext_length = 1000\ntasks = ["summarization"]\n'
    registry = await discovered(places, engines.tgi(), stated)
    (target,) = registry.targets
    assert facts(target) == ("tgi", "me/mine", frozenset({"summarization"}), 1000)


async def test_several_models_on_one_server_are_one_target_each(places: Places) -> None:
    names = ("Qwen/Qwen2.5-0.5B-Instruct", "HuggingFaceTB/SmolLM3-3B", "o/m@v2")
    stated = 'most_at_once = 2\ndata_classes = ["internal"]\ntoken_variable = "T"\n'
    registry = await discovered(places, engines.transformers(*names), stated)
    own, *others = registry.targets
    assert (own.name, own.model) == ("own", None), "which one it is, the settings don't say"
    assert [(each.name, each.known) for each in others] == [
        (f"{name}:own", "discovered") for name in names
    ]
    for each in others:
        assert (each.most_at_once, each.data_classes) == (2, frozenset({"internal"}))
        assert (each.token_variable, each.kind, each.url) == ("T", "self_hosted", own.url)


async def test_of_several_models_the_stated_one_gets_its_own_facts(places: Places) -> None:
    adapter = {"id": "o/adapter", "object": "model", "owned_by": "vllm", "max_model_len": None}
    engine = engines.vllm(further=adapter)
    registry = await discovered(places, engine, 'model = "qwen/qwen3-4b"\n')
    own, other = registry.targets
    assert (own.model, own.context_length) == ("qwen/qwen3-4b", 40_960)
    assert (other.name, other.context_length) == ("o/adapter:own", None)


async def test_two_names_for_one_server_are_asked_once(places: Places) -> None:
    with serving(engines.vllm()) as engine:
        places.make()
        places.config.write_text(
            f'[targets.a]\nkind = "self_hosted"\nurl = "{engine.url}"\nmodel = "Qwen/Qwen3-4B"\n'
            f'[targets.b]\nkind = "self_hosted"\nurl = "{engine.url}/v1/"\ntoken_variable = "B"\n'
        )
        registry = Registry.open(places)
        await refresh(registry, places, environment={"B": "secret-b"})
    assert sorted(path for _, path, _ in engine.asked) == sorted(PATHS)
    assert {token for _, _, token in engine.asked} == {"Bearer secret-b"}
    assert [target.context_length for target in registry.targets] == [40_960, 40_960]


async def test_a_server_is_told_no_token_but_its_own(places: Places) -> None:
    with ExitStack() as stack:
        one, other = (stack.enter_context(serving(engines.vllm())) for _ in range(2))
        places.make()
        places.config.write_text(
            f'[targets.a]\nkind = "self_hosted"\nurl = "{one.url}"\ntoken_variable = "A"\n'
            f'[targets.b]\nkind = "self_hosted"\nurl = "{other.url}"\n'
        )
        environment = {"A": "marker-token-a", "HF_TOKEN": "marker-token-hf"}
        await refresh(Registry.open(places), places, environment=environment)
    assert {token for _, _, token in one.asked} == {"Bearer marker-token-a"}
    assert {token for _, _, token in other.asked} == {None}
    assert b"marker-token" not in places.discovered_targets.read_bytes()


async def test_a_server_that_loads_keeps_what_it_said(places: Places) -> None:
    engine = engines.llama()
    with serving(engine):
        places.make()
        places.config.write_text(f'[targets.own]\nkind = "self_hosted"\nurl = "{engine.url}"\n')
        registry = Registry.open(places)
        await refresh(registry, places, environment={}, clock=lambda: 1000.0)
        for path in engine.gets:
            engine.gets[path] = Reply(engines.LOADING, 503)
        for moment in (2000.0, 3000.0):
            (source,) = await refresh(
                registry, places, environment={}, clock=lambda moment=moment: moment
            )
    assert (source.seen_at, source.failed_since, source.asked_at) == (1000.0, 2000.0, 3000.0)
    assert source.why == "it is loading or overloaded (503)"
    assert registry.named("own").context_length == 8192


def test_an_engine_that_is_not_recognised_has_no_name() -> None:
    listed = {"data": [{"id": "gpt-4o", "owned_by": "openai"}, {"id": "o/m", "owned_by": "o"}]}
    found = read_server({"/v1/models": listed}, "http://x")
    assert [(each.model, each.engine, each.context_length) for each in found] == [
        ("gpt-4o", None, None),
        ("o/m", None, None),
    ]


@pytest.mark.parametrize("stated", [0, -1, True, "8192", 8192.5, None, [], MOST_TOKENS + 1, 1e30])
def test_a_figure_that_is_none_is_unknown(stated: Any) -> None:
    card = {"id": "o/m", "owned_by": "vllm", "max_model_len": stated}
    info = {"model_id": "o/m", "model_type": {"embedding": {}, "x": 1}, "max_input_length": stated}
    offer = {"provider": "p", "status": "live", "context_length": stated, "throughput": -1}
    found = [
        *read_server({"/v1/models": {"data": [card]}}, "http://x"),
        *read_server({"/info": info}, "http://x"),
        *read_router({"data": [{"id": "o/m", "providers": [offer]}]}),
    ]
    assert [each.context_length for each in found] == [None] * 3


KEYS = (
    *("data", "id", "owned_by", "meta", "n_ctx", "max_model_len", "default_generation_settings"),
    *("model_id", "model_type", "max_input_length", "max_total_tokens", "router", "embedding"),
    *("providers", "provider", "status", "context_length", "throughput", "supports_tools"),
    *("items", "name", "state", "url", "model", "repository", "task", "image", "region", "vLLM"),
)
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
)
json_values = st.recursive(
    leaves | st.sampled_from(["live", "running", "ok", "o/m", "vllm", "llamacpp"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    ),
    max_leaves=25,
)


@given(st.dictionaries(st.sampled_from(PATHS), json_values), json_values)
def test_any_json_is_read_and_what_is_found_can_be_kept(
    replies: dict[str, Any], other: Any
) -> None:
    found = [*read_server(replies, "http://x"), *read_router(other), *read_endpoints(other)]
    for each in found:
        assert isinstance(each, Found)
        assert each.model is None or 0 < len(each.model) <= 300
        assert each.context_length is None or 0 < each.context_length <= MOST_TOKENS
        assert each.throughput is None or each.throughput > 0


def places_in(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each part of a JSON value."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [way, *(place for key, each in inner for place in places_in(each, (*way, key)))]


def replaced(value: Any, way: tuple[Any, ...], other: Any) -> Any:
    if not way:
        return other
    copy = value.copy()
    copy[way[0]] = replaced(value[way[0]], way[1:], other)
    return copy


@given(st.sampled_from([engine for engine, _ in EXPECTED]), st.data())
def test_a_true_reply_with_one_wrong_part_never_raises(engine: Engine, data: st.DataObject) -> None:
    replies = {path: reply for path, reply in engine.gets.items() if isinstance(reply, dict)}
    way = data.draw(st.sampled_from(places_in(replies)[1:]))
    for each in read_server(replaced(replies, way, data.draw(json_values)), "http://x"):
        assert each.context_length is None or 0 < each.context_length <= MOST_TOKENS
        assert each.model is None or 0 < len(each.model) <= 300


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_decoded_or_are_none(body: bytes) -> None:
    decoded(body)


@pytest.mark.parametrize(
    "body", [b"[" * 200_000, b"1" * 9000, b"1e999", b"NaN", b'"\xff"', b"", b"{"]
)
def test_what_is_no_json_is_none(body: bytes) -> None:
    assert decoded(body) is None
