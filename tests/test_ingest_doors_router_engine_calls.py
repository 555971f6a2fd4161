"""Calls to each engine-shaped server are rows with the right model, tokens, outcome and host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import factories_engines as engines
import pytest
from factories_engines import INPUT_TOKENS, OUTPUT_TOKENS, Engine, serving
from factories_practice import calls, only_call
from openai import APIStatusError, OpenAI

import hf_ledger
from hf_ledger import HuggingFaceInferenceClient
from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.client import InferenceFailed
from hf_ledger.ingest.doors.hook.recording import stop
from hf_ledger.ingest.doors.router.refreshing import refresh
from hf_ledger.ingest.doors.router.registry import Registry
from hf_ledger.ingest.doors.router.routed import RouteFailed
from hf_ledger.ingest.doors.router.router import AsyncRouter
from hf_ledger.ingest.places import Places

Make = Callable[[], Engine]
CHATTING: dict[str, tuple[Make, str]] = {
    "vllm": (engines.vllm, "Qwen/Qwen3-4B"),
    "tgi": (engines.tgi, "HuggingFaceH4/zephyr-7b-beta"),
    "llama.cpp": (engines.llama, "Qwen/Qwen3-0.6B"),
    "transformers": (engines.transformers, "Qwen/Qwen2.5-0.5B-Instruct"),
}
TOLD = (INPUT_TOKENS, OUTPUT_TOKENS)


def messages(text: str = "How are things?") -> list[Any]:
    return [{"role": "user", "content": text}]


@pytest.fixture(autouse=True)
def _off_again() -> Iterator[None]:
    yield
    stop()


def hub(engine: Engine, model: str | None = None) -> HuggingFaceInferenceClient:
    return HuggingFaceInferenceClient(model, base_url=f"{engine.url}/v1", app="shop")


def openai(engine: Engine, places: Places) -> OpenAI:
    hf_ledger.record(hosts=[f"{engine.host}=self_hosted"], places=places)
    return OpenAI(base_url=f"{engine.url}/v1", api_key="none", max_retries=0)


def tokens(call: Call) -> tuple[int | None, int | None]:
    return call.input_tokens, call.output_tokens


def at(engine: Engine, call: Call) -> bool:
    return (call.host_kind, call.endpoint, call.payer) == ("self_hosted", engine.host, "self")


@pytest.fixture(params=CHATTING)
def chatting(request: pytest.FixtureRequest) -> Iterator[tuple[Engine, str]]:
    make, model = CHATTING[request.param]
    with serving(make()) as engine:
        yield engine, model


def test_a_chat_of_hub_s_client(chatting: tuple[Engine, str], places: Places) -> None:
    engine, model = chatting
    said = hub(engine, model).chat_completion(messages(), max_tokens=20)
    call = only_call(places)
    assert said.choices[0].message.content == "All is well."
    assert engine.bodies[0]["model"] == model
    assert (call.task, call.outcome, call.status) == ("chat-completion", "ok", 200)
    assert (call.requested_model, call.app) == (model, "shop")
    assert (tokens(call), call.tokens_source) == (TOLD, "usage")
    assert at(engine, call)


def test_a_stream_of_hub_s_client_with_usage(chatting: tuple[Engine, str], places: Places) -> None:
    engine, model = chatting
    pieces = hub(engine, model).chat_completion(
        messages(), stream=True, stream_options={"include_usage": True}
    )
    text = "".join(each.choices[0].delta.content or "" for each in pieces if each.choices)
    call = only_call(places)
    assert text == "All is well."
    assert (call.outcome, call.stream, call.requested_model) == ("ok", True, model)
    assert (tokens(call), call.tokens_source) == (TOLD, "usage")
    assert at(engine, call)


def test_a_stream_that_asks_for_no_usage(chatting: tuple[Engine, str], places: Places) -> None:
    """transformers sends it all the same; of the others what was written is counted or unknown."""
    engine, model = chatting
    list(hub(engine, model).chat_completion(messages(), stream=True))
    call = only_call(places)
    assert (call.outcome, call.stream) == ("ok", True)
    if engine.name == "transformers":
        assert (tokens(call), call.tokens_source) == (TOLD, "usage")
    else:
        assert call.tokens_source in {"estimated", "none", "details"}


def test_chats_of_openai_s_client(chatting: tuple[Engine, str], places: Places) -> None:
    engine, model = chatting
    client = openai(engine, places)
    client.chat.completions.create(model=model, messages=messages())
    pieces = client.chat.completions.create(
        model=model, messages=messages(), stream=True, stream_options={"include_usage": True}
    )
    assert list(pieces)
    plain, streamed = calls(places)
    for call in (plain, streamed):
        assert (call.outcome, call.requested_model, tokens(call)) == ("ok", model, TOLD)
        assert at(engine, call)
    assert (plain.stream, streamed.stream) == (False, True)


REFUSALS = [
    (engines.vllm, "too long", 400, "bad_request"),
    (engines.vllm, "no such", 404, "not_found"),
    (engines.tgi, "too long", 422, "bad_request"),
    (engines.tgi, "overloaded", 429, "overloaded"),
    (engines.tgi, "broken", 424, "server_error"),
    (engines.llama, "too long", 400, "bad_request"),
    (engines.llama, "loading", 503, "model_loading"),
    (engines.transformers, "unknown field", 422, "bad_request"),
    (engines.transformers, "broken", 500, "server_error"),
]


@pytest.mark.parametrize(("make", "wish", "status", "kind"), REFUSALS)
def test_what_an_engine_refuses_is_a_row_of_its_kind(
    places: Places, make: Make, wish: str, status: int, kind: str
) -> None:
    with serving(make()) as engine:
        with pytest.raises(InferenceFailed) as failed:
            hub(engine, "o/m").chat_completion(messages(wish))
        with pytest.raises(APIStatusError):
            openai(engine, places).chat.completions.create(model="o/m", messages=messages(wish))
    assert failed.value.status == status
    found = [(call.outcome, call.status, call.error_kind) for call in calls(places)]
    assert found == [("error", status, kind)] * 2


@pytest.mark.parametrize(
    ("wish", "status", "kind"),
    [
        ("too long", 413, "bad_request"),
        ("overloaded", 429, "overloaded"),
        ("broken", 424, "server_error"),
    ],
)
def test_what_tei_refuses(places: Places, wish: str, status: int, kind: str) -> None:
    with serving(engines.tei()) as engine:
        with pytest.raises(InferenceFailed):
            HuggingFaceInferenceClient(base_url=engine.url).feature_extraction(wish)
        call = only_call(places)
    assert (call.outcome, call.status, call.error_kind) == ("error", status, kind)


def test_embeddings_of_tei(places: Places) -> None:
    with serving(engines.tei()) as engine:
        vector = HuggingFaceInferenceClient(base_url=engine.url).feature_extraction("two words")
        said = openai(engine, places).embeddings.create(
            model="BAAI/bge-small-en-v1.5", input="two words", encoding_format="float"
        )
    assert [*vector[0]] == said.data[0].embedding == [0.25, -0.5, 0.75]
    native, compatible = calls(places)
    assert [call.task for call in (native, compatible)] == ["feature-extraction"] * 2
    assert (native.input_tokens, native.tokens_source) == (INPUT_TOKENS, "header")
    assert (compatible.input_tokens, compatible.tokens_source) == (INPUT_TOKENS, "usage")
    assert compatible.requested_model == "BAAI/bge-small-en-v1.5"
    assert at(engine, native)
    assert at(engine, compatible)


def test_generation_of_tgi_itself(places: Places) -> None:
    with serving(engines.tgi()) as engine:
        said = HuggingFaceInferenceClient(base_url=engine.url).text_generation("Once upon a time")
    call = only_call(places)
    assert said == "All is well."
    assert (call.task, tokens(call)) == ("text-generation", TOLD)
    assert call.compute_type == "1-nvidia-a10g"


def test_a_name_that_only_the_server_knows_is_no_model_of_the_hub(places: Places) -> None:
    """TGI takes the name "tgi" for whatever it serves: what it is stays unknown, not "tgi"."""
    with serving(engines.tgi()) as engine:
        openai(engine, places).chat.completions.create(model="tgi", messages=messages())
    call = only_call(places)
    assert (call.outcome, tokens(call)) == ("ok", TOLD)
    assert call.requested_model != "tgi"


async def routed(places: Places, engine: Engine, stated: str = "") -> AsyncRouter:
    """A router whose settings name this server alone, after a look at it."""
    places.make()
    places.config.write_text(
        f'[targets.own]\nkind = "self_hosted"\nurl = "{engine.url}"\n{stated}'
        '[routes.any]\ntargets = ["own"]\nattempts = 1\n'
    )
    await refresh(Registry.open(places), places, environment={})
    return AsyncRouter.open(places, app="shop")


async def test_a_chat_by_the_router(chatting: tuple[Engine, str], places: Places) -> None:
    engine, model = chatting
    async with await routed(places, engine, f'model = "{model}"\n') as router:
        answer = await router.chat(messages(), "any", max_tokens=20)
        async with router.stream("any", {"messages": messages()}) as pieces:
            text = "".join([piece async for piece in pieces])
    assert answer.value.choices[0].message.content == text == "All is well."
    assert (answer.target.name, answer.target.engine) == ("own", engine.name)
    plain, streamed = calls(places)
    assert (plain.outcome, plain.requested_model, tokens(plain)) == ("ok", model, TOLD)
    assert (streamed.outcome, streamed.stream) == ("ok", True)
    assert at(engine, plain)
    assert at(engine, streamed)


async def test_embeddings_by_the_router(places: Places) -> None:
    """That TEI embeds, and does not chat, nobody had to write down."""
    with serving(engines.tei()) as engine:
        async with await routed(places, engine) as router:
            answer = await router.run("any", {"text": "two words"}, task="feature-extraction")
            with pytest.raises(RouteFailed, match="chat-completion"):
                await router.chat(messages(), "any")
    assert [*answer.value[0]] == [0.25, -0.5, 0.75]
    assert answer.target.model == "BAAI/bge-small-en-v1.5"
    assert (only_call(places).task, only_call(places).outcome) == ("feature-extraction", "ok")


async def test_a_prompt_beyond_what_the_server_said_is_not_sent(places: Places) -> None:
    with serving(engines.llama(slot=64)) as engine:
        async with await routed(places, engine) as router:
            with pytest.raises(RouteFailed):
                await router.chat(messages("word " * 200), "any")
    assert not engine.bodies
