"""Why a call failed, in one clause, what it may have cost, and whether the same call may do better.

What another program says in its error may hold the text that was sent: of foreign errors only kind
and status are told.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from hf_ledger.ingest.doors.client import status_of
from hf_ledger.ingest.doors.router.routed import RouteFailed
from hf_ledger.ingest.errors import LedgerError, Usage

TOOK_TOO_LONG = "no answer in {seconds:g} s"
ANSWERED_BEFORE = (
    "a gateway of yours has paid for it already and keeps no replies; asking again (pay_again, "
    "--pay-again) pays again"
)
#: Statuses that may be others a moment later; from 500 on all may.
PASSING = frozenset({408, 409, 425, 429})
ANSWERED_CODE = "idempotency_answered"
#: What a gateway says of a first request that never had an answer to lose.
UNANSWERED = frozenset({"cancelled", "interrupted", "lost"})


class Unreadable(LedgerError):  # noqa: N818 - the answer is
    """An answer came, and it is not what this task answers."""


class TookTooLong(LedgerError):  # noqa: N818 - the call did
    """The job's time for one call is over."""

    def __init__(self, seconds: float) -> None:
        super().__init__(TOOK_TOO_LONG.format(seconds=seconds))


def clause_of(error: BaseException) -> str:
    """Why, without a word that is not ours."""
    if lost_reply(error) is not None:
        return ANSWERED_BEFORE
    if isinstance(error, LedgerError):
        return str(error).rstrip(".")
    status = found_status(error)
    return type(error).__name__ if status is None else f"{type(error).__name__} ({status})"


def worth_again(error: BaseException) -> bool:
    """Whether the same call may be answered a moment later."""
    if isinstance(error, Usage) or lost_reply(error) is not None:
        return False
    status = found_status(error)
    return status is None or status in PASSING or status >= 500


def found_status(error: BaseException) -> int | None:
    """The HTTP status behind it, where there is one."""
    for each in chain_of(error):
        status = getattr(each, "status", None)
        found = status if isinstance(status, int) else status_of(each)
        if found is not None:
            return found
        if isinstance(each, RouteFailed) and each.attempts:
            call = each.attempts[-1].call
            return call.status if call is not None else None
    return None


def cost_of(error: BaseException) -> tuple[Decimal | None, bool]:
    """What is known of its cost, and whether that is all: nobody charges for an error reply."""
    for each in chain_of(error):
        if isinstance(each, RouteFailed) and each.attempts:
            costs = [one.cost for one in each.attempts if one.call is not None]
            known = [cost for cost in costs if cost is not None]
            return sum(known, Decimal(0)), len(known) == len(costs)
    if isinstance(error, Usage) or found_status(error) is not None:
        return Decimal(0), True
    return None, False


def lost_reply(error: BaseException) -> dict[str, Any] | None:
    """What a gateway of ours tells of the request that it answered before under the same key."""
    said = _gateway_error(error)
    if said.get("code") != ANSWERED_CODE:
        return None
    first = said.get("first_request")
    return first if isinstance(first, dict) else {}


def _gateway_error(error: BaseException) -> dict[str, Any]:
    for each in chain_of(error):
        content = getattr(getattr(each, "response", None), "content", None)
        if isinstance(content, bytes) and ANSWERED_CODE.encode() in content:
            try:
                body = msgspec.json.decode(content)
            except msgspec.MsgspecError:
                return {}
            said = body.get("error") if isinstance(body, dict) else None
            return said if isinstance(said, dict) else {}
    return {}


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """The error and those behind it."""
    found: BaseException | None = error
    seen: set[int] = set()
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__
