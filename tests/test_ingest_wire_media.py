"""What kind of content some bytes are."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.wire.media import kind_of_bytes, kind_of_text, kind_of_type, kind_of_url

MAGIC = [
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"\xff\xd8\xff\xe0", "image"),
    (b"GIF89a", "image"),
    (b"BM6\x00\x00\x00", "image"),
    (b"II*\x00", "image"),
    (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image"),
    (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio"),
    (b"fLaC\x00\x00", "audio"),
    (b"OggS\x00\x02", "audio"),
    (b"ID3\x04\x00", "audio"),
    (b"\xff\xfb\x90\x00", "audio"),
    (b"\x1aE\xdf\xa3\x01", "audio"),
    (b"\x00\x00\x00\x20ftypM4A \x00", "audio"),
    (b"\x00\x00\x00\x20ftypisom", "video"),
]


@pytest.mark.parametrize(("head", "kind"), MAGIC)
def test_magic_numbers_are_known_raw_and_in_base64(head: bytes, kind: str) -> None:
    body = head + bytes(64)
    assert kind_of_bytes(body) == kind
    assert kind_of_text(base64.b64encode(body).decode()) == kind


@pytest.mark.parametrize(
    "body", [b"", b"RI", b"RIFF1234XXXX", b'{"a": 1}', b"plain text", b"\x00" * 20]
)
def test_other_bytes_are_no_media(body: bytes) -> None:
    assert kind_of_bytes(body) is None


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("data:image/png;base64,xxxx", "image"),
        ("data:audio/mpeg;base64,xxxx", "audio"),
        ("data:text/plain,hello", "text"),
        ("data: more of it than ever", "text"),
        ("https://example.com/a.png", "text"),
        ("", "text"),
        ("A" * 100, "text"),
        ("=" * 100, "text"),
        ("fLaCfLaCfLaCfLaCfLaCfLaCfLaCfLaCfLaC", "text"),
    ],
)
def test_texts_are_told_from_content(value: str, kind: str) -> None:
    assert kind_of_text(value) == kind


@pytest.mark.parametrize(
    ("stated", "kind"),
    [
        ("image/png", "image"),
        ("AUDIO/FLAC; rate=16000", "audio"),
        ("video/mp4", "video"),
        ("application/json", None),
        ("text/event-stream", None),
        ("*/*", None),
        ("", None),
    ],
)
def test_content_types(stated: str, kind: str | None) -> None:
    assert kind_of_type(stated) == kind


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://replicate.delivery/x/out-0.png", "image"),
        ("https://x/y.MP4?token=1#t", "video"),
        ("https://x/y.wav", "audio"),
        ("https://x/y.png/", None),
        ("https://x/y", None),
        ("", None),
    ],
)
def test_addresses_end_in_what_they_are(url: str, kind: str | None) -> None:
    assert kind_of_url(url) == kind


@given(st.text(max_size=200))
def test_any_text_has_a_kind(value: str) -> None:
    assert kind_of_text(value) in ("text", "image", "audio", "video")


@given(st.binary(max_size=64))
def test_any_bytes_have_a_kind_or_none(value: bytes) -> None:
    assert kind_of_bytes(value) in (None, "image", "audio", "video")
