"""How long a user waits for `hf-ledger --help`, and what `import hf_ledger` adds to a program."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 11

#: As `make` leaves it: a shell that forbids bytecode would have every run compile again.
WITH_BYTECODE = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def median_seconds(*command: str) -> float:
    """Median wall time of a whole process, after one run that is not counted."""
    taken = []
    for _ in range(RUNS + 1):
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=WITH_BYTECODE)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[1:])


def added_by_recording(client: str, figure: str) -> float:
    """Median of a figure that a fresh interpreter states after `record()`, beside this client."""
    resident = RESIDENT_KB if "resident" in figure else "0"
    code = IMPORT_AND_RECORD.format(client=client, resident=resident, figure=figure)
    taken = []
    for _ in range(RUNS):
        done = subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            env=WITH_BYTECODE,
        )
        taken.append(float(done.stdout))
    return statistics.median(taken)


IMPORT_AND_RECORD = """
import os, tempfile
os.environ["HF_LEDGER_DIR"] = tempfile.mkdtemp()
import {client}
import time; resident = {resident}; begun = time.perf_counter()
import hf_ledger; hf_ledger.record(app="bench")
print({figure})
"""
RESIDENT_KB = "int(open('/proc/self/statm').read().split()[1]) * 4"
MILLISECONDS = "(time.perf_counter() - begun) * 1000"


def main() -> None:
    bare = median_seconds(sys.executable, "-c", "pass")
    shown = median_seconds(sys.executable, "-m", "hf_ledger.cli", "--help")
    print(f"hf-ledger --help, median of {RUNS}: {shown:.3f} s (a bare interpreter: {bare:.3f} s)")
    for client in ("httpx2", "openai"):
        took = added_by_recording(client, MILLISECONDS)
        print(f"import hf_ledger + record(), {client} already imported: {took:.1f} ms", end="")
        if Path("/proc/self/statm").exists():
            grown = added_by_recording(client, f"{RESIDENT_KB} - resident") / 1024
            print(f", {grown:.1f} MB", end="")
        print()


if __name__ == "__main__":
    main()
