"""Once a day the price list, every few minutes the endpoints: a thread of the server.

It starts only where a setting asks for it. Whatever fails costs one log line and is tried again at
the next time; times are spread, so that not every ledger asks in the same minute.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from random import random

from hf_ledger.ingest.catalogue.endpoints import keep_states
from hf_ledger.ingest.catalogue.fetching import (
    Addresses,
    client,
    fetch_hardware,
    fetch_list,
    fetch_routes,
    fetch_states,
)
from hf_ledger.ingest.catalogue.mapped import keep_routes
from hf_ledger.ingest.catalogue.refreshing import Refreshed, keep_hardware, keep_list
from hf_ledger.ingest.errors import LedgerError
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places

DAY_SECONDS = 24 * 3600.0
POLL_SECONDS = 300.0
#: A look vouches for the state this long: two looks in a row may fail before there is a gap.
HOLDS_MINUTES = 15
#: First looks come soon, but not in the first second; later ones vary by this share.
FIRST_SECONDS = 60.0
JITTER = 0.1

_log = logging.getLogger("hf_ledger")


@dataclass
class Errand:
    """Something to do again and again, next at `due` (monotonic seconds)."""

    name: str
    every: float
    run: Callable[[], object]
    due: float


class Errands(threading.Thread):
    """Runs the errands that the settings ask for, until `stop()`."""

    def __init__(
        self,
        ledger: Ledger,
        addresses: Addresses,
        *,
        prices: bool,
        targets: Places | None = None,
        chance: Callable[[], float] = random,
        first: float = FIRST_SECONDS,
    ) -> None:
        super().__init__(name="hf-ledger-errands", daemon=True)
        self._stopping = threading.Event()
        self._chance = chance
        now = time.monotonic()
        self.errands = []
        if prices:
            look = partial(refresh, ledger, addresses)
            self.errands.append(Errand("refresh prices", DAY_SECONDS, look, now + first * chance()))
        if targets is not None:
            ask = partial(discover, targets)
            self.errands.append(Errand("look at targets", DAY_SECONDS, ask, now + first * chance()))
        if addresses.namespace and addresses.token:
            ask = partial(poll, ledger, addresses)
            self.errands.append(Errand("poll endpoints", POLL_SECONDS, ask, now + first * chance()))

    def run(self) -> None:
        while self.errands and not self._stopping.is_set():
            errand = min(self.errands, key=lambda each: each.due)
            if self._stopping.wait(max(0.0, errand.due - time.monotonic())):
                return
            self.attend(errand)

    def attend(self, errand: Errand) -> None:
        """Run one errand; a failure is one line in the log, and the next time comes as usual."""
        try:
            errand.run()
        except Exception as error:  # noqa: BLE001 - the server outlives whatever the network says
            said = str(error) if isinstance(error, LedgerError) else type(error).__name__
            _log.error("hf-ledger could not %s: %s", errand.name, said)
        spread = 1 + JITTER * (2 * self._chance() - 1)
        errand.due = time.monotonic() + errand.every * spread

    def stop(self) -> None:
        """End the thread; one that waits for the network is not waited for."""
        self._stopping.set()
        if self.is_alive():
            self.join(2)


def refresh(ledger: Ledger, addresses: Addresses) -> Refreshed:
    """Fetch the list, then the routes, then (with a token) hardware; keep what each changes."""
    now = datetime.now(UTC)
    with client() as http:
        done = keep_list(ledger, fetch_list(http, addresses, now))
        routes, snapshot = fetch_routes(http, addresses)
        done.routes = keep_routes(ledger, routes, addresses.hub, now, snapshot)
        if addresses.token:
            found, source, snapshot = fetch_hardware(http, addresses)
            done.hardware = keep_hardware(ledger, found, source, snapshot, now)
    ledger.changes += 1
    return done


def poll(ledger: Ledger, addresses: Addresses) -> int:
    """Look at the endpoints once; how many states were new."""
    with client() as http:
        states = fetch_states(http, addresses, datetime.now(UTC))
    new = keep_states(ledger, states, "poll", HOLDS_MINUTES)
    ledger.changes += 1
    return new


def discover(places: Places) -> int:
    """Ask what the targets of the settings serve now; how many sources answered."""
    from hf_ledger.ingest.doors.router import refreshing
    from hf_ledger.ingest.doors.router.registry import Registry

    sources = asyncio.run(refreshing.refresh(Registry.open(places), places))
    return sum(source.why is None for source in sources)
