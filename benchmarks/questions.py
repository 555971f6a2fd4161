"""How long each question takes on the sample of 200,000 calls, cold and again."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hf_ledger.analytics.questions import QUESTIONS, answer
from hf_ledger.analytics.scope import Scope
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places

PARAMETERS: dict[str, dict[str, object]] = {
    "spend": {"by": ["model"], "grain": "day"},
    "values": {"dimension": "team"},
    "calls": {"limit": 50},
}
NEEDS_A_CALL = ("call",)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = (sys.executable, "-m", "hf_ledger.cli", "sample")
        begun = time.perf_counter()
        subprocess.run(
            [*command, "--days", "90", "--calls", "200000", "--seed", "1"],
            check=True,
            capture_output=True,
            env={"HF_LEDGER_DIR": folder, "PATH": "/usr/bin:/bin"},
        )
        print(f"hf-ledger sample, 200,000 calls: {time.perf_counter() - begun:.1f} s")
        now = datetime.now(UTC)
        scope = Scope(now - timedelta(days=28), now, "Europe/Berlin", origins=("sample",))
        with Ledger.open(Places(Path(folder)).sample) as ledger:
            for name in QUESTIONS:
                if name not in NEEDS_A_CALL:
                    print(f"{name:18}", *measured(ledger, name, scope))


def measured(ledger: Ledger, name: str, scope: Scope) -> list[str]:
    """Milliseconds of the first answer and of the best of three more."""
    taken = []
    for _ in range(4):
        begun = time.perf_counter()
        rows = answer(ledger.cursor(), name, scope, PARAMETERS.get(name, {})).num_rows
        taken.append((time.perf_counter() - begun) * 1000)
    return [f"first {taken[0]:7.1f} ms", f"again {min(taken[1:]):7.1f} ms", f"{rows:5} rows"]


if __name__ == "__main__":
    main()
