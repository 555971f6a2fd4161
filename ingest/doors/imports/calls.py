"""Calls of any table as JSON lines, CSV or Parquet; a mapping file says which column is what."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from hf_ledger.ingest import call as lines
from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.imports.fields import (
    Unfit,
    absent,
    count,
    flag,
    moment,
    money,
    number,
    text,
)
from hf_ledger.ingest.doors.imports.providers import provider_name
from hf_ledger.ingest.doors.imports.records import Record
from hf_ledger.ingest.doors.imports.rows import imported_call, set_failed, set_tokens
from hf_ledger.ingest.errors import Unusable, Usage

SOURCE = "calls"
MOST_TAGS = 16

Parse = Callable[[Any, str], Any]


class Mapping(msgspec.Struct, forbid_unknown_fields=True):
    """A mapping file: our field = their column; constants; their words in ours; tags."""

    columns: dict[str, str] = {}
    constants: dict[str, str | int | float | bool] = {}
    values: dict[str, dict[str, str]] = {}
    tags: dict[str, str] = {}
    zone: str = "UTC"
    time_unit: str = "s"


def load_mapping(path: Path) -> Mapping:
    """The mapping of a TOML file; `Unusable` where it can't be read, `Usage` where it is wrong."""
    try:
        found = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Mapping)
    except OSError as error:
        raise Unusable(f"{path} can't be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Usage(f"{path} is no TOML file: {error}.") from error
    except msgspec.ValidationError as error:
        raise Usage(f"{path} is no mapping file: {error}.") from error
    _check(path, found)
    return found


def _check(path: Path, found: Mapping) -> None:
    unknown = sorted((set(found.columns) | set(found.constants) | set(found.values)) - set(FIELDS))
    if unknown:
        raise Usage(
            f"{path} fills {', '.join(unknown)}, which a call does not have: "
            f"there are {', '.join(sorted(FIELDS))}."
        )
    if found.time_unit not in ("s", "ms", "us", "ns"):
        raise Usage(f"{path}: time_unit is s, ms, us or ns.")
    if len(found.tags) > MOST_TAGS:
        raise Usage(f"{path} names {len(found.tags)} tags; a call has at most {MOST_TAGS}.")
    try:
        ZoneInfo(found.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Usage(f"{path}: there is no time zone {found.zone!r}; use a name as UTC.") from error


def _label(value: Any, _name: str) -> str | None:
    return text(value)


def _flag(value: Any, _name: str) -> bool | None:
    return None if absent(value) else flag(value)


def _provider(value: Any, _name: str) -> str | None:
    return provider_name(text(value))


def _amount(value: Any, name: str) -> float | None:
    found = number(value, name)
    if found is not None and found < 0:
        raise Unfit(f"{name} is negative")
    return None if found is None else float(found)


def _choice(words: tuple[str, ...], value: Any, name: str) -> str | None:
    """One of the ledger's own words; a mapping's `values` translates others."""
    said = text(value)
    if said is not None and said not in words:
        raise Unfit(f"{name} is none of {', '.join(words)}")
    return said


def _up_to(largest: int, value: Any, name: str) -> int | None:
    found = count(value, name)
    if found is not None and found > largest:
        raise Unfit(f"{name} is more than {largest}")
    return found


def _all(names: str, parse: Parse) -> dict[str, Parse]:
    return dict.fromkeys(names.split(), parse)


_LABELS = """
    external_id operation_id operation app environment team project user_id bill_to session_id
    requested_model provider_model endpoint task request_id provider_request_id unit_kind
    compute_type
"""
_CHOICES = {
    "host_kind": lines.HostKind,
    "routing": lines.Routing,
    "outcome": lines.Outcome,
    "error_kind": lines.ErrorKind,
    "payer": lines.Payer,
    "purpose": lines.Purpose,
}

#: What a column may fill, and how its values are read. `input_tokens` is the total.
FIELDS: dict[str, Parse] = {
    "ts": _label,  # read with the mapping's zone and unit
    **_all(_LABELS, _label),
    **{name: partial(_choice, get_args(words)) for name, words in _CHOICES.items()},
    **_all("input_tokens uncached_input_tokens cache_read_tokens cache_write_tokens", count),
    **_all("output_tokens reasoning_tokens input_chars", count),
    **_all("images", partial(_up_to, 2**31 - 1)),
    **_all("attempt status", partial(_up_to, 999)),
    **_all("latency_ms ttft_ms audio_seconds compute_seconds", _amount),
    **_all("stream cached_reply", _flag),
    **_all("reported_cost stated_cost units", money),
    "provider": _provider,
}
_TOKENS = ("input_tokens", "uncached_input_tokens", "cache_read_tokens", "cache_write_tokens")


@dataclass
class CallsReader:
    """Reads rows by a mapping; without one, columns are named as the ledger's own."""

    mapping: Mapping | None = None
    seen: set[str] = field(default_factory=set)

    def __call__(self, record: Record) -> Iterable[Call]:
        self.seen.update(record.fields)
        return (self._call(self._facts(record.fields)),)

    def _facts(self, row: dict[str, Any]) -> dict[str, Any]:
        """What the row says, by our names, in our words; only what it says."""
        mapping = self.mapping or Mapping({name: name for name in FIELDS if name in row})
        facts: dict[str, Any] = dict(mapping.constants)
        for name, column in mapping.columns.items():
            value = row.get(column)
            words = mapping.values.get(name, {})
            value = words.get(str(value), value)
            if not absent(value):
                facts[name] = value
        zone, unit = ZoneInfo(mapping.zone), mapping.time_unit
        ts = moment(facts.pop("ts", None), "ts", unit=unit, zone=zone)
        parsed = {name: FIELDS[name](value, name) for name, value in facts.items()}
        tags = {name: text(row.get(column)) for name, column in mapping.tags.items()}
        return {**parsed, "ts": ts, "tags": {k: v for k, v in tags.items() if v} or None}

    def _call(self, facts: dict[str, Any]) -> Call:
        call = imported_call(facts.pop("ts"), facts.pop("external_id", None))
        total, uncached, read, write = (facts.pop(name, None) for name in _TOKENS)
        if total is None and uncached is not None:
            total = uncached + (read or 0) + (write or 0)
        set_tokens(call, total, facts.pop("output_tokens", None), read=read, write=write)
        if uncached is not None and call.uncached_input_tokens != uncached:
            raise Unfit("input_tokens is not the sum of its parts")
        outcome, kind = facts.pop("outcome", None), facts.pop("error_kind", None)
        for name, value in facts.items():
            if value is not None:
                setattr(call, name, value)
        _set_outcome(call, outcome, kind)
        return call

    def complaints(self) -> list[str]:
        """Columns that were not read though nobody said to leave them, or that were nowhere."""
        if self.mapping is None:
            left = sorted(self.seen - set(FIELDS))
            return [UNKNOWN_COLUMNS.format(columns=", ".join(left))] if left else []
        missing = sorted({*self.mapping.columns.values(), *self.mapping.tags.values()} - self.seen)
        return [MISSING_COLUMNS.format(columns=", ".join(missing))] if missing else []


UNKNOWN_COLUMNS = (
    "not read, because a call has no such fields: {columns}. Name the columns to read in a "
    "mapping file (--mapping)."
)
MISSING_COLUMNS = "the mapping names columns that no row has: {columns}."


def _set_outcome(call: Call, outcome: str | None, kind: str | None) -> None:
    """A status of 400 or more is a failure where no outcome is stated."""
    failed = outcome == "error" or (outcome is None and (call.status or 0) >= 400)
    if failed:
        set_failed(call, call.status, kind)  # type: ignore[arg-type]
    elif outcome is not None:
        call.outcome = outcome  # type: ignore[assignment]
