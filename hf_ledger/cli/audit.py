"""`hf-ledger audit`: who asked and who changed what, and whether that was tampered with."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from hf_ledger.cli.options import Format, Shape, Since, Until
from hf_ledger.ingest.errors import Incomplete, Usage

if TYPE_CHECKING:
    from hf_ledger.ingest.doors.gateway.audit.findings import Broken, Report
    from hf_ledger.ingest.doors.gateway.audit.records import Seen

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Who asked and who changed what; whether that was tampered with.",
)

PublicKey = Annotated[
    str | None,
    typer.Option(help="Public key of the checkpoints, where the signing key is not at hand."),
]
Known = Annotated[
    str | None,
    typer.Option(metavar="NUMBER:CHAIN", help="A checkpoint noted elsewhere that must be there."),
]


@app.callback()
def root() -> None:
    """Who asked and who changed what; whether that was tampered with."""


@app.command()
def verify(public_key: PublicKey = None, known: Known = None, output: Shape = Format.table) -> None:
    """Check every byte of the audit; exit code 1 where something is not as it was written."""
    from hf_ledger.ingest.doors.gateway.audit.verifying import examine
    from hf_ledger.ingest.places import Places

    report = examine(Places.default(), public_key, _seen(known))
    show(report, output)
    if report.broken:
        raise Incomplete(f"the audit is not as it was written: {counted(report.broken)}.")


@app.command()
def status(output: Shape = Format.table) -> None:
    """How much there is, the newest checkpoint to note elsewhere, and the public key; unchecked."""
    from hf_ledger.ingest.doors.gateway.audit.standing import standing
    from hf_ledger.ingest.places import Places

    found = standing(Places.default())
    if output is Format.json:
        return typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    noted = f"{found.newest.number}:{found.newest.chain}" if found.newest else None
    told = {**msgspec.structs.asdict(found), "newest": noted}
    if output is Format.csv:
        return write_csv([told], tuple(told))
    for name, value in told.items():
        typer.echo(f"{name:12} {'–' if value is None else value}")
    return None


@app.command()
def export(since: Since = None, until: Until = None) -> None:
    """Each record of a period as it was written, one JSON object a line."""
    from hf_ledger.ingest.doors.gateway.audit.exporting import exported
    from hf_ledger.ingest.places import Places

    places = Places.default()
    first, last = bounds(since, until)
    for line in exported(places, first, last):
        sys.stdout.write(line.decode())


def bounds(since: str | None, until: str | None) -> tuple[int, int | None]:
    """The period in µs since 1970; a last day is included, a last moment is not."""
    from datetime import UTC, datetime, timedelta

    from hf_ledger.analytics.periods import midnight
    from hf_ledger.cli.options import configured_zone, day, moment
    from hf_ledger.ingest.places import Places

    zone = configured_zone(Places.default())

    def read(text: str, days: int) -> int:
        found = day(text)
        start = midnight(found + timedelta(days=days), zone) if found else moment(text, zone)
        return (start - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

    return (read(since, 0) if since else 0), (read(until, 1) if until else None)


def show(report: Report, output: Format) -> None:
    from hf_ledger.ingest.doors.gateway.audit.findings import Broken

    found = [msgspec.to_builtins(each) for each in report.broken]
    if output is Format.json:
        answer = {**counts(report), "broken": found}
        typer.echo(msgspec.json.format(msgspec.json.encode(answer)).decode())
    elif output is Format.csv:
        write_csv(found, Broken.__struct_fields__)
    else:
        typer.echo("\n".join([*map(told, report.broken), summary(report)]))


def counts(report: Report) -> dict[str, Any]:
    return {
        "files": report.files,
        "records": report.records,
        "uncovered": report.uncovered,
        "checkpoints": report.checkpoints,
        "newest": report.newest,
    }


def write_csv(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    import csv

    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def told(broken: Broken) -> str:
    where = f"record {broken.record:,} (byte {broken.offset:,}) " if broken.record else ""
    return f"{broken.kind}  {broken.file}: {where}{broken.why}"


def summary(report: Report) -> str:
    line = f"{report.records:,} records in {counted_files(report.files)}"
    line += f", {report.checkpoints:,} checkpoints"
    if report.uncovered:
        line += f"; {report.uncovered:,} records are newer than the newest checkpoint"
    return f"{line}: {'broken' if report.broken else 'as they were written'}."


def counted_files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def counted(broken: list[Broken]) -> str:
    return f"{counted_files(len(broken))} of it {'is' if len(broken) == 1 else 'are'} broken"


def _seen(text: str | None) -> Seen | None:
    from hf_ledger.ingest.doors.gateway.audit.records import Seen

    if text is None:
        return None
    number, _, chain = text.partition(":")
    if not number.isdecimal() or not chain:
        raise Usage("--known takes NUMBER:CHAIN, as hf-ledger audit status shows it.")
    return Seen(int(number), chain)
