"""Pictures, boxes, masks, recordings, films, tables and vectors: shown, and bounded."""

from __future__ import annotations

import base64
import io
import json
import math
from typing import Any

import numpy as np
import pytest
from factories_console import PNG, WAV, run_of, shown
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageColor
from streamlit.testing.v1 import AppTest

from hf_ledger.dashboard.console import drawing, findings
from hf_ledger.dashboard.console.drawing import Segment, boxed, inside, masked, opened, png_of
from hf_ledger.dashboard.console.findings import Box, Chunk
from hf_ledger.dashboard.console.marked import COLOURS
from hf_ledger.dashboard.console.media import clock

SCRIPT = "<script>alert(1)</script> $5"


def picture(width: int = 40, height: int = 20, colour: str = "white") -> Image.Image:
    return Image.new("RGB", (width, height), colour)


def html_of(at: AppTest) -> str:
    return "".join(each.proto.body for each in at.get("html"))


def labels(at: AppTest, kind: str = "download_button") -> list[str]:
    return [each.label for each in at.get(kind)]


def is_json(at: AppTest) -> bool:
    return "no form of its own" in "".join(each.value for each in at.caption)


# Pictures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [PNG, picture()], ids=["bytes", "picture"])
def test_a_picture_is_shown_and_saved(value: Any) -> None:
    at = shown(run_of("text-to-image", {"prompt": "x"}, value))
    assert len(at.image) == 1
    assert labels(at) == ["Picture as PNG"]


@pytest.mark.parametrize("value", [b"\x89PNG\r\n\x1a\n junk", b"", PNG[:40], "a.png", 5])
def test_what_is_no_picture_is_json(value: Any) -> None:
    assert is_json(shown(run_of("text-to-image", {"prompt": "x"}, value)))


def test_a_picture_that_unpacks_to_gigabytes_is_not_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drawing, "MOST_PIXELS", 40 * 20 - 1)
    assert opened(png_of(picture())) is None
    assert opened(picture()) is None


@given(st.binary(max_size=60))
def test_any_bytes_are_a_picture_or_none(content: bytes) -> None:
    opened(content)
    opened(b"\x89PNG\r\n\x1a\n" + content)


def test_boxes_are_drawn_where_they_are_in_the_colour_of_their_label() -> None:
    plain = picture(200, 200)
    drawn = boxed(plain, [Box("cat", 0.9, 50, 60, 150, 160)])
    assert drawn.getpixel((100, 160)) != (255, 255, 255)  # its lower side
    assert drawn.getpixel((150, 110)) == drawn.getpixel((100, 160))
    assert drawn.getpixel((100, 110)) == (255, 255, 255)  # nothing inside
    assert plain.getpixel((100, 160)) == (255, 255, 255)  # the picture itself stays


BOXES = st.builds(
    Box,
    st.sampled_from(["a", "b"]),
    st.none(),
    *[st.integers(-(10**9), 10**9) for _ in range(4)],
)


@given(st.lists(BOXES, max_size=4), st.integers(1, 60), st.integers(1, 60))
def test_boxes_from_anywhere_harm_no_picture(boxes: list[Box], width: int, height: int) -> None:
    assert boxed(picture(width, height), boxes).size == (width, height)


def test_detected_objects_are_numbered_as_on_the_picture() -> None:
    box = {"xmin": 1, "ymin": 1, "xmax": 5, "ymax": 5}
    value = [
        {"label": "cat", "score": 0.5, "box": box},
        {"label": SCRIPT, "score": 0.75, "box": box},
    ]
    at = shown(run_of("object-detection", {"image": PNG}, value))
    assert len(at.image) == 1
    frame = at.dataframe[0].value
    assert frame["Found"].tolist() == ["1 cat", f"2 {SCRIPT}"]
    assert frame["Score"].tolist() == [0.5, 0.75]


