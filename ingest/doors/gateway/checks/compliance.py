"""Whether a request may be sent where it is going: its class of data, and what stands in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from hf_ledger.ingest.doors.gateway.asking import Asking, Outcome
from hf_ledger.ingest.doors.gateway.compliance.findings import Kind, in_short, in_words
from hf_ledger.ingest.doors.gateway.compliance.policy import (
    CLASSES,
    Allowed,
    Policy,
    highest,
    hold_call,
    hold_place,
    stated,
)
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import DataClass, Screening
from hf_ledger.ingest.fingerprint import json_of

if TYPE_CHECKING:
    from hf_ledger.ingest.doors.gateway.compliance.detectors import Detectors
    from hf_ledger.ingest.doors.gateway.compliance.screening import Screened

#: Larger bodies are screened in a thread, so that other requests go on.
LARGE_BYTES = 64 << 10
MOST_TAGS = 16

FOUND = "The request was not sent: it holds {what}, and this key may not send that."
NOT_MASKED = (
    "The request was not sent: it holds {what} where no placeholder can stand, such as in a number "
    "or in the name of a field."
)
TOO_MUCH = "The request was not sent: it holds more numbers than can be screened; split it up."
NOT_READ = (
    "The request was not sent: its body is no JSON and cannot be screened, and data of class "
    "{data_class} must be."
)
NO_TARGET = (
    "The request was not sent: it holds {what}, and the server that this key sends such requests "
    "to is not among the targets of the gateway's settings."
)


class Compliance:
    """The check of data classes and findings; off for a key unless its `screening` is on.

    `targets` are servers of one's own: name → base URL. The class that a header names, and what
    each class is allowed, count for every key.
    """

    name = "compliance"

    def __init__(self, policy: Policy, targets: Mapping[str, str]) -> None:
        self._policy = policy
        self._targets = targets

    def check(self, asking: Asking) -> Awaitable[None] | None:
        screening = asking.key.screening if asking.key else Screening()
        data_class = highest(screening.data_class, stated(asking.headers))
        if not screening.on:
            asking.verdicts[self.name] = f"not screened; class {data_class}"
            self._hold(asking, data_class)
        elif len(asking.body) > LARGE_BYTES:
            return self._screen_aside(asking, screening, data_class)
        else:
            self._decide(asking, screening, data_class, self._screened(asking, screening))
        return None

    def finish(self, asking: Asking, outcome: Outcome) -> None:
        """Nothing is held."""

    async def _screen_aside(
        self, asking: Asking, screening: Screening, data_class: DataClass
    ) -> None:
        screened = await asyncio.to_thread(self._screened, asking, screening)
        self._decide(asking, screening, data_class, screened)

    @cached_property
    def _detectors(self) -> Detectors:
        from hf_ledger.ingest.doors.gateway.compliance.detectors import Detectors

        return Detectors(self._policy.region)

    def _screened(self, asking: Asking, screening: Screening) -> Screened | None:
        """What stands in the body, None where it can't be read. Raises `Refused`."""
        from hf_ledger.ingest.doors.gateway.compliance import screening as work
        from hf_ledger.ingest.doors.gateway.compliance.detectors import TooMany
        from hf_ledger.ingest.doors.gateway.compliance.masking import Unmaskable

        if not work.readable(asking.body, asking.asked):
            return None
        try:
            if screening.found == "mask":
                return work.without_findings(asking.body, self._detectors)
            return work.screened(asking.body, self._detectors)
        except TooMany:
            raise Refused(413, "too_much_to_screen", TOO_MUCH) from None
        except Unmaskable:
            what = in_words(work.screened(asking.body, self._detectors).counts)
            raise Refused(403, "data_not_allowed", NOT_MASKED.format(what=what)) from None

    def _decide(
        self,
        asking: Asking,
        screening: Screening,
        data_class: DataClass,
        screened: Screened | None,
    ) -> None:
        """Do with the request what its key says of findings, and hold it to its class."""
        if screened is None:
            self._let_unread(asking, data_class)
        elif not screened.counts:
            asking.verdicts[self.name] = f"nothing found; class {data_class}"
            self._hold(asking, data_class)
        else:
            raised = (self._policy.raises.get(kind, "public") for kind in screened.counts)
            self._act(asking, screening, highest(data_class, *raised), screened)

    def _let_unread(self, asking: Asking, data_class: DataClass) -> None:
        asking.verdicts[self.name] = f"not read; class {data_class}"
        if CLASSES.index(data_class) >= CLASSES.index("confidential"):
            raise Refused(415, "not_screenable", NOT_READ.format(data_class=data_class))
        self._hold(asking, data_class)

    def _act(
        self, asking: Asking, screening: Screening, data_class: DataClass, screened: Screened
    ) -> None:
        counts = screened.counts
        asking.verdicts[self.name] = f"{screening.found}: {in_short(counts)}; class {data_class}"
        tag(asking, counts)
        if screening.found == "refuse":
            raise Refused(403, "data_not_allowed", FOUND.format(what=in_words(counts)))
        if screening.found == "route":
            self._route(asking, screening, data_class, counts)
            return
        if screening.found == "mask":
            asking.body = screened.body
            asking.asked = json_of(asking.body, asking.headers.get("content-type", ""))
        self._hold(asking, data_class)

    def _route(
        self,
        asking: Asking,
        screening: Screening,
        data_class: DataClass,
        counts: dict[Kind, int],
    ) -> None:
        """Send it to the server of one's own; model and provider of elsewhere count no more."""
        target = self._targets.get(screening.target or "")
        if target is None:
            raise Refused(503, "no_target", NO_TARGET.format(what=in_words(counts)))
        asking.upstream = target
        hold_place(self._allowed(data_class), data_class, target)

    def _hold(self, asking: Asking, data_class: DataClass) -> None:
        """Hold a request to what its class is allowed; one that sends nothing may go anywhere."""
        if asking.body:
            allowed = self._allowed(data_class)
            hold_call(allowed, data_class, asking.call)
            hold_place(allowed, data_class, asking.upstream)

    def _allowed(self, data_class: DataClass) -> Allowed:
        return self._policy.allowed.get(data_class) or Allowed()


def tag(asking: Asking, counts: dict[Kind, int]) -> None:
    """Counts of findings among the call's tags, as far as those have room."""
    if asking.call is None:
        return
    tags = dict(asking.call.tags or {})
    for kind, count in counts.items():
        if len(tags) < MOST_TAGS:
            tags[f"finding.{kind}"] = str(count)
    asking.call.tags = tags
