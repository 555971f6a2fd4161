"""What the headers of a reply state: who served it, how long it computed, what it is called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from operator import itemgetter

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.wire.usage import header_count

_NUMBER = r"\d{1,12}(\.\d{1,30})?([eE]-?\d{1,2})?"
_PROVIDER_IDS = ("inference-id", "x-inference-id", "x-fal-request-id")
_LONGEST = 300
#: Where somebody else than the host answers.
_SERVED = frozenset({"router", "legacy"})


class Names(dict[bytes, str]):
    """Names of headers as they stand on the wire, and where they stood in the sets seen so far."""

    def __init__(self, *lower: str) -> None:
        super().__init__({name.encode(): name for name in lower})
        self.places: dict[tuple[bytes, ...], list[tuple[str, int]]] = {}


_COMPUTED = frozenset(
    {
        "x-compute-type",
        "x-compute-time",
        "x-compute-characters",
        "x-compute-audio-length",
        "x-fal-billable-units",
    }
)

#: All that readers want of a reply's headers.
READ = Names(
    "content-type",
    "content-encoding",
    "x-inference-provider",
    *_PROVIDER_IDS,
    "x-request-id",
    "x-compute-type",
    "x-compute-time",
    "x-total-time",
    "x-compute-characters",
    "x-compute-audio-length",
    "x-compute-tokens",
    "x-prompt-tokens",
    "x-generated-tokens",
    "x-fal-billable-units",
)


def wanted(headers: Sequence[tuple[bytes, bytes]], read: Names) -> dict[str, str]:
    """Those headers that are read, by lower-case name; of several the last.

    A server sends the same names each time: where the wanted ones stand is searched once.
    """
    given = tuple(map(_NAME, headers))
    places = read.places.get(given)
    if places is None:
        places = _find_places(given, read)
    found = {}
    for name, at in places:
        found[name] = headers[at][1].decode("latin-1")
    return found


def _find_places(given: tuple[bytes, ...], read: Names) -> list[tuple[str, int]]:
    if len(read.places) >= _MOST_PLACES:
        read.places.clear()
    lower = [name.lower() for name in given]
    places = [(read[name], at) for at, name in enumerate(lower) if name in read]
    read.places[given] = places
    return places


_NAME = itemgetter(0)
_MOST_PLACES = 256


def set_header_facts(call: Call, headers: Mapping[str, str]) -> None:
    """Take over what lower-case reply headers state about the call."""
    served_by, request_id = headers.get("x-inference-provider"), headers.get("x-request-id")
    if served_by and call.host_kind in _SERVED:
        call.provider = served_by[:_LONGEST]
    if request_id:
        call.request_id = request_id[:_LONGEST]
    if not headers.keys().isdisjoint(_PROVIDER_IDS):
        _set_provider_ids(call, headers, named=bool(request_id))
    if not headers.keys().isdisjoint(_COMPUTED):
        _set_compute(call, headers)


def _set_compute(call: Call, headers: Mapping[str, str]) -> None:
    kind = headers.get("x-compute-type")
    call.cached_reply = kind == "cache"
    call.compute_type = kind[:_LONGEST] if kind else None
    call.compute_seconds = compute_seconds(headers)
    characters = header_count(headers, "x-compute-characters")
    call.input_chars = call.input_chars if characters is None else characters
    seconds = positive(headers.get("x-compute-audio-length"))
    call.audio_seconds = call.audio_seconds if seconds is None else seconds
    set_units(call, headers)


def set_units(call: Call, headers: Mapping[str, str]) -> None:
    """What fal bills for; of queued work it stands with the result."""
    units = headers.get("x-fal-billable-units")
    if units and _decimal(units):
        call.units, call.unit_kind = _decimal(units), "fal_billable_unit"


def _set_provider_ids(call: Call, headers: Mapping[str, str], named: bool) -> None:
    """Further ids; the first of them is the request's own where no header names that."""
    ids = [headers[name][:_LONGEST] for name in _PROVIDER_IDS if headers.get(name)]
    if ids and not named:
        call.request_id = ids.pop(0)
    call.provider_request_id = ids[0] if ids else call.provider_request_id


def compute_seconds(headers: Mapping[str, str]) -> float | None:
    """`x-compute-time` in seconds.

    TGI and the pipelines state seconds with a fraction, TEI and the oldest TGI whole milliseconds;
    `x-total-time`, always milliseconds, settles what could be either.
    """
    stated = headers.get("x-compute-time", "").strip()
    value = positive(stated)
    if value is None:
        return None
    total_ms = positive(headers.get("x-total-time"))
    if total_ms and value:
        in_seconds = abs(value * 1000 - total_ms) < abs(value - total_ms)
    else:
        in_seconds = not stated.isdigit()
    return value if in_seconds else value / 1000


def positive(stated: str | None) -> float | None:
    """A header's number, zero included; None for `-1`, nonsense or no header."""
    if not stated or not re.fullmatch(_NUMBER, stated.strip(), re.ASCII):
        return None
    return float(stated.strip())


def _decimal(stated: str) -> str | None:
    try:
        value = Decimal(stated.strip())
    except InvalidOperation:
        return None
    return format(value, "f") if value.is_finite() and 0 <= value < 1_000_000_000 else None
