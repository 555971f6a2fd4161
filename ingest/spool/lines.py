"""One line of a segment: a `Line` as JSON, closed by the CRC-32 of everything before it.

    {"kind":"call", … ,"crc":"%08x"}\n

The CRC covers all bytes before `,"crc"`, so that a flipped bit, a torn tail and two lines run
together are told from a good line without parsing it.
"""

from __future__ import annotations

import math
from typing import Any
from zlib import crc32

import msgspec

from hf_ledger.ingest.call import Call, Line, OpenCall, Replayed

MARK = b',"crc":"'
CALL = b'{"kind":"call",'
CLOSING = len(MARK) + 8 + len(b'"}')

#: What encoding raises for a value that has no place in a line.
UNENCODABLE = (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


class Damaged(ValueError):  # noqa: N818 - the line is, not the program
    """A line whose bytes are not the ones that were written, or that no reader here knows."""


def encode(line: Line) -> bytes:
    """The line's bytes with CRC and newline; lone surrogates become U+FFFD, impossible times None.

    Raises one of `UNENCODABLE` for values that JSON has no form for.
    """
    sane = _sane_line(line)
    try:
        body = _encoder.encode(sane)[:-1]
    except UnicodeEncodeError:
        body = _encoder.encode(_without_surrogates(msgspec.to_builtins(sane)))[:-1]
    return b'%b,"crc":"%08x"}\n' % (body, crc32(body))


def decode(line: bytes) -> Line:
    """The struct a whole line holds; raises `Damaged` naming the reason, never the content."""
    whole = line.removesuffix(b"\n")
    reason = damage(whole)
    if reason:
        raise Damaged(reason)
    try:
        return _decoder.decode(whole)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # The message could quote the line; `from None` keeps it out of logs.
        raise Damaged("not a line this version knows") from None


def damage(line: bytes) -> str | None:
    """Why a line (without newline) can't be trusted, None where its CRC holds."""
    if line[-CLOSING : 8 - CLOSING] != MARK or line[-2:] != b'"}':
        return "no checksum"
    if b"%08x" % crc32(line[:-CLOSING]) != line[-10:-2]:
        return "checksum does not match"
    return None


def _sane_line(line: Line) -> Line:
    if isinstance(line, Call):  # or the doors' own kind of call
        return _sane(line)
    if isinstance(line, OpenCall):
        return OpenCall(call=_sane(line.call))
    if isinstance(line, Replayed) and not math.isfinite(line.score or 0.0):
        return msgspec.structs.replace(line, score=None)
    return line


def _sane(call: Call) -> Call:
    """The call with times that are negative or not finite made unknown."""
    for amount in (call.latency_ms, call.ttft_ms, call.compute_seconds, call.audio_seconds):
        if amount is not None and not 0.0 <= amount < math.inf:
            return _mended(call)
    # A sum is finite where all of its parts are, unless they are beyond anything counted here.
    if call.shape is not None and not math.isfinite(sum(call.shape.values())):
        return _mended(call)
    return call


def _mended(call: Call) -> Call:
    return msgspec.structs.replace(
        call,
        latency_ms=_or_unknown(call.latency_ms),
        ttft_ms=_or_unknown(call.ttft_ms),
        compute_seconds=_or_unknown(call.compute_seconds),
        audio_seconds=_or_unknown(call.audio_seconds),
        shape=call.shape and {k: v for k, v in call.shape.items() if math.isfinite(v)},
    )


def _or_unknown(amount: float | None) -> float | None:
    return amount if amount is not None and 0.0 <= amount < math.inf else None


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(each) for each in value]
    return value
