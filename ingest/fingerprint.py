"""What can be kept of a prompt without its text: keyed hashes and counts.

The canonical form and its golden vectors are a written contract: docs/wire.md, "Fingerprint".
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.hashing import BLOCK_BYTES, MOST_BLOCKS, VERSION, HashKey
from hf_ledger.ingest.wire import media, raw

__all__ = [
    "BLOCK_BYTES",
    "CONTENT",
    "EXCLUDED",
    "MOST_BLOCKS",
    "SHAPE_BYTES",
    "TEMPLATE",
    "VERSION",
    "HashKey",
    "canonical",
    "describe",
    "fingerprint",
    "json_of",
    "shape",
]

SHAPE_BYTES = 4096

#: Says who answers or how it is delivered, not what is asked; duplicates are found across models.
EXCLUDED = frozenset(
    {
        "model",
        "model_name",
        "version",
        "stream",
        "stream_options",
        "options",
        "user",
        "metadata",
        "store",
        "safety_identifier",
        "prompt_cache_key",
        "service_tier",
    }
)
#: What stays the same from call to call stands first, so that prefixes are shared.
TEMPLATE = ("tools", "functions", "system", "instructions")
#: The ask itself, in the order a model reads it; parameters follow after it, by name.
CONTENT = (
    "prompt",
    "context",
    "question",
    "table",
    "query",
    "texts",
    "text",
    "inputs",
    "input",
    "image",
    "image_url",
    "audio_url",
)
_SYSTEM_ROLES = ("system", "developer")

_JSON = msgspec.json.Decoder()
_encode = msgspec.json.Encoder(order="sorted").encode

_JSON_STARTS = (b"{", b" ", b"\n", b"\r", b"\t")


def json_of(body: bytes | None, content_type: str) -> Any:
    """The request's JSON, None where there is none; never raises on any body."""
    if not body or _is_binary(content_type, body):
        return None
    return raw.decode(_JSON, body)


def fingerprint(call: Call, body: bytes | None, content_type: str, key: HashKey | None) -> None:
    """Set hashes, block hashes, shape and characters of the call from its request body, in place.

    Without a key there are no hashes; without a body there is nothing. Never raises on any body.
    """
    describe(call, body, json_of(body, content_type), key)


def describe(call: Call, body: bytes | None, asked: Any, key: HashKey | None) -> None:
    """As `fingerprint`, of a body whose JSON has been read already."""
    if not body:
        return
    if isinstance(asked, dict):
        _count(call, asked)
    if key is None:
        return
    call.hash_key_id = key.id
    if isinstance(asked, dict):
        _hash(call, asked, key)
    else:
        call.input_hash = key.bytes_hash(body)


def _is_binary(content_type: str, body: bytes) -> bool:
    return body[:1] not in _JSON_STARTS or content_type.startswith("multipart/")


def _count(call: Call, asked: dict[str, Any]) -> None:
    texts = _texts(asked)
    if call.input_chars is None:
        call.input_chars = sum(map(len, texts))
    call.shape = shape(asked, texts)


def _hash(call: Call, asked: dict[str, Any], key: HashKey) -> None:
    template, content, parameters = canonical(asked)
    if not template and len(content) < BLOCK_BYTES:
        call.input_hash = key.short_hash(content + parameters)
        return
    mac = key.pass_over()
    if template:
        mac.content(template)
        call.template_hash = mac.hex128()
    mac.content(content)
    call.prefix = mac.blocks or None
    mac.update(parameters)
    call.input_hash = mac.hex128()


class _Plan(NamedTuple):
    """Which of a request's names are what: programs send few sets of names, each often."""

    template: tuple[str, ...]
    content: tuple[str, ...]
    parameters: tuple[str, ...]
    texts: tuple[str, ...]
    limits: tuple[str, ...]


def _plan(names: tuple[str, ...]) -> _Plan:
    if len(_plans) >= _MOST_PLANS:
        _plans.clear()
    plan = _plans[names] = _Plan(
        template=tuple(name for name in TEMPLATE if name in names),
        content=tuple(name for name in CONTENT if name in names),
        parameters=tuple(name for name in names if name not in _WRITTEN),
        texts=tuple(name for name in names if name in _ASKED),
        limits=tuple(name for name in _LIMITS if name in names),
    )
    return plan


_plans: dict[tuple[str, ...], _Plan] = {}
_MOST_PLANS = 256


