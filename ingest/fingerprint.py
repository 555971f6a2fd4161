"""What can be kept of a prompt without its text: keyed hashes and counts.

The canonical form and its golden vectors are a written contract: docs/wire.md, "Fingerprint".
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.wire import media, raw

VERSION = b"hf-ledger input 1\n"
RAW_VERSION = b"hf-ledger bytes 1\n"
#: Some 512 tokens of English: fine enough to find a shared prefix, and half the cost of 1 kB.
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
    "messages",
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
_SYSTEM_ROLES = frozenset({"system", "developer"})
_FIELD, _END = b"\x1f", b"\x1e"

_JSON = msgspec.json.Decoder()
_encode = msgspec.json.Encoder(order="sorted").encode

_IPAD = bytes(byte ^ 0x36 for byte in range(256))
_OPAD = bytes(byte ^ 0x5C for byte in range(256))
_KEY_BYTES = 32
_KEY_FILE = "fingerprint.key"


@dataclass(frozen=True, slots=True)
class HashKey:
    """The secret that makes hashes of prompts useless to anybody without it."""

    secret: bytes = field(repr=False)
    _inner: Any = field(init=False, repr=False, compare=False)
    _outer: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        padded = self.secret.ljust(64, b"\0")
        object.__setattr__(self, "_inner", hashlib.sha256(padded.translate(_IPAD)))
        object.__setattr__(self, "_outer", hashlib.sha256(padded.translate(_OPAD)))

    @property
    def id(self) -> str:
        """Tells keys apart without telling them: it stands beside every hash."""
        return hashlib.sha256(b"hf-ledger key id\0" + self.secret).hexdigest()[:8]

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
    draft = path.with_name(f"{_KEY_FILE}.{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    return path.read_bytes()


class _Pass:
    """One HMAC-SHA-256 over a canonical form, whose state can be asked for on the way."""

    __slots__ = ("_hash", "_outer", "_room", "blocks")

    def __init__(self, inner: Any, outer: Any) -> None:
        self._hash = inner
        self._outer = outer
        self._room = BLOCK_BYTES
        self.blocks: list[int] = []

    def update(self, data: bytes) -> None:
        """Take bytes that no block hash covers."""
        self._hash.update(data)

    def content(self, data: bytes) -> None:
        """Take bytes of the ask; each full block leaves the hash of all up to it."""
        size = len(data)
        if size < self._room:
            self._hash.update(data)
            self._room -= size
            return
        at = 0
        while size - at >= self._room and len(self.blocks) < MOST_BLOCKS:
            self._hash.update(data[at : at + self._room])
            at += self._room
            self._room = BLOCK_BYTES
            self.blocks.append(int.from_bytes(self.digest()[:8], "big", signed=True))
        self._hash.update(data[at:])
        self._room -= size - at

    def digest(self) -> bytes:
        """HMAC-SHA-256 of all so far."""
        outer = self._outer.copy()
        outer.update(self._hash.digest())
        return bytes(outer.digest())

    def hex128(self) -> str:
        """The first 128 bit in hexadecimal."""
        return self.digest()[:16].hex()


def fingerprint(call: Call, body: bytes | None, content_type: str, key: HashKey | None) -> None:
    """Set hashes, block hashes, shape and characters of the call from its request body, in place.

    Without a key there are no hashes; without a body there is nothing. Never raises on any body.
    """
    if not body:
        return
    if key is not None:
        call.hash_key_id = key.id
    asked = None if _is_binary(content_type, body) else raw.decode(_JSON, body)
    if isinstance(asked, dict):
        _fingerprint_json(call, asked, key)
    elif key is not None:
        mac = key.pass_over()
        mac.update(RAW_VERSION + body)
        call.input_hash = mac.hex128()


def _is_binary(content_type: str, body: bytes) -> bool:
    return body[:1] not in (b"{", b" ", b"\n", b"\r", b"\t") or content_type.startswith(
        "multipart/"
    )


def _fingerprint_json(call: Call, asked: dict[str, Any], key: HashKey | None) -> None:
    texts = list(_texts(asked))
    if call.input_chars is None:
        call.input_chars = sum(map(len, texts))
    call.shape = shape(asked, texts)
    if key is None:
        return
    mac = key.pass_over()
    mac.update(VERSION)
    if _write_template(mac, asked):
        call.template_hash = mac.hex128()
    _write_content(mac, asked)
    call.prefix = mac.blocks or None
    _write_parameters(mac, asked)
    call.input_hash = mac.hex128()


def canonical(asked: dict[str, Any]) -> bytes:
    """The canonical form that `input_hash` covers, for tests and for other implementations."""
    written = _Written()
    written.update(VERSION)
    _write_template(written, asked)
    _write_content(written, asked)
    _write_parameters(written, asked)
    return b"".join(written.parts)


class _Written(_Pass):
    """Keeps the bytes instead of hashing them."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        super().__init__(None, None)
        self.parts: list[bytes] = []

    def update(self, data: bytes) -> None:
        self.parts.append(data)

    content = update


