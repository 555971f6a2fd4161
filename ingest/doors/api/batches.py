"""A posted batch becomes lines for the spool; what is no good line is listed by its position."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

import msgspec

from hf_ledger.ingest.call import Call, Line, Noticed, Replayed, RouteSeen
from hf_ledger.ingest.spool.lines import MARK, damage
from hf_ledger.ingest.spool.reading import unfit

EARLIEST_US = 1_420_070_400_000_000
DAY_US = 86_400_000_000
LONGEST_TEXT = 1_000
LARGEST_COUNT = 1 << 53
MOST_TAGS, MOST_FEATURES, MOST_BLOCKS = 16, 64, 65_536

COUNTS = (
    "uncached_input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "input_chars",
)
SMALL_COUNTS = {"attempt": 32_767, "status": 999, "images": 2**31 - 1}
AMOUNTS = ("units", "reported_cost", "stated_cost")
SPANS = ("latency_ms", "ttft_ms", "compute_seconds", "audio_seconds")
TEXTS = tuple(name for name in Call.__struct_fields__ if "str" in str(Call.__annotations__[name]))

_DECODER: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_PATH = re.compile(r"`(\$[^`]*)`$")


@dataclass
class Batch:
    """What a batch holds: good lines, how many of other kinds, and bad ones by position from 1."""

    lines: list[Line] = field(default_factory=list)
    ignored: int = 0
    rejected: list[dict[str, int | str]] = field(default_factory=list)

    @property
    def calls(self) -> int:
        return sum(type(line) is Call for line in self.lines)


class Refused(ValueError):  # noqa: N818 - the line is
    """Why a line is not taken; names the field, quotes no content."""


def read_batch(body: bytes, key_id: str, now_us: int, segment: str | None = None) -> Batch:
    """Read newline-delimited lines, or a JSON array of them, as a recorder's segment has them.

    Calls get the key's id. Start marks and a segment's first line belong to the host itself and
    are ignored. `segment` is where the lines stood there: a notice sent again counts once.
    Raises `Refused` for an array that is not JSON.
    """
    batch = Batch()
    for position, line in _lines(body):
        try:
            found = read_line(line, now_us)
        except Refused as error:
            batch.rejected.append({"line": position, "reason": str(error)})
            continue
        if isinstance(found, Call | Replayed):
            found.key_id = key_id
        elif isinstance(found, Noticed):
            found.segment = segment
        if isinstance(found, Call | RouteSeen | Noticed | Replayed):
            batch.lines.append(found)
        else:
            batch.ignored += 1
    return batch


def _lines(body: bytes) -> Iterator[tuple[int, bytes]]:
    if body.lstrip()[:1] == b"[":
        try:
            yield from ((n, bytes(each)) for n, each in enumerate(_ARRAY.decode(body), 1))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Refused("the batch is no JSON array, or is cut off") from None
        return
    for number, line in enumerate(body.split(b"\n"), 1):
        if line.strip():
            yield number, line.strip()


def read_line(line: bytes, now_us: int) -> Line:
    """One line. A checksum need not be there; where it is, it must hold."""
    reason = damage(line) if MARK in line[-32:] else None
    if reason:
        raise Refused(reason)
    try:
        found = _DECODER.decode(line)
    except msgspec.ValidationError as error:
        raise Refused(f"not a line of a call: {_place(error)}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Refused("not JSON, or cut off") from None
    if isinstance(found, Call):
        check(found, now_us)
    elif isinstance(found, Replayed):
        _check_replay(found, now_us)
    return found


def _place(error: msgspec.ValidationError) -> str:
    """Where the mistake is; the rest of the message may quote a value."""
    found = _PATH.search(str(error))
    return f"wrong at {found[1]}" if found else "a field is missing or of the wrong kind"


def check(call: Call, now_us: int) -> None:
    """Raise `Refused` for a call that could not be true, or would not fit."""
    try:
        call.call_id = str(uuid.UUID(call.call_id))
    except ValueError:
        raise Refused("call_id is no UUID") from None
    _check_time(call.ts, now_us)
    _check_counts(call)
    _check_amounts(call)
    _check_texts(call)


def _check_replay(replay: Replayed, now_us: int) -> None:
    _check_time(replay.ts, now_us)
    reason = unfit(replay)
    if reason:
        raise Refused(reason)
    for name in ("model", "candidate", "judge"):
        if len(getattr(replay, name) or "") > LONGEST_TEXT:
            raise Refused(f"{name} is longer than {LONGEST_TEXT} characters")


def _check_time(ts: int, now_us: int) -> None:
    if not EARLIEST_US <= ts <= now_us + DAY_US:
        raise Refused("ts is before 2015 or in the future (µs since 1970, UTC)")


def _check_counts(call: Call) -> None:
    for name in COUNTS:
        _check_count(name, getattr(call, name), LARGEST_COUNT)
    for name, largest in SMALL_COUNTS.items():
        _check_count(name, getattr(call, name), largest)


def _check_count(name: str, value: int | None, largest: int) -> None:
    if value is not None and not 0 <= value <= largest:
        raise Refused(f"{name} is negative or too large")


def _check_amounts(call: Call) -> None:
    for name in SPANS:
        value = getattr(call, name)
        if value is not None and value < 0:
            raise Refused(f"{name} is negative")
    for name in AMOUNTS:
        if not _is_amount(getattr(call, name)):
            raise Refused(f"{name} is no decimal number from 0 to 999,999,999")


def _is_amount(value: str | None) -> bool:
    if value is None:
        return True
    try:
        return 0 <= Decimal(value) < 1_000_000_000
    except InvalidOperation:
        return False


def _check_texts(call: Call) -> None:
    for name in TEXTS:
        value = getattr(call, name)
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            raise Refused(f"{name} is longer than {LONGEST_TEXT} characters")
    tags: Mapping[str, str] = call.tags or {}
    if len(tags) > MOST_TAGS or any(len(k) + len(v) > LONGEST_TEXT for k, v in tags.items()):
        raise Refused(f"there are more than {MOST_TAGS} tags, or one is too long")
    if len(call.shape or ()) > MOST_FEATURES or len(call.prefix or ()) > MOST_BLOCKS:
        raise Refused("shape or prefix is too long")
