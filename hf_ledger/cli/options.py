"""The options that all questions share, and what they say together: ledger, scope, format."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, get_args

import typer

from hf_ledger.analytics.periods import (
    Period,
    between,
    days_label,
    in_calendar,
    local_date,
    midnight,
    named,
    zone_info,
)
from hf_ledger.analytics.questions import Ask
from hf_ledger.analytics.scope import OWN_ORIGINS, Scope
from hf_ledger.ingest.call import Origin
from hf_ledger.ingest.errors import Unusable, Usage
from hf_ledger.ingest.places import Places

DEFAULT_PERIOD = "28d"


class Format(StrEnum):
    """A table for people, or one of two stable shapes for programs."""

    table = "table"
    json = "json"
    csv = "csv"


Since = Annotated[
    str | None, typer.Option(help="First day (2026-11-09) or moment (ISO, in --zone).")
]
Until = Annotated[
    str | None, typer.Option(help="Last day, included, or the moment to stop before.")
]
PeriodName = Annotated[
    str | None,
    typer.Option(
        "--period",
        help="today, yesterday, 7d, 28d (default), last-week, last-month, mtd, all, 2026-W46, "
        "2026-11, 2026-11-09 or 2026-11-09..2026-11-15.",
    ),
]
Zone = Annotated[str | None, typer.Option(help="Time zone of days and hours, as Europe/Berlin.")]
Where = Annotated[
    list[str] | None,
    typer.Option(help="dimension=value; again for further values. 'team=' means: not set."),
]
Origins = Annotated[
    list[str] | None,
    typer.Option("--origin", help="live and import (default), or practice, or sample."),
]
Sample = Annotated[bool, typer.Option("--sample", help="Ask the sample ledger instead of yours.")]
Shape = Annotated[Format, typer.Option("--format", help="table, json or csv.")]
By = Annotated[
    list[str] | None,
    typer.Option(help="Dimension to break down by; again or with commas for further ones."),
]


@dataclass(frozen=True)
class Asked:
    """What the shared options say: which ledger, which calls, and how to write the answer."""

    places: Places
    scope: Scope
    label: str
    format: Format

    @contextmanager
    def asking(self) -> Iterator[Ask]:
        """A way to ask, through the ledger's owner where one runs."""
        with connected(self.places) as ask:
            yield ask


@contextmanager
def connected(places: Places) -> Iterator[Ask]:
    """Ask the ledger of `places`, which must exist: a question never makes one."""
    from hf_ledger.analytics.connect import connect

    if not places.ledger.exists() and not places.spool.exists():
        raise Unusable(missing(places))
    with connect(places) as session:
        yield session.ask


def missing(places: Places) -> str:
    if places.root.name == "sample":
        return "there is no sample ledger yet; make it with: hf-ledger sample"
    return (
        f"there is no ledger in {places.root} yet; record a first call (hf-ledger doctor says how "
        "it stands), or look at sample data: hf-ledger sample, then --sample."
    )


SHARED: Mapping[str, tuple[Any, Any]] = {
    "period": (PeriodName, None),
    "since": (Since, None),
    "until": (Until, None),
    "zone": (Zone, None),
    "where": (Where, None),
    "origin": (Origins, None),
    "sample": (Sample, False),
    "format": (Shape, Format.table),
}


