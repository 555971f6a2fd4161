"""`hf-ledger doctor`: is the hook on, where do calls go, what was seen but not counted."""

from __future__ import annotations

import argparse
import json
import os
import socket
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from urllib.parse import urlsplit

from hf_ledger.ingest.doors.hook.examine import Finding, examine, newest
from hf_ledger.ingest.errors import LedgerError, Usage
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.outbox import Outbox, State
from hf_ledger.ingest.spool.posting import SERVER_VARIABLE, target_of

SIGNS = {"ok": "ok  ", "note": "note", "problem": "FAIL"}

NO_SERVER = "none runs for this directory; start it with hf-ledger serve"
NO_EXTRA = "not looked at: the server extra is not installed here; doctor --recorder leaves it out"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="hf-ledger doctor",
        description="Is the hook on, which clients it covers, where calls go, what was left out.",
        epilog="Exit code 0: in order; 1: something needs a hand.",
    )
    made.add_argument(
        "--recorder", action="store_true", help="look at recording only; needs the base install"
    )
    made.add_argument("--format", choices=("table", "json"), default="table", help="output form")
    return made


def main(arguments: Sequence[str]) -> int:
    """Print what was found; 1 where something is wrong."""
    given = parser().parse_args(arguments)
    places = Places.default()
    findings = examine(places)
    if os.environ.get(SERVER_VARIABLE):
        findings += sending(places)
    elif not given.recorder:
        findings += server(places)
    print(as_json(findings) if given.format == "json" else as_table(findings))
    return int(any(finding.state == "problem" for finding in findings))


def as_json(findings: Sequence[Finding]) -> str:
    return json.dumps([finding._asdict() for finding in findings], indent=2)


def as_table(findings: Sequence[Finding]) -> str:
    width = max(len(finding.name) for finding in findings)
    return "\n".join(f"{SIGNS[state]}  {name:<{width}}  {value}" for name, value, state in findings)


def sending(places: Places) -> Iterator[Finding]:
    """Where this host's calls are sent, how many wait, and what the server said last."""
    outbox = Outbox(places)
    state = outbox.load()
    try:
        target = target_of(os.environ)
    except Usage as error:
        yield Finding("sends to", str(error), "problem")
    else:
        yield Finding("sends to", target.url if target else "nowhere")
    waiting = outbox.waiting(state)
    left = "" if waiting == 0 else "; hf-ledger send, or the next program that records, sends it"
    yield Finding("to be sent", f"{waiting / 1e6:.1f} MB{left}", "note" if waiting else "ok")
    yield last_answer(state)
    if state.refused:
        said = f"{state.refused} lines, kept in {outbox.refused}"
        yield Finding("refused for good", said, "problem")


def last_answer(state: State) -> Finding:
    if not state.last:
        return Finding("last answer", "none yet", "note")
    when = datetime.fromtimestamp(state.last_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Finding("last answer", f"{when}, {state.last}", "problem" if state.failures else "ok")


def server(places: Places) -> Iterator[Finding]:
    """Whether somebody collects the spool, and how far behind they are."""
    if find_spec("duckdb") is None:
        yield Finding("server", NO_EXTRA, "note")
        return
    from hf_ledger.ingest.ledger.owner import living_owner

    owner = living_owner(places)
    if owner is None:
        waiting = sum(path.stat().st_size for path in newest(places))
        yield Finding("server", NO_SERVER, "problem")
        yield Finding("spool", f"{waiting / 1e6:.1f} MB in the newest segments", "note")
        return
    yield reachable(owner.address) if owner.address else Finding("server", f"pid {owner.pid}")
    yield from health(places)


def reachable(address: str) -> Finding:
    """Whether the page's port answers."""
    where = urlsplit(address)
    try:
        with socket.create_connection((where.hostname or "", where.port or 80), timeout=3):
            return Finding("server", f"answers at {address}")
    except OSError as error:
        said = f"{address} does not answer ({error.strerror or error}); restart hf-ledger serve"
        return Finding("server", said, "problem")


def health(places: Places) -> Iterator[Finding]:
    """What the owner says of the ledger and of the spool's lag."""
    from hf_ledger.analytics.connect import connect

    try:
        with connect(places) as session:
            rows = session.ask("health").to_pylist()
    except LedgerError as error:
        yield Finding("ledger", str(error), "problem")
        return
    for row in rows:
        name, value = str(row["name"]).replace("_", " "), row["value"]
        yield Finding(f"ledger, {name}", "none yet" if value is None else str(value))
