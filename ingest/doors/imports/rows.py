"""Records of an export become calls, once: each has the same id in every import."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from hf_ledger.ingest.call import Call, ErrorKind, Line
from hf_ledger.ingest.doors.imports.exchanges import Imported, call_id_of
from hf_ledger.ingest.doors.imports.fields import Unfit
from hf_ledger.ingest.doors.imports.recordings import GIVE_UP_AFTER, Rejected
from hf_ledger.ingest.doors.imports.records import Record
from hf_ledger.ingest.wire.errors import kind_of_status

#: Databases' smallest and largest sensible moment of a call, µs UTC: 2015 and 2100.
EARLIEST, LATEST = 1_420_070_400_000_000, 4_102_444_800_000_000
UNREASONABLE = "its time lies before 2015 or after 2099"


@dataclass(frozen=True, slots=True)
class NoCall:
    """A record that is none, and what it is, in words."""

    reason: str


#: What a format makes of one record: calls, and what is none. Raises `Unfit` for the whole record.
Reader = Callable[[Record], Iterable["Call | NoCall | Rejected"]]


class RowImporter:
    """Reads the files of one kind of export, one after the other.

    `write` takes each call for the spool. `source` stands in the ids, so that two kinds of export
    may use the same external ids.
    """

    def __init__(self, write: Callable[[Line], object], source: str, reader: Reader) -> None:
        self._write = write
        self._source = source
        self._reader = reader
        self._occurrences: Counter[bytes] = Counter()

    def read(self, records: Iterable[Record | Rejected]) -> Imported:
        """Import one file's records; stops early where the file is clearly of another kind."""
        done = Imported(noun="records")
        for record in records:
            self._take(record, done)
            if not done.exchanges and len(done.rejected) >= GIVE_UP_AFTER:
                done.given_up = True
                break
        return done

    def _take(self, record: Record | Rejected, done: Imported) -> None:
        if isinstance(record, Rejected):
            done.rejected.append(record)
            return
        try:
            for found in self._reader(record):
                self._keep(found, record, done)
        except Unfit as error:
            done.rejected.append(Rejected(record.position, str(error), record.unit))

    def _keep(self, found: Call | NoCall | Rejected, record: Record, done: Imported) -> None:
        if isinstance(found, NoCall):
            done.asides[found.reason] += 1
        elif isinstance(found, Rejected):
            done.rejected.append(found)
        elif not EARLIEST <= found.ts < LATEST:
            done.rejected.append(Rejected(record.position, UNREASONABLE, record.unit))
        else:
            self._keep_call(found, done)

    def _keep_call(self, call: Call, done: Imported) -> None:
        identify(call, self._source, self._occurrences)
        self._write(call)
        done.calls += 1
        done.first = call.ts if done.first is None else min(done.first, call.ts)
        done.last = call.ts if done.last is None else max(done.last, call.ts)


def identify(call: Call, source: str, occurrences: Counter[bytes]) -> None:
    """Give the call its id: of its external id, else of all it says and how often that came before.

    What a call says holds no text, so the id gives no prompt away.
    """
    if call.external_id is None:
        digest = hashlib.sha256(msgspec.json.encode(call)).digest()[:16]
        occurrences[digest] += 1
        call.external_id = f"{digest.hex()}-{occurrences[digest]}"
    call.call_id = call_id_of(source, call.external_id)


def imported_call(ts: int | None, external_id: str | None) -> Call:
    """A call to be filled, of a record that must say when it was."""
    if ts is None:
        raise Unfit("it states no time")
    return Call(call_id="", ts=ts, source="import", origin="import", external_id=external_id)


def set_tokens(
    call: Call,
    total_input: int | None,
    output: int | None,
    *,
    read: int | None = None,
    write: int | None = None,
) -> None:
    """Take over usage where `total_input` includes what the cache gave or took."""
    if total_input is None and output is None:
        return
    call.tokens_source = "usage"
    call.output_tokens = output
    if total_input is None:
        return
    cached = (read or 0) + (write or 0)
    if cached > total_input:
        raise Unfit("more input tokens came from the cache than there were")
    call.uncached_input_tokens = total_input - cached
    call.cache_read_tokens = read
    call.cache_write_tokens = write


def with_cached(
    stated: int | None, output: int | None, cached: int, total: int | None
) -> int | None:
    """The input total, where an export may or may not count cached tokens in its input.

    Its own total of all tokens decides; without one the input is taken to include them.
    """
    if stated is None:
        return None
    if total is not None and total == stated + cached + (output or 0):
        return stated + cached
    return stated if stated >= cached else stated + cached


def set_failed(call: Call, status: int | None, kind: ErrorKind | None = None) -> None:
    """The call failed; an HTTP status tells the kind where the export does not."""
    call.outcome = "error"
    call.status = status
    call.error_kind = kind or (kind_of_status(status) if status else "other")


def http_status(value: str | None) -> int | None:
    """An HTTP status that stands alone in a field; anything else is text, and not kept."""
    stated = (value or "").strip()
    return int(stated) if len(stated) == 3 and stated.isascii() and stated.isdigit() else None
