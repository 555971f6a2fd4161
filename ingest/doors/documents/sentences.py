"""Where sentences end: sentencex says so, and what it says is checked against the text.

docs/splitting.md compares it with others, on the sentences that the tests have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from hf_ledger.ingest.errors import Unusable

#: Says of a text in a language where its sentences begin and end, as sentencex does.
Segment = Callable[[str, str], Sequence[Mapping[str, Any]]]

#: What it is given at once: on a hundred thousand quotation marks its time grows with the square.
WINDOW = 4_000

_ORDINAL = re.compile(r"(?<!\d)\d{1,2}\.\s+$")
#: Ends that are none, which the library takes for some.
_NO_END = {
    **dict.fromkeys(("de", "da", "nb", "fi", "cs", "hu"), _ORDINAL),
    "th": re.compile(r"(?:[\u0e01-\u0e5b]{1,2}\.)+\s*$"),  # abbreviations: ดร. พ.ศ.
}
#: Thai, Lao and Khmer set spaces between phrases and mostly no sign at a sentence's end.
_PHRASE = re.compile(
    " (?:(?<=[\u0e01-\u0e2e\u0e30-\u0e45\u0e47-\u0e4e] ) *(?=[\u0e01-\u0e2e\u0e40-\u0e44])"
    "|(?<=[\u0e81-\u0edf] ) *(?=[\u0e81-\u0edf])"
    "|(?<=[\u1780-\u17df] ) *(?=[\u1780-\u17df]))"
)
_SPACE = re.compile(r"\s*")
_LONE = re.compile("[\ud800-\udfff]")
#: Where the library's answer does not fit the text.
_SIMPLE = re.compile(r"[.!?…؟۔।]+[\"'”’»)\]]*\s+|[。！？]+[」』”）]*\s*")


def library() -> Segment:
    """The library's own function. Raises Unusable where it is not installed."""
    try:
        from sentencex import get_sentence_boundaries
    except ImportError as absent:
        raise Unusable(
            "Splitting documents needs sentencex: pip install 'hf-ledger[client]'."
        ) from absent
    found: Segment = get_sentence_boundaries
    return found


def sentence_ends(text: str, language: str, segment: Segment) -> list[int]:
    """Offsets after each sentence and the space behind it; the last is the text's length."""
    no_end = _NO_END.get(language)
    ends = [
        end
        for end in _windows(text, language, segment)
        if end == len(text) or no_end is None or not no_end.search(text, max(end - 12, 0), end)
    ]
    phrases = [] if text.isascii() else [each.end() for each in _PHRASE.finditer(text)]
    return sorted({*ends, *phrases}) if phrases else ends


def _windows(text: str, language: str, segment: Segment) -> Iterator[int]:
    """Window by window, each from the last end that the one before it is sure of."""
    start = 0
    while len(text) - start > WINDOW:
        window = text[start : start + WINDOW]
        sure = [end for end in _ends(window, language, segment) if end < WINDOW]
        for end in sure:
            yield start + end
        # What fills a window without an end has none: half of it is left to see what follows.
        start += sure[-1] if sure else WINDOW // 2
    for end in _ends(text[start:], language, segment):
        yield start + end


def _ends(text: str, language: str, segment: Segment) -> list[int]:
    """The ends in a short text, its own included."""
    if not text:
        return []
    try:
        found = segment(language, text)
    except UnicodeEncodeError:
        found = segment(language, _LONE.sub("\ufffd", text))
    places = [each["end_index"] for each in found]
    if not places or places[-1] != len(text) or any(b <= a for a, b in pairwise([0, *places])):
        places = [each.end() for each in _SIMPLE.finditer(text)] + [len(text)]
    return sorted({_after_space(text, place) for place in places})


def _after_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place
