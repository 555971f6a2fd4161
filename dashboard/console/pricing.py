"""What a question will cost in a column, before it is sent: at the ledger's own prices of now.

The most counts every token that the input can be, and all that the limit lets a model write; about
is the input as estimated by its script, with the whole limit. Nothing here calls a model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hf_ledger.analytics.current_prices import price_of
from hf_ledger.analytics.scope import Scope
from hf_ledger.analytics.words import PRICE_UNKNOWN, counted, dollars, list_age
from hf_ledger.dashboard import loaders
from hf_ledger.dashboard.books import Book
from hf_ledger.dashboard.console.column import PRACTICE, Column, Question
from hf_ledger.ingest.call import HostKind
from hf_ledger.ingest.doors.gateway.limits.money import usd
from hf_ledger.ingest.doors.gateway.limits.pricing import (
    Rates,
    asked_tokens,
    bound,
    half_even,
    input_bound,
    rates_of,
)
from hf_ledger.ingest.wire.estimate import TASKS, read_tokens
from hf_ledger.ingest.wire.usage import INPUT_ONLY

Row = dict[str, Any]

#: Where the router chooses who serves, any of the model's providers may.
CHOSEN = frozenset({"auto", "fastest", "cheapest", "preferred"})


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """USD of one request; None is unknown, and `why` says why. Routes differ from `low` to `high`.

    `most` is what it can't exceed at the dearest route.
    """

    low: Decimal | None = None
    high: Decimal | None = None
    most: Decimal | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None  # the limit
    routes: int = 0
    list_at: datetime | None = None
    why: str | None = None  # one clause, where there is no price
    practice: bool = False  # nobody charges it


def prices(book: Book, now: datetime) -> list[Row]:
    """The price of each route now; asked once a minute at most."""
    until = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return loaders.rows(book, "current_prices", Scope(until - timedelta(days=1), until))


def before(
    column: Column, question: Question, listed: Iterable[Row], kind: HostKind = "router"
) -> Estimate:
    """What the question may cost in the column, at the rows of `prices`.

    `kind` is that of the column's target: no price per call is known of a server of one's own.
    """
    practice = column.target == PRACTICE
    why = unpriceable(column, question, kind)
    if why:
        return Estimate(why=why, practice=practice)
    found = routes_of(column, listed)
    if not found:
        return Estimate(why=PRICE_UNKNOWN, practice=practice)
    body = body_of(column, question)
    told = Estimate(
        input_tokens=read_tokens(body),
        output_tokens=0 if question.task in INPUT_ONLY else limit_of(column),
        routes=len(found),
        list_at=found[0]["list_at"],
        practice=practice,
    )
    return priced(told, [rates_of(price_of(row)) for row in found], input_bound(body))


def unpriceable(column: Column, question: Question, kind: HostKind) -> str | None:
    """Why nobody can say beforehand, as a clause; None where a price per token decides."""
    if column.policy is not None:
        return "the router chooses the target: its price is known when it has answered"
    if kind == "self_hosted":
        return "no bill per call: a server of your own"
    if kind == "endpoint":
        return "no bill per call: a dedicated endpoint is billed by the hour"
    if question.task not in TASKS and question.task not in INPUT_ONLY:
        return f"{PRICE_UNKNOWN} before the call: this task is not billed by tokens"
    return None


def routes_of(column: Column, listed: Iterable[Row]) -> list[Row]:
    """The rows of the column's model, at its provider or at all of them."""
    model, provider = column.model.lower(), column.provider.lower()
    return [
        row
        for row in listed
        if row["model"].lower() == model
        and (provider in CHOSEN or row["provider"].lower() == provider)
    ]


def pairs_of(column: Column, listed: Iterable[Row]) -> list[tuple[str, str]]:
    """The same as pairs of model and provider, for the question `volume`."""
    if column.policy is not None:
        return []
    return [(row["model"], row["provider"]) for row in routes_of(column, listed)]


def limit_of(column: Column) -> int | None:
    """The most tokens that the column lets its model write, over all its answers."""
    parameters = dict(column.parameters)
    choices = parameters.get("n")
    most = asked_tokens(parameters)
    return most if most is None or type(choices) is not int or choices < 1 else most * choices


