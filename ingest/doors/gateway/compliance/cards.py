"""Numbers of payment cards: an issuer's first digits, its lengths, and Luhn's check digit."""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]

_CARD = re.compile(
    r"(?<!\w)(?<![0-9][.,-])(?=[2-6])(?=("
    r"[0-9]{4}(?P<gap>[ .-])[0-9]{4}(?P=gap)[0-9]{4}(?P=gap)[0-9]{4}(?:(?P=gap)[0-9]{3})?"
    r"|[0-9]{4}(?P<three>[ .-])[0-9]{6}(?P=three)[0-9]{4,5}"
    r"|[0-9]{13,19})(?!\w)(?![.,][0-9]))"
)
#: First digits of a card's number, from and to, and the lengths that such numbers have.
_ISSUERS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("4", "4", (13, 16, 19)),
    ("51", "55", (16,)),
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),
    ("37", "37", (15,)),
    ("300", "305", (14,)),
    ("36", "36", (14,)),
    ("38", "39", (14,)),
    ("6011", "6011", (16, 19)),
    ("644", "659", (16, 19)),
    ("62", "62", (16, 17, 18, 19)),
    ("3528", "3589", (16, 17, 18, 19)),
    ("2200", "2204", (16, 17, 18, 19)),
    ("5018", "5018", (13, 14, 15, 16, 17, 18, 19)),
    ("5020", "5020", (13, 14, 15, 16, 17, 18, 19)),
    ("5038", "5038", (13, 14, 15, 16, 17, 18, 19)),
    ("5893", "5893", (13, 14, 15, 16, 17, 18, 19)),
    ("6304", "6304", (13, 14, 15, 16, 17, 18, 19)),
    ("6759", "6763", (13, 14, 15, 16, 17, 18, 19)),
)
#: Numbers of 13 digits are mostly articles; cards have had them no more for years.
_CARD_WORDS = re.compile(r"(?<![^\W_])(?:visa|maestro|\w*card|\w*karte|carte|carta|tarjeta)", re.I)
_NEAR_CARD = 24
_GROUPS_BEFORE = re.compile(r"(?:[0-9]{4}[ .-]){1,2}$")
_GROUPS_AFTER = re.compile(r"(?:[ .-][0-9]{4}){1,2}")


def cards(text: str, name: str, start: int, end: int) -> Iterator[Span]:
    """Where between `start` and `end` cards stand; they may overlap."""
    from stdnum import luhn

    for found in _CARD.finditer(text, start, end):
        span = found.span(1)
        value = re.sub("[ .-]", "", found.group(1))
        short = len(value) == 13 and not _CARD_WORDS.search(_near(text, name, span))
        if _issued(value) and luhn.is_valid(value) and not short and not _in_series(text, span):
            yield span


def _near(text: str, name: str, span: Span) -> str:
    """What stands shortly before, and what it is called."""
    return f"{name} {text[max(0, span[0] - _NEAR_CARD) : span[0]]}"


def _in_series(text: str, span: Span) -> bool:
    """Whether two more groups of four digits stand beside it: a row of numbers, not a card."""
    before = _GROUPS_BEFORE.search(text[max(0, span[0] - 10) : span[0]])
    after = _GROUPS_AFTER.match(text[span[1] : span[1] + 10])
    return sum(len(found.group()) for found in (before, after) if found) >= 10


def _issued(number: str) -> bool:
    return any(
        first <= number[: len(first)] <= last and len(number) in lengths
        for first, last, lengths in _ISSUERS
    )
