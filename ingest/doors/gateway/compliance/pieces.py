"""The strings and long numbers of a JSON body, where they stand, and back again.

The text itself is walked, not what a parser makes of it: a name given twice is seen twice, and what
is put in later goes into the very bytes that were sent.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

#: The body is valid JSON. Possessive: nothing is kept to go back to, however long a string is.
_LITERAL = re.compile(
    r'"(?P<string>[^"\\]*+(?:\\.[^"\\]*+)*+)"|(?P<number>(?<![0-9.])[0-9]{9,19}(?![0-9.eE]))',
    re.DOTALL,
)
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.", re.DOTALL
)
_NAMES = re.compile(r"\s*:")
_BEFORE = 48


@dataclass(frozen=True, slots=True)
class Piece:
    """One string or number; `start` and `end` are where it is written, without its quotes."""

    start: int
    end: int
    raw: str = field(repr=False)
    text: str = field(repr=False)
    fixed: bool  # a name or a number: nothing else can be put in its place
    name: str = field(default="", repr=False)  # of which it is the value, at most 48 characters


def pieces(body: str) -> Iterator[Piece]:
    """Each string of a valid JSON text, names among them, and each whole number of 9 to 19 digits.

    A body that is one bare text goes through `whole` instead.
    """
    name = ""
    end = 0
    for found in _LITERAL.finditer(body):
        number = found.lastgroup == "number"
        start, stop = found.span(found.lastgroup or 0)
        raw = body[start:stop]
        text = decoded(raw)
        if name and ":" not in body[end : found.start()]:
            name = ""  # a further element of a list: its name stood before the first one
        names = not number and _NAMES.match(body, found.end()) is not None
        yield Piece(start, stop, raw, text, number or names, name)
        name, end = (text[-_BEFORE:], found.end()) if names else ("", found.end())


def decoded(raw: str) -> str:
    """What a JSON string says."""
    if "\\" not in raw:
        return raw
    text: str = json.loads(f'"{raw}"', strict=False)
    return text


def places(raw: str) -> Callable[[int], int]:
    """Where in a JSON string as written the character at a place in what it says begins."""
    before: list[int] = []  # characters said before each escape
    longer: list[int] = [0]  # how much more was written than said, up to and with each escape
    for found in _ESCAPE.finditer(raw):
        before.append(found.start() - longer[-1])
        longer.append(longer[-1] + len(found.group()) - 1)
    return lambda place: place + longer[bisect_left(before, place)]
