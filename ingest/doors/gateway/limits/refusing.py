"""The sentences with which limits refuse a request."""

from __future__ import annotations

import math

from hf_ledger.ingest.doors.gateway.limits.buckets import limit_headers
from hf_ledger.ingest.doors.gateway.limits.holdings import Account, Tokens
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import Budget

#: Seconds; money that requests under way hold is free again when they end.
SOON = "1"
LONGEST_WAIT = 86_400


def named(budget: Budget) -> str:
    """A budget in words, such as "the month's budget of team search"."""
    whose = f"{budget.dimension} {budget.value}" if budget.dimension else "the company"
    return f"the {budget.period}'s budget of {whose}"


def exhausted(account: Account) -> Refused:
    budget = account.budget
    return Refused(
        402,
        "budget_exhausted",
        f"{named(budget)} ({budget.usd} USD for {account.period}) does not have what this "
        "request may cost at most: raise it, ask for fewer tokens, or wait for the next period.",
    )


def reserved(account: Account) -> Refused:
    return Refused(
        429,
        "budget_reserved",
        f"what is left of {named(account.budget)} is held by requests under way: "
        "try again when they have ended.",
        {"retry-after": SOON},
    )


def unpriced(budget: Budget) -> Refused:
    return Refused(
        402,
        "unpriced",
        f"no price is known for this call and {named(budget)} refuses such calls: "
        "name a priced provider, or import its prices.",
    )


def unreachable() -> Refused:
    return Refused(
        503,
        "owner_unreachable",
        "the ledger's owner, which keeps the budgets, does not answer: try again soon.",
        {"retry-after": SOON},
    )


def no_tokens(tokens: Tokens, wait_ns: int) -> Refused:
    seconds = min(LONGEST_WAIT, math.ceil(wait_ns / 10**9))
    headers = limit_headers(tokens.capacity, tokens.per_second, 0)
    return Refused(
        429,
        "rate_limited",
        f"more than {tokens.capacity} requests at once or {tokens.per_second:g} a second "
        f"for this model: try again in {seconds} s.",
        {**headers, "retry-after": str(seconds)},
    )
