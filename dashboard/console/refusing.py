"""The row of a call that was refused before it was sent, as the gateway leaves one."""

from __future__ import annotations

import msgspec

from hf_ledger.dashboard.console.allowing import PATH, body_of, call_of
from hf_ledger.dashboard.console.column import Run
from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.recording import Address, Sent, keep_refused
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.hook import recording
from hf_ledger.ingest.doors.hook.flight import Flight
from hf_ledger.ingest.doors.router.target import Target

ROUTER_URL = "https://router.huggingface.co"
JSON = [(b"content-type", b"application/json")]

#: What only we know of a request that has no address yet.
KNOWN = ("task", "provider", "routing", "requested_model", "host_kind")


def keep(run: Run, target: Target, refused: Refused) -> Call | None:
    """Write it, under the labels that hold here; None where nothing records."""
    hook = recording.active.hook
    if hook is None:
        return None
    url = (target.url or ROUTER_URL).rstrip("/").removesuffix("/v1") + PATH
    body = msgspec.json.encode(body_of(run, target), enc_hook=str)
    flight = hook.begin(Sent("POST", Address(url), JSON, body))
    if not isinstance(flight, Flight):
        return None
    known = call_of(run, target)
    for name in KNOWN:
        setattr(flight.call, name, getattr(known, name))
    return keep_refused(flight, refused)
