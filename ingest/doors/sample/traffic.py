"""When the sample's calls happen: hours and days of each team in its own zone, growth, a spike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from hf_ledger.ingest.doors.sample.company import Service, Team, company

Micros = npt.NDArray[np.int64]
HOUR = 3_600_000_000
ROOM = 180_000_000


@dataclass(frozen=True)
class Period:
    """Whole UTC days, `last` included."""

    last: date
    days: int

    @property
    def since(self) -> datetime:
        return datetime.combine(self.last, time(), UTC) - timedelta(days=self.days - 1)

    @property
    def start(self) -> int:
        """Microseconds since 1970."""
        return int(self.since.timestamp()) * 1_000_000

    @property
    def hours(self) -> int:
        return self.days * 24

    @property
    def outage(self) -> tuple[int, int]:
        """First and last microsecond of the provider's bad morning."""
        outage = company().outage
        begin = self.start + int(self.days * outage.at) * 24 * HOUR + 8 * HOUR
        return begin, begin + outage.hours * HOUR


def weights(rng: np.random.Generator, team: Team, service: Service, period: Period) -> np.ndarray:
    """Expected share of each UTC hour of the period, unnormalised."""
    zone = ZoneInfo(team.zone)
    clock = [(period.since + timedelta(hours=h)).astimezone(zone) for h in range(period.hours)]
    profile = company().hours[service.hours or team.hours]
    shape = np.array([profile[local.hour] for local in clock], dtype=float)
    shape *= [team.weekend if local.isoweekday() > 5 else 1.0 for local in clock]
    passed = np.arange(period.hours) / period.hours
    shape *= 1 + team.growth * passed * period.days / 90
    shape *= np.repeat(rng.lognormal(0, 0.09, period.days), 24) * rng.lognormal(
        0, 0.16, period.hours
    )
    return events(shape, service, passed, period)


def events(shape: np.ndarray, service: Service, passed: np.ndarray, period: Period) -> np.ndarray:
    """A service that appears late rises over a fortnight; a spike lasts a day."""
    if service.begins:
        since = (passed - service.begins) * period.days
        shape = shape * np.clip(since / 14, 0, 1)
    if service.spike:
        day = int(period.days * service.spike.at)
        shape = shape.copy()
        shape[day * 24 : day * 24 + 24] *= service.spike.times
    return shape


def arrivals(
    rng: np.random.Generator, team: Team, service: Service, period: Period, calls: int
) -> Micros:
    """Start times of `calls` calls, sorted, microseconds since 1970."""
    shape = weights(rng, team, service, period)
    if not shape.sum():
        shape = np.ones_like(shape)
    counts = rng.multinomial(calls, shape / shape.sum())
    hours = np.repeat(np.arange(period.hours, dtype=np.int64), counts)
    starts = period.start + hours * HOUR + rng.integers(0, HOUR, calls)
    # Room for a second try before the period ends.
    return np.sort(np.minimum(starts, period.start + period.hours * HOUR - ROOM))
