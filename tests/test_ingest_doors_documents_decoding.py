"""Bytes become text in the encoding they are in, and what is guessed is said."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.documents.decoding import GUESSED, Decoded, decoded, decoded_page
from hf_ledger.ingest.errors import Unusable

TEXT = "Grüße aus Köln, 世界 – good night. "
MARKS = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}


@pytest.mark.parametrize("encoding", MARKS)
def test_a_mark_says_the_encoding_and_is_no_text(encoding: str) -> None:
    assert decoded(MARKS[encoding] + TEXT.encode(encoding), "a") == Decoded(TEXT)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_without_a_mark_the_bytes_say_it(encoding: str) -> None:
    assert decoded(TEXT.encode(encoding), "a") == Decoded(TEXT)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("Grüße – “Köln”".encode("cp1252"), "Grüße – “Köln”"),
        (b"caf\xe9 \x81", "café \x81"),  # a byte that Windows-1252 has no letter for
    ],
)
def test_a_guess_is_said(data: bytes, text: str) -> None:
    assert decoded(data, "a") == Decoded(text, GUESSED)


@given(st.text(alphabet=st.characters(exclude_characters="\0\ufeff", exclude_categories=["Cs"])))
def test_utf_8_is_read_as_it_was_written(text: str) -> None:
    assert decoded(text.encode(), "a") == Decoded(text)


@given(st.binary(max_size=400))
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    try:
        assert isinstance(decoded(data, "a.txt").text, str)
    except Unusable as error:
        assert str(error).startswith("a.txt ")


def test_a_damaged_file_with_a_mark_says_where() -> None:
    with pytest.raises(Unusable, match=r"a\.txt begins as UTF-16-LE and is damaged at byte 4"):
        decoded(b"\xff\xfea\0b\0\x00\xd8", "a.txt")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ('<meta charset="windows-1251"><p>Привет'.encode("windows-1251"), "Привет"),
        (
            "<META http-equiv=x content='text/html; charset=Shift_JIS'>日本".encode("shift_jis"),
            "日本",
        ),
        ("<meta charset=nonsense><p>Grüße".encode(), "Grüße"),
        ("<meta charset=ascii><p>Grüße".encode(), "Grüße"),
        (codecs.BOM_UTF8 + "<meta charset=latin-1>Grüße".encode(), "Grüße"),
        ("<p>Grüße".encode("cp1252"), "Grüße"),
    ],
)
def test_a_page_may_name_its_encoding(data: bytes, text: str) -> None:
    assert decoded_page(data, "a.html").text.endswith(text)
