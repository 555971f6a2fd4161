"""What the audit costs a request in the gateway's loop, and how fast it is verified."""

from __future__ import annotations

import statistics
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.asking import Asking, Outcome
from hf_ledger.ingest.doors.gateway.audit.trail import Trail
from hf_ledger.ingest.doors.gateway.audit.verifying import examine
from hf_ledger.ingest.doors.gateway.checks.audit import Audit
from hf_ledger.ingest.doors.gateway.state import Key, State
from hf_ledger.ingest.places import Places

REQUESTS = 100_000
CALL = Call(
    call_id="019a0e6c-0000-7000-8000-000000000001",
    ts=1,
    user_id="ada",
    provider="together",
    requested_model="meta-llama/Llama-3.3-70B-Instruct",
    input_hash="0" * 32,
    hash_key_id="abcd1234",
    uncached_input_tokens=1200,
    output_tokens=300,
)
KEY = Key(key_id="k-1", key_hash="", name="ada's", user="ada")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        places = Places(Path(folder))
        spent = written(places)
        begun = time.perf_counter()
        report = examine(places)
        seconds = time.perf_counter() - begun
    assert not report.broken
    deciles = statistics.quantiles(spent, n=100)
    print(f"both records of a request: median {deciles[49]:.1f} µs, p99 {deciles[98]:.1f} µs")
    print(f"verify: {report.records / seconds:,.0f} records/s ({report.records:,} records)")


def written(places: Places) -> list[float]:
    """Microseconds that each request's two records took."""
    trail = Trail(places)
    audit, outcome, spent = Audit(trail), Outcome(CALL, Decimal("0.00123"), 200), []
    for number in range(REQUESTS):
        asking = request(number)
        begun = time.perf_counter_ns()
        audit.check(asking)
        audit.finish(asking, outcome)
        spent.append((time.perf_counter_ns() - begun) / 1000)
    trail.close()
    return spent


def request(number: int) -> Asking:
    return Asking(
        request_id=f"019a0e6c-0000-7000-8000-{number:012}",
        ts=1,
        method="POST",
        path="/v1/chat/completions",
        address="127.0.0.1",
        headers={},
        body=b"",
        state=State(),
        key=KEY,
        call=CALL,
        verdicts={"key": "k-1", "limits": "ok", "budget": "ok", "screening": "nothing"},
    )