def body_of(column: Column, question: Question) -> dict[str, Any]:
    """What the model will read, as a request has it."""
    tools = {name: column.parameters[name] for name in ("tools",) if name in column.parameters}
    system = column.parameters.get("system")
    texts = {"system": system} if isinstance(system, str) and system else {}
    if "messages" in question.inputs:
        return {"messages": question.inputs["messages"], **texts, **tools}
    return {"inputs": list(question.inputs.values()), **texts, **tools}


def priced(told: Estimate, rates: Sequence[Rates], most_input: int) -> Estimate:
    """The estimate with its amounts; a route that lacks a price makes the most unknown."""
    written = told.output_tokens
    if written is None:
        return replace(told, why="no limit of tokens is set, so nobody can say the most")
    top = [bound(each, most_input, written) for each in rates]
    most = None if None in top else max(each for each in top if each is not None)
    told = replace(told, most=None if most is None else usd(most))
    if told.input_tokens is None:
        return replace(told, why="pictures and sound have tokens that nobody can count before")
    about = [about_at(each, told.input_tokens, written) for each in rates]
    known = [each for each in about if each is not None]
    if not known:
        return replace(told, why=PRICE_UNKNOWN)
    return replace(told, low=min(known), high=max(known))


def about_at(rates: Rates, read: int, written: int) -> Decimal | None:
    """USD of so many tokens, nothing cached, rounded as costs are."""
    if rates.input is None or (rates.output is None and written):
        return None
    return half_even(read * rates.input + written * (rates.output or 0), rates.per_units)


# -- several calls ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Together:
    """What several calls may cost; calls without a known price are in no sum."""

    calls: int
    unpriced: int
    low: Decimal
    high: Decimal
    most: Decimal | None  # None: of one of the priced calls it is unknown
    practice: bool


def together(estimates: Sequence[Estimate]) -> Together:
    known = [(each.low, each.high) for each in estimates]
    lows = [low for low, _ in known if low is not None]
    highs = [high for _, high in known if high is not None]
    most = [each.most for each in estimates if each.low is not None]
    return Together(
        calls=len(estimates),
        unpriced=len(estimates) - len(lows),
        low=sum(lows, Decimal(0)),
        high=sum(highs, Decimal(0)),
        most=added(most),
        practice=bool(estimates) and all(each.practice for each in estimates),
    )


def added(amounts: Sequence[Decimal | None]) -> Decimal | None:
    """The sum; unknown where one of them is."""
    known = [each for each in amounts if each is not None]
    return sum(known, Decimal(0)) if len(known) == len(amounts) else None


# -- in words --------------------------------------------------------------------------------------


def line(estimate: Estimate) -> str:
    """The estimate in one line, as "About $0.0013 (210 tokens in, at most 512 out)."."""
    if estimate.low is None or estimate.high is None:
        limit = "" if estimate.most is None else f"; at most {dollars(estimate.most)}"
        return f"{capital(estimate.why or PRICE_UNKNOWN)}{limit}."
    said = f"About {span(estimate.low, estimate.high)}{by_provider(estimate)}"
    tokens = f"{estimate.input_tokens:,} tokens in, at most {estimate.output_tokens:,} out"
    return f"{said} for {tokens}{the_most(estimate.most)}.{practised(estimate.practice)}"


def line_together(sums: Together) -> str:
    """The same of several calls."""
    if sums.unpriced == sums.calls:
        return f"{capital(PRICE_UNKNOWN)} for {counted(sums.calls, 'call')}."
    priced_calls = counted(sums.calls - sums.unpriced, "call")
    said = f"About {span(sums.low, sums.high)} for {priced_calls}{the_most(sums.most)}."
    if sums.unpriced:
        said += f" {counted(sums.unpriced, 'further call')} without a known price."
    return said + practised(sums.practice)


def age(listed: Sequence[Row], now: datetime) -> tuple[str, bool]:
    """Which list the prices are of, and whether it is too old to be believed without a warning."""
    return list_age(listed[0]["list_at"] if listed else None, now)


def span(low: Decimal, high: Decimal) -> str:
    return dollars(low) if low == high else f"{dollars(low)} to {dollars(high)}"


def by_provider(estimate: Estimate) -> str:
    return f" by one of {estimate.routes} providers" if estimate.routes > 1 else ""


def the_most(most: Decimal | None) -> str:
    return "" if most is None else f"; at most {dollars(most)}"


def practised(practice: bool) -> str:
    return " Practice: nobody charges it." if practice else ""


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]
