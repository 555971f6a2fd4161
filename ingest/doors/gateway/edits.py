"""The two documented changes to a body, where a hard budget needs them.

`max_tokens` where the request names no limit, so that its worst case is known; and
`stream_options.include_usage`, so that a stream says what it used. The chunk that this adds is
taken out again (`usage_events.py`). All other values stay as they were sent, byte for byte.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from hf_ledger.ingest.wire.raw import FIELDS, decode, fields

#: The end of a path → the names under which it takes a limit; the first is the one set.
LIMITS: dict[str, tuple[str, ...]] = {
    "/chat/completions": ("max_tokens", "max_completion_tokens"),
    "/completions": ("max_tokens",),
    "/responses": ("max_output_tokens",),
}
STREAMED = ("/chat/completions", "/completions")
NULL = b"null"


class Edited(NamedTuple):
    """A body to send, and whether its stream has one chunk more than was asked for."""

    body: bytes
    adds_usage: bool = False


def bounded(path: str, body: bytes, max_tokens: int) -> Edited:
    """The body with a limit, and with usage in its stream; as it is where it has both."""
    names = next((names for end, names in LIMITS.items() if path.endswith(end)), ())
    said = decode(FIELDS, body) if names else None
    if said is None:
        return Edited(body)
    limited = any(bytes(said.get(name, NULL)) != NULL for name in names)
    if not limited:
        said[names[0]] = msgspec.Raw(b"%d" % max_tokens)
    adds_usage = _streams(path, said) and _ask_for_usage(said)
    if limited and not adds_usage:
        return Edited(body)
    return Edited(msgspec.json.encode(said), adds_usage)


def _streams(path: str, said: dict[str, msgspec.Raw]) -> bool:
    return path.endswith(STREAMED) and bytes(said.get("stream", NULL)) == b"true"


def _ask_for_usage(said: dict[str, msgspec.Raw]) -> bool:
    options = fields(said.get("stream_options", NULL))
    if bytes(options.get("include_usage", NULL)) == b"true":
        return False
    options["include_usage"] = msgspec.Raw(b"true")
    said["stream_options"] = msgspec.Raw(msgspec.json.encode(options))
    return True
