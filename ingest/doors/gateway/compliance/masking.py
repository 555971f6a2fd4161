"""Findings replaced by placeholders in the text that was sent: all else stays, byte for byte."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from hf_ledger.ingest.doors.gateway.compliance.findings import Finding, Kind
from hf_ledger.ingest.doors.gateway.compliance.pieces import Piece, places

Hit = tuple[Piece, list[Finding]]


class Unmaskable(Exception):  # noqa: N818
    """A finding stands where no text can be put in its place."""


@dataclass
class Placeholders:
    """`[card-1]`, `[card-2]`, …: the same value has the same number within a request."""

    _given: dict[tuple[Kind, str], str] = field(default_factory=dict, repr=False)
    _last: Counter[Kind] = field(default_factory=Counter)

    def of(self, finding: Finding) -> str:
        key = finding.kind, finding.value
        if key not in self._given:
            self._last[finding.kind] += 1
            name = finding.kind.replace("_", "-")
            self._given[key] = f"[{name}-{self._last[finding.kind]}]"
        return self._given[key]


def masked(body: str, hits: Iterable[Hit], placeholders: Placeholders) -> str:
    """The body with each finding replaced; hits in the order of the body.

    Raises `Unmaskable` for a finding in a name or a number.
    """
    made: list[str] = []
    done = 0
    for piece, found in hits:
        if piece.fixed:
            raise Unmaskable
        place = places(piece.raw)
        for each in found:
            made += [body[done : piece.start + place(each.start)], placeholders.of(each)]
            done = piece.start + place(each.end)
    return "".join([*made, body[done:]])
