"""What the shape of a reply says of its task. Replies are made by hand in the documented shapes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from factories_wire import ROUTER, answered, asked

from hf_ledger.ingest.wire.tasks import task_of_body, task_of_file

SCORED = [{"label": "POSITIVE", "score": 0.99}, {"label": "NEGATIVE", "score": 0.01}]
SERVERLESS = f"{ROUTER}/hf-inference/models/a/b"


def task_of(reply: Any, form: str | None = None) -> str | None:
    return task_of_body(json.dumps(reply).encode(), form)[0]


@pytest.mark.parametrize(
    ("reply", "task"),
    [
        ([{"summary_text": "x"}], "summarization"),
        ({"summary_text": "x"}, "summarization"),
        ([{"translation_text": "x"}], "translation"),
        (
            [{"entity_group": "PER", "score": 0.9, "word": "x", "start": 0, "end": 1}],
            "token-classification",
        ),
        ([{"entity": "B-PER", "score": 0.9, "word": "x"}], "token-classification"),
        ([{"score": 0.1, "token": 1, "token_str": "x", "sequence": "y"}], "fill-mask"),
        ([[{"score": 0.1, "token": 1, "token_str": "x", "sequence": "y"}]], "fill-mask"),
        ({"sequence": "x", "labels": ["a"], "scores": [1.0]}, "zero-shot-classification"),
        ([{"score": 0.9, "label": "cat", "mask": "iVBORw"}], "image-segmentation"),
        ([{"score": 0.9, "label": "cat", "box": {"xmin": 1}}], "object-detection"),
        ([{"label": "label_0", "blob": "x", "content-type": "audio/flac"}], "audio-to-audio"),
        (
            {"answer": "x", "coordinates": [[0, 1]], "cells": ["1"], "aggregator": "SUM"},
            "table-question-answering",
        ),
        ({"answer": "x", "score": 0.9, "start": 0, "end": 1}, "question-answering"),
        ({"generated_text": "x", "conversation": {}}, "conversational"),
        ([{"generated_text": "x", "details": {"generated_tokens": 1}}], "text-generation"),
        ({"text": "A MAN SAID"}, "automatic-speech-recognition"),
        ([[SCORED[0]]], "text-classification"),
        ([SCORED], "text-classification"),
        ([0.1, 0.2], "feature-extraction"),
        ([[[-0.1, 0.2]]], "feature-extraction"),
        ({"predicted_depth": [], "depth": "x"}, "depth-estimation"),
    ],
)
def test_shapes_that_tell_the_task_alone(reply: Any, task: str) -> None:
    assert task_of(reply) == task


@pytest.mark.parametrize(
    ("reply", "form", "task"),
    [
        (SCORED, "text", "text-classification"),
        (SCORED, "image", "image-classification"),
        (SCORED, "audio", "audio-classification"),
        (SCORED, "text+labels", "zero-shot-classification"),
        (SCORED, "image+labels", "zero-shot-image-classification"),
        (SCORED, None, None),
        ([{"generated_text": "x"}], "text", "text-generation"),
        ([{"generated_text": "x"}], "image", "image-to-text"),
        ([{"generated_text": "x"}], None, None),
        ([{"answer": "x"}], "image+text", "document-question-answering"),
        (
            [{"answer": "x", "score": 1.0, "start": 1, "end": 2}],
            "image+text",
            "document-question-answering",
        ),
        ([{"answer": "x", "score": 1.0}], "image+text", "visual-question-answering"),
        ([{"answer": "x"}], None, None),
        ([0.7, 0.4], "sentences", "sentence-similarity"),
        ([0.7, 0.4], "text", "feature-extraction"),
        ([{"label": "x", "score": 1, "box": {}}], "image+labels", "zero-shot-object-detection"),
        ({"images": [{"url": "https://x/y.png"}]}, "text", "text-to-image"),
        ({"images": [{"url": "https://x/y.png"}]}, "image+text", "image-to-image"),
        ({"video": {"url": "https://x/y.mp4"}}, "text", "text-to-video"),
        ({"video": {"url": "https://x/y.mp4"}}, "image+text", "image-to-video"),
        ({"audio": {"url": "https://x/y.wav"}}, "text", "text-to-speech"),
        ({"output": ["https://x/out-0.png"], "status": "succeeded"}, "text", "text-to-image"),
        ({"output": "https://x/out.mp3", "status": "succeeded"}, "text", "text-to-speech"),
        ({"output": None, "status": "starting"}, "text", None),
        ({"text": "x", "chunks": []}, "audio", "automatic-speech-recognition"),
        ({"text": "x"}, "text", None),
    ],
)
def test_open_shapes_need_the_requests_form(reply: Any, form: str | None, task: str | None) -> None:
    assert task_of(reply, form) == task


@pytest.mark.parametrize(
    "reply", [{}, [], [[]], [[[]]], "x", None, True, [None], ["x"], {"odd": 1}, 5]
)
def test_other_shapes_say_nothing(reply: Any) -> None:
    assert task_of(reply, "text") is None


@pytest.mark.parametrize("body", [b"", b"[[[", b"\xff", b"[" * 100_000, b'[{"label":'])
def test_broken_replies_say_nothing(body: bytes) -> None:
    assert task_of_body(body, "text")[0] is None


@pytest.mark.parametrize(
    ("kind", "form", "task"),
    [
        ("image", "text", "text-to-image"),
        ("image", "image", "image-to-image"),
        ("audio", "text", "text-to-speech"),
        ("audio", "audio", "audio-to-audio"),
        ("video", "text", "text-to-video"),
        ("image", None, None),
        ("audio", None, None),
    ],
)
def test_files_as_replies(kind: str, form: str | None, task: str | None) -> None:
    assert task_of_file(kind, form) == task


def test_a_telling_reply_beats_the_requests_parameters() -> None:
    ask_ = {"inputs": "A long text", "parameters": {"max_new_tokens": 50}}
    call = answered(asked(SERVERLESS, ask_), [{"summary_text": "short"}])
    assert call.task == "summarization"


def test_an_open_reply_does_not_beat_the_requests_parameters() -> None:
    ask_ = {"inputs": "Hallo", "parameters": {"src_lang": "de", "tgt_lang": "en"}}
    call = answered(asked(SERVERLESS, ask_), [{"generated_text": "Hello"}])
    assert call.task == "translation"


def test_the_path_beats_any_reply() -> None:
    url = f"{ROUTER}/hf-inference/models/a/b/pipeline/sentence-similarity"
    assert answered(asked(url), [{"summary_text": "x"}]).task == "sentence-similarity"


def test_a_media_reply_tells_what_was_made() -> None:
    call = answered(
        asked(SERVERLESS, {"inputs": "Hi"}), b"fLaC", headers={"content-type": "audio/flac"}
    )
    assert call.task == "text-to-speech"
    picture = answered(
        asked(SERVERLESS, {"inputs": "Hi"}), b"\x89PNG", headers={"content-type": "image/png"}
    )
    assert (picture.task, picture.images) == ("text-to-image", 1)


def test_what_the_caller_wants_tells_the_task_of_a_failure_too() -> None:
    call = asked(SERVERLESS, {"inputs": "An astronaut"}, headers={"accept": "image/png"})
    failed = answered(
        call, {"error": "Model a/b is currently loading", "estimated_time": 20.0}, 503
    )
    assert (failed.task, failed.error_kind) == ("text-to-image", "model_loading")


def test_a_failure_leaves_an_open_task_open() -> None:
    call = answered(asked(SERVERLESS, {"inputs": "Hi"}), {"error": "boom"}, 500)
    assert call.task is None
