"""Compare two answers without a model: pure functions from two texts to a judgement.

Each has a versioned id; a change of what it finds is a new version. All are symmetric, and find
any text the same as itself. None can tell better from worse: `different` says so.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from math import isclose
from typing import Any, NamedTuple

import msgspec

from hf_ledger.ingest.call import Verdict
from hf_ledger.ingest.wire import raw

EXACT, NORMALISED, LABEL = "exact/1", "normalised/1", "label/1"
NUMERIC, JSON = "numeric/1", "json/1"
EMBEDDING, LLM = "embedding/1", "llm/1"

#: So far two numbers may be apart, relative to the larger one.
TOLERANCE = 1e-6
LONGEST_LABEL, MOST_LABEL_WORDS = 40, 4
#: Patterns look no further back than this: a judge works between other people's calls.
_END_CHARS, _CLOSING_CHARS = 20_000, 200

_LEAD = re.compile(r"^\W{0,8}(?:(?:final )?answer|label|category|class)\s*(?::|\bis\b)\s*", re.I)
_FENCE = re.compile(r"^\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*$", re.S | re.I)
_DIGITS = r"[-+−]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,2})?"
_NUMBER = re.compile(rf"(?<![\w.]){_DIGITS}")
_ONLY_NUMBER = re.compile(rf"^\W*{_DIGITS}\s*[%°€$£¥]?\W*$")
_ENDS_IN_NUMBER = re.compile(
    rf"(?:####|\bfinal answer\b|\banswer\s*(?:is|:)|\\boxed\{{)[^\w\n]{{0,8}}{_DIGITS}\W*$", re.I
)

_JSON = msgspec.json.Decoder()
_NONE: Any = object()


class Judged(NamedTuple):
    """What a judge found; `score` is its own measure, None where it has none."""

    judge: str
    verdict: Verdict
    score: float | None = None
    order_swapped: bool | None = None


Judge = Callable[[str, str], Judged]


def exact(answer: str, other: str) -> Judged:
    """The same characters."""
    return _found(EXACT, answer == other)


def normalised(answer: str, other: str) -> Judged:
    """The same words, whatever their case, spaces and punctuation."""
    return _found(NORMALISED, answer == other or plain(answer) == plain(other))


def label(answer: str, other: str) -> Judged:
    """The same label, with or without `Answer:` before it."""
    first, second = (plain(_LEAD.sub("", each)) for each in (answer, other))
    return _found(LABEL, answer == other or first == second)


def numeric(answer: str, other: str) -> Judged:
    """The same last number; unsure where one has none."""
    if answer == other:
        return _found(NUMERIC, True)
    first, second = last_number(answer), last_number(other)
    if first is None or second is None:
        return Judged(NUMERIC, "unsure")
    return _found(NUMERIC, _is_near(first, second))


def json_alike(answer: str, other: str) -> Judged:
    """The same JSON, whatever the order of keys; unsure where neither is JSON."""
    if answer == other:
        return _found(JSON, True)
    first, second = json_of(answer), json_of(other)
    if first is _NONE and second is _NONE:
        return Judged(JSON, "unsure")
    return _found(JSON, first is not _NONE and second is not _NONE and is_alike(first, second))


JUDGES: dict[str, Judge] = {
    EXACT: exact,
    NORMALISED: normalised,
    LABEL: label,
    NUMERIC: numeric,
    JSON: json_alike,
}


def choose(
    asked: dict[str, Any], answer: str, *, embedding: bool = False, llm: bool = False
) -> str:
    """The id of the judge for an answer of this shape.

    JSON where JSON was asked for or given, numbers and short labels by what they are; any other
    text goes to the embedding judge or else the judge model, as far as there is one.
    """
    if _wants_json(asked) or isinstance(json_of(answer), dict | list):
        return JSON
    if _is_numeric(answer):
        return NUMERIC
    if _is_label(answer):
        return LABEL
    if embedding:
        return EMBEDDING
    return LLM if llm else NORMALISED


def plain(text: str) -> str:
    """Lower case, no punctuation, one space between words.

    Signs of operators stay: `+1` is not `1`. Where nothing is left, the text itself counts.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    gone = {ord(letter): " " for letter in set(folded) if _is_punctuation(letter)}
    return " ".join(folded.translate(gone).split()) or " ".join(folded.split())


def last_number(text: str) -> Decimal | None:
    """The last number in a text's end, with or without separators of thousands."""
    found = _NUMBER.findall(text[-_END_CHARS:])
    return Decimal(found[-1].replace(",", "").replace("−", "-")) if found else None


def json_of(text: str) -> Any:
    """The JSON that a text is, in a fence or without; `_NONE` where it is none."""
    fenced = _FENCE.match(text) if text.lstrip()[:3] == "```" else None
    found = raw.decode(_JSON, (fenced[1] if fenced else text).encode("utf-8", "replace"))
    return found if found is not None or text.strip() == "null" else _NONE


def is_alike(first: Any, second: Any) -> bool:
    """Structural equality; numbers may be apart by `TOLERANCE`. No recursion: depth is theirs."""
    waiting = [(first, second)]
    while waiting:
        one, two = waiting.pop()
        if isinstance(one, dict) and isinstance(two, dict):
            if one.keys() != two.keys():
                return False
            waiting += [(one[name], two[name]) for name in one]
        elif isinstance(one, list) and isinstance(two, list):
            if len(one) != len(two):
                return False
            waiting += zip(one, two, strict=True)
        elif not _is_same_leaf(one, two):
            return False
    return True


def _is_same_leaf(one: Any, two: Any) -> bool:
    if _is_number(one) and _is_number(two):
        try:
            return one == two or isclose(one, two, rel_tol=TOLERANCE)
        except OverflowError:  # a whole number beyond all floats
            return False
    return type(one) is type(two) and bool(one == two)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_near(first: Decimal, second: Decimal) -> bool:
    return abs(first - second) <= Decimal(str(TOLERANCE)) * max(abs(first), abs(second))


def _is_punctuation(letter: str) -> bool:
    return letter != "-" and unicodedata.category(letter).startswith("P")


def _wants_json(asked: dict[str, Any]) -> bool:
    wanted = asked.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    return isinstance(kind, str) and kind.startswith("json")


def _is_numeric(answer: str) -> bool:
    """A number and nothing else, or a text that ends in one and says that it is the answer."""
    text = answer.strip()
    alone = len(text) <= LONGEST_LABEL and _ONLY_NUMBER.match(text)
    return bool(alone or _ENDS_IN_NUMBER.search(text[-_CLOSING_CHARS:]))


def _is_label(answer: str) -> bool:
    text = _LEAD.sub("", answer).strip()
    return len(text) <= LONGEST_LABEL and len(text.split()) <= MOST_LABEL_WORDS


def _found(judge: str, same: bool) -> Judged:
    return Judged(judge, "same", 1.0) if same else Judged(judge, "different", 0.0)
