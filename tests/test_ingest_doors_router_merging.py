"""Settings over discovery: no stated fact is ever lost, and no target is there twice."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.router.found import Discovered, Found, Source
from hf_ledger.ingest.doors.router.merging import merged
from hf_ledger.ingest.doors.router.stated import Stated, StatedTarget, base_of, target_of
from hf_ledger.ingest.doors.router.target import Target

MODELS = ("o/a", "o/b", "O/A")
URLS = ("http://127.0.0.1:1", "http://127.0.0.1:2/v1", "https://x.endpoints.huggingface.cloud")
OPTIONAL: dict[str, Any] = {
    "model": st.sampled_from(MODELS),
    "tasks": st.sampled_from([frozenset({"summarization"}), frozenset({"chat-completion"})]),
    "context_length": st.integers(1, 99),
    "max_output_tokens": st.integers(1, 99),
    "tools": st.booleans(),
    "structured_output": st.booleans(),
    "data_classes": st.sampled_from([frozenset(), frozenset({"public"})]),
    "region": st.sampled_from(["eu-west-1", "us-east-1"]),
    "most_at_once": st.integers(1, 9),
    "requests_per_minute": st.integers(1, 9),
    "token_variable": st.just("T"),
}
maybe = {name: st.none() | value for name, value in OPTIONAL.items()}
servers = st.builds(
    StatedTarget,
    kind=st.sampled_from(["endpoint", "self_hosted"]),
    url=st.sampled_from(URLS),
    **maybe,
)
routed = st.builds(
    StatedTarget, kind=st.just("router"), provider=st.sampled_from([None, "p", "q"]), **maybe
)
stated_targets = st.dictionaries(st.sampled_from("stuv"), servers | routed, max_size=4)

TOLD = ("model", "tasks", "context_length", "max_output_tokens", "tools", "structured_output")
founds = st.builds(
    Found,
    kind=st.sampled_from(["router", "endpoint", "self_hosted"]),
    provider=st.sampled_from([None, "p", "q"]),
    url=st.sampled_from([None, *map(base_of, URLS)]),
    engine=st.sampled_from([None, "vllm"]),
    state=st.sampled_from([None, "paused"]),
    **{name: maybe[name] for name in (*TOLD, "region")},
)


def discovered(found: tuple[Found, ...]) -> Discovered:
    return Discovered(sources={"x": Source(name="x", asked_at=5, seen_at=5, found=found)})


@given(stated_targets, st.lists(founds, max_size=5).map(tuple))
def test_no_stated_fact_is_lost(targets: dict[str, StatedTarget], found: tuple[Found, ...]) -> None:
    result = merged(Stated(targets=targets), discovered(found))
    for name, said in targets.items():
        target = result.by_name[name]
        facts = {fact: getattr(said, fact) for fact in ("provider", *OPTIONAL)}
        for fact, value in facts.items():
            assert value is None or getattr(target, fact) == value, fact
        assert (target.kind, target.url) == (said.host_kind, base_of(said.url))
        assert target.known == "settings"
    assert list(result.by_name)[: len(targets)] == list(targets)


@given(stated_targets, st.lists(founds, max_size=5).map(tuple))
def test_no_target_is_there_twice_and_none_is_made_up(
    targets: dict[str, StatedTarget], found: tuple[Found, ...]
) -> None:
    result = merged(Stated(targets=targets), discovered(found))
    names = [target.name for target in result.targets]
    assert len(names) == len(set(names))
    for target in result.targets[len(targets) :]:
        assert target.known == "discovered"
        assert any((each.model, each.kind) == (target.model, target.kind) for each in found)
        assert target.context_length in {each.context_length for each in found}
    assert set(result.seen) <= set(names)


def stated_alone(**given: Any) -> Target:
    return target_of("own", StatedTarget(kind="self_hosted", url="http://a", **given))


def one(found: tuple[Found, ...], **given: Any) -> Target:
    said = StatedTarget(kind="self_hosted", url="http://a", **given)
    return merged(Stated(targets={"own": said}), discovered(found)).by_name["own"]


def on_a(**given: Any) -> Found:
    return Found(kind="self_hosted", url="http://a", **given)


def test_facts_of_another_model_are_not_taken() -> None:
    both = (on_a(model="o/a", context_length=1), on_a(model="o/b", context_length=2))
    assert one(both, model="o/b").context_length == 2
    assert one(both, model="o/c") == stated_alone(model="o/c")
    assert one(both) == stated_alone()


def test_the_only_model_of_a_server_is_meant_whatever_it_calls_itself() -> None:
    target = one((on_a(model="/data/model", context_length=4096, engine="tgi"),), model="o/mine")
    assert (target.model, target.context_length, target.engine) == ("o/mine", 4096, "tgi")


def test_a_model_that_does_none_of_our_tasks_is_not_taken_for_one_that_chats() -> None:
    assert one((on_a(model="o/splade", tasks=frozenset()),)).tasks == frozenset()
    assert one((on_a(model="o/llm"),)).tasks == {"chat-completion"}
    assert one(
        (on_a(model="o/llm", tasks=frozenset()),), tasks=frozenset({"summarization"})
    ).tasks == {"summarization"}


def test_another_port_of_the_machine_is_another_server() -> None:
    found = (Found(kind="self_hosted", url="http://a:81", model="o/b", context_length=7),)
    assert one(found) == stated_alone()
    assert merged(Stated(), discovered(found)).targets == ()
