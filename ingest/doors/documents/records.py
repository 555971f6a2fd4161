"""The format of the answers' journal: sealed records one after another, each whole or not there.

A record is a head (what, which key, when), then its content under AES-256-GCM with the head as
what is authenticated beside it. A record that was cut off, moved or changed does not open.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

from hf_ledger.ingest.errors import Unusable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"hfd1"
TAG_BYTES = 16
#: Magic, what, key, ms since 1970, nonce, length of the sealed content; then the head's CRC-32.
HEAD = struct.Struct(">4sB16sQ12sI")
CRC = struct.Struct(">I")
HEAD_BYTES = HEAD.size + CRC.size

What = Literal[1, 2, 3]
BEGUN: What = 1
ANSWERED: What = 2
CLOSED: What = 3

NO_CRYPTOGRAPHY = (
    "answers are kept on disk only encrypted, which needs the server extra: "
    "pip install 'hf-ledger[server]', or cache='memory'."
)


class Record(NamedTuple):
    """Where a record stands in its segment, as its head says."""

    what: int
    key: bytes
    ms: int
    start: int
    size: int


class Sealer:
    """Seals and opens records; raises Unusable without the library for it."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = cipher_of(secret)

    def sealed(self, what: What, key: bytes, ms: int, content: bytes) -> bytes:
        nonce = os.urandom(12)
        plain = HEAD.pack(MAGIC, what, key, ms, nonce, len(content) + TAG_BYTES)
        head = plain + CRC.pack(zlib.crc32(plain))
        return head + self._cipher.encrypt(nonce, content, head)

    def opened(self, record: bytes) -> bytes | None:
        """Its content; None where it is not what was sealed."""
        from cryptography.exceptions import InvalidTag

        found = next(records_in(record), None)
        if found is None or found.size != len(record):
            return None
        nonce = HEAD.unpack_from(record)[4]
        try:
            return self._cipher.decrypt(nonce, record[HEAD_BYTES:], record[:HEAD_BYTES])
        except InvalidTag:
            return None


def cipher_of(secret: bytes) -> AESGCM:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise Unusable(NO_CRYPTOGRAPHY) from error
    return AESGCM(secret)


def records_in(segment: bytes) -> Iterator[Record]:
    """The whole records from the beginning on; what follows a damaged head is not found."""
    at, view = 0, memoryview(segment)
    while at + HEAD_BYTES <= len(segment):
        magic, what, key, ms, _nonce, length = HEAD.unpack_from(view, at)
        (crc,) = CRC.unpack_from(view, at + HEAD.size)
        size = HEAD_BYTES + length
        if magic != MAGIC or crc != zlib.crc32(view[at : at + HEAD.size]):
            return
        if at + size > len(segment):
            return
        yield Record(what, key, ms, at, size)
        at += size
