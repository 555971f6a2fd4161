"""The DuckDB file, opened by one process at a time and brought to this version's schema."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib import metadata, resources
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb

from hf_ledger.ingest.errors import Owned, Unusable
from hf_ledger.ingest.ledger.migrations import MIGRATIONS
from hf_ledger.ingest.ledger.owner import living_owner
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.process import installed_version

Step = Callable[[duckdb.DuckDBPyConnection], None]

CONFIG: dict[str, str | bool | int | float | list[str]] = {
    # Everything needed is in the wheel; a ledger never fetches code from the network.
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    # At 16 MB, the default, a large batch is written, and at once compressed a second time.
    "checkpoint_threshold": "64MB",
}

MIGRATIONS_TABLE = """
create table if not exists migrations (
    number integer not null,
    name varchar not null,
    applied_at timestamp not null
)
"""

APPLIED = """
select coalesce(max(number), 0)
from migrations
"""

RECORD_MIGRATION = """
insert into migrations
values ($number, $name, $applied_at)
"""

REFERENCE_TABLE = """
create table if not exists reference (
    version varchar not null,
    loaded_at timestamp not null
)
"""

REFERENCE_KNOWN = """
select count(*)
from reference
where version = $version
"""

REPLACE_REFERENCE = """
delete from reference;
insert into reference
values ($version, $loaded_at)
"""

NEWER = (
    "{path} was written by a newer hf-ledger (schema {found}, this one knows {known}): "
    "upgrade hf-ledger here, or set HF_LEDGER_DIR to another folder."
)
DAMAGED = (
    "{path} can't be read as a ledger ({why}): move it and {path}.wal away and start again; "
    "what is still in spool/ (the last 7 days at least) refills it."
)
NOT_WRITABLE = (
    "{path} can't be opened ({why}): make its folder writable or set HF_LEDGER_DIR to another one."
)
HELD = "the ledger in {root} is held by another process{who}: ask there, or stop it first."
HELD_HERE = "the ledger in {root} is already open in this process: close it first."

#: Errors that say our SQL is wrong; any other while opening says the file is.
OUR_MISTAKE = (duckdb.ProgrammingError, duckdb.DataError, duckdb.IntegrityError)

_open_here: dict[Path, Ledger] = {}


class Ledger:
    """An open ledger. Each use takes a cursor of its own; `writing` serialises writers.

    Nothing else in this process may open the file: DuckDB's lock is POSIX's, which is gone as soon
    as any descriptor of the file is closed.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path | None = None) -> None:
        self.path = path
        self.writing = threading.Lock()
        self.publishing = threading.Lock()  # what gateways are told is never older than before
        self.zone: str | None = None  # of days and months, where the server was told one
        self.changes = 0  # grows when prices, costs or months change without a new call
        self._connection = connection
        self._pid = os.getpid()

    @classmethod
    def open(cls, places: Places) -> Self:
        """Open the file of `places` exclusively, making and migrating it where needed.

        Raises `Owned` where another process holds it, `Unusable` for a damaged file, a folder
        that can't be written, or a schema newer than this version.
        """
        path = places.ledger
        if opened_here(places):
            raise Owned(HELD_HERE.format(root=places.root))
        ledger = cls(_connect(places), path)
        with ExitStack() as unless_ready:
            unless_ready.callback(ledger.close)
            path.chmod(0o600)
            try:
                ledger._prepare(MIGRATIONS)
                load_shipped(ledger.cursor())
            except OUR_MISTAKE:
                raise
            except duckdb.Error as error:
                raise Unusable(DAMAGED.format(path=path, why=_first_line(error))) from error
            unless_ready.pop_all()
        _open_here[path] = ledger
        return ledger

    @classmethod
    def memory(cls, *, reference: bool = False) -> Self:
        """A ledger without a file, for tests; `reference` loads the shipped prices and sizes."""
        ledger = cls(duckdb.connect(":memory:", config=CONFIG))
        ledger._prepare(MIGRATIONS)
        if reference:
            load_shipped(ledger.cursor())
        return ledger

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A cursor with its own transaction and temporary tables; close it after use."""
        return self._connection.cursor()

    def close(self) -> None:
        """Give the file back; DuckDB checkpoints on the way."""
        if self.path:
            _open_here.pop(self.path, None)
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _prepare(self, steps: Sequence[Step]) -> None:
        self._connection.execute("set global TimeZone = 'UTC'")
        migrate(self._connection, steps, self.path)

    @property
    def is_ours(self) -> bool:
        """False in a fork's child: DuckDB's threads stayed with the parent."""
        return self._pid == os.getpid()


def opened_here(places: Places) -> Ledger | None:
    """The ledger of `places` if this very process has it open."""
    ledger = _open_here.get(places.ledger)
    return ledger if ledger and ledger.is_ours else None


def migrate(
    connection: duckdb.DuckDBPyConnection,
    steps: Sequence[Step] = MIGRATIONS,
    path: Path | None = None,
) -> None:
    """Apply the steps that are missing, each with its record in one transaction."""
    connection.execute(MIGRATIONS_TABLE)
    connection.execute(REFERENCE_TABLE)
    (applied,) = connection.execute(APPLIED).fetchone() or (0,)
    if applied > len(steps):
        raise Unusable(NEWER.format(path=path, found=applied, known=len(steps)))
    for number, step in enumerate(steps[applied:], start=applied + 1):
        _apply(connection, number, step)


def load_shipped(cursor: duckdb.DuckDBPyConnection) -> None:
    """Bring the shipped prices, sizes and routes in, once per version of them."""
    from hf_ledger.ingest.catalogue.load import load_reference

    version = reference_version()
    (known,) = cursor.execute(REFERENCE_KNOWN, {"version": version}).fetchone() or (0,)
    if known:
        return
    with transaction(cursor):
        load_reference(cursor)
        cursor.execute(REPLACE_REFERENCE, {"version": version, "loaded_at": _now()})


def reference_version() -> str:
    """Versions of this package and of the price collection, and a digest of the shipped figures."""
    from hf_ledger.ingest.catalogue.collection import PACKAGE

    digest = hashlib.sha256()
    folder = Path(str(resources.files("hf_ledger") / "data"))
    for file in sorted(folder.glob("*.csv")):
        digest.update(file.read_bytes())
    return f"{installed_version()}+{metadata.version(PACKAGE)}+{digest.hexdigest()[:16]}"


class transaction:  # noqa: N801 - reads as a statement: `with transaction(cursor):`
    """Commit at the end of the block, roll back where it raised."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def __enter__(self) -> None:
        self._cursor.execute("begin")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cursor.execute("rollback" if kind else "commit")


