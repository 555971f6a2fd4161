"""Audits to break: files of several processes, covered by checkpoints, as one would find them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.asking import Asking, Outcome
from hf_ledger.ingest.doors.gateway.audit.checkpoints import Keeper
from hf_ledger.ingest.doors.gateway.audit.head import CHECKPOINTS, files_in, folder_of
from hf_ledger.ingest.doors.gateway.audit.records import Administered, Decided, Finished
from hf_ledger.ingest.doors.gateway.audit.trail import Trail
from hf_ledger.ingest.doors.gateway.state import Key, State
from hf_ledger.ingest.places import Places

MODEL = "meta-llama/Llama-3.3-70B-Instruct"


def call(number: int = 0) -> Call:
    return Call(
        call_id=f"01938f00-0000-7000-8000-{number:012}",
        ts=1,
        user_id="ada",
        key_id="k-1",
        provider="together",
        requested_model=MODEL,
        input_hash=f"{number:032x}",
        hash_key_id="abcd1234",
        uncached_input_tokens=1200,
        output_tokens=300,
    )


def asking(
    number: int = 0, *, body: bytes = b"{}", headers: dict[str, str] | None = None
) -> Asking:
    return Asking(
        request_id=f"r-{number}",
        ts=1,
        method="POST",
        path="/v1/chat/completions",
        address="127.0.0.1",
        headers=headers or {},
        body=body,
        state=State(),
        key=Key(key_id="k-1", key_hash="0" * 64, name="ada's", user="ada"),
        call=call(number),
        verdicts={"key": "k-1", "limits": "ok", "budget": "ok"},
    )


def outcome(number: int = 0) -> Outcome:
    return Outcome(call=call(number), cost=Decimal("0.00123"), status=200)


def write(trail: Trail, requests: int, first: int = 0) -> None:
    """Two records each."""
    for number in range(first, first + requests):
        trail.write(Decided(request_id=f"r-{number}", user="ada", model=MODEL))
        trail.write(Finished(request_id=f"r-{number}", outcome="ok", status=200, cost="0.001"))


def stopped(places: Places, processes: int = 3, requests: int = 20, pauses: int = 2) -> Places:
    """An audit after a clean stop, covered by its owner on the way."""
    keeper = Keeper(places)
    keeper.checkpoint("start")
    trails = [Trail(places) for _ in range(processes)]
    for pause in range(pauses):
        for trail in trails:
            write(trail, requests // pauses, pause * requests)
            trail._look_around()  # what its thread does five times a second
        keeper.checkpoint()
    trails[0].write(Administered(action="key_created", who="root", subject="k-1"))
    for trail in trails:
        trail.close()
    keeper.checkpoint("end")
    return places


def files(places: Places) -> list[Path]:
    """All files an attacker may reach for: records and checkpoints."""
    folder = folder_of(places)
    return [*files_in(folder), folder / CHECKPOINTS]
