"""Hostile clients for a gateway, as bytes over plain sockets.

`requests()` are what a client may send; each says which statuses are acceptable, `CLOSED` for a
connection that ends without an answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from factories_hostile_visits import CLOSED, REFUSED, Chunks, Hostile, chat, head, whole

#: Any error of the client's, or the end; never a success and never a failure of the gateway's own.
ANY_REFUSAL = frozenset({400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 417, 421, 422, 426})
ANY_REFUSAL |= {429, 431, 501, 505, CLOSED}
SERVED = frozenset({200})


# -- bodies ----------------------------------------------------------------------------------------

_BROKEN = {
    "nothing": b"",
    "no JSON": b"hello",
    "half an object": b'{"model": "org/model", "messages": [',
    "trailing comma": b'{"model": "org/model",}',
    "two objects": chat() + chat(),
    "a list": b"[1, 2, 3]",
    "a number": b"1e999",
    "null": b"null",
    "NaN": b'{"model": "org/model", "temperature": NaN}',
    "single quotes": b"{'model': 'org/model'}",
    "invalid UTF-8": b'{"model": "\xff\xfe"}',
    "UTF-16": chat().decode().encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + chat(),
    "a NUL": b'{"model": "org/model"\x00}',
    "deep lists": b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a gzip bomb's beginning": b"\x1f\x8b\x08\x00" + b"\x00" * 64,
}
#: Odd, but JSON: they may be sent on, and then the server decides.
_ODD = {
    "a huge number": b'{"model": "org/model", "max_tokens": ' + b"9" * 5_000 + b"}",
    "negative tokens": chat(max_tokens=-1),
    "tokens as text": chat(max_tokens="many"),
    "a lone surrogate": b'{"model": "org/model", "messages": "\\ud800"}',
    "a name twice": b'{"model": "org/cheap", "model": "org/dear", "messages": []}',
    "no model": b'{"messages": []}',
    "a model that is a list": chat(model=["org/model"]),
    "a model of 1 MB": chat(model="a" * 1_000_000),
    "messages that are text": chat(messages="hi"),
    "many names": json.dumps({str(n): n for n in range(20_000)}).encode(),
    "stream as text": chat(stream="yes"),
}


def bodies() -> Iterator[Hostile]:
    for name, body in _BROKEN.items():
        yield whole(f"body: {name}", body, statuses=ANY_REFUSAL)
    for name, body in _ODD.items():
        yield whole(f"body: {name}", body, statuses=ANY_REFUSAL | SERVED)
    for kind in ("text/html", "multipart/form-data; boundary=x", "application/xml", "", "/", "é"):
        yield whole(f"type: {kind!r}", chat(), kind=kind, statuses=ANY_REFUSAL | SERVED)
    yield whole("type: none", chat(), kind=None, statuses=ANY_REFUSAL | SERVED)
    yield whole("encoding: gzip", chat(), "Content-Encoding: gzip", statuses=ANY_REFUSAL | SERVED)
    yield Hostile("body: 100 MB", _large, frozenset({413, CLOSED}))
    yield Hostile("body: 100 MB in chunks", _large_in_chunks, frozenset({413, CLOSED}))
    yield Hostile(
        "body: 8 EB announced", _announced, frozenset({400, 413, CLOSED}), half_close=True
    )


def _large(key: str) -> Chunks:
    yield head(key, length=100 << 20)
    for _ in range(100):
        yield b" " * (1 << 20)


def _large_in_chunks(key: str) -> Chunks:
    yield head(key, "Transfer-Encoding: chunked")
    for _ in range(100):
        yield b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    yield b"0\r\n\r\n"


def _announced(key: str) -> Chunks:
    yield head(key, length=2**63 - 1) + b"{"


# -- slowness --------------------------------------------------------------------------------------


def slow() -> Iterator[Hostile]:
    """One byte at a time; the gateway's limits must end it, so they are to be set short."""
    ended = frozenset({400, 408, CLOSED})
    yield Hostile("slow head", lambda key: _bytewise(head(key, length=2)), ended, pause=0.2)
    yield Hostile("slow body", _slow_body, ended, pause=0.2)
    yield Hostile("endless headers, slowly", _slow_headers, ended | {431}, pause=0.05)
    yield Hostile("head cut off", lambda key: iter([head(key)[:-2]]), ended, half_close=True)
    yield Hostile("body cut off", _cut_off, ended, half_close=True)
    yield Hostile("nothing at all", lambda _key: iter([b""]), ended, half_close=True)


