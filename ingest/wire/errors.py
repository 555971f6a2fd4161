"""What went wrong, from a status and a body in any of the shapes that servers send.

`error` may be a string, a list, an object or missing; the body may be plain text. Only the kind is
kept: messages often quote the prompt.
"""

from __future__ import annotations

import msgspec

from hf_ledger.ingest.call import ErrorKind
from hf_ledger.ingest.wire import raw
from hf_ledger.ingest.wire.raw import NOTHING, Raw

_BY_STATUS: dict[int, ErrorKind] = {
    400: "bad_request",
    401: "auth",
    402: "quota",
    403: "auth",
    404: "not_found",
    408: "timeout",
    410: "not_found",
    413: "bad_request",
    422: "bad_request",
    424: "server_error",  # TGI and TEI: the model failed at what it was asked
    429: "rate_limited",
    504: "timeout",
    529: "overloaded",
}

#: `error_type`, `type` and `code` as TGI, TEI, OpenAI and Anthropic spell them.
_BY_NAME: dict[str, ErrorKind] = {
    "overloaded": "overloaded",
    "overloaded_error": "overloaded",
    "service_unavailable": "overloaded",
    "validation": "bad_request",
    "validation_error": "bad_request",
    "template_error": "bad_request",
    "tool_error": "bad_request",
    "tokenizer": "bad_request",
    "empty": "bad_request",
    "invalid_request_error": "bad_request",
    "invalid_request": "bad_request",
    "context_length_exceeded": "bad_request",
    "authentication_error": "auth",
    "permission_error": "auth",
    "permission_denied": "auth",
    "invalid_api_key": "auth",
    "not_found_error": "not_found",
    "model_not_found": "not_found",
    "rate_limit_error": "rate_limited",
    "rate_limit_exceeded": "rate_limited",
    "too_many_requests": "rate_limited",
    "insufficient_quota": "quota",
    "billing_error": "quota",
    "timeout": "timeout",
    "timeout_error": "timeout",
    "server_error": "server_error",
    "api_error": "server_error",
    "internal_error": "server_error",
    "internal_server_error": "server_error",
    "internalservererror": "server_error",
    "generation": "server_error",
    "incomplete_generation": "server_error",
    "backend": "server_error",
    "unhealthy": "server_error",
}

_BY_WORDS: tuple[tuple[bytes, ErrorKind], ...] = (
    (b"currently loading", "model_loading"),
    (b"estimated_time", "model_loading"),
    (b"is loading", "model_loading"),
    (b"loading model", "model_loading"),  # llama.cpp
    (b"initializing", "model_loading"),
    (b"scaled to zero", "model_loading"),
    (b"exceeded your monthly", "quota"),
    (b"overloaded", "overloaded"),
    (b"at capacity", "overloaded"),
    (b"too busy", "overloaded"),
    (b"no available capacity", "overloaded"),
    (b"rate limit", "rate_limited"),
    (b"too many requests", "rate_limited"),
    (b"timed out", "timeout"),
)
_HEAD = 4096


class ErrorBody(msgspec.Struct, gc=False):
    """Where the kinds of servers say what is wrong."""

    error: Raw = NOTHING
    error_type: Raw = NOTHING
    type: Raw = NOTHING
    code: Raw = NOTHING
    status: Raw = NOTHING
    object: Raw = NOTHING
    response: Raw = NOTHING


_BODY = msgspec.json.Decoder(ErrorBody)


def error_kind(status: int, body: bytes) -> ErrorKind:
    """The kind of an error reply: what the body names first where a status is too coarse."""
    said = kind_of_body(body)
    if status == 503 and said == "server_error":
        said = _kind_of_words(body)  # the status again, as a code: llama.cpp says more in words
    if status in (429, 503) and said in ("overloaded", "model_loading", "quota"):
        return said
    if status in (500, 502, 503) and said == "overloaded":
        return said
    return _BY_STATUS.get(status) or kind_of_status(status)


def kind_of_status(status: int) -> ErrorKind:
    """The kind that a status alone tells."""
    known = _BY_STATUS.get(status)
    return known if known else ("server_error" if status >= 500 else "other")


def kind_of_body(body: bytes) -> ErrorKind | None:
    """The kind that an error body names, or None; for errors inside a 200 reply or a stream."""
    found = raw.decode(_BODY, body)
    if found is not None and found.response:
        # The Responses API's last event wraps the failed response.
        found = raw.decode(_BODY, found.response)
    return (_kind_of_fields(found) if found is not None else None) or _kind_of_words(body)


def is_error(error: Raw, kind: Raw, named: Raw) -> bool:
    """Whether a reply's `error`, `type` or `object` say that it failed, whatever its status."""
    return raw.stated(error) or bytes(kind) in _FAILED or bytes(named) in _FAILED


#: As they stand in JSON: every good reply comes by here.
_FAILED = frozenset({b'"error"', b'"response.failed"'})


def _kind_of_fields(found: ErrorBody) -> ErrorKind | None:
    inner = raw.decode(_BODY, found.error) or ErrorBody()
    for value in (found.error_type, inner.code, inner.type, inner.status, found.code, found.type):
        name = raw.text(value)
        if name and name.lower() in _BY_NAME:
            return _BY_NAME[name.lower()]
        status = raw.count(value)
        if status is not None and 400 <= status < 600:
            return kind_of_status(status)
    return None


def _kind_of_words(body: bytes) -> ErrorKind | None:
    head = body[:_HEAD].lower()
    return next((kind for words, kind in _BY_WORDS if words in head), None)
