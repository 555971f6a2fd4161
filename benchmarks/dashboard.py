"""The pages on the 200,000-call sample: start to first chart, reruns, bytes on the wire, memory."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RERUNS = 30
PERIODS = ("7d", "28d", "Last week", "Month")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
QUIET_MS = 200


@dataclass
class Wire:
    """Frames of the page's websocket: when the last request left, what has come since."""

    sent: float = 0.0
    last: float = 0.0
    received: int = 0
    history: list[tuple[float, int]] = field(default_factory=list)

    def request(self) -> None:
        if not self.sent:
            self.sent = time.perf_counter()

    def answer(self, payload: bytes | str) -> None:
        self.last = time.perf_counter()
        self.received += len(payload)

    def begin(self) -> None:
        self.sent, self.last, self.received = 0.0, 0.0, 0

    def end(self) -> None:
        self.history.append((self.last - self.sent, self.received))


def watch(page: Any) -> Wire:
    """Count the frames of the page's websocket from now on."""
    wire = Wire()

    def opened(socket: Any) -> None:
        socket.on("framesent", lambda _: wire.request())
        socket.on("framereceived", wire.answer)

    page.on("websocket", opened)
    return wire


@contextmanager
def server(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`hf-ledger serve` on a free port, and the address it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hf_ledger.cli", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_LEDGER_DIR": str(folder)},
    )
    assert process.stdout
    address = next(line.split()[-1] for line in process.stdout if "hf-ledger is at" in line)
    try:
        yield process, address
    finally:
        process.terminate()
        process.wait(20)


def make_sample(folder: Path) -> None:
    command = [sys.executable, "-m", "hf_ledger.cli", "sample"]
    command += ["--days", "90", "--calls", "200000", "--seed", "1"]
    env = {**os.environ, "HF_LEDGER_DIR": str(folder)}
    subprocess.run(command, check=True, env=env, capture_output=True)


def resident_mb(pid: int) -> float:
    """Resident memory of a process (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(each for each in status.splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def cpu_seconds(pid: int) -> float:
    """Processor time a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for_charts(page: Any) -> None:
    page.locator(".js-plotly-plot .main-svg").first.wait_for(timeout=60_000)


def settled(page: Any) -> None:
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


def rerun(page: Any, wire: Wire, period: str) -> None:
    """One click on the period, until the server has nothing more to say."""
    wire.begin()
    page.get_by_role("radio", name=period, exact=True).click()
    while not wire.sent or time.perf_counter() - max(wire.last, wire.sent) < QUIET_MS / 1000:
        page.wait_for_timeout(20)
    settled(page)
    wire.end()


def measure(folder: Path, browser: Any) -> None:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    wire = watch(page)
    begun = time.perf_counter()
    with server(folder) as (process, address):
        listening = time.perf_counter() - begun
        page.goto(f"{address}/?book=Sample")
        wait_for_charts(page)
        first_chart = time.perf_counter() - begun
        settled(page)
        page.wait_for_timeout(1_000)
        used = cpu_seconds(process.pid)
        for place in range(RERUNS):
            rerun(page, wire, PERIODS[place % len(PERIODS)])
        used = (cpu_seconds(process.pid) - used) / RERUNS
        memory = resident_mb(process.pid)
    tell(listening, first_chart, wire, used, memory)


def tell(listening: float, first_chart: float, wire: Wire, cpu: float, memory: float) -> None:
    times = [seconds * 1000 for seconds, _ in wire.history]
    sizes = [size / 1000 for _, size in wire.history]
    rows = (
        ("process start to listening", f"{listening:.2f} s", None),
        ("process start to first chart drawn", f"{first_chart:.2f} s", "8 s"),
        ("rerun p50", f"{statistics.median(times):.0f} ms", "250 ms"),
        ("rerun p95", f"{sorted(times)[int(0.95 * len(times))]:.0f} ms", None),
        ("processor time of the server a rerun", f"{1000 * cpu:.0f} ms", None),
        ("rerun on the wire, p50", f"{statistics.median(sizes):.1f} kB", "80 kB"),
        ("rerun on the wire, largest", f"{max(sizes):.1f} kB", "80 kB"),
        ("memory of the server", f"{memory:.0f} MB", "450 MB"),
    )
    for name, value, bar in rows:
        print(f"{name:38}{value:>10}{f'   (bar {bar})' if bar else ''}")


def main() -> None:
    from playwright.sync_api import sync_playwright

    named = os.environ.get("HF_LEDGER_BENCH_DIR")
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        folder = Path(named or made)
        if not (folder / "sample" / "ledger.duckdb").exists():
            make_sample(folder)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=ARGUMENTS
        )
        measure(folder, browser)
        browser.close()