def _write_template(mac: _Pass, asked: dict[str, Any]) -> bool:
    """Tools and system prompt; False where the ask has neither."""
    found = False
    for name in TEMPLATE:
        if asked.get(name):
            mac.content(name.encode() + _FIELD + _encode(asked[name]) + _END)
            found = True
    for message in _messages(asked)[: _leading_system(asked)]:
        mac.content(b"message" + _FIELD + _encode(message) + _END)
        found = True
    return found


def _write_content(mac: _Pass, asked: dict[str, Any]) -> None:
    for message in _messages(asked)[_leading_system(asked) :]:
        mac.content(b"message" + _FIELD + _encode(message) + _END)
    for name in CONTENT:
        value = asked.get(name)
        if value is not None and not (name == "messages" and isinstance(value, list)):
            mac.content(name.encode() + _FIELD + _encode(value) + _END)


def _write_parameters(mac: _Pass, asked: dict[str, Any]) -> None:
    """Everything else by name, without nulls: clients differ in what they leave out."""
    rest = {
        name: _without_nulls(value)
        for name, value in asked.items()
        if name not in _WRITTEN and value is not None
    }
    left = {name: value for name, value in rest.items() if value not in ({}, [], "")}
    mac.update(b"parameters" + _FIELD + _encode(left) + _END)


_WRITTEN = EXCLUDED | {*TEMPLATE, *CONTENT}


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: each for name, each in value.items() if each is not None}


def _messages(asked: dict[str, Any]) -> list[Any]:
    found = asked.get("messages")
    return found if isinstance(found, list) else []


def _leading_system(asked: dict[str, Any]) -> int:
    """How many messages stand before the first that is not the system's."""
    messages = _messages(asked)
    for position, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in _SYSTEM_ROLES:
            return position
    return len(messages)


def _texts(asked: dict[str, Any]) -> Iterator[str]:
    """The texts asked about; pictures and sound in base64 are no text."""
    for name in ("system", "instructions", *CONTENT):
        if name in asked:
            yield from _strings(asked[name])


def _strings(value: Any) -> Iterator[str]:
    """Strings inside lists and objects, leaving out roles, types and the like."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            if media.kind_of_text(each) == "text":
                yield each
        elif isinstance(each, list):
            waiting.extend(reversed(each))
        elif isinstance(each, dict):
            waiting.extend(each[name] for name in reversed(each) if name not in _NAMES)


_NAMES = frozenset({"role", "type", "id", "name", "tool_call_id", "url", "detail", "cache_control"})

_LOWER = bytes(range(97, 123))
_UPPER = bytes(range(65, 91))
_DIGITS = bytes(range(48, 58))
_SPACE = b" \t\r\n"
_ASCII = bytes(range(128))


def shape(asked: dict[str, Any], texts: list[str]) -> dict[str, int | float]:
    """Counts that say what kind of text this is and nothing of what it says.

    From at most the first 4 kB of the last text (the newest question), and from the request's size.
    """
    head = texts[-1][:SHAPE_BYTES].encode("utf-8", "replace")[:SHAPE_BYTES] if texts else b""
    seen = len(head)
    made: dict[str, int | float] = {
        "bytes": seen,
        "letters": seen - len(head.translate(None, _LOWER + _UPPER)),
        "upper": seen - len(head.translate(None, _UPPER)),
        "digits": seen - len(head.translate(None, _DIGITS)),
        "space": seen - len(head.translate(None, _SPACE)),
        "other": len(head.translate(None, _ASCII)),
        "lines": head.count(b"\n") + 1 if head else 0,
        "questions": head.count(b"?"),
        "fences": head.count(b"```"),
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
    for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
        limit = asked.get(name)
        if isinstance(limit, int) and not isinstance(limit, bool) and 0 <= limit < 2**53:
            made["max_tokens"] = limit
