"""Files of recorded exchanges, one JSON object a line: bad lines are named, good ones kept."""

from __future__ import annotations

import base64
import binascii
import gzip
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from hf_ledger.ingest.doors.hook.decoding import decoder

#: So many bad lines and not one good: the file is of another kind.
GIVE_UP_AFTER = 100
LONGEST_LINE = 256 << 20

#: Long base64 content is shortened in recordings; its head still tells what it is.
_SHORTENED = re.compile(r"<base64:\d+ chars:head=([^:<>]*):sha256=[^<>]*>")


class _Request(msgspec.Struct):
    method: str
    url: str
    headers: dict[str, Any] | list[tuple[str, Any]] | None = None
    body: Any = None


class _Response(msgspec.Struct):
    status: int
    headers: dict[str, Any] | list[tuple[str, Any]] | None = None
    body: Any = None


class _Line(msgspec.Struct):
    request: _Request
    response: _Response | None = None
    id: str | int | None = None
    recorded_at: str | int | float | None = None
    committed_at: str | int | float | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded request and its reply, ready for the wire's readers.

    `ts` is µs UTC, None where no time was recorded; a body is None where it was not recorded, and
    `whole` is false where only part of the request's was.
    """

    line: int
    id: str | None
    ts: int | None
    method: str
    url: str
    request_headers: dict[str, str]
    request_body: bytes | None
    whole: bool
    status: int | None
    response_headers: dict[str, str]
    response_body: bytes
    latency_ms: float | None = None  # where the recording measured it


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that could not be read: its position and why, never its content."""

    line: int
    reason: str
    unit: str = "line"  # what is counted; "record" where records don't stand on lines


_LINE = msgspec.json.Decoder(_Line)


def read_recording(path: Path) -> Iterator[Exchange | Rejected]:
    """Each line of a recording in file order; raises OSError where the file can't be opened."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        source = cast(IO[bytes], gzip.GzipFile(fileobj=file)) if packed else file
        for number, line in _lines(source):
            yield Rejected(number, line) if isinstance(line, str) else read_line(number, line)


def _lines(source: IO[bytes]) -> Iterator[tuple[int, bytes | str]]:
    """Numbered lines that hold something; a reason in place of one where the archive breaks."""
    number = 0
    while True:
        number += 1
        try:
            line = source.readline(LONGEST_LINE)
        except EOFError:
            yield number, "the gzip archive ends too early; the rest of the file is missing"
            return
        except (gzip.BadGzipFile, zlib.error):
            yield number, "the gzip archive is damaged from here on"
            return
        if not line:
            return
        if line.strip():
            yield number, line


def read_line(number: int, line: bytes) -> Exchange | Rejected:
    """One exchange, or why the line is none."""
    try:
        found = _LINE.decode(line)
        return _exchange(number, found)
    except msgspec.ValidationError as error:
        return Rejected(number, f"not a recorded exchange: {_without_values(error)}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Rejected(number, "not JSON, or cut off")
    except _Unreadable as error:
        return Rejected(number, str(error))


class _Unreadable(ValueError):  # noqa: N818 - says what the part is
    """A part of an exchange that makes no sense; the message quotes no content."""


def _without_values(error: msgspec.ValidationError) -> str:
    """msgspec names types and paths; values are quoted for enumerations, which we have none of."""
    return str(error)


def _exchange(number: int, found: _Line) -> Exchange:
    response = found.response
    body, whole = _body(found.request.body)
    asked, answered = (
        _headers(found.request.headers),
        _headers(response.headers if response else None),
    )
    reply = _body(response.body)[0] or b"" if response else b""
    return Exchange(
        line=number,
        id=None if found.id is None else str(found.id),
        ts=_moment(found.recorded_at) or _moment(found.committed_at),
        method=found.request.method,
        url=found.request.url,
        request_headers=asked,
        request_body=None if body is None else unpacked(body, asked),
        whole=whole,
        status=response.status if response else None,
        response_headers=answered,
        response_body=unpacked(reply, answered),
    )


def unpacked(body: bytes, headers: Mapping[str, str]) -> bytes:
    """The body as its reader sees it; most recorders unpack it and leave the header standing."""
    decode = decoder(headers.get("content-encoding"))
    if decode is None or body[:1] in _PLAIN:
        return body
    return decode(body) or body


#: How JSON and streams of events begin, and no packed body.
_PLAIN = (b"", b"{", b"[", b"d", b":", b"e", b"\n")


def _headers(stated: dict[str, Any] | list[tuple[str, Any]] | None) -> dict[str, str]:
    """Lower-case names; a value that was recorded as a list is joined, as HTTP does."""
    pairs = stated.items() if isinstance(stated, dict) else stated or ()
    return {
        str(name).lower(): ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in pairs
    }


def _body(stated: Any) -> tuple[bytes | None, bool]:
    """The body's bytes and whether they are all; JSON recorded as an object is packed again."""
    if stated is None:
        return None, False
    if isinstance(stated, str):
        whole = _SHORTENED.search(stated) is None
        text = stated if whole else _SHORTENED.sub(_lengthened, stated)
        return text.encode("utf-8", "surrogatepass"), whole
    if isinstance(stated, dict) and "truncated_bytes" in stated:
        return _unhex(stated.get("first_bytes_hex")), False
    if isinstance(stated, dict) and set(stated) == {"base64"}:
        return _unbase64(stated["base64"]), True
    return _body(msgspec.json.encode(stated).decode())


def _lengthened(found: re.Match[str]) -> str:
    """The head again, long enough to be seen as base64."""
    return found[1].ljust(64, "A")


def _unhex(stated: Any) -> bytes:
    try:
        return bytes.fromhex(stated) if isinstance(stated, str) else b""
    except ValueError:
        raise _Unreadable("first_bytes_hex is not hexadecimal") from None


def _unbase64(stated: Any) -> bytes:
    try:
        return base64.b64decode(stated) if isinstance(stated, str) else b""
    except binascii.Error:
        raise _Unreadable("a base64 body is damaged") from None


def _moment(stated: str | int | float | None) -> int | None:
    """µs UTC of an ISO 8601 time (UTC where no zone is stated) or of seconds since 1970."""
    if stated is None or stated == "":
        return None
    try:
        when = (
            datetime.fromisoformat(stated)
            if isinstance(stated, str)
            else datetime.fromtimestamp(stated, UTC)
        )
        aware = when if when.tzinfo else when.replace(tzinfo=UTC)
        return int(aware.timestamp() * 1_000_000)
    except (ValueError, OverflowError, OSError):
        raise _Unreadable("its time is not ISO 8601") from None
