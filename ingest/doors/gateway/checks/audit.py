"""The audit as a check: what was decided is written before a request is sent, or it isn't sent."""

from __future__ import annotations

import logging
from typing import Literal

from hf_ledger.ingest.doors.gateway.asking import Asking, Outcome
from hf_ledger.ingest.doors.gateway.audit.records import Decided, Finished, Record, brief
from hf_ledger.ingest.doors.gateway.audit.trail import Trail
from hf_ledger.ingest.doors.gateway.refusal import Refused

_log = logging.getLogger("hf_ledger")


class Audit:
    """Writes two records a request. `lost` says what happens where the first can't be written:
    `refuse` the request, or `go_on` and count it. Stands last among the checks."""

    name = "audit"

    def __init__(self, trail: Trail, lost: Literal["refuse", "go_on"] = "refuse") -> None:
        self._trail = trail
        self._goes_on = lost == "go_on"
        self._complained = False

    @property
    def lost(self) -> int:
        """Records that could not be written."""
        return self._trail.lost

    def check(self, asking: Asking) -> None:
        """Write what was decided; raises `Refused` (503, audit_unwritable) where that can't be."""
        if self._written(_decided(asking)):
            asking.verdicts[self.name] = "written"
        elif self._goes_on:
            asking.verdicts[self.name] = "lost"
        else:
            raise Refused(
                503,
                "audit_unwritable",
                "The audit can't be written just now, and no request goes on without it.",
                {"retry-after": "5"},
            )

    def finish(self, asking: Asking, outcome: Outcome) -> None:
        """Write how the request ended; never raises."""
        self._written(_finished(asking, outcome))

    def refused(self, asking: Asking, outcome: Outcome, by: str | None = None) -> None:
        """Write both records of a request that check `by` refused; never raises."""
        decided = _decided(asking)
        decided.refused_by = by
        decided.code = outcome.refused
        self._written(decided)
        self._written(_finished(asking, outcome))

    def _written(self, record: Record) -> bool:
        try:
            self._trail.write(record)
        except OSError as error:
            self._trail.lose()
            if not self._complained:
                _log.warning("the audit can't be written: %s", error.strerror)
            self._complained = True
            return False
        self._complained = False
        return True


def _decided(asking: Asking) -> Decided:
    key, call = asking.key, asking.call
    record = Decided(
        request_id=asking.request_id,
        key_id=key.key_id if key else None,
        user=brief(key.user) if key else None,
        verdicts=asking.verdicts,
    )
    if call:
        record.call_id = call.call_id
        record.user = brief(call.user_id) or record.user
        record.model = brief(call.requested_model)
        record.provider = brief(call.provider)
        record.input_hash = call.input_hash
        record.hash_key_id = call.hash_key_id
    return record


def _finished(asking: Asking, outcome: Outcome) -> Finished:
    call, cost = outcome.call, outcome.cost
    record = Finished(
        request_id=asking.request_id,
        outcome=_word(outcome),
        code=outcome.refused,
        status=outcome.status or None,
        cost=None if cost is None else f"{cost:f}",
    )
    if call:
        record.call_id = call.call_id
        record.input_tokens = call.input_tokens
        record.output_tokens = call.output_tokens
    return record


def _word(outcome: Outcome) -> str:
    if outcome.refused:
        return "refused"
    if outcome.call:
        return outcome.call.outcome
    return "ok" if 200 <= outcome.status < 400 else "error"