def _apply(connection: duckdb.DuckDBPyConnection, number: int, step: Step) -> None:
    record = {"number": number, "name": step.__name__, "applied_at": _now()}
    with transaction(connection):
        step(connection)
        connection.execute(RECORD_MIGRATION, record)


def _connect(places: Places) -> duckdb.DuckDBPyConnection:
    path = places.ledger
    try:
        places.make()
        return duckdb.connect(path, config=CONFIG)
    except OSError as error:
        raise Unusable(NOT_WRITABLE.format(path=path, why=error.strerror)) from error
    except duckdb.Error as error:
        raise _translated(places, error) from error


def _translated(places: Places, error: duckdb.Error) -> Unusable:
    text = _first_line(error)
    if "Could not set lock" in text:
        return Owned(HELD.format(root=places.root, who=_holder(places, text)))
    if re.search(r"Cannot open file|Permission denied|Read-only file system", text):
        why = "no permission" if "ermission" in text else text.rpartition(": ")[2]
        return Unusable(NOT_WRITABLE.format(path=places.ledger, why=why))
    return Unusable(DAMAGED.format(path=places.ledger, why=text))


def _holder(places: Places, text: str) -> str:
    """Who holds it, as far as `owner.json` or DuckDB's own message say."""
    owner = living_owner(places)
    pid = str(owner.pid) if owner else "".join(re.findall(r"\(PID (\d+)\)", text))
    known = [f"pid {pid}"] if pid else []
    if owner and owner.address:
        known.append(owner.address)
    return f" ({', '.join(known)})" if known else ""


def _first_line(error: duckdb.Error) -> str:
    return str(error).partition("\n")[0].strip()


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
