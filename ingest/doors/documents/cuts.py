"""Where a text may be cut, and how good each place is."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from itertools import accumulate
from typing import NamedTuple

from hf_ledger.ingest.doors.documents.blocks import ITEM, Block, blocks

#: Whether the part between two offsets is larger than a chunk.
TooLarge = Callable[[int, int], bool]
#: The offsets at which the sentences of a paragraph end, its own length the last.
Ends = Callable[[str], Sequence[int]]
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

    def __init__(self, text: str, too_large: TooLarge, ends: Ends) -> None:
        found = list(_Places(text, too_large, ends).all())
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


class _Places:
    """Finds the places of a text, block by block."""

    def __init__(self, text: str, too_large: TooLarge, ends: Ends) -> None:
        self._text = text
        self._too_large = too_large
        self._ends = ends

    def all(self) -> Iterator[Cut]:
        for block in blocks(self._text):
            yield from self._inner(block)
            yield Cut(block.end, Rank.HEADING if block.kind == "heading" else Rank.BLOCK)

    def _inner(self, block: Block) -> Iterator[Cut]:
        """Places within a block; none in one that is kept whole."""
        if block.kind == "paragraph":
            yield from self._sentences(block.start, block.end)
        elif block.kind != "heading" and self._too_large(block.start, block.end):
            inner = self._items if block.kind == "list" else self._lines
            yield from inner(block.start, block.end)

    def _sentences(self, start: int, end: int) -> Iterator[Cut]:
        """The ends of sentences but the last; of one larger than a chunk those of its lines."""
        before = start
        for each in self._ends(self._text[start:end]):
            after = start + each
            if self._too_large(before, after):
                yield from self._lines(before, after)
            if after < end:
                yield Cut(after, Rank.SENTENCE)
            before = after

    def _lines(self, start: int, end: int) -> Iterator[Cut]:
        lines = self._text[start:end].splitlines(keepends=True)
        offsets = accumulate(map(len, lines[:-1]), initial=start)
        return (Cut(offset, Rank.SENTENCE) for offset in offsets if offset > start)

    def _items(self, start: int, end: int) -> Iterator[Cut]:
        before = offset = start
        for line in self._text[start:end].splitlines(keepends=True):
            if offset > before and ITEM.match(line):
                yield from self._sentences(before, offset)
                yield Cut(offset, Rank.BLOCK)
                before = offset
            offset += len(line)
        yield from self._sentences(before, end)


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
