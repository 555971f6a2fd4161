"""Where a gateway spends its time: a sampling profiler looks on while it is under load."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import uvloop

from benchmarks.gateway_processes import ROOT

PER_SECOND = 400
FUNCTIONS, LINES = 30, 12  # shown
LINE_NUMBER = re.compile(r":\d+\)")


def profiler() -> str | None:
    return shutil.which("py-spy", path=str(ROOT / ".venv-proxy" / "bin")) or shutil.which("py-spy")


def shares(stacks: Iterable[str]) -> tuple[Counter[str], Counter[str], int]:
    """Samples by function, its own and with all below it, of lines `a;b;c COUNT`; and all."""
    own: Counter[str] = Counter()
    below: Counter[str] = Counter()
    for each in stacks:
        frames, _, count = each.rpartition(" ")
        names = frames.split(";")
        own[names[-1]] += int(count)
        below.update(dict.fromkeys(names, int(count)))
    return own, below, own.total()


def profile(seconds: float, group: str) -> int:
    """Print the functions that took most; 2 where there is no profiler or nothing to profile."""
    from benchmarks.gateway import Bench, closed, on_load_core
    from benchmarks.gateway_contenders import CONTENDERS

    program = profiler()
    if not program:
        print("py-spy is not installed: run `make .venv-proxy/stamp`, or pip install py-spy")
        return 2
    contender = [each for each in CONTENDERS if each.group == group][-1]
    with on_load_core(), ExitStack() as stack:
        bench = Bench(stack)
        entrant = bench.enter(contender)
        if not entrant or not entrant.started.running:
            return 2
        uvloop.run(bench.warm(entrant))
        for what, load in (("64 at once", closed(64)), ("streams", closed(4, stream=True))):
            out = bench.folder / "stacks"
            looking = look(program, entrant.started.running.process.pid, seconds, out)
            figures = uvloop.run(bench.measure(entrant, load, seconds + 0.5, 0))
            looking.wait(30)
            print(f"\n## {contender.name}, {what}: {figures.per_s:,.0f} a second while looked at\n")
            show(out)
    return 0


def look(program: str, pid: int, seconds: float, out: Path) -> subprocess.Popen[bytes]:
    command = (program, "record", "--pid", str(pid), "--duration", str(max(1, round(seconds))))
    written = ("--rate", str(PER_SECOND), "--format", "raw", "--output", str(out))
    return subprocess.Popen(command + written, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def show(out: Path) -> None:
    if not out.exists():
        print("the profiler wrote nothing: it may not look into other processes here")
        return
    lines = out.read_text().splitlines()
    out.unlink()
    table("function", shares(LINE_NUMBER.sub(")", each) for each in lines), FUNCTIONS)
    table("line", shares(lines), LINES)


def table(what: str, counted: tuple[Counter[str], Counter[str], int], most: int) -> None:
    own, below, total = counted
    print(f"\n| {what} | its own | with all below |\n|---|---|---|")
    for name, count in own.most_common(most):
        print(f"| {name} | {count / total:.1%} | {below[name] / total:.1%} |")
