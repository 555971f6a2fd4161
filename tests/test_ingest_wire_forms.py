"""What a request's body says of its task. All bodies are made by hand after the documentation."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from factories_wire import FLAC, PNG, packed

from hf_ledger.ingest.wire.forms import form_of

PICTURE = base64.b64encode(PNG).decode()
SOUND = base64.b64encode(FLAC).decode()


def told(body: Any) -> tuple[str | None, str | None]:
    """Task and form of a JSON body."""
    form = form_of(packed(body), "application/json")
    return form.task, form.kind


@pytest.mark.parametrize(
    ("body", "task", "kind"),
    [
        ({"inputs": "Hi"}, None, "text"),
        ({"inputs": ["Hi", "Ho"]}, None, "text"),
        ({"inputs": "Hi", "parameters": {}}, None, "text"),
        ({"inputs": "Hi", "parameters": {"temperature": 1}}, None, "text"),
        ({"inputs": "Hi", "parameters": {"max_new_tokens": 5}}, "text-generation", "text"),
        ({"inputs": "Hi", "parameters": {"return_full_text": False}}, "text-generation", "text"),
        (
            {"inputs": "Hi", "parameters": {"src_lang": "en", "tgt_lang": "fr"}},
            "translation",
            "text",
        ),
        (
            {"inputs": "Hi", "parameters": {"candidate_labels": ["a", "b"]}},
            "zero-shot-classification",
            "text+labels",
        ),
        (
            {"inputs": PICTURE, "parameters": {"candidate_labels": ["a", "b"]}},
            "zero-shot-image-classification",
            "image+labels",
        ),
        (
            {"inputs": "Hi", "candidate_labels": ["a"]},
            "zero-shot-classification",
            "text+labels",
        ),
        (
            {"inputs": "Hi", "parameters": {"aggregation_strategy": "none"}},
            "token-classification",
            "text",
        ),
        (
            {"inputs": "Hi", "parameters": {"function_to_apply": "none"}},
            "text-classification",
            "text",
        ),
        (
            {"inputs": SOUND, "parameters": {"function_to_apply": "none"}},
            "audio-classification",
            "audio",
        ),
        (
            {"inputs": PICTURE, "parameters": {"function_to_apply": "none"}},
            "image-classification",
            "image",
        ),
        ({"inputs": PICTURE, "parameters": {"mask_threshold": 0.5}}, "image-segmentation", "image"),
        ({"inputs": "Hi", "parameters": {"num_inference_steps": 4}}, "text-to-image", "text"),
        ({"inputs": PICTURE, "parameters": {"guidance_scale": 4}}, "image-to-image", "image"),
        ({"inputs": "Hi", "parameters": {"num_frames": 16}}, "text-to-video", "text"),
        ({"inputs": PICTURE, "parameters": {"max_new_tokens": 5}}, "image-to-text", "image"),
        ({"inputs": PICTURE}, None, "image"),
        ({"inputs": SOUND}, None, "audio"),
        ({"inputs": f"data:audio/mpeg;base64,{SOUND}"}, None, "audio"),
        ({"inputs": {"question": "q", "context": "c"}}, "question-answering", "text"),
        ({"question": "q", "context": "c"}, "question-answering", None),
        (
            {"inputs": {"query": "q", "table": {"a": ["1"]}}},
            "table-question-answering",
            "text",
        ),
        (
            {"inputs": None, "parameters": {}, "query": "q", "table": {"a": ["1"]}},
            "table-question-answering",
            None,
        ),
        (
            {"inputs": {"source_sentence": "a", "sentences": ["b"]}},
            "sentence-similarity",
            "sentences",
        ),
        ({"inputs": {"question": "q", "image": PICTURE}}, None, "image+text"),
        ({"question": "q", "image": PICTURE}, None, "image+text"),
        (
            {"image": PICTURE, "parameters": {"candidate_labels": ["a"]}},
            "zero-shot-image-classification",
            "image+labels",
        ),
        ({"inputs": {"text": "Hi"}}, None, "text"),
        ({"inputs": {"text": "Hi", "past_user_inputs": []}}, "conversational", "text"),
        ({"inputs": {"text": "Hi", "generated_responses": []}}, "conversational", "text"),
        ({"inputs": "Hi", "normalize": True}, "feature-extraction", "text"),
        ({"inputs": "Hi", "prompt_name": "query"}, "feature-extraction", "text"),
        ({"messages": []}, "chat-completion", "text"),
        ({"prompt": "Hi"}, None, "text"),
        ({"prompt": "Hi", "image_url": "https://x/y.png"}, None, "image+text"),
        ({"audio_url": "data:audio/mpeg;base64,x"}, None, "audio"),
        ({"video_url": "https://x/y.mp4"}, None, "video"),
        ({"query": "q", "texts": ["a"]}, "text-ranking", None),
        ({"input": {"text": "Hi"}, "version": "v"}, "text-to-speech", "text"),
        ({"input": {"prompt": "Hi"}, "version": "v"}, None, "text"),
        ({"input": {"prompt": "Hi", "text": "Ho"}, "version": "v"}, None, "text"),
        ({"input": {"image": PICTURE, "prompt": "Hi"}}, None, "image+text"),
        ({"input": "Hi"}, None, "text"),
        ({}, None, None),
        ({"inputs": 5}, None, None),
        ({"inputs": {}}, None, None),
        ({"inputs": []}, None, "text"),
        ({"parameters": []}, None, None),
        ({"inputs": "Hi", "parameters": "no object"}, None, "text"),
    ],
)
def test_bodies_tell_task_and_form(body: Any, task: str | None, kind: str | None) -> None:
    assert told(body) == (task, kind)


@pytest.mark.parametrize("field", ["model", "model_name", "version"])
def test_the_model_has_several_names(field: str) -> None:
    assert form_of(packed({field: "a/b"}), "").model == "a/b"


def test_the_first_name_of_the_model_wins() -> None:
    assert form_of(packed({"version": "v", "model": "a/b"}), "").model == "a/b"


@pytest.mark.parametrize("body", [None, b""])
def test_no_body_tells_nothing(body: bytes | None) -> None:
    assert form_of(body, "") == (None, False, None, None)


@pytest.mark.parametrize(
    "body",
    [
        b"[",
        b"\xff\xfe\x00",
        b'{"model":',
        b"[" * 50_000,
        b'{"inputs":' + b"[" * 50_000,
        b"12",
        b'"x"',
    ],
)
def test_broken_bodies_tell_nothing(body: bytes) -> None:
    form = form_of(body, "application/json")
    assert (form.model, form.task) == (None, None)


def test_ordinary_words_are_no_picture() -> None:
    assert told({"inputs": "BMW builds cars in Munich since 1916, in four factories"})[1] == "text"
    assert told({"inputs": "iVBORw0KGgo"})[1] == "text"


def test_a_long_word_is_no_picture() -> None:
    assert told({"inputs": "Donaudampfschifffahrtsgesellschaftskapitaen"})[1] == "text"


def test_only_the_head_of_a_picture_is_looked_at() -> None:
    body = packed({"inputs": PICTURE * 200_000, "parameters": {"candidate_labels": ["a"]}})
    assert form_of(body, "application/json").task == "zero-shot-image-classification"


def test_a_model_far_into_an_upload_is_found() -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + b"\x00" * 300_000
    tail = b'\r\n--x\r\nContent-Disposition: form-data; name="model"\r\n\r\na/b\r\n--x--\r\n'
    assert form_of(head + tail, "multipart/form-data; boundary=x").model == "a/b"


def test_an_upload_without_a_model_tells_nothing() -> None:
    assert form_of(b"--x\r\n\r\n", "multipart/form-data; boundary=x").model is None
