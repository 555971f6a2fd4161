"""What was found in a request: kinds and counts are kept, values only until it is sent."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

Kind = Literal["private_key", "token", "iban", "card", "national_id", "email", "phone"]
#: Where two findings overlap, the kind named first stays.
KINDS: tuple[Kind, ...] = get_args(Kind)

#: What each kind is called in a sentence.
_NAMED: dict[Kind, tuple[str, str]] = {
    "private_key": ("private key", "private keys"),
    "token": ("API token", "API tokens"),
    "iban": ("IBAN", "IBANs"),
    "card": ("payment card", "payment cards"),
    "national_id": ("national id", "national ids"),
    "email": ("e-mail address", "e-mail addresses"),
    "phone": ("telephone number", "telephone numbers"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A place in one text; the value is never shown, not even by `repr`."""

    kind: Kind
    start: int
    end: int
    value: str = field(repr=False)  # without separators: the same number written in two ways


def counted(kinds: Iterable[Kind]) -> dict[Kind, int]:
    """How many of each kind, in the order of `KINDS`, kinds without any left out."""
    counts = Counter(kinds)
    return {kind: counts[kind] for kind in KINDS if counts[kind]}


def in_short(counts: dict[Kind, int]) -> str:
    """`card 2, email 1`, for records."""
    return ", ".join(f"{kind} {count}" for kind, count in counts.items())


def in_words(counts: dict[Kind, int]) -> str:
    """`2 payment cards and 1 e-mail address`, for people."""
    said = [f"{count} {_NAMED[kind][count != 1]}" for kind, count in counts.items()]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)


def without_overlaps(found: Iterable[Finding]) -> list[Finding]:
    """Findings in the order of the text, of which no two share a character.

    Of those that overlap the one whose kind stands first stays, of one kind the longer one.
    """
    kept: list[Finding] = []
    for each in sorted(found, key=lambda f: (KINDS.index(f.kind), f.start - f.end, f.start)):
        place = bisect_left(kept, each.start, key=lambda f: f.start)
        free_before = place == 0 or kept[place - 1].end <= each.start
        free_after = place == len(kept) or each.end <= kept[place].start
        if free_before and free_after:
            kept.insert(place, each)
    return kept
