"""The cost and usage ledger for Hugging Face inference: every call, priced, on a page.

import hf_ledger
hf_ledger.record(app="search", team="search")

Recording imports msgspec and the standard library only; everything else is loaded when asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hf_ledger.analytics.connect import connect
    from hf_ledger.ingest.doors.client import HuggingFaceInferenceClient
    from hf_ledger.ingest.doors.hook import attribute, carry, operation, record
    from hf_ledger.ingest.doors.router.blocking import Router
    from hf_ledger.ingest.doors.router.router import AsyncRouter

    __version__: str

__all__ = [
    "AsyncRouter",
    "HuggingFaceInferenceClient",
    "Router",
    "__version__",
    "attribute",
    "carry",
    "connect",
    "operation",
    "record",
]

#: Where each name lives; commands import this package too and need none of them.
HOMES = {
    "AsyncRouter": "hf_ledger.ingest.doors.router.router",
    "HuggingFaceInferenceClient": "hf_ledger.ingest.doors.client",
    "Router": "hf_ledger.ingest.doors.router.blocking",
    "attribute": "hf_ledger.ingest.doors.hook",
    "carry": "hf_ledger.ingest.doors.hook",
    "connect": "hf_ledger.analytics.connect",
    "operation": "hf_ledger.ingest.doors.hook",
    "record": "hf_ledger.ingest.doors.hook",
}


def __getattr__(name: str) -> Any:
    if name in HOMES:
        found = globals()[name] = getattr(import_module(HOMES[name]), name)
        return found
    if name == "__version__":
        from hf_ledger.ingest.spool.process import installed_version

        return installed_version()
    raise AttributeError(f"module 'hf_ledger' has no attribute {name!r}")