def _bytewise(data: bytes) -> Chunks:
    return (data[i : i + 1] for i in range(len(data)))


def _slow_body(key: str) -> Chunks:
    yield head(key, length=len(chat()))
    yield from _bytewise(chat())


def _slow_headers(key: str) -> Chunks:
    yield head(key)[:-2]
    for number in range(10_000):
        yield b"X-%d: y\r\n" % number


def _cut_off(key: str) -> Chunks:
    yield head(key, length=1_000) + chat()


# -- headers ---------------------------------------------------------------------------------------

_HEADERS: dict[str, tuple[str | bytes, ...]] = {
    "a bare CR": (b"X-A: a\rX-Injected: 1",),
    "a bare LF": (b"X-A: a\nX-Injected: 1",),
    "a NUL": (b"X-A: a\x00b",),
    "a folded line": (b"X-A: a\r\n b",),
    "a space before the colon": (b"X-A : a",),
    "no colon": (b"X-A",),
    "an empty name": (b": a",),
    "a name of other letters": ("X-é: a",),
    "64 kB": ("X-A: " + "a" * 65_536,),
    "10,000 of them": tuple(f"X-{number}: a" for number in range(10_000)),
}
#: Two servers may read these in two ways: never served.
_TWICE: dict[str, tuple[str, ...]] = {
    "two authorizations": ("Authorization: Bearer hfl_other",),
    "two hosts": ("Host: elsewhere",),
    "two types": ("Content-Type: text/plain",),
}
#: Lawful, if odd: passed, or dropped where they are not for the next server.
_LAWFUL: dict[str, tuple[str | bytes, ...]] = {
    "bytes above 127": (b"X-A: \xff\xfe",),
    "connection names the key": ("Connection: authorization, content-type",),
    "forwarded from the inside": ("X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1"),
    "the payer": ("X-HF-Bill-To: somebody",),
    "our own": ("X-HF-Ledger-Call-Id: 1", "X-HF-Ledger-User: é"),
    "another method": ("X-HTTP-Method-Override: DELETE",),
}


def headers() -> Iterator[Hostile]:
    for name, lines in _HEADERS.items():
        yield whole(f"header: {name}", chat(), *lines, statuses=ANY_REFUSAL | SERVED)
    for name, lines in _TWICE.items():
        yield whole(f"header: {name}", chat(), *lines, statuses=ANY_REFUSAL)
    for name, lines in _LAWFUL.items():
        yield whole(f"header: {name}", chat(), *lines, statuses=ANY_REFUSAL | SERVED)


#: What must never reach the next server as a header of its own.
INJECTED = b"x-injected"


# -- paths and models ------------------------------------------------------------------------------

#: Two servers may read these as two paths: none may be sent on.
TRAVERSALS = (
    "..",
    "../..",
    "%2e%2e",
    "%2e%2e/%2e%2e",
    "%252e%252e",
    "..%2f..",
    "..%252f..",
    "..\\..",
    "..%5c..",
    "a//b",
    "//elsewhere.example",
    "a%00b",
    "a%0d%0aX-Injected:%201",
)
#: These may be sent on, or not.
ODD_NAMES = ("é/ü", "%ff%fe", "a;b", "a?b#c", "@elsewhere.example", "%zz", "%", "a" * 20_000)


def paths() -> Iterator[Hostile]:
    for name in (*TRAVERSALS, *ODD_NAMES):
        statuses = ANY_REFUSAL if name in TRAVERSALS else ANY_REFUSAL | SERVED
        for place in (f"/hf-inference/models/{name}", f"/hf-inference/models/org/{name}/x"):
            yield whole(f"path: {place[:60]}", chat(), path=place, statuses=statuses)
        yield whole(f"model: {name[:40]}", chat(model=name), statuses=ANY_REFUSAL | SERVED)
    for path in ("/", "/v1", "/v2/chat/completions", "/.env", "/v1/chat/completions/", "*", "x"):
        yield whole(f"path: {path}", chat(), path=path, statuses=ANY_REFUSAL)
    elsewhere = "http://elsewhere.example/v1/chat/completions"
    yield whole("path: of another host", chat(), path=elsewhere, statuses=ANY_REFUSAL | SERVED)
    yield whole("path: bytes", chat(), path=b"/v1/\xff\xfe", statuses=ANY_REFUSAL)
    yield whole("path: a space", chat(), path="/v1/chat completions", statuses=ANY_REFUSAL)
    yield whole("path: a NUL", chat(), path=b"/v1/\x00", statuses=ANY_REFUSAL)


