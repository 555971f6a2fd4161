"""`run/gateway.json`: written whole by the ledger's owner, looked at by every gateway process."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hf_ledger.ingest.doors.gateway.state import State
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.watched_file import WatchedFile, publish_file

NOT_TOLD = (
    "the gateways can't be told what changed ({why}): make {folder} writable, then try again."
)

KEPT = "hf-ledger keeps to the keys that it knew: %s can't be read as a state (%s)"

_EMPTY = State()
_DECODER = msgspec.json.Decoder(State)


def publish(places: Places, state: State) -> None:
    """Put this state in the place of the last one (0600), in one step.

    Raises `Unusable` where the folder can't be written.
    """
    path = places.gateway_state
    try:
        publish_file(places, path, msgspec.json.encode(state))
    except OSError as error:
        raise Unusable(NOT_TOLD.format(why=error.strerror, folder=path.parent)) from error


def published(places: Places) -> bytes | None:
    """The file as it stands; None where there is none that can be read."""
    try:
        return places.gateway_state.read_bytes()
    except OSError:
        return None


class Watched(WatchedFile[State]):
    """The state as the file has it now; a revoked key is gone with the next call of `now`."""

    __slots__ = ()

    def __init__(self, path: Path) -> None:
        super().__init__(path, _DECODER.decode, _EMPTY, KEPT)
