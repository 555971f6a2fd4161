"""Texts with known sentences, and files of every kind that is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
LANGUAGES = ("en", "de", "zh", "ja", "ar", "th")


class Labelled(NamedTuple):
    """A paragraph, and where sentences begin within it."""

    text: str
    beginnings: frozenset[int]


def labelled(language: str) -> list[Labelled]:
    """The paragraphs whose sentences were marked by hand."""
    read = json.loads((HERE / f"sentences_{language}.json").read_text("utf-8"))
    return [_labelled(each, read["joined_by"]) for each in read["paragraphs"]]


def _labelled(sentences: list[str], joined_by: str) -> Labelled:
    beginnings, at = set(), 0
    for sentence in sentences[:-1]:
        at += len(sentence) + len(joined_by)
        beginnings.add(at)
    return Labelled(joined_by.join(sentences), frozenset(beginnings))


def book(characters: int) -> str:
    """Prose of headings, paragraphs and lists, the same each time."""
    parts: list[str] = []
    size = number = 0
    while size < characters:
        number += 1
        parts.append(_page(number))
        size += len(parts[-1])
    return "".join(parts)[:characters]


def _page(number: int) -> str:
    prose = "".join(
        f"Sentence {each} of page {number} says that Dr. Smith paid $3.{each:02} for it. "
        for each in range(number % 7 + 3)
    )
    rows = "".join(f"| {each} | row {each} of {number} |\n" for each in range(number % 4 + 1))
    return (
        f"## Chapter {number}\n\n{prose}\n\n{prose}\n\n- one of {number}\n- two of {number}\n\n"
        f"| a | b |\n|---|---|\n{rows}\n```python\nprint({number})\n\nprint()\n```\n\n"
    )
