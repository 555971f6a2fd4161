"""A verdict on two answers as a line of the spool: figures of both calls, and no text of either.

Nobody drew these calls by chance, so they have no sampling probability. The id follows from the
pair, its judge and the kind of evidence: the same verdict written again counts once.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from contextlib import closing
from decimal import Decimal
from typing import NamedTuple

from hf_ledger.ingest.call import Evidence, Origin, Replayed, ReplayOutcome
from hf_ledger.ingest.doors.hook import recording
from hf_ledger.ingest.doors.replays.judges import Judged
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.segments import Segments

HUMAN = "human/1"

#: What a verdict adds to the difference of two models; the others add nothing, and say so.
SIGNS = {"worse": -1.0, "same": 0.0, "better": 1.0}

NONE = Decimal(0)


class Answered(NamedTuple):
    """What a verdict needs to know of a call that was answered, or failed."""

    call_id: str
    ts: int  # when it was asked, µs since 1970
    model: str  # as asked for, with its :suffix
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: Decimal | None = None  # USD


def verdict_line(
    first: Answered,
    second: Answered,
    judged: Judged,
    evidence: Evidence,
    origin: Origin,
    *,
    model_score: float | None = None,
    judge_cost: Decimal | None = NONE,
    outcome: ReplayOutcome = "ok",
) -> Replayed:
    """What was found of the second answer beside the first, the baseline's."""
    return Replayed(
        replay_id=replay_id_of(evidence, judged.judge, first.call_id, second.call_id),
        call_id=first.call_id,
        ts=second.ts,
        evidence=evidence,
        origin=origin,
        model=first.model,
        candidate=second.model,
        judge=judged.judge or None,
        verdict=judged.verdict,
        score=SIGNS.get(judged.verdict),
        model_score=model_score,
        model_input_tokens=first.input_tokens,
        model_output_tokens=first.output_tokens,
        candidate_input_tokens=second.input_tokens,
        candidate_output_tokens=second.output_tokens,
        model_cost=amount(first.cost),
        candidate_cost=amount(second.cost),
        judge_cost=amount(judge_cost),
        order_swapped=judged.order_swapped,
        outcome=outcome,
    )


def replay_id_of(evidence: Evidence, judge: str, first: str, second: str) -> str:
    """UUIDv8 of what was compared, and by whom."""
    named = "\0".join(("hf-ledger verdict", evidence, judge, first, second))
    number = int.from_bytes(hashlib.sha256(named.encode()).digest()[:16], "big")
    number &= ~(0xF << 76) & ~(0x3 << 62)
    return str(uuid.UUID(int=number | (0x8 << 76) | (0x2 << 62)))


def amount(cost: Decimal | None) -> str | None:
    return None if cost is None else f"{cost:f}"


def keep(lines: Iterable[Replayed], places: Places) -> int:
    """Write lines to the spool, into this process's own segment where it records; how many are on
    disk. What can't be written now waits there, as a call does."""
    hook = recording.active.hook
    if hook is not None and recording.active.places == places:
        return sum(hook.segments.write(line) for line in lines)
    with closing(Segments(places.spool)) as segments:
        return sum(segments.write(line) for line in lines)
