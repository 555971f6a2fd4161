"""Where a text may be cut, and how good each place is."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from enum import IntEnum
from itertools import accumulate
from typing import NamedTuple

from hf_ledger.ingest.doors.documents.blocks import ITEM, Block, blocks
from hf_ledger.ingest.doors.documents.sentences import sentence_ends

#: How far back from a character that joins the one before a better place is looked for.
_LONGEST_CLUSTER = 64


class Rank(IntEnum):
    """How good a place is: the higher, the sooner it is taken."""

    CLUSTER = 0  # between two letters of a word longer than a chunk
    WORD = 1
    HEADING = 2  # between a heading and what it is the heading of
    SENTENCE = 3
    BLOCK = 4


class Cut(NamedTuple):
    offset: int
    rank: Rank


class Cuts:
    """The places of one text, from sentences upwards; the smaller ones are found when needed."""

    def __init__(self, text: str, too_large: Callable[[int, int], bool]) -> None:
        found = list(_cuts(text, too_large))
        self._text = text
        self.offsets = [each.offset for each in found]
        self._ranks = [each.rank for each in found]

    def is_known(self, offset: int) -> bool:
        """Whether a sentence or more ends here."""
        at = bisect_left(self.offsets, offset)
        return offset == 0 or (at < len(self.offsets) and self.offsets[at] == offset)

    def between(self, start: int, end: int) -> list[int]:
        """The known places from `start` to just before `end`, 0 as the first one of all."""
        known = self.offsets[bisect_left(self.offsets, start) : bisect_left(self.offsets, end)]
        return [0, *known] if start <= 0 < end else known

    def best(self, start: int, reach: int) -> Cut:
        """The best place after `start` and up to `reach`.

        A paragraph's end is taken where it fills half of the room, else the last sentence's.
        """
        if reach >= len(self._text):
            return Cut(len(self._text), Rank.BLOCK)
        first, last = bisect_right(self.offsets, start), bisect_right(self.offsets, reach)
        half = start + (reach - start) // 2
        better: Cut | None = None
        for at in range(last - 1, first - 1, -1):
            cut = Cut(self.offsets[at], self._ranks[at])
            if better is not None and better.rank >= Rank.SENTENCE and cut.offset < half:
                break
            if better is None or (cut.rank > better.rank):
                better = cut
            if better.rank is Rank.BLOCK:
                break
        return better or _within(self._text, start, reach)


def _cuts(text: str, too_large: Callable[[int, int], bool]) -> Iterator[Cut]:
    for block in blocks(text):
        yield from _inner(text, block, too_large)
        yield Cut(block.end, Rank.HEADING if block.kind == "heading" else Rank.BLOCK)


def _inner(text: str, block: Block, too_large: Callable[[int, int], bool]) -> Iterator[Cut]:
    """Places within a block; none in one that is kept whole."""
    if block.kind == "paragraph":
        yield from _sentences(text, block.start, block.end, too_large)
    elif block.kind != "heading" and too_large(block.start, block.end):
        if block.kind == "list":
            yield from _items(text, block, too_large)
        else:
            yield from _lines(text, block.start, block.end)


def _sentences(
    text: str, start: int, end: int, too_large: Callable[[int, int], bool]
) -> Iterator[Cut]:
    """The ends of sentences but the last; of one larger than a chunk those of its lines."""
    before = start
    for each in sentence_ends(text[start:end]):
        after = start + each
        if too_large(before, after):
            yield from _lines(text, before, after)
        if after < end:
            yield Cut(after, Rank.SENTENCE)
        before = after


def _lines(text: str, start: int, end: int) -> Iterator[Cut]:
    lines = text[start:end].splitlines(keepends=True)
    for offset in accumulate(map(len, lines[:-1]), initial=start):
        if offset > start:
            yield Cut(offset, Rank.SENTENCE)


def _items(text: str, block: Block, too_large: Callable[[int, int], bool]) -> Iterator[Cut]:
    before = offset = block.start
    for line in text[block.start : block.end].splitlines(keepends=True):
        if offset > before and ITEM.match(line):
            yield from _sentences(text, before, offset, too_large)
            yield Cut(offset, Rank.BLOCK)
            before = offset
        offset += len(line)
    yield from _sentences(text, before, block.end, too_large)


_LINE_END = re.compile(r"[\n\r\u2028\u2029]+")


def _within(text: str, start: int, reach: int) -> Cut:
    """A place within something that has no known one: after a space, else between two letters."""
    half = start + (reach - start) // 2
    room = text[start:reach]
    line = room.rfind("\n") + 1
    if line and start + line > half:
        return Cut(start + line, Rank.WORD)
    word = next((at for at in range(len(room), 0, -1) if room[at - 1].isspace()), 0)
    if word and text[start + word : start + word + 1].isspace():
        word = 0
    if word:
        return Cut(start + word, Rank.WORD)
    return Cut(_cluster_end(text, start, reach), Rank.CLUSTER)


def _cluster_end(text: str, start: int, reach: int) -> int:
    """The last place up to `reach` that tears no accent, emoji or flag from what it belongs to."""
    lowest = max(start + 1, reach - _LONGEST_CLUSTER)
    for at in range(reach, lowest - 1, -1):
        if not _joined(text, at):
            return at
    return max(reach, start + 1)


def _joined(text: str, at: int) -> bool:
    """Whether the characters before and after belong together."""
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    if after < "\u0300":
        return before == "\r" and after == "\n"
    return (
        unicodedata.category(after) in _MARKS
        or before == "\u200d"
        or after == "\u200d"
        or "\U0001f3fb" <= after <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= after <= "\U000e007f"  # tags of flags
        or ("\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff")
        or ("\u1160" <= after <= "\u11ff")  # vowels and finals of old Hangul
        or (_is_flag(after) and _flags_before(text, at) % 2 == 1)
    )


_MARKS = frozenset({"Mn", "Me", "Mc"})


def _is_flag(letter: str) -> bool:
    return "\U0001f1e6" <= letter <= "\U0001f1ff"


def _flags_before(text: str, at: int) -> int:
    """How many flag letters stand just before: two make a flag."""
    first = at
    while first > 0 and at - first < _LONGEST_CLUSTER and _is_flag(text[first - 1]):
        first -= 1
    return at - first
