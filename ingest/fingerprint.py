"""What can be kept of a prompt without its text: keyed hashes and counts.

The canonical form and its golden vectors are a written contract: docs/wire.md, "Fingerprint".
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.wire import media, raw

VERSION = b"hf-ledger input 1\n"
RAW_VERSION = b"hf-ledger bytes 1\n"
#: Some 512 tokens of English: fine enough to find a shared prefix, cheap enough for every call.
BLOCK_BYTES = 2048
MOST_BLOCKS = 512
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
_TEMPLATE, _CONTENT = frozenset(TEMPLATE), frozenset(CONTENT)
_SYSTEM_ROLES = ("system", "developer")

_JSON = msgspec.json.Decoder()
_encode = msgspec.json.Encoder(order="sorted").encode

_IPAD = bytes(byte ^ 0x36 for byte in range(256))
_OPAD = bytes(byte ^ 0x5C for byte in range(256))
_JSON_STARTS = (b"{", b" ", b"\n", b"\r", b"\t")
_KEY_BYTES = 32
_KEY_FILE = "fingerprint.key"


@dataclass(frozen=True, slots=True)
class HashKey:
    """The secret that makes hashes of prompts useless to anybody without it."""

    secret: bytes = field(repr=False)
    id: str = field(init=False)  # tells keys apart without telling them: stands beside every hash
    _inner: Any = field(init=False, repr=False, compare=False)
    _outer: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        name = hashlib.sha256(b"hf-ledger key id\0" + self.secret).hexdigest()[:8]
        object.__setattr__(self, "id", name)
        padded = self.secret.ljust(64, b"\0")
        object.__setattr__(self, "_inner", hashlib.sha256(padded.translate(_IPAD)))
        object.__setattr__(self, "_outer", hashlib.sha256(padded.translate(_OPAD)))

    @classmethod
    def load(cls, folder: Path) -> HashKey | None:
        """The folder's key, made on first use; None where it can't be read or made."""
        path = folder / _KEY_FILE
        try:
            secret = path.read_bytes() if path.exists() else _make_key(path)
        except OSError:
            return None
        return cls(secret) if len(secret) == _KEY_BYTES else None

    def pass_over(self) -> _Pass:
        """Begin one HMAC-SHA-256."""
        return _Pass(self._inner.copy(), self._outer)


def _make_key(path: Path) -> bytes:
    """Write a new key whole before it gets its name: of two makers at once, one key stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{_KEY_FILE}.{os.getpid()}-{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    return path.read_bytes()


class _Pass:
    """One HMAC-SHA-256 over a canonical form, whose state can be asked for on the way."""

    __slots__ = ("_hash", "_outer", "_room", "blocks", "update")

    def __init__(self, inner: Any, outer: Any) -> None:
        self._hash = inner
        self._outer = outer
        self._room = BLOCK_BYTES
        self.blocks: list[int] = []
        self.update = inner.update  # takes bytes that no block hash covers

    def content(self, data: bytes) -> None:
        """Take bytes of the ask; each full block leaves the state that all up to it led to."""
        if len(data) >= self._room:
            data = self._blocks_of(data)
        self.update(data)
        self._room -= len(data)

    def _blocks_of(self, data: bytes) -> bytes:
        """Take all full blocks and give back what is left."""
        at, view, update, digest = 0, memoryview(data), self.update, self._hash.digest
        states: list[bytes] = []
        for _ in range(
            min((len(data) - self._room) // BLOCK_BYTES + 1, MOST_BLOCKS - len(self.blocks))
        ):
            update(view[at : at + self._room])
            at += self._room
            self._room = BLOCK_BYTES
            states.append(digest())
        self.blocks += [int.from_bytes(state[:8], "big", signed=True) for state in states]
        return data[at:]

    def hex128(self) -> str:
        """The first 128 bit of HMAC-SHA-256 of all so far, in hexadecimal."""
        outer = self._outer.copy()
        outer.update(self._hash.digest())
        return str(outer.hexdigest()[:32])


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
    mac = key.pass_over()
    if isinstance(asked, dict):
        _hash(call, asked, mac)
    else:
        mac.update(RAW_VERSION)
        mac.update(body)
    call.input_hash = mac.hex128()


def _is_binary(content_type: str, body: bytes) -> bool:
    return body[:1] not in _JSON_STARTS or content_type.startswith("multipart/")


def _count(call: Call, asked: dict[str, Any]) -> None:
    texts = _texts(asked)
    if call.input_chars is None:
        call.input_chars = sum(map(len, texts))
    call.shape = shape(asked, texts)


def _hash(call: Call, asked: dict[str, Any], mac: _Pass) -> None:
    template, content, parameters = canonical(asked)
    mac.update(VERSION)
    if template:
        mac.content(template)
        call.template_hash = mac.hex128()
    mac.content(content)
    call.prefix = mac.blocks or None
    mac.update(parameters)


def canonical(asked: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    """Template, content and parameters of a request's JSON; with `VERSION` before, what is hashed.

    Each field is its name, 0x1F, its JSON (keys sorted, no spaces, UTF-8), 0x1E. The order is that
    in which a model reads: what several calls share from the start stands at the start.
    """
    system, messages = _messages(asked)
    named = asked.keys()
    template = b""
    if not named.isdisjoint(_TEMPLATE):
        template = b"".join([_field(name, asked[name]) for name in TEMPLATE if asked.get(name)])
    if system:
        template += _field("system messages", system)
    content = _field("messages", messages) if messages else b""
    if not named.isdisjoint(_CONTENT):
        given = [name for name in CONTENT if asked.get(name) is not None]
        content += b"".join([_field(name, asked[name]) for name in given])
    return template, content, _parameters(asked)


def _field(name: str, value: Any) -> bytes:
    return b"%b\x1f%b\x1e" % (name.encode("utf-8", "replace"), _encode(value))


def _parameters(asked: dict[str, Any]) -> bytes:
    """Everything else, without nulls and empty values: clients differ in what they leave out."""
    left = {}
    for name in asked.keys() - _WRITTEN:
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
    for name in [name for name in asked if name in _ASKED]:
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
    for name in _LIMITS:
        limit = asked.get(name)
        if type(limit) is int and 0 <= limit < 2**53:
            made["max_tokens"] = limit


_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
