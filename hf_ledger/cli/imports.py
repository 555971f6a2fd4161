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

from hf_ledger.ingest.call import Line
from hf_ledger.ingest.doors.imports.calls import SOURCE, CallsReader, load_mapping
from hf_ledger.ingest.doors.imports.counting import Tokenizers
from hf_ledger.ingest.doors.imports.exchanges import Imported, Importer
from hf_ledger.ingest.doors.imports.formats import FORMATS
from hf_ledger.ingest.doors.imports.har import har_exchanges
from hf_ledger.ingest.doors.imports.recordings import Exchange, Rejected, read_recording
from hf_ledger.ingest.doors.imports.records import Record, read_records
from hf_ledger.ingest.doors.imports.rows import Reader, RowImporter
from hf_ledger.ingest.errors import Incomplete, Unusable
from hf_ledger.ingest.fingerprint import HashKey
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.segments import Segments
from hf_ledger.ingest.wire.exchange import WireSettings
from hf_ledger.settings import Settings

if TYPE_CHECKING:
    from hf_ledger.analytics.connect import Session

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Bring in what was recorded elsewhere, once."
)

Results = list[tuple[Path, Imported]]
Explained = Callable[[dict[str, Any]], object]

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


Exports = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE…", help="JSON, JSON lines, CSV or Parquet, plain or gzip.", show_default=False
    ),
]
MappingFile = Annotated[
    Path | None,
    typer.Option(
        "--mapping",
        metavar="MAP.toml",
        help="Which column fills which field; without it columns are named as the ledger's own.",
    ),
]

RECORDED = "recorded exchanges are JSON lines with `request` and `response`"
ARCHIVED = "HTTP archives are JSON with `log` and its `entries`"
PLAIN = "calls are rows with a time (`ts`) and what else is known of them"


@app.callback()
def root() -> None:
    """Bring in what was recorded elsewhere, once."""


@app.command("exchanges")
def exchanges(files: Files, explain: Explain = None) -> None:
    """Recorded HTTP exchanges, in file order; a second import of the same adds nothing."""
    with explained_to(explain) as explained:
        bring_in(files, lambda places: import_files(files, places, explained), RECORDED)


@app.command("har")
def har(files: Files, explain: Explain = None) -> None:
    """HTTP archives (HAR) of a browser or proxy; read like recorded exchanges."""

    def read(path: Path) -> Iterator[Exchange | Rejected]:
        return har_exchanges(read_records(path))

    with explained_to(explain) as explained:
        bring_in(files, lambda places: import_files(files, places, explained, read), ARCHIVED)


@app.command("calls")
def calls(files: Exports, mapping: MappingFile = None) -> None:
    """Calls of any table as CSV, JSON lines or Parquet, with a mapping file."""
    reader = CallsReader(load_mapping(mapping) if mapping else None)
    bring_in(
        files,
        lambda places: import_rows(files, places, SOURCE, reader),
        PLAIN,
        also=reader.complaints,
    )


@app.command("litellm")
def litellm(files: Exports) -> None:
    """LiteLLM's spend logs: the table, or replies of its API."""
    bring_in_export("litellm", files)


@app.command("langfuse")
def langfuse(files: Exports) -> None:
    """Langfuse's observations: pages of its API, or JSON lines."""
    bring_in_export("langfuse", files)


@app.command("openrouter")
def openrouter(files: Exports) -> None:
    """OpenRouter's activity export, with what it billed."""
    bring_in_export("openrouter", files)


@app.command("helicone")
def helicone(files: Exports) -> None:
    """Helicone's requests, as its request query answers."""
    bring_in_export("helicone", files)


@app.command("otlp")
def otlp(files: Exports) -> None:
    """OpenTelemetry traces with GenAI conventions, as OTLP in JSON or protobuf."""
    bring_in_export("otlp", files)


def bring_in_export(name: str, files: list[Path]) -> None:
    """Import files of one of the known kinds of export."""
    kind = FORMATS[name]

    def read(places: Places) -> Results:
        reader = kind.reader(wire_settings(Settings.load(places)))
        return import_rows(files, places, kind.source, reader, kind.records)

    bring_in(files, read, kind.known_by)


