"""Documents: a long text is read, split into chunks that a model takes, and put together again.

from hf_ledger.ingest.doors.documents import process_document
done = process_document(Path("contract.pdf"), "summarization", model="facebook/bart-large-cnn")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hf_ledger.ingest.doors.documents.answers import answering
    from hf_ledger.ingest.doors.documents.caching import open_cache
    from hf_ledger.ingest.doors.documents.job import Job
    from hf_ledger.ingest.doors.documents.parts import (
        DocumentFailed,
        Part,
        Processed,
        Progress,
    )
    from hf_ledger.ingest.doors.documents.processing import process, stream
    from hf_ledger.ingest.doors.documents.programs import process_document

__all__ = [
    "DocumentFailed",
    "Job",
    "Part",
    "Processed",
    "Progress",
    "answering",
    "open_cache",
    "process",
    "process_document",
    "stream",
]

#: Where each name lives; who only splits a text needs none of them.
HOMES = {
    "DocumentFailed": "parts",
    "Job": "job",
    "Part": "parts",
    "Processed": "parts",
    "Progress": "parts",
    "answering": "answers",
    "open_cache": "caching",
    "process": "processing",
    "process_document": "programs",
    "stream": "processing",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
    return found