# -- the protocol ----------------------------------------------------------------------------------

CHUNKED = "Transfer-Encoding: chunked"
_CHUNKS = {
    "no hexadecimal": b"zz\r\n{}\r\n0\r\n\r\n",
    "a negative size": b"-2\r\n{}\r\n0\r\n\r\n",
    "a size beyond all": b"ffffffffffffffffff\r\n{}",
    "too little": b"5\r\n{}\r\n0\r\n\r\n",
    "no line end": b"2\r\n{}0\r\n\r\n",
    "no last one": b"2\r\n{}\r\n",
    "a bare LF": b"2\n{}\n0\n\n",
}
#: Lawful, if odd.
_LAWFUL_CHUNKS = {
    "a long extension": b"2;" + b"a" * 100_000 + b"\r\n{}\r\n0\r\n\r\n",
    "trailers": b"2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\nX-Injected: 1\r\n\r\n",
}


def protocol() -> Iterator[Hostile]:
    for name, data in _CHUNKS.items():
        yield _raw(f"chunks: {name}", data, CHUNKED, statuses=ANY_REFUSAL)
    for name, data in _LAWFUL_CHUNKS.items():
        yield _raw(f"chunks: {name}", data, CHUNKED, statuses=ANY_REFUSAL | SERVED)
    both = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: gateway\r\n\r\n"
    length = f"Content-Length: {len(both)}"
    yield _raw("length and chunks", both, length, CHUNKED, statuses=ANY_REFUSAL, answers=2)
    yield _raw("chunks and length", both, CHUNKED, length, statuses=ANY_REFUSAL, answers=2)
    yield _raw("unknown encoding", chat(), "Transfer-Encoding: xchunked")
    yield _raw("two lengths", chat(), "Content-Length: 5", "Content-Length: 6")
    yield _raw("a negative length", chat(), "Content-Length: -1")
    yield _raw("a length with a plus", chat(), "Content-Length: +5")
    yield _raw("a length in words", chat(), "Content-Length: five")
    yield from _methods()


_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


def _methods() -> Iterator[Hostile]:
    expected = ANY_REFUSAL | SERVED | {100}
    yield whole("expect: continue", chat(), "Expect: 100-continue", statuses=expected)
    yield whole("expect: else", chat(), "Expect: tea", statuses=ANY_REFUSAL | SERVED)
    yield whole("HTTP/1.0", chat(), version="1.0", statuses=ANY_REFUSAL | SERVED)
    for version in ("0.9", "2.0", "9.9", "x"):
        yield whole(f"HTTP/{version}", chat(), version=version, statuses=ANY_REFUSAL | SERVED)
    for method in ("TRACE", "CONNECT", "OPTIONS", "DELETE", "PUT", "PATCH", "BREW", "get"):
        yield whole(f"method: {method}", chat(), method=method, statuses=ANY_REFUSAL)
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    yield whole("websocket", b"", *upgrade, key, method="GET", statuses=ANY_REFUSAL)
    yield whole("HTTP/2 by upgrade", chat(), "Upgrade: h2c", statuses=ANY_REFUSAL | SERVED)
    yield Hostile("HTTP/2", lambda _: iter([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]), ANY_REFUSAL)
    yield Hostile("TLS", lambda _: iter([_HELLO]), REFUSED, half_close=True)
    yield Hostile("noise", lambda _: iter([bytes(range(256)) * 16]), REFUSED, half_close=True)
    yield Hostile("pipelined", _pipelined, ANY_REFUSAL | SERVED, answers=20)


def _raw(
    name: str,
    data: bytes,
    *lines: str,
    statuses: frozenset[int] = REFUSED,
    answers: int = 1,
) -> Hostile:
    """A request whose headers say themselves how long it is; nothing comes after it."""
    return Hostile(
        f"protocol: {name}",
        lambda key: iter([head(key, *lines) + data]),
        statuses,
        half_close=True,
        answers=answers,
    )


def _pipelined(key: str) -> Chunks:
    yield (head(key, length=len(chat())) + chat()) * 20


def requests() -> Iterator[Hostile]:
    """All of them; names are unique."""
    yield from bodies()
    yield from slow()
    yield from headers()
    yield from paths()
    yield from protocol()