def bring_in(
    files: list[Path],
    read: Callable[[Places], Results],
    known_by: str,
    also: Callable[[], list[str]] = list,
) -> None:
    """Read into the spool, collect, say what came in; raises `Incomplete` for what did not."""
    from hf_ledger.analytics.connect import connect

    for path in files:
        if not path.is_file():
            raise Unusable(f"There is no file {path}.")
    places = Places.default()
    with connect(places) as session:
        before = imported_so_far(session)
        results = read(places)
        session.command("collect")
        added = imported_so_far(session) - before
        matched = matches(session, results)
    report(results, added)
    if matched:
        typer.echo(MATCHED.format(matched=matched))
    complain(results, known_by, also())


MATCHED = (
    "{matched} of them carry the request id of a call that was also recorded live: "
    "such a call counts twice. Leave out the part of the export that the recorder covers."
)


def matches(session: Session, results: Results) -> int:
    """How many imported calls of this span were recorded live as well."""
    first = min((done.first for _, done in results if done.first is not None), default=None)
    last = max((done.last for _, done in results if done.last is not None), default=None)
    if first is None or last is None:
        return 0
    (row,) = session.ask("matches", first_us=first, last_us=last).to_pylist()
    return int(row["calls"])


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
    files: list[Path],
    places: Places,
    explained: Explained | None,
    read: Callable[[Path], Iterator[Exchange | Rejected]] = read_recording,
) -> Results:
    """Read the files through one importer into one segment of the spool."""
    settings = wire_settings(Settings.load(places))
    key = HashKey.load(places.make(places.keys))
    with spooling(places) as write:
        importer = Importer(write, settings, key, explained, Tokenizers().count)
        return [(path, importer.read(read(path))) for path in files]


def import_rows(
    files: list[Path],
    places: Places,
    source: str,
    reader: Reader,
    records: Callable[[Path], Iterator[Record | Rejected]] = read_records,
) -> Results:
    """Read the files of one kind of export, record by record, into the spool."""
    with spooling(places) as write:
        importer = RowImporter(write, source, reader)
        return [(path, importer.read(records(path))) for path in files]


@contextlib.contextmanager
def spooling(places: Places) -> Iterator[Callable[[Line], object]]:
    """Takes lines for the spool; `Unusable` where a file can't be read or a line not be kept."""
    segments = Segments(places.spool)
    try:
        yield segments.write
    except OSError as error:
        raise Unusable(f"{error.filename or 'a file'} can't be read: {error.strerror}.") from error
    finally:
        segments.close()
    if segments.lost:
        raise Unusable(
            f"{segments.lost} lines could not be written to {places.spool}: "
            "make room or make it writable, then import again."
        )


def report(results: Results, added: int) -> None:
    """Print what came in; files without any exchange are left to the complaints."""
    good = [(path, done) for path, done in results if done.exchanges]
    for path, done in good:
        typer.echo(summary(path, done))
    if good:
        known = sum(done.calls for _, done in good) - added
        typer.echo(f"{added} new in the ledger, {known} were there already.")


def summary(path: Path, done: Imported) -> str:
    """What one file brought, in words."""
    lines = [f"{path}: {done.exchanges} {done.noun}, {done.calls} calls{span(done)}."]
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


def complain(results: Results, known_by: str, also: list[str]) -> None:
    """Name what could not be read, by file and line; raises `Incomplete` where there was any."""
    said = [sentence for path, done in results for sentence in complaints(path, done, known_by)]
    if said or also:
        raise Incomplete("\n  ".join([*said, *also]))


def complaints(path: Path, done: Imported, known_by: str) -> list[str]:
    """Sentences about one file: of another kind, empty, or with bad lines."""
    if not done.exchanges:
        if not done.rejected:
            return [f"{path} is empty: {known_by}."]
        first = done.rejected[0]
        return [
            f"{path} is a file of another kind: {known_by} "
            f"({first.unit} {first.line}: {first.reason})."
        ]
    if not done.rejected:
        return []
    bad = [f"{each.unit} {each.line}: {each.reason}" for each in done.rejected[:LISTED]]
    left = len(done.rejected) - LISTED
    return [
        f"{path}: {counted(done.rejected)} left out, the rest is imported.",
        *bad,
        *([f"and {left} more"] if left > 0 else []),
    ]


def counted(rejected: list[Rejected]) -> str:
    unit = rejected[0].unit
    return f"1 {unit} was" if len(rejected) == 1 else f"{len(rejected)} {unit}s were"