def canonical(asked: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    """Template, content and parameters of a request's JSON; with `VERSION` before, what is hashed.

    Each field is its name, 0x1F, its JSON (keys sorted, no spaces, UTF-8), 0x1E. The order is that
    in which a model reads: what several calls share from the start stands at the start.
    """
    names = tuple(asked)
    plan = _plans.get(names) or _plan(names)
    system, messages = _messages(asked)
    template = content = b""
    if plan.template:
        template = b"".join([_field(name, asked[name]) for name in plan.template if asked[name]])
    if system:
        template += _field("system messages", system)
    if messages:
        content = _field("messages", messages)
    if plan.content:
        given = [name for name in plan.content if asked[name] is not None]
        content += b"".join([_field(name, asked[name]) for name in given])
    return template, content, _parameters(asked, plan.parameters) if plan.parameters else b""


def _field(name: str, value: Any) -> bytes:
    return b"%b\x1f%b\x1e" % (name.encode("utf-8", "replace"), _encode(value))


def _parameters(asked: dict[str, Any], names: tuple[str, ...]) -> bytes:
    """Everything else, without nulls and empty values: clients differ in what they leave out."""
    left = {}
    for name in names:
        kept = _without_nulls(asked[name])
        if kept or isinstance(kept, int | float):  # zero and false are said, empty is not
            left[name] = kept
    return _field("parameters", left) if left else b""


_WRITTEN = EXCLUDED | {*TEMPLATE, *CONTENT, "messages"}


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: each for name, each in value.items() if each is not None}


def _messages(asked: dict[str, Any]) -> tuple[list[Any], Any]:
    """The leading messages of the system, and all others; what is no list is left whole."""
    found = asked.get("messages")
    if not isinstance(found, list):
        return [], found
    for position, message in enumerate(found):
        if not isinstance(message, dict) or message.get("role") not in _SYSTEM_ROLES:
            return found[:position], found[position:] if position else found
    return found, []


def _texts(asked: dict[str, Any]) -> list[str]:
    """The texts asked about; pictures and sound in base64 are no text."""
    found: list[str] = []
    messages = asked.get("messages")
    if not isinstance(messages, list):
        _add_strings(found, messages)
        messages = ()
    names = tuple(asked)
    for name in (_plans.get(names) or _plan(names)).texts:
        _add_strings(found, asked[name])
    for message in messages:
        _add_strings(found, message.get("content") if isinstance(message, dict) else message)
    return found


_ASKED = frozenset({"system", "instructions", *CONTENT})


def _add_strings(found: list[str], value: Any) -> None:
    """Strings inside lists and objects, leaving out roles, types and the like."""
    if isinstance(value, str):  # nearly all are
        if media.kind_of_text(value) == "text":
            found.append(value)
        return
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            if media.kind_of_text(each) == "text":
                found.append(each)
        elif isinstance(each, list):
            waiting.extend(reversed(each))
        elif isinstance(each, dict):
            waiting.extend(each[name] for name in reversed(each) if name not in _NAMES)


_NAMES = frozenset({"role", "type", "id", "name", "tool_call_id", "url", "detail", "cache_control"})

_LETTERS = bytes(range(97, 123)) + bytes(range(65, 91))
_DIGITS = bytes(range(48, 58))
_SPACE = b" \t\r\n"
_ASCII = bytes(range(128))


def shape(asked: dict[str, Any], texts: list[str]) -> dict[str, int | float]:
    """Counts that say what kind of text this is and nothing of what it says.

    From at most the first 4 kB of the last text (the newest question), and from the request's size.
    """
    head = texts[-1][:SHAPE_BYTES].encode("utf-8", "replace")[:SHAPE_BYTES] if texts else b""
    unlettered = head.translate(None, _LETTERS)
    unspaced = unlettered.translate(None, _SPACE)
    undigited = unspaced.translate(None, _DIGITS)
    made: dict[str, int | float] = {
        "bytes": len(head),
        "letters": len(head) - len(unlettered),
        "space": len(unlettered) - len(unspaced),
        "digits": len(unspaced) - len(undigited),
        "foreign": 0 if head.isascii() else len(undigited.translate(None, _ASCII)),
        "lines": unlettered.count(b"\n") + 1 if head else 0,
        "questions": undigited.count(b"?"),
        "fences": undigited.count(b"```"),
        "texts": len(texts),
    }
    _add_request(made, asked)
    return made


def _add_request(made: dict[str, int | float], asked: dict[str, Any]) -> None:
    messages, tools = asked.get("messages"), asked.get("tools")
    if isinstance(messages, list):
        made["messages"] = len(messages)
    if isinstance(tools, list):
        made["tools"] = len(tools)
    names = tuple(asked)
    for name in (_plans.get(names) or _plan(names)).limits:
        limit = asked[name]
        if type(limit) is int and 0 <= limit < 2**53:
            made["max_tokens"] = limit


_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
