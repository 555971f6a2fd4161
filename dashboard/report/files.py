"""Puts a finished report into files: rendered whole first, then moved into place at once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from hf_ledger.analytics.report import WeeklyReport
from hf_ledger.ingest.errors import Unusable, Usage


def as_html(report: WeeklyReport) -> bytes:
    from hf_ledger.dashboard.report import html

    return html.render(report).encode()


def as_xlsx(report: WeeklyReport) -> bytes:
    from hf_ledger.dashboard.report import xlsx

    return xlsx.render(report)


#: Formats by their suffix.
FORMATS: dict[str, Callable[[WeeklyReport], bytes]] = {"html": as_html, "xlsx": as_xlsx}


def file_name(report: WeeklyReport, suffix: str) -> str:
    """Says what the figures are: "hf-ledger-sample-data-2026-W46.html" for those of the sample."""
    label = f"-{report.origin_label.partition(',')[0].lower()}" if report.origin_label else ""
    return f"hf-ledger{label.replace(' ', '-')}-{report.week}.{suffix}"


def save(report: WeeklyReport, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write the report in these formats; nothing is written unless all of them can be rendered.

    `Usage` for an unknown format, `Unusable` where the folder can't be written.
    """
    for each in formats:
        if each not in FORMATS:
            raise Usage(f"unknown report format {each!r}; there are {', '.join(FORMATS)}.")
    rendered = {folder / file_name(report, each): FORMATS[each](report) for each in formats}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in rendered.items():
            replace(path, content)
    except OSError as exc:
        raise Unusable(
            f"the report can't be written to {folder} ({exc.strerror}): give another --out."
        ) from exc
    return list(rendered)


def replace(path: Path, content: bytes) -> None:
    """A reader sees the old file or the new one, never half of it."""
    handle, name = tempfile.mkstemp(prefix=".report-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)  # still there only if something went wrong
