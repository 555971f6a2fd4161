"""Who owns the DuckDB file just now: `owner.json` beside it names process, page and socket."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.process import installed_version, process_start


class Owner(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What other processes may know of the owner; `address` is None where it serves no page."""

    pid: int
    socket: str | None = None
    address: str | None = None
    version: str = ""
    process_start: str = ""


_OWNER = msgspec.json.Decoder(Owner)


def announce(places: Places, socket: Path | None, address: str | None = None) -> Owner:
    """Write `owner.json` (0600) in one step, so that no reader ever sees half of it."""
    owner = Owner(
        pid=os.getpid(),
        socket=str(socket) if socket else None,
        address=address,
        version=installed_version(),
        process_start=process_start(),
    )
    draft = places.make() / f"owner.json.{os.getpid()}"
    draft.touch(mode=0o600)
    draft.write_bytes(msgspec.json.encode(owner))
    draft.replace(places.owner)
    return owner


def read_owner(places: Places) -> Owner | None:
    """The last owner that announced itself, which may be gone; None where none did."""
    try:
        return _OWNER.decode(places.owner.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def living_owner(places: Places) -> Owner | None:
    """The owner that announced itself, unless its process is known to be gone."""
    owner = read_owner(places)
    if owner and process_start(owner.pid) == owner.process_start:
        return owner
    return None


def withdraw(places: Places) -> None:
    """Remove our own announcement; another owner's stays."""
    owner = read_owner(places)
    if owner and owner.pid == os.getpid():
        places.owner.unlink(missing_ok=True)
