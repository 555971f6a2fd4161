"""Replays for tests: as a gateway's line (`make_replayed`), and the rows that came of them."""

from __future__ import annotations

import uuid
from typing import Any

from factories_calls import NOON, micros

from hf_ledger.ingest.call import Replayed
from hf_ledger.ingest.ledger.ledger import Ledger

STRONG, CANDIDATE = "meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.1-8B-Instruct"

ROWS = "select * from replays order by ts, replay_id"


def make_replayed(**overrides: Any) -> Replayed:
    """A judged replay; `ts` may be a datetime."""
    given = {
        "replay_id": str(uuid.uuid4()),
        "call_id": str(uuid.uuid4()),
        "ts": NOON,
        "key_id": "k1",
        "model": STRONG,
        "candidate": CANDIDATE,
        "judge": "exact/1",
        "verdict": "same",
        "sampling_probability": 0.05,
        **overrides,
    }
    return Replayed(**{**given, "ts": micros(given["ts"])})


def replay_rows(ledger: Ledger) -> list[dict[str, Any]]:
    """The table `replays`, oldest first."""
    cursor = ledger.cursor()
    found = cursor.execute(ROWS)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
