"""OTLP in protobuf: requests become what the reader of the JSON form takes, without their content.

Ids are bytes here and hex there; times are whole numbers here and texts there. Arrays, objects and
bytes among the attributes are passed over: content stands in them.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from hf_ledger.ingest.doors.imports.fields import Unfit
from hf_ledger.ingest.doors.imports.recordings import Rejected
from hf_ledger.ingest.doors.imports.records import Record, read_records
from hf_ledger.ingest.doors.imports.window import DAMAGED, ENDS_EARLY, LONGEST_RECORD

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

#: The first byte of a request: field 1, `resource_spans`, with a length.
FIRST_FIELD = 0x0A
#: The collector's file exporter writes each request behind its length, four bytes big endian.
LENGTH = struct.Struct(">I")

#: Of all events only these are read: the others hold content.
EXCEPTION = "exception"

NO_REQUEST = "no export request of OTLP in protobuf"
CUT_OFF = "the file ends inside of a request"
TOO_LONG = "the request is larger than 64 MiB"

SINGLE = {
    "string_value": "stringValue",
    "int_value": "intValue",
    "double_value": "doubleValue",
    "bool_value": "boolValue",
}


def read_request(body: bytes) -> dict[str, Any]:
    """An `ExportTraceServiceRequest` as its JSON form has it; `Unfit` where the bytes are none."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        raise Unfit(NO_REQUEST) from None
    if body and not request.resource_spans:
        raise Unfit(NO_REQUEST)  # all of it unknown fields: another message, or none
    return {"resourceSpans": [_group(group) for group in request.resource_spans]}


def _group(group: ResourceSpans) -> dict[str, Any]:
    scopes = [_scope(scope) for scope in group.scope_spans]
    return {
        "resource": {"attributes": _attributes(group.resource.attributes)},
        "scopeSpans": scopes,
    }


def _scope(scope: ScopeSpans) -> dict[str, Any]:
    return {"spans": [_span(span) for span in scope.spans]}


def _span(span: Span) -> dict[str, Any]:
    return {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "parentSpanId": span.parent_span_id.hex(),
        "startTimeUnixNano": span.start_time_unix_nano,
        "endTimeUnixNano": span.end_time_unix_nano,
        "attributes": _attributes(span.attributes),
        "status": {"code": span.status.code},
        "events": [_event(event) for event in span.events if event.name == EXCEPTION],
    }


def _event(event: Span.Event) -> dict[str, Any]:
    kinds = [each for each in event.attributes if each.key == "exception.type"]
    return {"name": event.name, "attributes": _attributes(kinds)}


def _attributes(listed: Iterable[KeyValue]) -> list[dict[str, Any]]:
    found = []
    for each in listed:
        kind = each.value.WhichOneof("value")
        if kind in SINGLE:
            value = getattr(each.value, kind)
            found.append({"key": each.key, "value": {SINGLE[kind]: value}})
    return found


# -- files -------------------------------------------------------------------------------------


def otlp_records(path: Path) -> Iterator[Record | Rejected]:
    """The export requests of a file: JSON, protobuf (one request), or the collector's own form."""
    with unpacked(path) as file:
        head = file.read(LENGTH.size + 1)
        if is_framed(head):
            yield from _records(_framed(file, head))
            return
        if head[:1] == bytes([FIRST_FIELD]):
            whole = head + file.read(LONGEST_RECORD)
            if is_message(whole):
                yield from _records(iter([whole]))
                return
    yield from read_records(path)


def unpacked(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path)) if packed else path.open("rb")


def is_framed(head: bytes) -> bool:
    """Whether the bytes are a length and the beginning of a request; no text begins so."""
    if len(head) <= LENGTH.size:
        return False
    (length,) = LENGTH.unpack_from(head)
    return head[LENGTH.size] == FIRST_FIELD and 0 < length <= LONGEST_RECORD


def is_message(body: bytes) -> bool:
    """Whether the bytes are fields 1 from end to end, or larger than any request.

    A text that happens to begin with an end of line is told apart by its lengths.
    """
    at = 0
    while at < len(body) <= LONGEST_RECORD:
        length, behind = _varint(body, at + 1)
        if body[at] != FIRST_FIELD or behind + length > len(body):
            return False
        at = behind + length
    return True


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """The number at `at` and the place behind it; too large for any body where it has no end."""
    value = 0
    for place, byte in enumerate(body[at : at + 5]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    return LONGEST_RECORD + 1, at


def _framed(file: IO[bytes], head: bytes) -> Iterator[bytes | str]:
    """Each request behind its length; where that goes wrong, what is wrong, and no more."""
    while head:
        if len(head) < LENGTH.size:
            yield CUT_OFF
            return
        (length,) = LENGTH.unpack_from(head)
        if length > LONGEST_RECORD:
            yield NO_REQUEST
            return
        begun = head[LENGTH.size :]
        body = begun + file.read(length - len(begun))
        if len(body) < length:
            yield CUT_OFF
            return
        yield body
        head = file.read(LENGTH.size)


def _records(bodies: Iterator[bytes | str]) -> Iterator[Record | Rejected]:
    """Requests, or why there is none, counted from 1; an archive that breaks ends them."""
    position = 0
    while True:
        position += 1
        try:
            body = next(bodies)
            if isinstance(body, bytes) and len(body) > LONGEST_RECORD:
                body = TOO_LONG
            if isinstance(body, bytes):
                yield Record(position, read_request(body))
                continue
            yield Rejected(position, body, "record")
        except StopIteration:
            return
        except Unfit as error:
            yield Rejected(position, str(error), "record")
        except EOFError:
            yield Rejected(position, ENDS_EARLY, "record")
        except (gzip.BadGzipFile, zlib.error):
            yield Rejected(position, DAMAGED, "record")
