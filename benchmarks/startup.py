"""How long a user waits for `hf-ledger --help`, and what `import hf_ledger` adds to a program."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 11


def median_seconds(*command: str) -> float:
    """Median wall time of a whole process, after one run that is not counted."""
    taken = []
    for _ in range(RUNS + 1):
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[1:])


def median_import_ms(code: str) -> float:
    """Median of what a snippet says it took inside a fresh interpreter, in ms."""
    taken = []
    for _ in range(RUNS):
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
        taken.append(float(done.stdout))
    return statistics.median(taken)


IMPORT_AND_RECORD = """
import os, tempfile
os.environ["HF_LEDGER_DIR"] = tempfile.mkdtemp()
import {client}
import time; begun = time.perf_counter()
import hf_ledger; hf_ledger.record(app="bench")
print((time.perf_counter() - begun) * 1000)
"""


def main() -> None:
    bare = median_seconds(sys.executable, "-c", "pass")
    shown = median_seconds(sys.executable, "-m", "hf_ledger.cli", "--help")
    print(f"hf-ledger --help, median of {RUNS}: {shown:.3f} s (a bare interpreter: {bare:.3f} s)")
    for client in ("httpx2", "openai"):
        took = median_import_ms(IMPORT_AND_RECORD.format(client=client))
        print(f"import hf_ledger + record(), {client} already imported: {took:.1f} ms")


if __name__ == "__main__":
    main()
