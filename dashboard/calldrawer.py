"""One call in a drawer: every column it has, and how it was priced."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import streamlit as st

from hf_ledger.dashboard import loaders
from hf_ledger.dashboard.books import Book, shelf
from hf_ledger.dashboard.format import NONE, exact, moment, plain

#: Heading → columns, in reading order; what is in none of them is listed at the end.
GROUPS: dict[str, tuple[str, ...]] = {
    "What": (
        "ts", "task", "model", "requested_model", "provider", "provider_model", "host_kind",
        "endpoint", "routing", "stream", "size_class", "params_total_b",
    ),
    "Who": ("team", "app", "environment", "project", "user_id", "operation", "tags", "source"),
    "Tokens": (
        "input_tokens", "uncached_input_tokens", "cache_read_tokens", "cache_write_tokens",
        "output_tokens", "reasoning_tokens", "tokens_source",
    ),
    "How it went": ("outcome", "status", "error_kind", "latency_ms", "ttft_ms", "attempt"),
    "Money": (
        "cost", "list_cost", "billed_cost", "reported_cost", "stated_cost", "allocated_cost",
        "cost_basis", "price_id", "payer",
    ),
}  # fmt: skip

#: Bases in words.
BASES = {
    "list_price_tokens": "List price of the provider × the tokens it reported.",
    "list_price_units": "List price of the provider × the units it bills.",
    "provider_list_price": "The provider's own list price; the router's list names none.",
    "collected_price": "A price of the public collection genai-prices; no list here names one.",
    "compute_time_estimate": "Compute seconds that the reply stated × the published price.",
    "provider_reported": "The cost that the provider stated in its reply.",
    "billed_session": "The invoice's amount for this session, allocated to the call.",
    "free": "Nothing is charged for this call.",
    "endpoint_hours": "A dedicated endpoint is billed by the hour, not by the call.",
    "assumed": "What the ledger it was imported from estimated; no price of ours is known.",
    "contract": "A price or discount agreed on with the provider.",
    "unknown": "No price is known for this provider, model and day; that is not the same as free.",
}

REFUSED = "Your gateway refused this call: it was not sent on, and reached no model."

#: Bases whose sum is shown line by line.
BY_PRICE_ROWS = frozenset({"list_price_tokens", "provider_list_price", "collected_price"})

TOKEN_COLUMNS = {
    "input_tokens": "uncached_input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
}

Row = dict[str, Any]


def forget_call() -> None:
    """Close the drawer for good: out of the session and out of the URL."""
    st.session_state.pop("drawer", None)
    st.query_params.pop("call", None)


def call_drawer(book: Book, call_id: str) -> None:
    """Open the drawer on one call of the book."""

    @st.dialog("Call", width="medium", position="right", on_dismiss=forget_call)
    def drawer() -> None:
        found = loaders.rows(book, "call", call_id=call_id) if is_id(call_id) else []
        if not found:
            st.warning("The ledger has no such call.")
            return
        show(found[0])

    drawer()


def is_id(text: str) -> bool:
    digits = text.replace("-", "")
    return len(digits) == 32 and all(each in "0123456789abcdef" for each in digits.lower())


def show(call: Row) -> None:
    st.code(call["call_id"], language=None)
    st.markdown("**How it was priced**")
    for line in priced(call):
        st.markdown(line.replace("$", "\\$"))
    for title, names in GROUPS.items():
        st.markdown(f"**{title}**")
        st.table(pairs(call, names), border="horizontal", hide_header=True)
    rest = [name for name in call if name not in shown_names()]
    with st.expander("All other columns"):
        st.table(pairs(call, rest), border="horizontal", hide_header=True)


def shown_names() -> set[str]:
    return {name for names in GROUPS.values() for name in names} | {"call_id", "prices_used"}


def pairs(call: Row, names: Iterable[str]) -> list[dict[str, str]]:
    """Column and value as text."""
    return [{"Column": plain(name), "Value": plain(text_of(call.get(name)))} for name in names]


def text_of(value: object) -> str:
    if value is None or value in ([], ""):
        return NONE
    if isinstance(value, Decimal):
        return exact(value)
    if isinstance(value, datetime):
        return moment(value, shelf().zone)
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, list):
        return ", ".join(f"{key}={each}" for key, each in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def priced(call: Row) -> list[str]:
    """The sum, line by line, then where its prices come from."""
    basis = call["cost_basis"]
    lines = [REFUSED] if call.get("outcome") == "refused" else []
    lines.append(BASES[basis] if basis in BASES else str(basis))
    if call.get("allocated_cost") is not None:
        lines.append(
            f"Allocated: {exact(call['allocated_cost'])}, its share of the endpoint's hours by the "
            "time it was under way. It is part of these hours and in no total of calls."
        )
    if basis not in BY_PRICE_ROWS:
        return lines
    prices = named(json.loads(call["prices_used"]), call["price_id"])
    terms = [term_of(call, row) for row in prices]
    lines += [term for term in terms if term]
    lines.append(f"= **{exact(call['list_cost'])}**, rounded once, half to even, at nine places.")
    return [*lines, *sources(prices)]


def named(rows: Sequence[Row], price_id: str | None) -> list[Row]:
    """The rows that a price id names; one that completes another adds only kinds it lacks.

    Cached tokens without a price of their own stand at that of other input.
    """
    found: dict[str, Row] = {}
    for part in (price_id or "").split(" + "):
        for row in rows:
            if row["price_id"] == part:
                found.setdefault(row["kind"], row)
    if "input_tokens" in found:
        for kind in ("cache_read_tokens", "cache_write_tokens"):
            found.setdefault(kind, {**found["input_tokens"], "kind": kind, "borrowed": True})
    return list(found.values())


def term_of(call: Row, price: Row) -> str | None:
    """One kind of token: how many, at what price, making what."""
    tokens = call.get(TOKEN_COLUMNS.get(price["kind"], ""))
    if not tokens:
        return None
    usd, per = Decimal(price["usd"]), Decimal(price["per_units"])
    name = (
        "uncached input"
        if price["kind"] == "input_tokens"
        else price["kind"][:-7].replace("_", " ")
    )
    term = (
        f"{tokens:,} {name} tokens × ${usd.normalize():f} / {int(per):,} = ${tokens * usd / per:f}"
    )
    return f"{term}, as other input: no price of its own is known" if "borrowed" in price else term


def sources(prices: Sequence[Row]) -> list[str]:
    """Each list used, and from when it held."""
    told = {f"Price of {row['source']}, valid from {row['valid_from'][:10]}." for row in prices}
    return sorted(plain(each) for each in told)
