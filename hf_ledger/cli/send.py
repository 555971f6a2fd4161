"""`hf-ledger send`: send what this host has recorded to the ledger elsewhere (base install)."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence

from hf_ledger.ingest.errors import Incomplete, Usage
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.outbox import Outbox
from hf_ledger.ingest.spool.posting import SERVER_VARIABLE, Target, target_of
from hf_ledger.ingest.spool.sending import TRY_AGAIN, Sent, adopt_hash_key, send

NO_SERVER = (
    f"Say where to: set {SERVER_VARIABLE}=https://ledger.example:8501 and HF_LEDGER_KEY to a key "
    "of that ledger (hf-ledger key create, there)."
)
NOT_SENT = "{waiting:.1f} MB still wait for {url}: {said}."
BUSY = "another process of this host is sending, or the server asked to wait"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="hf-ledger send",
        description="Send what this host has recorded to the ledger that HF_LEDGER_SERVER names.",
        epilog=(
            "Programs that record send by themselves while they run; this sends what ended or "
            "killed ones left behind. Exit code 0: everything was acknowledged; 1: something waits."
        ),
    )
    made.add_argument(
        "--timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="try for so long where the server is busy or away (default 60)",
    )
    return made


def main(arguments: Sequence[str]) -> int:
    """Send until nothing waits or the time is over."""
    given = parser().parse_args(arguments)
    target = target_of(os.environ)
    if target is None:
        raise Usage(NO_SERVER)
    outbox = Outbox(Places.default())
    adopt_hash_key(outbox, target)
    lines, last = send_all(outbox, target, time.monotonic() + given.timeout)
    print(f"{lines} lines were acknowledged by {target.url}.")
    state = outbox.load()
    if state.refused:
        print(f"{state.refused} lines were refused for good and are kept in {outbox.refused}.")
    waiting = outbox.waiting(state)
    if waiting:
        said = last.stopped.said if last and last.stopped else BUSY
        raise Incomplete(NOT_SENT.format(waiting=waiting / 1e6, url=target.url, said=said))
    return int(bool(state.refused))


def send_all(outbox: Outbox, target: Target, until: float) -> tuple[int, Sent | None]:
    """Rounds until one goes through, the server refuses, or the time is over."""
    lines = 0
    while True:
        sent = send(outbox, target, eager=True)
        lines += sent.lines if sent else 0
        if sent and (sent.stopped is None or sent.stopped.status not in (None, *TRY_AGAIN)):
            return lines, sent
        pause = (sent and sent.stopped and sent.stopped.retry_after) or 0.5
        if time.monotonic() + pause > until:
            return lines, sent
        time.sleep(pause)
