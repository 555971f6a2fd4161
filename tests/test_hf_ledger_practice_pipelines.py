"""What the practice server answers to each pipeline task has the task's own form and sense."""

from __future__ import annotations

import base64
import io
import wave
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hf_ledger.ingest.doors.router.tasks import TASKS
from hf_ledger.practice import media, models
from hf_ledger.practice.pipelines import ON_PICTURES, PIPELINES, pipeline_reply

#: Chat and generation are answered elsewhere; a film would be large and prove nothing.
ELSEWHERE = {"chat-completion", "text-generation", "text-to-video"}


def png(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(out, "PNG")
    return out.getvalue()


def opened(content: bytes) -> Image.Image:
    found = Image.open(io.BytesIO(content))
    found.load()
    return found


def test_every_task_is_played() -> None:
    assert set(PIPELINES) | set(ON_PICTURES) | ELSEWHERE == set(TASKS)
    served = {model.task for model in models.MODELS.values()}
    assert set(PIPELINES) | set(ON_PICTURES) <= served


@given(st.text(max_size=60))
def test_names_stand_where_it_is_said(text: str) -> None:
    found: Any = pipeline_reply("token-classification", {"inputs": text})
    assert all(text[each["start"] : each["end"]] == each["word"] for each in found)


def test_names_take_turns_in_kind() -> None:
    found: Any = pipeline_reply("token-classification", {"inputs": "Ada met Eve in Rome."})
    assert [(each["word"], each["entity_group"]) for each in found] == [
        ("Ada", "PER"),
        ("Eve", "ORG"),
        ("Rome", "LOC"),
    ]


@given(st.text(max_size=60))
def test_an_answer_stands_in_its_context(context: str) -> None:
    inputs = {"question": "?", "context": context}
    found: Any = pipeline_reply("question-answering", {"inputs": inputs})
    if context.strip():
        assert context[found["start"] : found["end"]] == found["answer"]


def test_a_tables_answer_is_its_cell() -> None:
    table = {"city": ["Paris", "Rome"]}
    found: Any = pipeline_reply("table-question-answering", {"inputs": {"table": table}})
    assert found["cells"] == ["Paris"]
    assert found["coordinates"] == [[0, 0]]


@pytest.mark.parametrize("mask", ["[MASK]", "<mask>"])
def test_masks_are_filled_with_several_words(mask: str) -> None:
    found: Any = pipeline_reply("fill-mask", {"inputs": f"a {mask} day"})
    assert [each["sequence"] for each in found] == [
        "a practice day",
        "a nothing day",
        "a something day",
    ]


def test_speech_has_times_where_they_are_asked_for() -> None:
    plain: Any = pipeline_reply("automatic-speech-recognition", {})
    assert "chunks" not in plain
    body = {"parameters": {"return_timestamps": True}}
    timed: Any = pipeline_reply("automatic-speech-recognition", body)
    assert "".join(each["text"] for each in timed["chunks"]) == timed["text"]
    ends = [each["timestamp"] for each in timed["chunks"]]
    assert all(one[1] == other[0] for one, other in pairwise(ends))


def test_a_box_lies_on_the_picture() -> None:
    found: Any = pipeline_reply("object-detection", {}, png(40, 20))
    assert found[0]["box"] == {"xmin": 10, "ymin": 5, "xmax": 30, "ymax": 15}


@pytest.mark.parametrize("encoded", [False, True])
def test_masks_are_as_large_as_the_picture_and_share_it(encoded: bool) -> None:
    """The picture comes as the body, or with parameters as base64."""
    sent = png(12, 8)
    body = {"inputs": base64.b64encode(sent).decode()} if encoded else {}
    found: Any = pipeline_reply("image-segmentation", body, b"" if encoded else sent)
    inner, outer = (opened(base64.b64decode(each["mask"])) for each in found)
    assert inner.size == outer.size == (12, 8)
    pairs = zip(inner.tobytes(), outer.tobytes(), strict=True)
    assert {one + other for one, other in pairs} == {255}


def test_sound_is_sound() -> None:
    made = pipeline_reply("text-to-speech", {"inputs": "hello"})
    assert isinstance(made, bytes)
    assert media.type_of(made) == "audio/wav"
    with wave.open(io.BytesIO(made)) as file:
        assert file.getnframes() / file.getframerate() == media.SECONDS
    cleaned: Any = pipeline_reply("audio-to-audio", {})
    assert base64.b64decode(cleaned[0]["blob"]) == made


@pytest.mark.parametrize("task", ["text-to-image", "image-to-image"])
def test_pictures_are_pictures(task: str) -> None:
    made = pipeline_reply(task, {"inputs": "sea", "parameters": {"prompt": "sea"}})
    assert isinstance(made, bytes)
    assert media.type_of(made) == "image/png"
    assert opened(made).size == (media.SIDE, media.SIDE)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_picture_of_some_size(content: bytes) -> None:
    sizes = media.size_of(content), media.size_of(b"\x89PNG\r\n\x1a\n" + content)
    assert all(1 <= side <= media.MOST_SIDE for size in sizes for side in size)


def test_a_picture_that_boasts_gets_a_mask_of_the_most() -> None:
    boasting = b"\x89PNG\r\n\x1a\n" + bytes(8) + b"\xff" * 8
    assert media.size_of(boasting) == (media.MOST_SIDE, media.MOST_SIDE)


def test_gifs_say_their_size_too() -> None:
    out = io.BytesIO()
    Image.new("P", (7, 5)).save(out, "GIF")
    assert media.size_of(out.getvalue()) == (7, 5)
