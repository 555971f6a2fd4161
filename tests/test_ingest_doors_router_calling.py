"""One call of any task to one target: what hub is told, what is seen, what failures say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from factories_practice import CHAT_MODEL, Practice, calls, only_call, practice_server, recording
from huggingface_hub import AsyncInferenceClient

from hf_ledger.ingest.doors.hook import attribute
from hf_ledger.ingest.doors.hook.witness import BLANK
from hf_ledger.ingest.doors.router import calling, fitting
from hf_ledger.ingest.doors.router.calling import answer, stream, text_of
from hf_ledger.ingest.doors.router.failing import CallFailed, retry_after_s
from hf_ledger.ingest.doors.router.pools import Pools
from hf_ledger.ingest.doors.router.seen import Seen
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.tasks import TASKS, task_named
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.places import Places

MARKER = "MARKER-4711"
INPUTS = {"messages": [{"role": "user", "content": f"one two {MARKER}"}]}

MODELS = {
    "text-generation": "HuggingFaceTB/SmolLM3-3B",
    "summarization": "facebook/bart-large-cnn",
    "translation": "google-t5/t5-small",
    "text-classification": "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
    "token-classification": "dslim/bert-base-NER",
    "zero-shot-classification": "facebook/bart-large-mnli",
    "fill-mask": "google-bert/bert-base-uncased",
    "question-answering": "deepset/roberta-base-squad2",
    "table-question-answering": "google/tapas-base-finetuned-wtq",
    "feature-extraction": "intfloat/multilingual-e5-large",
    "sentence-similarity": "sentence-transformers/all-MiniLM-L6-v2",
    "automatic-speech-recognition": "openai/whisper-large-v3",
}
SAID: dict[str, Any] = {
    "text": "good",
    "texts": ["b", "c"],
    "labels": ["a", "b"],
    "audio": b"\0" * 16000,
    "table": {"a": ["1"]},
}


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.fixture
def practice(
    server: Practice, places: Places, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Practice]:
    monkeypatch.setenv("HF_TOKEN", "hf_SECRET")
    with recording(server):
        yield server


def at(practice: Practice, model: str = CHAT_MODEL, **more: Any) -> Target:
    return Target(name="t", url=practice.url, model=model, **more)


async def asked(target: Target, task: str, inputs: Mapping[str, Any], **more: Any) -> Any:
    """One answer over connections that end with it."""
    pools = Pools()
    try:
        more.setdefault("seen", Seen())
        return await answer(target, task, inputs, timeout_s=5, pools=pools, **more)
    finally:
        await pools.close()


@pytest.mark.parametrize(
    ("more", "named", "provider"),
    [
        ({"provider": "novita"}, f"{CHAT_MODEL}:novita", "novita"),
        ({"routing": "cheapest"}, f"{CHAT_MODEL}:cheapest", "novita"),
        ({"routing": "fastest"}, f"{CHAT_MODEL}:fastest", "cerebras"),
        ({}, CHAT_MODEL, "cerebras"),
    ],
)
async def test_the_router_is_told_provider_or_policy_behind_the_model(
    practice: Practice, places: Places, more: dict[str, Any], named: str, provider: str
) -> None:
    seen = Seen()
    said = await asked(at(practice, **more), "chat-completion", INPUTS, seen=seen)
    assert said.choices[0].message.content
    assert f'"model":"{named}"' in seen.sent_text
    call = only_call(places)
    assert (call.provider, call.requested_model, call.source) == (provider, CHAT_MODEL, "client")


@pytest.mark.parametrize("task", sorted(MODELS))
async def test_each_task_that_the_practice_server_plays(
    practice: Practice, places: Places, task: str
) -> None:
    inputs = {name: SAID[kind] for name, kind in task_named(task).inputs.items()}
    said = await asked(at(practice, MODELS[task]), task, inputs)
    assert said is not None
    call = only_call(places)
    assert call.task in (task, None)
    assert (call.outcome, call.requested_model, call.source) == ("ok", MODELS[task], "client")


def test_every_task_is_a_method_of_hub_with_these_inputs() -> None:
    for name, task in TASKS.items():
        method = getattr(AsyncInferenceClient, task.method)
        made = fitting.inspect.signature(method).parameters
        assert set(task.inputs) <= set(made), name
        assert task.streams == ("stream" in made), name


async def test_a_witness_has_all_of_it_but_the_token(practice: Practice, places: Places) -> None:
    seen = Seen(attempt=3, fallback_of="018f0000-0000-7000-8000-000000000001", purpose="hedge")
    with attribute(source="console", team="t"):
        await asked(
            at(practice), "chat-completion", INPUTS, parameters={"max_tokens": 3}, seen=seen
        )
    call = only_call(places)
    assert seen.over and seen.call is not None
    assert seen.call.call_id == call.call_id
    assert (call.attempt, call.purpose, call.source, call.team) == (3, "hedge", "console", "t")
    assert call.fallback_of == "018f0000-0000-7000-8000-000000000001"
    assert seen.url == f"{practice.v1}/chat/completions"
    assert seen.headers["authorization"] == BLANK and "hf_SECRET" not in repr(vars(seen))
    assert MARKER in seen.sent_text
    assert (seen.status, seen.reply_headers["x-inference-provider"]) == (200, "cerebras")
    assert "date" in seen.reply_headers  # headers too that the recorder does not read
    assert '"completion_tokens":3' in seen.reply_text.replace(" ", "")


async def test_parameters_go_where_hub_wants_them(practice: Practice, places: Places) -> None:
    seen = Seen()
    given = {"max_tokens": 2, "top_k": 7, "extra_body": {"min_p": 0.1}, "seed": None}
    await asked(at(practice), "chat-completion", INPUTS, parameters=given, seen=seen)
    body = seen.sent_text.replace(" ", "")
    assert '"max_tokens":2' in body and '"top_k":7' in body and '"min_p":0.1' in body
    assert "seed" not in body
    with pytest.raises(Usage, match=r"fill-mask takes no beams; it takes targets, top_k\."):
        await asked(
            at(practice, MODELS["fill-mask"]),
            "fill-mask",
            {"text": "[MASK]"},
            parameters={"beams": 2},
        )
    with pytest.raises(Usage, match="takes text; missing or unknown: text, words"):
        await asked(at(practice), "fill-mask", {"words": "x"})


@pytest.mark.parametrize("task", ["chat-completion", "text-generation"])
async def test_streams_give_text_and_are_counted(
    practice: Practice, places: Places, task: str
) -> None:
    model = MODELS.get(task, CHAT_MODEL)
    inputs = INPUTS if task == "chat-completion" else {"prompt": "once upon"}
    seen, pools = Seen(), Pools()
    pieces = [
        piece
        async for piece in stream(
            at(practice, model), task, inputs, seen=seen, timeout_s=5, pools=pools
        )
    ]
    await pools.close()
    assert len(pieces) > 3 and "".join(pieces)
    call = only_call(places)
    assert (call.stream, call.outcome, call.tokens_source) == (
        True,
        "ok",
        "usage" if task == "chat-completion" else "details",
    )
    assert seen.first_token_ms is not None and call.ttft_ms is not None


async def test_leaving_a_stream_closes_it(practice: Practice, places: Places) -> None:
    pools = Pools()
    target = at(practice, "practice/words=400,slow=20")
    pieces = stream(target, "chat-completion", INPUTS, seen=Seen(), timeout_s=5, pools=pools)
    assert await anext(pieces)
    await pieces.aclose()
    call = only_call(places)
    assert (call.outcome, call.stream) == ("interrupted", True)
    await pools.close()


def test_only_two_tasks_are_streamed(practice: Practice) -> None:
    async def streaming() -> None:
        async for _ in stream(at(practice), "fill-mask", {"text": "x"}, seen=Seen(), timeout_s=1):
            pass

    with pytest.raises(Usage, match="can't be streamed"):
        asyncio.run(streaming())


@pytest.mark.parametrize(
    ("wish", "kind", "status", "words"),
    [
        ("400", "bad_request", 400, "did not accept the request"),
        ("401", "auth", 401, "refused the token"),
        ("402", "quota", 402, "credits are used up"),
        ("403", "auth", 403, "may not call"),
        ("404", "not_found", 404, "does not know the model"),
        ("410", "not_found", 410, "no longer serves"),
        ("422", "bad_request", 422, "could not read the request"),
        ("429", "rate_limited", 429, "over its rate limit"),
        ("500", "server_error", 500, r"failed \(500\)"),
        ("503", "model_loading", 503, "loading or overloaded"),
        ("504", "timeout", 504, "took too long"),
        ("overloaded", "overloaded", 429, "over its rate limit"),
        ("cut", "connection", None, "broke off"),
        ("error-in-stream", "overloaded", None, r"middle of its answer \(overloaded\)"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_each_failure_is_a_sentence_and_a_kind(  # noqa: PLR0917 - parameters of one case
    practice: Practice, wish: str, kind: str, status: int | None, words: str, streamed: bool
) -> None:
    if wish == "error-in-stream" and not streamed:
        pytest.skip("there is no stream")
    target, seen = at(practice, f"practice/{wish}"), Seen()
    pools = Pools()
    with pytest.raises(CallFailed, match=words) as caught:
        if streamed:
            async for _ in stream(
                target, "chat-completion", INPUTS, seen=seen, timeout_s=5, pools=pools
            ):
                pass
        else:
            await answer(target, "chat-completion", INPUTS, seen=seen, timeout_s=5, pools=pools)
    await pools.close()
    assert (caught.value.kind, caught.value.status, caught.value.sent) == (kind, status, True)
    assert caught.value.retry_after_s == (1 if wish == "429" else None)
    assert MARKER not in str(caught.value) and "hf_SECRET" not in str(caught.value)


async def test_each_failure_is_sent_once(practice: Practice, places: Places) -> None:
    for wish in ("429", "500", "503", "overloaded"):
        with pytest.raises(CallFailed):
            await asked(at(practice, f"practice/{wish}"), "chat-completion", INPUTS)
    assert len(calls(places)) == 4


async def test_silence_is_a_timeout_and_nobody_there_is_a_connection(
    practice: Practice, places: Places
) -> None:
    pools = Pools()
    with pytest.raises(CallFailed, match="did not answer in time") as silent:
        await answer(
            at(practice, "practice/hang"),
            "chat-completion",
            INPUTS,
            seen=Seen(),
            timeout_s=0.3,
            pools=pools,
        )
    nobody = Target(name="n", kind="self_hosted", url="http://127.0.0.1:9", model="a/b")
    with pytest.raises(CallFailed, match="cannot be reached") as gone:
        await answer(nobody, "chat-completion", INPUTS, seen=Seen(), timeout_s=5, pools=pools)
    await pools.close()
    assert (silent.value.kind, gone.value.kind) == ("timeout", "connection")
    assert [call.error_kind for call in calls(places)] == ["timeout", "connection"]


async def test_a_request_that_hub_can_not_make_was_not_sent(
    practice: Practice, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Seen()
    with pytest.raises(CallFailed, match=r"can't be asked for image-classification") as caught:
        await asked(
            at(practice, "a/b"), "image-classification", {"image": f"/nowhere/{MARKER}"}, seen=seen
        )
    assert (caught.value.kind, caught.value.sent) == ("bad_request", False)
    assert MARKER not in str(caught.value)
    with pytest.raises(Usage, match="only by a model of hf-inference"):
        await asked(at(practice, "a/b", provider="groq"), "fill-mask", {"text": "x"})
    assert not calls(places)


async def test_ones_own_server_never_sees_the_users_token(
    practice: Practice, places: Places
) -> None:
    client = calling.client_of(
        Target(name="own", kind="self_hosted", url=practice.url), None, 5, pools=Pools()
    )
    assert client.token == "no-token"


async def test_a_text_generation_refused_for_its_parameters_is_not_sent_again() -> None:
    sent: list[int] = []
    one = calling._one_call()

    from huggingface_hub.errors import HfHubHTTPError

    class Connections:
        async def post(self, *args: Any, **kwargs: Any) -> Any:
            import httpx2

            sent.append(1)
            text = "The following `model_kwargs` are not used by the model: ['top_k', 'x']"
            return httpx2.Response(
                400, json={"error": text}, request=httpx2.Request("POST", "http://h/")
            )

    client = one(model="http://h/", token="hf_x", timeout=1)
    client.connections = Connections()
    with pytest.raises(HfHubHTTPError):
        await client.text_generation("x", model="http://h/", top_k=3)
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("2", 2.0),
        ("0.5", 0.5),
        (None, None),
        ("soon", None),
        ("-1", None),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0.0),
    ],
)
def test_what_retry_after_asks_for(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, 1792567680.0) == seconds


def test_texts_of_pieces() -> None:
    assert text_of("word") == "word"
