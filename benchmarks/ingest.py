"""Lines per second from the spool into the ledger: CRC, de-duplication, enrichment, one owner."""

from __future__ import annotations

import resource
import tempfile
import time
import uuid
from pathlib import Path

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect
from hf_ledger.ingest.spool.segments import Segments

CALLS = 200_000
START_US = 1_783_000_000_000_000  # July 2026, inside the price history
ROUTES = (
    ("meta-llama/Llama-3.3-70B-Instruct", "novita"),
    ("meta-llama/Llama-3.1-8B-Instruct", "cerebras"),
    ("Qwen/Qwen3-32B", "groq"),
)


def call(number: int) -> Call:
    model, provider = ROUTES[number % len(ROUTES)]
    return Call(
        call_id=str(uuid.UUID(int=(number << 64) | 0x7000 << 64 | 0x8000000000000000)),
        ts=START_US + number * 1_000,
        app="bench",
        team=f"team-{number % 6}",
        host_kind="router",
        provider=provider,
        routing="auto",
        requested_model=model,
        provider_model=model.lower(),
        task="chat-completion",
        uncached_input_tokens=900 + number % 700,
        output_tokens=200 + number % 150,
        tokens_source="usage",
        input_hash=f"{number:032x}",
        hash_key_id="bench",
        status=200,
        latency_ms=800.0 + number % 900,
        request_id=f"request-{number}",
    )


def fill(places: Places) -> float:
    """Write the lines as a recorder does; seconds taken."""
    segments = Segments(places.spool)
    begun = time.perf_counter()
    for number in range(CALLS):
        segments.write(call(number))
    taken = time.perf_counter() - begun
    segments.close()
    return taken


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        places = Places(Path(folder))
        wrote = fill(places)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with Ledger.open(places) as ledger:
            begun = time.perf_counter()
            first = collect(ledger, places)
            taken = time.perf_counter() - begun
            begun = time.perf_counter()
            again = collect(ledger, places)
            idle = time.perf_counter() - begun
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"write: {CALLS / wrote:,.0f} lines/s, {wrote / CALLS * 1e6:.1f} µs a line, built and kept"
    )
    print(f"collect: {first.new:,} new calls in {taken:.2f} s = {first.new / taken:,.0f} calls/s")
    print(f"collect again: {again.new} new in {idle * 1000:.0f} ms")
    print(f"memory: {before / 1024:.0f} MB before, at most {after / 1024:.0f} MB")


if __name__ == "__main__":
    main()