def test_nothing_found_is_said() -> None:
    at = shown(run_of("object-detection", {"image": PNG}, []))
    assert "Nothing was found on this picture" in at.caption[0].value


def test_a_mask_tints_its_part_alone() -> None:
    mask = Image.new("L", (200, 100), 0)
    mask.paste(255, (0, 0, 100, 100))
    drawn = masked(picture(200, 100), [Segment("sky", 0.9, mask)])
    assert drawn.getpixel((5, 5)) != (255, 255, 255)
    assert drawn.getpixel((150, 5)) == (255, 255, 255)
    # Its number stands in its middle, on the whole colour instead of the tint.
    middle = drawn.crop((50, 50, 70, 70)).getcolors(1000)
    assert middle is not None
    assert ImageColor.getrgb(COLOURS[0]) in {colour for _, colour in middle}


@given(st.integers(1, 20), st.integers(1, 20), st.data())
def test_a_number_stands_where_its_mask_is(width: int, height: int, data: st.DataObject) -> None:
    whites = data.draw(st.lists(st.booleans(), min_size=width * height, max_size=width * height))
    mask = Image.frombytes("L", (width, height), bytes(255 * white for white in whites))
    at = inside(mask)
    assert (at is not None) == any(whites)
    assert at is None or mask.getpixel(at) == 255


@pytest.mark.parametrize("mask", [picture(3, 3), png_of(picture(400, 2))])
def test_masks_of_another_size_are_fitted(mask: Any) -> None:
    value = [{"label": "sky", "score": 0.9, "mask": mask}]
    at = shown(run_of("image-segmentation", {"image": PNG}, value))
    assert at.dataframe[0].value["Found"].tolist() == ["1 sky"]


def test_a_mask_that_is_none_makes_it_json() -> None:
    value = [{"label": "sky", "score": 0.9, "mask": base64.b64encode(b"x").decode()}]
    assert is_json(shown(run_of("image-segmentation", {"image": PNG}, value)))


def test_answers_about_a_picture_are_bars() -> None:
    value = [{"answer": "no", "score": 0.25}, {"answer": "yes", "score": 0.75}]
    at = shown(run_of("visual-question-answering", {"image": PNG, "question": "?"}, value))
    assert at.dataframe[0].value["Answer"].tolist() == ["yes", "no"]


# Recordings and films ---------------------------------------------------------------------------


def test_speech_can_be_played_and_saved() -> None:
    at = shown(run_of("text-to-speech", {"text": "x"}, WAV))
    assert len(at.get("audio")) == 1
    assert labels(at) == ["Speech as a file"]


def test_what_is_no_recording_is_json() -> None:
    assert is_json(shown(run_of("text-to-speech", {"text": "x"}, b"<html>")))


def test_each_recording_has_its_label() -> None:
    value = [{"label": SCRIPT, "content-type": "audio/wav", "blob": WAV}] * 2
    at = shown(run_of("audio-to-audio", {"audio": WAV}, value))
    assert [each.value for each in at.text] == [SCRIPT, SCRIPT]
    assert len(at.get("audio")) == 2


def test_a_film_can_be_played() -> None:
    film = b"\0\0\0\x18ftypmp42" + bytes(20)
    at = shown(run_of("text-to-video", {"prompt": "x"}, film))
    assert len(at.get("video")) == 1
    assert is_json(shown(run_of("text-to-video", {"prompt": "x"}, b"<html>")))


def test_a_transcript_has_its_times() -> None:
    value = {
        "text": "one two",
        "chunks": [
            {"text": " one", "timestamp": [0, 1.25]},
            {"text": " two", "timestamp": [61.0, None]},
        ],
    }
    at = shown(run_of("automatic-speech-recognition", {"audio": WAV}, value))
    frame = at.dataframe[0].value
    assert frame["Time"].tolist() == ["0:00.0 – 0:01.2", "1:01.0 – unknown"]
    assert frame["Text"].tolist() == ["one", "two"]


