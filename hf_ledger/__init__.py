"""The cost and usage ledger for Hugging Face inference: every call, priced, on a page.

import hf_ledger
hf_ledger.record(app="search", team="search")

Recording imports msgspec and the standard library only; everything else is loaded when asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hf_ledger.ingest.doors.hook import attribute, carry, operation, record

if TYPE_CHECKING:
    from hf_ledger.analytics.connect import connect
    from hf_ledger.ingest.doors.client import HuggingFaceInferenceClient

    __version__: str

__all__ = [
    "HuggingFaceInferenceClient",
    "__version__",
    "attribute",
    "carry",
    "connect",
    "operation",
    "record",
]


def __getattr__(name: str) -> Any:
    if name == "connect":
        from hf_ledger.analytics.connect import connect

        return connect
    if name == "HuggingFaceInferenceClient":
        from hf_ledger.ingest.doors.client import HuggingFaceInferenceClient

        return HuggingFaceInferenceClient
    if name == "__version__":
        from hf_ledger.ingest.spool.process import installed_version

        return installed_version()
    raise AttributeError(f"module 'hf_ledger' has no attribute {name!r}")
