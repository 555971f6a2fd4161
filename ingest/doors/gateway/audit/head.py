"""Where the audit lies, and which checkpoint is the newest: kept apart from the checkpoints."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from hf_ledger.ingest.doors.gateway.audit.records import Seen
from hf_ledger.ingest.places import Places

FOLDER = "audit"
CHECKPOINTS = "checkpoints.ndjson"
HEAD_FILE = "audit-head"  # in the folder of keys, which a thief of records may not reach

_SEEN = msgspec.json.Decoder(Seen)


def folder_of(places: Places) -> Path:
    return places.root / FOLDER


def files_in(folder: Path) -> list[Path]:
    """The processes' files, oldest first."""
    return sorted(each for each in folder.glob("*.ndjson") if each.name != CHECKPOINTS)


def newest(places: Places) -> Seen | None:
    """The newest checkpoint as it was noted; None where there is none, or not to the byte."""
    try:
        content = (places.keys / HEAD_FILE).read_bytes()
        noted = _SEEN.decode(content)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return noted if msgspec.json.encode(noted) == content else None


def note(places: Places, checkpoint: Seen) -> None:
    """Put this checkpoint in the noted one's place, in one step."""
    path = places.keys / HEAD_FILE
    draft = path.with_name(f"{HEAD_FILE}.{os.getpid()}-{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(checkpoint))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
