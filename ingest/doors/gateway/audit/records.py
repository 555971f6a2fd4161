"""What the audit's files hold: two records a request, one per admin action, and their frame.

Times are UTC microseconds since 1970. No record has a field for text, a token or a key.
"""

from __future__ import annotations

from typing import Any

import msgspec

FORMAT = 1
ALGORITHM = "sha256"
MOST_CHARACTERS = 200  # of a name that a client chose: a text has no room here


class Head(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a file goes: whole records, their bytes, the last record's chain hash."""

    records: int
    bytes: int
    chain: str
    torn: str | None = None  # SHA-256 of what a process that was killed left behind its last record


class Seen(msgspec.Struct, frozen=True):
    """A checkpoint that the writer knew of: it can't be taken away without contradicting this."""

    number: int
    chain: str


class Previous(msgspec.Struct, frozen=True):
    """The file this one goes on from, and its last chain hash."""

    file: str
    chain: str


class Record(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind"):
    """Any line of the audit: when it was written, and the newest checkpoint known by then."""

    ts: int = 0
    seen: Seen | None = None


class Opened(Record, tag="opened", kw_only=True):
    """First record of each file: who writes it, and how it is chained."""

    file: str
    format: int
    algorithm: str
    version: str
    host: str
    pid: int
    process_start: str
    previous: Previous | None = None


class Decided(Record, tag="decided", kw_only=True):
    """A request before it is sent: whose, for which model, what each check said."""

    request_id: str
    call_id: str | None = None
    key_id: str | None = None
    user: str | None = None
    model: str | None = None
    provider: str | None = None
    input_hash: str | None = None  # 128 bit, keyed
    hash_key_id: str | None = None
    verdicts: dict[str, str] = {}
    refused_by: str | None = None
    code: str | None = None


class Finished(Record, tag="finished", kw_only=True):
    """How it ended; unknown tokens and cost are left out, never 0."""

    request_id: str
    call_id: str | None = None
    outcome: str
    code: str | None = None
    status: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: str | None = None  # USD, decimal


class Administered(Record, tag="administered", kw_only=True):
    """A key made or revoked, a budget set, a token rotated, the state changed: who, what, which."""

    action: str
    who: str
    subject: str
    values: dict[str, str] = {}


class Lost(Record, tag="lost", kw_only=True):
    """So many records could not be written before this one, and requests went on."""

    count: int


class Rotated(Record, tag="rotated", kw_only=True):
    """Last record of a file that is full; the process goes on in its successor."""

    successor: str


class Ended(Record, tag="ended", kw_only=True):
    """Last record of a process that ended by itself."""


class Checkpoint(Record, tag="checkpoint", kw_only=True):
    """How far each file that moved goes, by whoever holds the signing key."""

    number: int  # from 1, without gaps
    why: str  # start, beat, end
    heads: dict[str, Head] = {}  # of files that moved since the checkpoint before
    removed: dict[str, Head] = {}  # by the rule of days; from now on they need not be there
    cut: Seen | None = None  # was the newest, and is missing; number 0: which one is unknown
    unsigned: int | None = None  # the newest before this one, whose signature does not hold
    public_key: str
    signature: str = ""  # of all before this field


Line = Opened | Decided | Finished | Administered | Lost | Rotated | Ended | Checkpoint

#: Kinds after which a file goes no further.
LAST = (b'{"kind":"ended",', b'{"kind":"rotated",')

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def body(record: Record) -> bytes:
    """The record as JSON without its last brace; lone surrogates become U+FFFD."""
    try:
        return _encoder.encode(record)[:-1]
    except UnicodeEncodeError:
        return _encoder.encode(_clean(msgspec.to_builtins(record)))[:-1]


def record_of(line: bytes) -> Line | None:
    """The record of one whole line, None where it is none."""
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def brief(name: str | None) -> str | None:
    """A name that a client chose, cut to where it can't be a text."""
    return name if name is None or len(name) <= MOST_CHARACTERS else name[:MOST_CHARACTERS]


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_clean(name): _clean(each) for name, each in value.items()}
    return value
