"""Which files of the audit are past their days: only such as are covered to their last byte."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hf_ledger.ingest.doors.gateway.audit.ending import last_line
from hf_ledger.ingest.doors.gateway.audit.head import files_in
from hf_ledger.ingest.doors.gateway.audit.records import Head, record_of


def expired(folder: Path, heads: Mapping[str, Head], before: int) -> dict[str, Head]:
    """Files whose last record is older than `before` (µs), with what is covered of them.

    One that goes further than its checkpoint stays: it was changed, and is evidence.
    """
    covered = {path: heads[path.name] for path in files_in(folder) if path.name in heads}
    return {
        path.name: head
        for path, head in covered.items()
        if _is_covered(path, head) and _last_ts(path, head) < before
    }


def _is_covered(path: Path, head: Head) -> bool:
    return path.stat().st_size == head.bytes or head.torn is not None


def _last_ts(path: Path, head: Head) -> float:
    last = record_of(last_line(path, head.bytes))
    return last.ts if last else float("inf")
