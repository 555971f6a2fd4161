"""Each line ends in a hash of itself and of all lines before it.

    BODY,"chain":"<64 hex digits>"}\\n        chain = SHA-256(previous chain, as hex, then BODY)

BODY is the record's JSON without its last brace; before the first record the chain is 64 zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO

from hf_ledger.ingest.doors.gateway.audit.records import Head

START = b"0" * 64
CLOSING = len(b',"chain":"') + 64 + len(b'"}\n')


def link(chain: bytes, body: bytes) -> tuple[bytes, bytes]:
    """The line of a record's body after this chain, and the chain after it."""
    after = sha256(chain + body).hexdigest().encode()
    return b'%b,"chain":"%b"}\n' % (body, after), after


@dataclass(slots=True)
class Walk:
    """How far a file's chain holds, and what stands behind that."""

    records: int = 0
    size: int = 0  # bytes of those records
    chain: bytes = START
    torn: bytes = b""  # behind the last newline
    broken: str | None = None  # why the next record is none

    @classmethod
    def after(cls, head: Head | None) -> Walk:
        """From where a head ends, or from a file's beginning."""
        return cls(head.records, head.bytes, head.chain.encode()) if head else cls()

    def head(self) -> Head:
        """As far as the chain holds."""
        return Head(self.records, self.size, self.chain.decode())

    def lines(self, file: BinaryIO, limit: int) -> Iterator[bytes]:
        """Each line that follows, if it begins before `limit`, until one doesn't hold."""
        file.seek(self.size)
        for line in file:
            if self.size >= limit:
                return
            if line[-1:] != b"\n":
                self.torn = line
                return
            chain = sha256(self.chain + line[:-CLOSING]).hexdigest().encode()
            if line[-CLOSING:] != b',"chain":"%b"}\n' % chain:
                self.broken = _why(line)
                return
            self.records += 1
            self.size += len(line)
            self.chain = chain
            yield line


def _why(line: bytes) -> str:
    if line[-CLOSING : 10 - CLOSING] != b',"chain":"' or line[-3:] != b'"}\n':
        return "is no record"
    return "was changed, or does not follow the record before it"
