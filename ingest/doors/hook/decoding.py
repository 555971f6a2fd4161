"""A copy of a compressed reply, readable; the caller's own bytes stay compressed."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

#: Beyond this much text nothing more is read: a small reply may unpack to gigabytes.
BOUND = 32 << 20

Decode = Callable[[bytes], bytes]


def decoder(encoding: str | None) -> Decode | None:
    """What turns the body's pieces into plain bytes; None for a body that is plain already.

    An encoding nobody here can read gives no bytes at all, never wrong ones.
    """
    names = [name.strip() for name in (encoding or "").lower().split(",")]
    coded = [name for name in names if name not in ("", "identity")]
    if not coded:
        return None
    make = _DECODERS.get(coded[0]) if len(coded) == 1 else None
    step = make() if make else None
    return Bounded(step or _nothing).decode


class Bounded:
    """Feeds a decoder until the bound or the first broken byte, then stays silent."""

    def __init__(self, step: Decode) -> None:
        self._step = step
        self._left = BOUND

    def decode(self, chunk: bytes) -> bytes:
        if self._left <= 0:
            return b""
        try:
            plain = self._step(chunk)[: self._left]
        except (zlib.error, ValueError, RuntimeError):
            self._left = 0
            return b""
        self._left -= len(plain)
        return plain


def _nothing(chunk: bytes) -> bytes:
    return b""


def _gzip() -> Decode:
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    return lambda chunk: unpacker.decompress(chunk, BOUND)


class _Deflate:
    """The zlib form, or the raw one that some servers send under this name: two bytes tell."""

    def __init__(self) -> None:
        self._held = b""
        self._unpacker: Any = None

    def step(self, chunk: bytes) -> bytes:
        if self._unpacker is None:
            chunk = self._held = self._held + chunk
            if len(chunk) < 2:
                return b""
            zlib_form = chunk[0] & 15 == 8 and int.from_bytes(chunk[:2], "big") % 31 == 0
            self._unpacker = zlib.decompressobj(zlib.MAX_WBITS if zlib_form else -zlib.MAX_WBITS)
        plain: bytes = self._unpacker.decompress(chunk, BOUND)
        return plain


def _deflate() -> Decode:
    return _Deflate().step


def _brotli() -> Decode | None:
    library = _either("brotli", "brotlicffi")
    if library is None:
        return None
    unpacker = library.Decompressor()
    step: Decode = getattr(unpacker, "decompress", None) or unpacker.process
    return step


def _zstd() -> Decode | None:
    library = _either("compression.zstd", "backports.zstd", "zstandard")
    if library is None:
        return None
    if hasattr(library, "ZstdDecompressor") and library.__name__ == "zstandard":
        step: Decode = library.ZstdDecompressor().decompressobj().decompress
    else:
        step = library.ZstdDecompressor().decompress
    return step


def _either(*names: str) -> Any:
    """The first of these libraries that is here; a client offers only codings it can read."""
    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


_DECODERS: dict[str, Callable[[], Decode | None]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
