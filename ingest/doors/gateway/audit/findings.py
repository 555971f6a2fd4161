"""What verifying finds: the first thing in each file that is not as it was written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from hf_ledger.ingest.doors.gateway.audit.chain import Walk
from hf_ledger.ingest.doors.gateway.audit.records import Seen

Kind = Literal["tampered", "torn"]


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """The first thing in a file that is not as it was written."""

    file: str
    record: int  # from 1
    offset: int  # of its first byte
    why: str
    kind: Kind = "tampered"


@dataclass
class Report:
    """What was looked at, and what is wrong with it."""

    broken: list[Broken] = field(default_factory=list)
    files: int = 0
    records: int = 0
    uncovered: int = 0  # records written since the newest checkpoint
    checkpoints: int = 0
    newest: Seen | None = None


def at(walk: Walk, line: bytes) -> Walk:
    return Walk(walk.records, walk.size - len(line))


def just_read(name: str, walk: Walk, line: bytes, why: str) -> Broken:
    return Broken(file=name, record=walk.records, offset=walk.size - len(line), why=why)


def following(name: str, walk: Walk, why: str, kind: Kind = "tampered") -> Broken:
    """Of the record behind the last that holds."""
    return Broken(file=name, record=walk.records + 1, offset=walk.size, why=why, kind=kind)


def whole(name: str, why: str) -> Broken:
    return Broken(file=name, record=0, offset=0, why=why)
