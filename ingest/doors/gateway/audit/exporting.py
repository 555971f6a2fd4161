"""The audit's records of a period, each as it was written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from hf_ledger.ingest.doors.gateway.audit.chain import Walk
from hf_ledger.ingest.doors.gateway.audit.head import files_in, folder_of
from hf_ledger.ingest.doors.gateway.audit.records import record_of
from hf_ledger.ingest.errors import Incomplete
from hf_ledger.ingest.places import Places


def exported(places: Places, since: int = 0, until: int | None = None) -> Iterator[bytes]:
    """Lines from `since` until before `until` (µs since 1970), file by file, oldest file first.

    Each file is given as far as its chain holds; raises `Incomplete` at the end where one broke.
    """
    broken: list[str] = []
    for path in files_in(folder_of(places)):
        walk = Walk()
        for line in _lines(path, walk):
            record = record_of(line)
            if record and since <= record.ts and (until is None or record.ts < until):
                yield line
        if walk.broken:
            broken.append(path.name)
    if broken:
        names = ", ".join(broken)
        raise Incomplete(f"the rest of {names} is not as it was written; see audit verify.")


def _lines(path: Path, walk: Walk) -> Iterator[bytes]:
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:  # removed meanwhile
        yield from walk.lines(file, path.stat().st_size)
