"""What a fault run is judged by: acknowledged calls beside the rows of the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Row(NamedTuple):
    """A row of `calls`; its operation is the name the client knows it by."""

    operation: str | None
    call_id: str
    outcome: str


@dataclass(frozen=True)
class Verdict:
    acknowledged: int
    lost: list[str]
    doubled: list[str]
    unacknowledged: int  # ended and kept, but killed before the client could note it
    in_flight: int  # rows of outcome lost
    long: int  # calls under way for long when their process was killed
    missed: int  # of these, how many the ledger knows nothing of
    quarantined: int

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.missed or self.quarantined)


def judge(
    acknowledged: Sequence[str], long: Sequence[str], rows: Iterable[Row], quarantined: int = 0
) -> Verdict:
    """Lost: acknowledged, but no row says it ended well. Doubled: two rows of a name or an id."""
    kept = list(rows)
    names = Counter(row.operation for row in kept)
    ids = Counter(row.call_id for row in kept)
    ended = {row.operation for row in kept if row.outcome == "ok"}
    known = set(acknowledged)
    cut = set(long) - known
    return Verdict(
        acknowledged=len(acknowledged),
        lost=sorted(known - ended),
        doubled=sorted({str(each) for each, count in (names + ids).items() if count > 1}),
        unacknowledged=len(ended - known),
        in_flight=sum(row.outcome == "lost" for row in kept),
        long=len(cut),
        missed=len(cut - set(names)),
        quarantined=quarantined,
    )


def noted(data: bytes) -> tuple[list[str], dict[str, float]]:
    """What a client noted: names of calls that ended, and when slow ones began."""
    ended: list[str] = []
    begun: dict[str, float] = {}
    # The last note of a killed program may be cut off.
    for line in data[: data.rfind(b"\n") + 1].decode().splitlines():
        if line.startswith("?"):
            name, _, at = line[1:].partition(" ")
            begun[name] = float(at)
        else:
            ended.append(line)
    return ended, begun