def shared(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the shared options; it is called with what they say as its first argument."""
    own = list(inspect.signature(command).parameters.values())[1:]
    hints = typing.get_type_hints(command, include_extras=True)

    @functools.wraps(command)
    def asked(**given: Any) -> None:
        options = {name: given.pop(name) for name in SHARED}
        command(understood(**options), **given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        *(p.replace(kind=keyword, annotation=hints[p.name]) for p in own),
        *(
            inspect.Parameter(name, keyword, default=default, annotation=kind)
            for name, (kind, default) in SHARED.items()
        ),
    ]
    asked.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    asked.__annotations__ = {p.name: p.annotation for p in parameters}
    return asked


def understood(
    *,
    period: str | None,
    since: str | None,
    until: str | None,
    zone: str | None,
    where: Sequence[str] | None,
    origin: Sequence[str] | None,
    sample: bool,
    format: Format,  # noqa: A002 - the option's name
) -> Asked:
    """The options as one value; `Usage` where they make no sense together."""
    places = Places.default()
    zone = zone_info(zone or configured_zone(places)).key
    now = datetime.now(UTC)
    span = spanned(period, since, until, now, zone)
    origins = chosen_origins(origin, sample=sample)
    scope = Scope(span.since, span.until, zone, origins, filters(where or ()))
    return Asked(places.sample if sample else places, scope, span.label, format)


def configured_zone(places: Places) -> str:
    from hf_ledger.settings import Settings

    return Settings.load(places).zone


@dataclass(frozen=True)
class Span:
    since: datetime
    until: datetime
    label: str


def spanned(
    period: str | None, since: str | None, until: str | None, now: datetime, zone: str
) -> Span:
    """The period of a name, or between two days or moments."""
    if period and (since or until):
        raise Usage("give --period, or --since and --until, not both.")
    if not since and until:
        raise Usage("--until needs --since.")
    if not since:
        return of_period(named(period or DEFAULT_PERIOD, now, zone))
    with in_calendar(f"{since}..{until or ''}"):
        return dated(since, until, now, zone)


def of_period(period: Period) -> Span:
    return Span(period.since, period.until, period.label)


def dated(since: str, until: str | None, now: datetime, zone: str) -> Span:
    """From a day or moment to a day (included) or moment (not included); until today without."""
    first, last = day(since), day(until) if until else local_date(now, zone)
    if first and last:
        return of_period(between(first, last, now, zone))
    start = midnight(first, zone) if first else moment(since, zone)
    end = midnight(last + timedelta(days=1), zone) if last else moment(until or "", zone)
    if end <= start:
        raise Usage(f"the period ends ({until}) before it begins ({since}).")
    days = days_label(local_date(start, zone), local_date(end - timedelta(microseconds=1), zone))
    return Span(start, end, f"{since} – {until or days}")


def day(text: str) -> date | None:
    """A day where the text is one; None where it says a time."""
    try:
        return date.fromisoformat(text) if len(text) == len("2026-11-09") else None
    except ValueError as exc:
        raise Usage(f"{text!r} is not a day of the calendar; write it as 2026-11-09.") from exc


def moment(text: str, zone: str) -> datetime:
    """An ISO time, in the zone unless it names its own offset."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError as exc:
        raise Usage(f"{text!r} is no time; write 2026-11-09 or 2026-11-09T14:00.") from exc
    return (read if read.tzinfo else read.replace(tzinfo=zone_info(zone))).astimezone(UTC)


def chosen_origins(given: Sequence[str] | None, *, sample: bool) -> tuple[str, ...]:
    """Live and import together, or one of the others alone: no total mixes them."""
    chosen = tuple(dict.fromkeys(given or (("sample",) if sample else OWN_ORIGINS)))
    for each in chosen:
        if each not in get_args(Origin):
            raise Usage(f"unknown origin {each!r}; there are {', '.join(get_args(Origin))}.")
    if len(chosen) > 1 and not set(chosen) <= set(OWN_ORIGINS):
        raise Usage("practice and sample calls are never added up with others; ask for one origin.")
    return chosen


def filters(given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Values by dimension, from "dimension=value"."""
    found: dict[str, tuple[str, ...]] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals:
            raise Usage(f"--where takes dimension=value, as team=search; not {each!r}.")
        if not encodable(value):
            raise Usage(f"--where holds bytes that are no text of UTF-8: {each!r}.")
        found[name.strip()] = (*found.get(name.strip(), ()), value)
    return found


def encodable(value: str) -> bool:
    """False for what a shell in another encoding passes on as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def listed(given: Sequence[str] | None, default: Sequence[str] = ()) -> list[str]:
    """Names from a repeated option, each of which may hold several with commas."""
    names = [name.strip() for each in given or () for name in each.split(",") if name.strip()]
    return names or list(default)
