"""What the ledger's holder does about prices, months and endpoints when it is asked to, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from hf_ledger.ingest.catalogue.contracts import Agreed, keep_contracts, keep_listed
from hf_ledger.ingest.catalogue.endpoints import State, keep_states
from hf_ledger.ingest.catalogue.lists import Hardware, PriceList, Route
from hf_ledger.ingest.catalogue.mapped import keep_routes
from hf_ledger.ingest.catalogue.months import close_month
from hf_ledger.ingest.catalogue.refreshing import keep_hardware, keep_list
from hf_ledger.ingest.catalogue.repricing import reprice, undo
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.parameters import read

Answer = dict[str, Any]


class KeepRoutes(msgspec.Struct):
    routes: list[Route]
    source: str
    moment: datetime
    snapshot: str = ""


class KeepHardware(msgspec.Struct):
    hardware: list[Hardware]
    source: str
    snapshot: str
    moment: datetime


class KeepStates(msgspec.Struct):
    states: list[State]
    source: str
    holds_minutes: int | None = None


class Reprice(msgspec.Struct):
    since: datetime
    until: datetime
    reason: str
    dry_run: bool = False


class Undo(msgspec.Struct):
    run_id: int
    dry_run: bool = False


class CloseMonth(msgspec.Struct):
    month: str
    zone: str


def prices_keep(ledger: Ledger, payload: bytes) -> Answer:
    return asdict(keep_list(ledger, read(payload, PriceList)))


def prices_agree(ledger: Ledger, payload: bytes) -> Answer:
    return {"contracts": keep_contracts(ledger, read(payload, Agreed))}


def prices_list(ledger: Ledger, payload: bytes) -> Answer:
    return {"prices": keep_listed(ledger, read(payload, Agreed))}


def routes_keep(ledger: Ledger, payload: bytes) -> Answer:
    given = read(payload, KeepRoutes)
    kept = keep_routes(ledger, given.routes, given.source, given.moment, given.snapshot)
    return {"routes": kept}


def hardware_keep(ledger: Ledger, payload: bytes) -> Answer:
    given = read(payload, KeepHardware)
    found = keep_hardware(ledger, given.hardware, given.source, given.snapshot, given.moment)
    return {"hardware": found}


def endpoints_keep(ledger: Ledger, payload: bytes) -> Answer:
    given = read(payload, KeepStates)
    return {"states": keep_states(ledger, given.states, given.source, given.holds_minutes)}


def price_again(ledger: Ledger, payload: bytes) -> Answer:
    given = read(payload, Reprice)
    return asdict(reprice(ledger, given.since, given.until, given.reason, dry_run=given.dry_run))


def price_back(ledger: Ledger, payload: bytes) -> Answer:
    given = read(payload, Undo)
    return asdict(undo(ledger, given.run_id, dry_run=given.dry_run))


def month_close(ledger: Ledger, payload: bytes) -> Answer:
    given = read(payload, CloseMonth)
    return asdict(close_month(ledger, given.month, given.zone))


CHORES: dict[str, Callable[[Ledger, bytes], Answer]] = {
    "prices_keep": prices_keep,
    "prices_agree": prices_agree,
    "prices_list": prices_list,
    "routes_keep": routes_keep,
    "hardware_keep": hardware_keep,
    "endpoints_keep": endpoints_keep,
    "reprice": price_again,
    "reprice_undo": price_back,
    "month_close": month_close,
}
COMMANDS = tuple(CHORES)


def perform(ledger: Ledger, name: str, payload: bytes) -> Answer:
    """Do one of `COMMANDS`; the answer is JSON's own types, whether or not it crosses a socket.

    Counts the ledger's change, so that pages ask anew.
    """
    found = CHORES[name](ledger, payload)
    ledger.changes += 1
    answer: Answer = msgspec.json.decode(msgspec.json.encode(plain(found)))
    return answer


def plain(value: Any) -> Any:
    """Money as plain decimal text: a sum of nothing is "0.000000000", never "0E-9"."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value