@given(st.none() | st.floats())
def test_any_time_is_written(seconds: float | None) -> None:
    assert clock(seconds)


# Tables and numbers -----------------------------------------------------------------------------


def test_a_tables_cells_are_marked() -> None:
    table = {"city": ["Paris", SCRIPT], "people": ["2", "3"]}
    value = {"answer": "3", "coordinates": [[1, 1]], "cells": ["3"], "aggregator": "SUM"}
    at = shown(run_of("table-question-answering", {"table": table, "query": "?"}, value))
    assert [each.value for each in at.text] == ["3"]
    assert html_of(at).count("<mark") == 1
    assert ">3</mark>" in html_of(at)
    assert "<script" not in html_of(at)
    assert "SUM" in at.caption[0].value


@pytest.mark.parametrize(
    "value",
    [
        np.array([3.0, 4.0], dtype="float32"),
        np.array([[3.0, 4.0]]),
        [3.0, 4.0],
        [[[3.0, 4.0]]],
    ],
)
def test_a_vector_is_its_dimensions_its_length_and_a_file(value: Any) -> None:
    at = shown(run_of("feature-extraction", {"text": "x"}, value))
    row = at.dataframe[0].value.iloc[0]
    assert row["Dimensions"] == 2
    assert row["Length"] == math.hypot(3, 4)
    assert row["First values"] == "3.0000, 4.0000"
    assert labels(at) == ["Vectors as JSON"]


def test_many_vectors_are_many_rows() -> None:
    at = shown(run_of("feature-extraction", {"text": "x"}, np.ones((3, 5))))
    assert at.dataframe[0].value["Dimensions"].tolist() == [5, 5, 5]


@pytest.mark.parametrize("value", [[math.nan], ["x"], [[1.0], ["x"]], np.array([math.inf])])
def test_numbers_that_are_none_are_json(value: Any) -> None:
    assert is_json(shown(run_of("feature-extraction", {"text": "x"}, value)))


def test_logits_are_numbers_not_shares() -> None:
    value = [{"label": "good", "score": 4.25}, {"label": "bad", "score": -2.0}]
    at = shown(run_of("text-classification", {"text": "x"}, value))
    config = json.loads(at.dataframe[0].proto.columns)
    assert config["Score"]["type_config"]["type"] == "number"


# Findings, without a page -----------------------------------------------------------------------

FIELDS = [
    *("label", "score", "start", "end", "answer", "box", "xmin", "ymin", "chunks", "text"),
    *("entity_group", "coordinates", "choices", "message", "content", "timestamp"),
]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(FIELDS),
            inner,
        )
    ),
    max_leaves=12,
)


@given(ANYTHING)
def test_any_json_is_read_without_an_error(value: Any) -> None:
    for read in (
        findings.text_of,
        findings.scores_of,
        findings.answers_of,
        findings.numbers_of,
        findings.chunks_of,
        findings.boxes_of,
        findings.vectors_of,
        findings.cells_of,
        findings.sounds_of,
    ):
        read(value)
    findings.entities_of(value, 10)


def test_parts_of_a_transcript_without_times() -> None:
    assert findings.chunks_of({"chunks": [{"text": "x"}]}) == [Chunk(None, None, "x")]


def test_a_picture_in_memory_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page is drawn over and over while other columns answer."""
    drawn: list[int] = []

    def counted(found: Image.Image) -> bytes:
        drawn.append(1)
        return png_of(found)

    monkeypatch.setattr("hf_ledger.dashboard.console.media.png_of", counted)
    at = shown(run_of("text-to-image", {"prompt": "x"}, picture()))
    at.run()
    at.run()
    assert len(drawn) == 1


def test_pictures_are_saved_as_they_are_shown() -> None:
    found = Image.open(io.BytesIO(png_of(picture(7, 5, "red"))))
    assert (found.size, found.format) == ((7, 5), "PNG")
