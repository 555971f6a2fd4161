"""A program that opens the ledger, collects and closes it, again and again, until it is killed.

`python -m benchmarks.faults_collector PHASE`: the file says what it is at, for whoever kills it.
"""

from __future__ import annotations

import os
import sys

from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect


def main(path: str) -> None:
    phase, places = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), Places.default()
    while True:
        os.pwrite(phase, b"open   ", 0)
        ledger = Ledger.open(places)
        os.pwrite(phase, b"collect", 0)
        collect(ledger, places)
        os.pwrite(phase, b"close  ", 0)
        ledger.close()


if __name__ == "__main__":
    main(sys.argv[1])
