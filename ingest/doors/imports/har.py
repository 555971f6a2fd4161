"""HTTP archives (HAR 1.2) as browsers and proxies save them: exchanges for the wire's readers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hf_ledger.ingest.doors.imports.fields import Unfit, duration_ms, moment
from hf_ledger.ingest.doors.imports.recordings import Exchange, Rejected, unpacked
from hf_ledger.ingest.doors.imports.records import Record

Fields = Mapping[str, Any]


def har_exchanges(records: Iterable[Record | Rejected]) -> Iterator[Exchange | Rejected]:
    """The archive's entries as exchanges; entries that are none are named by their place."""
    for record in records:
        if isinstance(record, Rejected):
            yield record
            continue
        try:
            yield read_entry(record.position, record.fields)
        except Unfit as error:
            yield Rejected(record.position, str(error), "record")


def read_entry(position: int, entry: Fields) -> Exchange:
    """One entry. A reply of status 0 never came; times are ISO 8601 with their zone."""
    request, response = entry.get("request"), entry.get("response")
    if not isinstance(request, dict) or not isinstance(request.get("url"), str):
        raise Unfit("no entry of an HTTP archive: they have a request with a url")
    answered = response if isinstance(response, dict) and response.get("status") else {}
    replied = headers(answered.get("headers"))
    body = _posted(request.get("postData"))
    return Exchange(
        line=position,
        id=None,
        ts=moment(entry.get("startedDateTime"), "startedDateTime"),
        method=str(request.get("method") or "GET").upper(),
        url=request["url"],
        request_headers=headers(request.get("headers")),
        request_body=body,
        whole=body is not None,
        status=_status(answered.get("status")),
        response_headers=replied,
        response_body=unpacked(_content(answered.get("content")), replied),
        latency_ms=duration_ms(entry.get("time"), "time"),
    )


def headers(listed: Any) -> dict[str, str]:
    """Lower-case names; HTTP/2's own (`:path`) are none. Repeated ones are joined."""
    found: dict[str, str] = {}
    for each in listed if isinstance(listed, list) else []:
        if not isinstance(each, dict):
            continue
        name, value = str(each.get("name", "")).lower(), str(each.get("value", ""))
        if name and not name.startswith(":"):
            found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _status(value: Any) -> int | None:
    return value if isinstance(value, int) and 100 <= value < 600 else None


def _posted(data: Any) -> bytes | None:
    """The request's body where the archive kept it as it was."""
    said = data.get("text") if isinstance(data, dict) else None
    if not isinstance(said, str):
        return None
    if data.get("encoding") == "base64":
        return _unpacked(said)
    return said.encode("utf-8", "surrogatepass")


def _content(content: Any) -> bytes:
    said = content.get("text") if isinstance(content, dict) else None
    if not isinstance(said, str):
        return b""
    if content.get("encoding") == "base64":
        return _unpacked(said)
    return said.encode("utf-8", "surrogatepass")


def _unpacked(said: str) -> bytes:
    try:
        return base64.b64decode(said)
    except binascii.Error:
        raise Unfit("a base64 body is damaged") from None
