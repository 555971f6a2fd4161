"""What `hf-ledger document` says: before, while it runs, and after."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from hf_ledger.analytics.words import counted, dollars, percent
from hf_ledger.ingest.doors.documents.estimating import Estimate
from hf_ledger.ingest.doors.documents.parts import Part, Processed, Progress, Spent
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.private_files import replace_private

UNKNOWN = "unknown"


def estimate_line(found: Estimate) -> str:
    """One sentence for people."""
    calls = f"{counted(found.chunks, 'part')}, about {counted(found.calls, 'call')}"
    if found.cost is None:
        return f"{calls}. Estimated cost: {UNKNOWN} ({found.basis})."
    high = UNKNOWN if found.high is None else dollars(found.high)
    between = f"between {dollars(found.low)} and {high}"
    return f"{calls}. Estimated cost: {dollars(found.cost)}, {between} ({found.basis})."


def estimate_json(found: Estimate) -> dict[str, Any]:
    return {name: plain(value) for name, value in found._asdict().items()}


@contextmanager
def bar(total: int) -> Iterator[Callable[[Progress], None] | None]:
    """A bar on standard error, where somebody may look at it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[said]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as drawn:
        task = drawn.add_task("document", total=total, said="")

        def tell(progress: Progress) -> None:
            failed = f", {progress.failed} failed" if progress.failed else ""
            said = f"{dollars(progress.cost)}{failed}"
            drawn.update(task, completed=progress.done, total=progress.total, said=said)

        yield tell


def cost_line(spent: Spent) -> str:
    """What was paid, and how much of it is known."""
    if not spent.called:
        return "Cost: $0.00; nothing was sent."
    known = f"{percent(spent.coverage)} of {counted(spent.called, 'request')} have a known cost"
    least = "at least " if spent.cost is not None and spent.priced < spent.called else ""
    return f"Cost: {least}{dollars(spent.cost)} ({known})."


def done_lines(done: Processed, spent: Spent) -> list[str]:
    """After the result: the cost, what came from the cache, and what the user must know."""
    lines = [cost_line(spent)]
    if done.from_cache:
        lines.append(f"{counted(done.from_cache, 'part')} had been answered before.")
    lines += [f"Part {part.index + 1} is missing: {part.failed}." for part in done.failed]
    return [*lines, *done.notes, f"Operation: {done.operation_id}"]


def stopped_lines(spent: Spent, answered: int, *, on_disk: bool) -> list[str]:
    """After an interrupt."""
    said = f"Stopped: {counted(answered, 'part')} had been answered."
    under_way = f" {counted(spent.under_way, 'request')} under way may be billed too."
    kept = "Run the same command again: what was answered is not paid again."
    gone = "Nothing is kept; with --cache disk a second run would not pay for it again."
    line = cost_line(spent) + (under_way if spent.under_way else "")
    return [said, line, kept if on_disk else gone]


def result_json(done: Processed, found: Estimate) -> str:
    shape = {
        "value": done.value,
        "parts": [part_json(part) for part in done.parts],
        "cost": plain(done.cost),
        "coverage": done.coverage,
        "operation_id": done.operation_id,
        "called": done.called,
        "from_cache": done.from_cache,
        "failed": [part.index for part in done.failed],
        "asked_again": done.asked_again,
        "notes": list(done.notes),
        "estimate": estimate_json(found),
    }
    return json.dumps(shape, ensure_ascii=False, indent=2)


def part_json(part: Part) -> dict[str, Any]:
    return {name: plain(value) for name, value in asdict(part).items()}


def plain(value: Any) -> Any:
    return f"{value:f}" if isinstance(value, Decimal) else value


def as_text(value: Any) -> str:
    """Text as it is; rows with tabs between; anything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "\n".join("\t".join(map(str, row.values())) for row in value)
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def write(text: str, output: Path | None) -> None:
    """To the file (0600, in one step), else to standard output. Raises Unusable."""
    if output is None:
        print(text)
        return
    try:
        replace_private(output, f"{text}\n".encode())
    except OSError as error:
        raise Unusable(f"{output} can't be written: {error.strerror}.") from error


def say(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr)
