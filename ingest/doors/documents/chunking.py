"""A text becomes chunks: pieces that together are the text, each sent with what came before it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from hf_ledger.ingest.doors.documents.cuts import Cut, Cuts, Rank
from hf_ledger.ingest.doors.documents.languages import language_of
from hf_ledger.ingest.doors.documents.sentences import library, sentence_ends
from hf_ledger.ingest.doors.documents.sizing import Measure, Sizing, measure_of
from hf_ledger.ingest.errors import Usage


@dataclass(frozen=True, slots=True)
class Chunk:
    """`text[start:end]` is its own; `text[overlap_start:end]` is what is sent. In code points."""

    index: int
    start: int
    end: int
    overlap_start: int

    def core(self, text: str) -> str:
        return text[self.start : self.end]

    def sent(self, text: str) -> str:
        return text[self.overlap_start : self.end]


def split(text: str, sizing: Sizing = Sizing()) -> list[Chunk]:  # noqa: B008 - immutable
    """The chunks in order; their own pieces joined are the text, and an empty text has none.

    Raises Usage where a single character has more tokens than a chunk may.
    """
    splitter = _Splitter(text, sizing)
    found: list[Chunk] = []
    start = 0
    while start < len(text):
        first, end = splitter.next(start)
        found.append(Chunk(len(found), start, end, first))
        start = end
    return found


class _Splitter:
    def __init__(self, text: str, sizing: Sizing) -> None:
        self._text = text
        self._sizing = sizing
        self._measure: Measure = measure_of(text, sizing)
        ends = partial(sentence_ends, language=language_of(text), segment=library())
        self._cuts = Cuts(text, lambda start, end: not self._fits(start, end), ends)
        self._measure.know(self._cuts.offsets)

    def _fits(self, start: int, end: int) -> bool:
        return self._measure.fits(start, end, self._sizing.size)

    def next(self, start: int) -> tuple[int, int]:
        """Where what is sent begins, and where the piece that starts here ends."""
        repeats = self._repeats(start)
        cut = self._cut(repeats[0], start) if repeats else None
        if cut is not None and cut.rank >= Rank.SENTENCE:
            return repeats[0], cut.offset
        alone = self._cut(start, start)
        if alone is None:
            raise Usage(
                f"A chunk of {self._sizing.size} {self._sizing.unit} holds not even one character"
                f" at {start}: choose a larger size."
            )
        if cut is not None and cut.rank >= alone.rank:
            return repeats[0], cut.offset
        kept = (each for each in repeats if self._fits(each, alone.offset))
        return next(kept, start), alone.offset

    def _repeats(self, start: int) -> list[int]:
        """Where an overlap of whole sentences may begin, the longest first."""
        if not (self._sizing.overlap and start and self._cuts.is_known(start)):
            return []
        size = self._sizing.overlap
        places = self._cuts.between(self._measure.back(start, size), start)
        while places and not self._measure.fits(places[0], start, size):
            places = places[1:]
        return places

    def _cut(self, first: int, start: int) -> Cut | None:
        """The best end for a piece from `start`, sent from `first`; None where nothing fits."""
        reach = self._measure.reach(first, self._sizing.size)
        while reach > start:
            cut = self._cuts.best(start, reach)
            if self._fits(first, cut.offset):
                return cut
            reach = start + (min(cut.offset, reach) - start) * 9 // 10
        return None
