"""Files are taken by what they are and how large, and read into memory alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.dashboard.console.uploads import (
    LIMITS,
    MEGABYTE,
    MOST_ROWS,
    Sort,
    checked,
    picture_type,
    table_of,
)
from hf_ledger.ingest.errors import Usage

PNG = b"\x89PNG\r\n\x1a\n rest"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0 rest", "image/jpeg"),
        (b"GIF89a rest", "image/gif"),
        (b"RIFF1234WEBP rest", "image/webp"),
        (b"RIFF1234WAVE rest", None),
        (b"<svg onload=alert(1)>", None),
        (b"", None),
    ],
)
def test_pictures_are_known_by_their_first_bytes(content: bytes, kind: str | None) -> None:
    assert picture_type(content) == kind


@pytest.mark.parametrize(
    "content",
    [
        b"RIFF1234WAVE",
        b"ID3 mp3",
        b"\xff\xfb frame",
        b"fLaC",
        b"OggS",
        b"\x1aE\xdf\xa3 webm",
        b"\0\0\0\x1cftypM4A ",
    ],
)
def test_recordings_are_known_by_their_first_bytes(content: bytes) -> None:
    assert checked("audio", "it", content) == content


@pytest.mark.parametrize(
    ("sort", "content", "said"),
    [
        ("image", b"RIFF1234WAVE", "is no picture"),
        ("audio", b"RIFF1234WEBP", "is no recording"),
        ("audio", b"hello", "is no recording"),
        ("image", b"", "is empty"),
        ("image", PNG + bytes(10 * MEGABYTE), "has 10.0 MB; a picture may have 10 MB"),
    ],
)
def test_what_is_not_taken_is_said_in_one_sentence(sort: Sort, content: bytes, said: str) -> None:
    with pytest.raises(Usage, match=said):
        checked(sort, "it", content)


def test_a_file_of_just_the_limit_is_taken() -> None:
    most = LIMITS["image"].megabytes * MEGABYTE
    assert len(checked("image", "it", PNG.ljust(most, b"\0"))) == most


def test_a_table_is_columns_of_texts() -> None:
    found = table_of("it", b'\xef\xbb\xbfcity,"a, b"\r\nParis,2\r\n\r\n"Ro""me",\r\n')
    assert found == {"city": ["Paris", 'Ro"me'], "a, b": ["2", ""]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "needs a row of column names"),
        (b"a,b\n", "needs a row of column names"),
        (b"a,b\n1\n", "Row 2 of it has not 2 cells"),
        (b"a,a\n1,2\n", "the same name"),
        (b"a,\n1,2\n", "without a name"),
        (b"a\n\xff\n", "is no CSV"),
        (b'a\n"b', "is no CSV"),
        (b"a\n" + b"1\n" * (MOST_ROWS + 1), "may have 1,000 rows"),
    ],
)
def test_a_bad_table_is_said_in_one_sentence(content: bytes, said: str) -> None:
    with pytest.raises(Usage, match=said):
        table_of("it", content)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_one_sentence(content: bytes) -> None:
    try:
        found = table_of("it", content)
    except Usage:
        return
    assert len({len(column) for column in found.values()}) == 1
