"""Bytes become text: UTF-8 and UTF-16 for certain, Windows-1252 where nothing else fits."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

from hf_ledger.ingest.errors import Unusable

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: How much of a file is looked at to tell UTF-16 without a mark from what is no text.
_SAMPLE = 4_096
#: The share of every second byte that is zero in UTF-16 of any text with spaces and digits in it.
_ZEROS = 0.05
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?([\w.:-]{1,40})""", re.IGNORECASE)

GUESSED = (
    "It is not UTF-8 and was read as Windows-1252: other letters than Western European are wrong."
)


class Decoded(NamedTuple):
    text: str
    note: str | None = None


def decoded(data: bytes, name: str) -> Decoded:
    """The text of a file. Raises Unusable for bytes that are none."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return Decoded(_strictly(data[len(mark) :], encoding, name))
    if b"\0" in data:
        return Decoded(_strictly(data, _wide(data[:_SAMPLE], name), name))
    try:
        return Decoded(data.decode("utf-8"))
    except UnicodeDecodeError:
        return Decoded(_western(data), GUESSED)


def decoded_page(data: bytes, name: str) -> Decoded:
    """The same for a web page, which may name its encoding at the top."""
    named = _CHARSET.search(data[:_SAMPLE])
    marked = any(data.startswith(mark) for mark, _ in _MARKS)
    if named is not None and not marked and b"\0" not in data[:_SAMPLE]:
        try:
            return Decoded(data.decode(named[1].decode("ascii")))
        except (LookupError, ValueError):
            pass  # a wrong name is common: the bytes say better
    return decoded(data, name)


def _strictly(data: bytes, encoding: str, name: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unusable(
            f"{name} begins as {encoding.upper()} and is damaged at byte {error.start:,}: save it"
            " again as UTF-8."
        ) from None


def _wide(sample: bytes, name: str) -> str:
    """Which UTF-16 a text without a mark is in: the zeros of its commonest characters say so."""
    pairs = max(len(sample) // 2, 1)
    high, low = sample[::2].count(0) / pairs, sample[1::2].count(0) / pairs
    if low > _ZEROS and low > 4 * high:
        return "utf-16-le"
    if high > _ZEROS and high > 4 * low:
        return "utf-16-be"
    raise Unusable(f"{name} is no text: txt, md, html, pdf and docx can be read.")


def _western(data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")
