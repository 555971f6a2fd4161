"""Every task that hub's clients offer and the practice server plays, kept under its right name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from factories_practice import Practice, only_call, practice_server, recording
from huggingface_hub import AsyncInferenceClient, InferenceClient, constants
from huggingface_hub.inference._providers import PROVIDERS
from huggingface_hub.inference._providers import hf_inference as serverless

from hf_ledger.ingest.places import Places

Ask = Callable[[Any], Any]

TASKS: dict[str, tuple[str, Ask]] = {
    "summarization": ("facebook/bart-large-cnn", lambda c: c.summarization("a long text")),
    "translation": ("google-t5/t5-small", lambda c: c.translation("hello")),
    "text-classification": (
        "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
        lambda c: c.text_classification("good"),
    ),
    "token-classification": (
        "dslim/bert-base-NER",
        lambda c: c.token_classification("Ada in London"),
    ),
    "zero-shot-classification": (
        "facebook/bart-large-mnli",
        lambda c: c.zero_shot_classification("text", ["a", "b"]),
    ),
    "fill-mask": ("google-bert/bert-base-uncased", lambda c: c.fill_mask("a [MASK] day")),
    "question-answering": (
        "deepset/roberta-base-squad2",
        lambda c: c.question_answering("who?", "somebody"),
    ),
    "table-question-answering": (
        "google/tapas-base-finetuned-wtq",
        lambda c: c.table_question_answering({"a": ["1"]}, "how many?"),
    ),
    "feature-extraction": (
        "intfloat/multilingual-e5-large",
        lambda c: c.feature_extraction("some text"),
    ),
    "sentence-similarity": (
        "sentence-transformers/all-MiniLM-L6-v2",
        lambda c: c.sentence_similarity("a", ["b", "c"]),
    ),
    "automatic-speech-recognition": (
        "openai/whisper-large-v3",
        lambda c: c.automatic_speech_recognition(b"\0" * 16000),
    ),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.fixture
def practice(server: Practice, monkeypatch: pytest.MonkeyPatch) -> Iterator[Practice]:
    monkeypatch.setattr(constants, "INFERENCE_PROXY_TEMPLATE", server.url + "/{provider}")
    monkeypatch.setattr(constants, "ENDPOINT", f"http://localhost:{server.port}")
    for task in PROVIDERS["hf-inference"].values():
        monkeypatch.setattr(task, "base_url", f"{server.url}/hf-inference")
    serverless._check_supported_task.cache_clear()
    with recording(server):
        yield server


@pytest.mark.parametrize("task", TASKS)
def test_each_task_on_serverless(practice: Practice, places: Places, task: str) -> None:
    model, ask = TASKS[task]
    said = ask(InferenceClient(model, provider="hf-inference", api_key="hf_x"))
    call = only_call(places)
    assert said is not None
    # a plain text in and a form out may fit two tasks; the reader then says the one it can tell
    assert call.task in (task, None)
    assert (call.provider, call.requested_model) == ("hf-inference", model)
    assert (call.outcome, call.status, call.stream) == ("ok", 200, False)
    assert call.compute_seconds is not None
    assert call.output_tokens is None


@pytest.mark.parametrize("task", sorted(TASKS))
def test_each_task_of_the_async_client(practice: Practice, places: Places, task: str) -> None:
    model, ask = TASKS[task]

    async def asking() -> Any:
        async with AsyncInferenceClient(model, provider="hf-inference", api_key="hf_x") as client:
            return await ask(client)

    assert asyncio.run(asking()) is not None
    assert (only_call(places).requested_model, only_call(places).outcome) == (model, "ok")


def test_pictures_are_counted(practice: Practice, places: Places) -> None:
    pytest.importorskip("PIL", reason="hub hands pictures over as Pillow images")
    model = "black-forest-labs/FLUX.1-schnell"
    InferenceClient(model, provider="hf-inference", api_key="hf_x").text_to_image("the sea")
    call = only_call(places)
    assert (call.task, call.images) == ("text-to-image", 1)


def test_sound_is_measured_in_seconds(practice: Practice, places: Places) -> None:
    model, ask = TASKS["automatic-speech-recognition"]
    ask(InferenceClient(model, provider="hf-inference", api_key="hf_x"))
    assert only_call(places).audio_seconds == pytest.approx(16000 / 16000)


def test_a_cached_reply_says_so(practice: Practice, places: Places) -> None:
    model, ask = TASKS["summarization"]
    headers = {"x-practice": "cache"}
    ask(InferenceClient(model, provider="hf-inference", api_key="hf_x", headers=headers))
    assert only_call(places).cached_reply


@pytest.mark.parametrize("task", ["summarization", "fill-mask", "feature-extraction"])
@pytest.mark.parametrize(("wish", "kind"), [("loading", "model_loading"), ("422", "bad_request")])
def test_failures_of_tasks(
    practice: Practice, places: Places, task: str, wish: str, kind: str
) -> None:
    model, ask = TASKS[task]
    client = InferenceClient(
        model, provider="hf-inference", api_key="hf_x", headers={"x-practice": wish}
    )
    with pytest.raises(Exception, match=r"\b(503|422)\b"):
        ask(client)
    call = only_call(places)
    assert (call.outcome, call.error_kind, call.requested_model) == ("error", kind, model)


def test_equal_requests_have_equal_hashes_and_others_have_not(
    practice: Practice, places: Places
) -> None:
    from factories_practice import calls

    model, _ = TASKS["summarization"]
    client = InferenceClient(model, provider="hf-inference", api_key="hf_x")
    for text in ("first", "first", "second"):
        client.summarization(text)
    hashes = [call.input_hash for call in calls(places)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert all(each is not None and len(each) == 32 for each in hashes)
    assert len({call.hash_key_id for call in calls(places)}) == 1
