"""Recording inside your program: three lines, every Hugging Face call, nothing changed for it."""

from hf_ledger.ingest.doors.hook.labels import attribute, carry, operation
from hf_ledger.ingest.doors.hook.recording import record

__all__ = ["attribute", "carry", "operation", "record"]
