"""How large chunks are, and how that is measured: in characters, or in tokens of the target."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from hf_ledger.ingest.errors import Usage

Unit = Literal["characters", "tokens"]


@dataclass(frozen=True, slots=True)
class Sizing:
    """At most `size` in all, of which at most `overlap` repeats what came before.

    Characters are code points. `count` says how many tokens a text has; needed for tokens only.
    """

    size: int = 1_000
    overlap: int = 200
    unit: Unit = "characters"
    count: Callable[[str], int] | None = None

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 <= self.overlap < self.size:
            raise Usage(
                f"A chunk of {self.size} with an overlap of {self.overlap} {self.unit} is not"
                " possible: the size is at least 1 and the overlap less than the size."
            )
        if self.unit == "tokens" and self.count is None:
            raise Usage("Chunks are measured in tokens only with a counter: pass `count`.")


class Measure(Protocol):
    """Says of parts of one text how large they are."""

    def fits(self, start: int, end: int, size: int) -> bool:
        """Whether this part is at most that large."""
        ...

    def know(self, offsets: Sequence[int]) -> None:
        """Learn where the text may be cut; before `reach`."""
        ...

    def reach(self, start: int, size: int) -> int:
        """About where a part of that size would end; `fits` has the last word."""
        ...

    def back(self, end: int, size: int) -> int:
        """About where a part of that size that ends here would begin."""
        ...


def measure_of(text: str, sizing: Sizing) -> Measure:
    """The measure that these sizes are stated in."""
    if sizing.unit == "tokens" and sizing.count is not None:
        return _Tokens(text, sizing.count)
    return _Characters()


class _Characters:
    def fits(self, start: int, end: int, size: int) -> bool:
        return end - start <= size

    def know(self, offsets: Sequence[int]) -> None:
        """Offsets are characters already."""

    def reach(self, start: int, size: int) -> int:
        return start + size

    def back(self, end: int, size: int) -> int:
        return max(end - size, 0)


class _Tokens:
    """Each part between two cuts is counted once, so that guesses of sums are good ones.

    A counter need not be additive, nor even grow with the text: what is cut has been counted whole.
    """

    def __init__(self, text: str, count: Callable[[str], int]) -> None:
        self._text = text
        self._count = count
        self._fixed = count("")  # what a tokenizer adds to any text
        self._counted: dict[tuple[int, int], int] = {}
        self._offsets: list[int] = [0]
        self._sums: list[float] = [0]

    def fits(self, start: int, end: int, size: int) -> bool:
        return self._of(start, end) <= size

    def _of(self, start: int, end: int) -> int:
        found = self._counted.get((start, end))
        if found is None:
            found = self._counted[start, end] = self._count(self._text[start:end])
        return found

    def know(self, offsets: Sequence[int]) -> None:
        start, total = 0, 0.0
        for end in offsets:
            # At least something, however a counter counts: guesses divide by it.
            total += max(self._of(start, end) - self._fixed, 0.01)
            self._offsets.append(end)
            self._sums.append(total)
            start = end
        self._counted.clear()

    def reach(self, start: int, size: int) -> int:
        return self._offset_at(self._sum_at(start) + size - self._fixed)

    def back(self, end: int, size: int) -> int:
        return self._offset_at(self._sum_at(end) - size + self._fixed)

    def _sum_at(self, offset: int) -> float:
        return _between(self._offsets, self._sums, offset)

    def _offset_at(self, total: float) -> int:
        return int(_between(self._sums, self._offsets, total) + 1e-6)


def _between(known: Sequence[float], wanted: Sequence[float], at: float) -> float:
    """The wanted value at a known one, on the line between its neighbours."""
    after = bisect_right(known, at)
    if after == 0:
        return wanted[0]
    if after == len(known):
        return wanted[-1]
    share = (at - known[after - 1]) / (known[after] - known[after - 1])
    return wanted[after - 1] + share * (wanted[after] - wanted[after - 1])
