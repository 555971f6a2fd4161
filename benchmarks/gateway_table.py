"""The figures of a run of gateways, and the table of them with what ours aims at."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.gateway_load import Measured

OURS = "hf-ledger"


def quantiles_ms(seconds: Sequence[float]) -> tuple[float, float, float] | None:
    """p50, p95 and p99; None of fewer than 20."""
    if len(seconds) < 20:
        return None
    cuts = statistics.quantiles(seconds, n=100)
    return cuts[49] * 1e3, cuts[94] * 1e3, cuts[98] * 1e3


@dataclass
class Figures:
    """One phase of one round."""

    good: int
    failed: int
    per_s: float
    latency_ms: tuple[float, float, float] | None
    first_ms: tuple[float, float, float] | None
    late_ms: tuple[float, float, float] | None
    cpu_s: float
    owner_cpu_s: float = 0.0
    unasked: int = 0  # good replies for which the upstream was not asked

    @classmethod
    def of(cls, measured: Measured, cpu_s: float) -> Figures:
        good = len(measured.latency_s)
        return cls(
            good,
            measured.failed,
            good / measured.took_s,
            quantiles_ms(measured.latency_s),
            quantiles_ms(measured.first_s),
            quantiles_ms(measured.late_s),
            cpu_s,
        )

    @property
    def cpu_s_per_1000(self) -> float | None:
        return self.cpu_s / self.good * 1000 if self.good else None

    @property
    def owner_cpu_s_per_1000(self) -> float | None:
        return self.owner_cpu_s / self.good * 1000 if self.good else None


@dataclass
class Result:
    """All of one gateway."""

    start_s: float = 0.0
    resident_mb: float = 0.0  # the most after any phase
    phases: dict[str, list[Figures]] = field(default_factory=dict)
    streams: Figures | None = None  # the many open at once
    stream_mb: list[float] = field(default_factory=list)  # resident, five times a second

    def each(self, phase: str, of: Callable[[Figures], float | None]) -> list[float]:
        """A figure in every round that has it."""
        found = (of(figures) for figures in self.phases.get(phase, []))
        return [value for value in found if value is not None]

    def middle(self, phase: str, of: Callable[[Figures], float | None]) -> float | None:
        return statistics.median(values) if (values := self.each(phase, of)) else None

    def latency_ms(self, phase: str, place: int) -> float | None:
        return self.middle(phase, lambda it: it.latency_ms[place] if it.latency_ms else None)

    def first_ms(self, phase: str) -> float | None:
        return self.middle(phase, lambda it: it.first_ms[0] if it.first_ms else None)

    def cpu(self, phase: str) -> float | None:
        return self.middle(phase, lambda it: it.cpu_s_per_1000)

    def grown_mb(self) -> float | None:
        """Resident memory of the last quarter of the open streams, less that of the second."""
        quarter = len(self.stream_mb) // 4
        if not quarter:
            return None
        second, last = self.stream_mb[quarter : 2 * quarter], self.stream_mb[-quarter:]
        return statistics.fmean(last) - statistics.fmean(second)

    def failed(self) -> str:
        counts = {name: sum(it.failed for it in its) for name, its in self.phases.items()}
        if self.streams:
            counts["streams"] = self.streams.failed
        return ", ".join(f"{name}: {count:,}" for name, count in counts.items() if count)


@dataclass(frozen=True)
class Aim:
    """What ours must reach, and how much of it there is."""

    said: str
    limit: float
    of: Callable[[Result], float | None]
    at_least: bool = False

    def met(self, value: float | None) -> bool:
        if value is None:
            return False
        return value >= self.limit if self.at_least else value <= self.limit


AIMS = (
    Aim("requests a second of a core, 64 at once", 2500, lambda it: it.middle("c64", rate), True),
    Aim("p50 alone, ms", 0.6, lambda it: it.latency_ms("c1", 0)),
    Aim("p50 at 200 a second, ms", 1.2, lambda it: it.latency_ms("200/s", 0)),
    Aim("p99 at 200 a second, ms", 4.0, lambda it: it.latency_ms("200/s", 2)),
    Aim("CPU for 1,000 requests, s", 0.5, lambda it: it.cpu("c1")),
    Aim("first streamed token, ms", 0.8, lambda it: it.first_ms("stream")),
    Aim("growth while 500 streams are open, MB", 5.0, lambda it: it.grown_mb()),
    Aim("resident memory, MB", 120, lambda it: it.resident_mb or None),
    Aim("start to the first reply, s", 1.0, lambda it: it.start_s or None),
)

COLUMNS = (
    "gateway",
    "c1 p50/p95/p99 ms",
    "100/s p50/p95/p99 ms",
    "200/s p50/p95/p99 ms",
    "c64 req/s (range)",
    "stream first p50 / total p50 ms",
    "CPU s per 1,000: c1 / c64 / stream",
    "RSS MB",
    "start s",
    "500 streams: total p50 ms, peak MB (growth)",
)
AIMED = (
    "*aim of ours*",
    "≤ .6 p50",
    "",
    "≤ 1.2 p50, ≤ 4 p99",
    "≥ 2,500",
    "first ≤ .8",
    "≤ .5",
    "≤ 120",
    "≤ 1",
    "flat",
)


def rate(figures: Figures) -> float:
    return figures.per_s


def number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def latencies(result: Result, phase: str) -> str:
    """The three quantiles, and the range of the median over rounds."""
    cuts = "/".join(number(result.latency_ms(phase, place)) for place in range(3))
    medians = result.each(phase, lambda it: it.latency_ms[0] if it.latency_ms else None)
    return f"{cuts} ({min(medians):.2f}–{max(medians):.2f})" if medians else cuts


def throughput(result: Result) -> str:
    rates = result.each("c64", rate)
    if not rates:
        return "–"
    return f"{statistics.median(rates):,.0f} ({min(rates):,.0f}–{max(rates):,.0f})"


def many(result: Result) -> str:
    if not result.streams or not result.streams.latency_ms:
        return "–"
    total = number(result.streams.latency_ms[0], 0)
    if not any(result.stream_mb):
        return total
    return f"{total}, {max(result.stream_mb):.0f} ({result.grown_mb() or 0:+.1f})"


def row(name: str, it: Result) -> tuple[str, ...]:
    process = bool(it.resident_mb)
    cpu = " / ".join(number(it.cpu(phase)) for phase in ("c1", "c64", "stream"))
    return (
        name,
        *(latencies(it, phase) for phase in ("c1", "100/s", "200/s")),
        throughput(it),
        f"{number(it.first_ms('stream'))} / {number(it.latency_ms('stream', 0))}",
        cpu if process else "–",
        number(it.resident_mb, 0) if process else "–",
        number(it.start_s) if process else "–",
        many(it),
    )


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def machine() -> str:
    cpu = Path("/proc/cpuinfo")
    found = [it for it in cpu.read_text().splitlines() if it.startswith("model name")]
    return f"{len(found)} × {found[0].partition(': ')[2]}; Python {platform.python_version()}"


def notes(name: str, it: Result) -> list[str]:
    """What the table must not hide: failures, replies that cost no call, and whose CPU it was."""
    said = []
    if failed := it.failed():
        said.append(f"- {name}: failed, {failed}")
    if unasked := sum(figures.unasked for its in it.phases.values() for figures in its):
        said.append(f"- {name}: {unasked:,} replies came without asking the upstream")
    owner = it.middle("c64", lambda figures: figures.owner_cpu_s_per_1000)
    if owner:
        said.append(f"- {name}: the ledger's owner used {owner:.2f} s of CPU per 1,000 at c64")
    return said


def show(results: dict[str, Result], load: float) -> None:
    print(f"\n{machine()}; load before {load:.1f}; medians over rounds\n")
    print(line(COLUMNS))
    print(line(["---"] * len(COLUMNS)))
    for name, result in results.items():
        print(line(row(name, result)))
    print(line(AIMED), "\n")
    for name, result in results.items():
        print(*notes(name, result), sep="\n", end="\n" if notes(name, result) else "")
    for name, result in results.items():
        if name.startswith(OURS):
            judge(result)


def judge(result: Result) -> None:
    for aim in AIMS:
        value = aim.of(result)
        sign = "≥" if aim.at_least else "≤"
        verdict = "met" if aim.met(value) else "MISSED"
        print(f"- {aim.said}: {number(value)} (aim {sign} {aim.limit:,g}): {verdict}")
