"""`hf-ledger import`: bring in what was recorded elsewhere, once."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import msgspec
import typer

from hf_ledger.ingest.doors.imports.exchanges import Imported, Importer
from hf_ledger.ingest.doors.imports.recordings import Rejected, read_recording
from hf_ledger.ingest.errors import Incomplete, Unusable
from hf_ledger.ingest.fingerprint import HashKey
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.segments import Segments
from hf_ledger.ingest.wire.exchange import WireSettings
from hf_ledger.settings import Settings

if TYPE_CHECKING:
    from hf_ledger.analytics.connect import Session

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Bring in recorded exchanges.")

#: So many bad lines are listed; the rest are counted.
LISTED = 20

REASONS = {
    "mapping": "look-ups of a model or its providers",
    "poll": "polls for an earlier result",
    "download": "downloads of results or files",
    "telemetry": "telemetry",
    "hub_api": "other Hub API requests",
    "other": "other requests to an inference host",
    "unknown_host": "requests to hosts that are not Hugging Face's or a provider's",
}

Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE…", help="JSON lines, plain or gzip.", show_default=False),
]
Explain = Annotated[
    Path | None,
    typer.Option(
        "--explain",
        metavar="OUT.jsonl",
        help="Write one object for each exchange, call or not, with what was read from it.",
    ),
]


@app.callback()
def root() -> None:
    """Bring in recorded exchanges."""


@app.command("exchanges")
def exchanges(files: Files, explain: Explain = None) -> None:
    """Recorded HTTP exchanges, in file order; a second import of the same adds nothing."""
    from hf_ledger.analytics.connect import connect

    for path in files:
        if not path.is_file():
            raise Unusable(f"There is no file {path}.")
    places = Places.default()
    with connect(places) as session, explained_to(explain) as write_explained:
        before = imported_so_far(session)
        results = import_files(files, places, write_explained)
        session.command("collect")
        added = imported_so_far(session) - before
    report(results, added)
    complain(results)


@contextlib.contextmanager
def explained_to(path: Path | None) -> Iterator[Callable[[dict[str, Any]], object] | None]:
    """A writer of JSON lines, or None where nobody asked for them."""
    if path is None:
        yield None
        return
    try:
        file = path.open("wb")
    except OSError as error:
        raise Unusable(f"{path} can't be written: {error.strerror}.") from error
    with file:
        yield lambda said: file.write(msgspec.json.encode(said) + b"\n")


def imported_so_far(session: Session) -> int:
    """How many imported calls the ledger holds."""
    rows = session.ask("extent").to_pylist()
    return sum(row["calls"] for row in rows if row["origin"] == "import")


def wire_settings(settings: Settings) -> WireSettings:
    """What the readers are told: as the live hook, and any host whose exchange was recorded."""
    named = [target for target in settings.targets.values() if target.url]
    return WireSettings(
        own_key_providers=settings.own_key_providers,
        extra_hosts={urlsplit(str(each.url)).netloc.lower(): each.kind for each in named},
        any_openai_host=True,
    )


def import_files(
    files: list[Path], places: Places, explained: Callable[[dict[str, Any]], object] | None
) -> list[tuple[Path, Imported]]:
    """Read the files through one importer into one segment of the spool."""
    settings = wire_settings(Settings.load(places))
    segments = Segments(places.spool)
    key = HashKey.load(places.make(places.keys))
    importer = Importer(segments.write, settings, key, explained)
    try:
        results = [(path, importer.read(read_recording(path))) for path in files]
    except OSError as error:
        raise Unusable(f"{error.filename or 'a file'} can't be read: {error.strerror}.") from error
    finally:
        segments.close()
    if segments.lost:
        raise Unusable(
            f"{segments.lost} lines could not be written to {places.spool}: "
            "make room or make it writable, then import again."
        )
    return results


def report(results: list[tuple[Path, Imported]], added: int) -> None:
    """Print what came in; files without any exchange are left to the complaints."""
    good = [(path, done) for path, done in results if done.exchanges]
    for path, done in good:
        typer.echo(summary(path, done))
    if good:
        known = sum(done.calls for _, done in good) - added
        typer.echo(f"{added} new in the ledger, {known} were there already.")


def summary(path: Path, done: Imported) -> str:
    """What one file brought, in words."""
    lines = [f"{path}: {done.exchanges} exchanges, {done.calls} calls{span(done)}."]
    if done.asides:
        lines.append(f"  {done.asides.total()} were not calls: {listed(done.asides)}.")
    if done.routes:
        lines.append(f"  {done.routes} provider routes learned from look-ups.")
    return "\n".join(lines)


def span(done: Imported) -> str:
    if done.first is None or done.last is None:
        return ""
    first, last = (
        f"{datetime.fromtimestamp(ts / 1e6, UTC):%Y-%m-%d}" for ts in (done.first, done.last)
    )
    return f" from {first} to {last} (UTC)"


def listed(asides: Counter[str]) -> str:
    return ", ".join(f"{n} {REASONS.get(reason, reason)}" for reason, n in asides.most_common())


def complain(results: list[tuple[Path, Imported]]) -> None:
    """Name what could not be read, by file and line; raises `Incomplete` where there was any."""
    said = [sentence for path, done in results for sentence in complaints(path, done)]
    if said:
        raise Incomplete("\n  ".join(said))


def complaints(path: Path, done: Imported) -> list[str]:
    """Sentences about one file: of another kind, empty, or with bad lines."""
    if not done.exchanges:
        if not done.rejected:
            return [f"{path} is empty: there is no recorded exchange in it."]
        return [
            f"{path} is a file of another kind: recorded exchanges are JSON lines with "
            f"`request` and `response` (line {done.rejected[0].line}: {done.rejected[0].reason})."
        ]
    if not done.rejected:
        return []
    bad = [f"line {each.line}: {each.reason}" for each in done.rejected[:LISTED]]
    left = len(done.rejected) - LISTED
    return [
        f"{path}: {counted(done.rejected)} left out, the rest is imported.",
        *bad,
        *([f"and {left} more"] if left > 0 else []),
    ]


def counted(rejected: list[Rejected]) -> str:
    return "1 line was" if len(rejected) == 1 else f"{len(rejected)} lines were"
