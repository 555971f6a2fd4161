"""An owner of budgets and buckets alone: the real bank on the real socket, without a ledger."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import msgspec

from hf_ledger.ingest.doors.gateway.limits.bank import Bank
from hf_ledger.ingest.doors.gateway.limits.exchanging import COMMAND
from hf_ledger.ingest.doors.gateway.state import State
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.socket import Listener
from hf_ledger.ingest.places import Places


def main() -> None:
    places = Places(Path(sys.argv[1]))
    state = msgspec.json.decode((places.root / "run" / "gateway.json").read_bytes(), type=State)
    bank = Bank(places, state)

    def handle(name: str, payload: bytes) -> bytes:
        if name != COMMAND:
            raise Usage(f"unknown command {name!r}.")
        return bank.answer(payload)

    with Listener(places, handle):
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    bank.close()


if __name__ == "__main__":
    main()
