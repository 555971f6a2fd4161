"""The ledger's side of `run/router.json`: counts of the last minutes, by place and slice of time.

Only the ledger's owner imports this: it asks DuckDB, which the programs that route don't have.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.publishing import Publisher, log_failure
from hf_ledger.ingest.doors.router.key import Key, key_of_call
from hf_ledger.ingest.doors.router.metrics import SLICE_S, WINDOW_S
from hf_ledger.ingest.doors.router.told import ENCODER, Place, Told
from hf_ledger.ingest.doors.router.window import ITS_OWN, LAST_BIN, Counts
from hf_ledger.ingest.errors import LedgerError, Unusable
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.ledger.socket import private_folder
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.private_files import replace_private

TELL_SECONDS = 5.0
#: A row is in the ledger within a second of its call's end; a slice is told a little later.
SETTLE_SECONDS = 2.0
#: A call that took longer is not found: rows are looked for by when they began.
LONGEST_CALL = timedelta(minutes=15)

# The place where a call ended and what counts are those of window.py's `counts_of` and metrics.py's
# `piece_of`, over rows: a call must not count in one and not in the other.
ENDINGS = """
select
    origin,
    host_kind,
    provider,
    routing,
    requested_model,
    endpoint,
    piece,
    ok,
    case when timed then lat_bin end as lat_bin,
    case when timed then ttft_bin end as ttft_bin,
    count(*) as calls
from (
    select
        *,
        (
            epoch_us(ts)
            + case when latency_ms < 86400000 then trunc(latency_ms * 1000)::bigint else 0 end
        ) // ($slice_s::bigint * 1000000) as piece,
        outcome = 'ok' as ok,
        outcome = 'ok' and not cached_reply as timed
    from (
        select
            * replace (coalesce(latency_ms, 0) as latency_ms)
        from calls
        where ts >= $since
            and ts < $until
            and origin in ('live', 'practice')
    )
)
where piece > $first
    and piece <= $last
    and (
        outcome in ('ok', 'interrupted')
        or (outcome = 'error' and list_contains($its_own, error_kind))
    )
group by all
order by all
"""


class RouterPublisher(Publisher):
    """Tells routers how places do, when it is made and again and again until `stop()`."""

    def __init__(
        self,
        ledger: Ledger,
        places: Places,
        every_seconds: float = TELL_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._written = b""
        super().__init__(ledger, places, every_seconds)

    def attend(self) -> None:
        try:
            content = ENCODER.encode(told_now(self._ledger, self._clock()))
            if content != self._written:
                write_told(self._places, content)
                self._written = content
        except (LedgerError, duckdb.Error) as error:
            log_failure("routers", error)


def write_told(places: Places, content: bytes) -> None:
    """Put it in the place of the last one (0600). Raises `Unusable` where that can't be."""
    path = places.router_state
    try:
        places.make()
        private_folder(path.parent)
        replace_private(path, content)
    except OSError as error:
        raise Unusable(f"{path} can't be written: {error.strerror}.") from error


def told_now(ledger: Ledger, now: float) -> Told:
    """What the ledger knows of calls that ended in the window (seconds since 1970)."""
    last = int((now - SETTLE_SECONDS) // SLICE_S) - 1
    first = last - WINDOW_S // SLICE_S
    began = datetime.fromtimestamp(first * SLICE_S, UTC).replace(tzinfo=None)
    ended = datetime.fromtimestamp((last + 1) * SLICE_S, UTC).replace(tzinfo=None)
    given = {
        "since": began - LONGEST_CALL,
        "until": ended,
        "slice_s": SLICE_S,
        "first": first,
        "last": last,
        "its_own": sorted(ITS_OWN),
    }
    with closing(ledger.cursor()) as cursor:
        rows = cursor.execute(ENDINGS, given).fetchall()
    live = places_of(row[1:] for row in rows if row[0] == "live")
    practice = places_of(row[1:] for row in rows if row[0] == "practice")
    return Told(last=last, live=live, practice=practice)


def places_of(rows: Iterable[tuple[Any, ...]]) -> tuple[Place, ...]:
    """Rows of `ENDINGS` without their origin, by place."""
    found: dict[Key, dict[int, Counts]] = {}
    for host_kind, provider, routing, model, endpoint, piece, ok, lat_bin, ttft_bin, calls in rows:
        call = Call(
            call_id="",
            ts=0,
            host_kind=host_kind,
            provider=provider,
            routing=routing,
            requested_model=model,
            endpoint=endpoint,
        )
        slices = found.setdefault(key_of_call(call), {})
        slices.setdefault(piece, Counts()).add(
            Counts(
                ok=calls if ok else 0,
                failed=0 if ok else calls,
                latency=binned(lat_bin, calls),
                ttft=binned(ttft_bin, calls),
            )
        )
    return tuple(Place(key, slices) for key, slices in sorted(found.items()))


def binned(found: int | None, calls: int) -> dict[int, int]:
    return {} if found is None else {min(found, LAST_BIN): calls}
