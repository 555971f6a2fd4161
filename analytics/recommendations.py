"""Question `recommendations`: what the figures show, in words. They are observations, not proofs.

Amounts are differences of list prices for the same tokens ("untested"); observations without an
amount of their own have none. Each names the filter that opens its calls.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hf_ledger.analytics.kernel.measures import FAILED, error_share
from hf_ledger.analytics.overkill import overkill
from hf_ledger.analytics.peaks import busiest
from hf_ledger.analytics.savings import savings
from hf_ledger.analytics.scope import Scope
from hf_ledger.analytics.spend import spend
from hf_ledger.analytics.words import counted, dollars, mean_tokens, percent
from hf_ledger.ingest.errors import Usage

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Row = dict[str, Any]

#: A route is worth a sentence when so many of its calls failed, and there were enough of them.
ERROR_SHARE, ERROR_CALLS = 0.05, 20

MOST_OVERKILL = 3


def recommendations(cursor: duckdb.DuckDBPyConnection, scope: Scope, n: int = 10) -> pa.Table:
    """At most `n` rows of rank, kind, sentence, amount, calls, link_where (JSON).

    Price differences come first, greatest first; then overkill, calls without price, errors, peak.
    """
    import pyarrow as pa

    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise Usage(f"n must be a whole number from 1, not {n!r}.")
    moves = savings(cursor, scope).to_pylist()
    found = [
        *map(moved, moves),
        *map(too_big, overkill(cursor, scope).slice(0, MOST_OVERKILL).to_pylist()),
        *routes(spend(cursor, scope, ("provider", "model")).to_pylist()),
        *map(peak, busiest(cursor, scope, 1).to_pylist()),
    ]
    ranked = [{"rank": place, **row} for place, row in enumerate(found[:n], start=1)]
    return pa.Table.from_pylist(ranked, schema=schema())


def observation(kind: str, sentence: str, calls: int, where: dict[str, list[str]]) -> Row:
    link = json.dumps(where)
    return {"kind": kind, "sentence": sentence, "amount": None, "calls": calls, "link_where": link}


def moved(move: Row) -> Row:
    said = smaller if move["kind"] == "downgrade" else cheaper
    return {
        "kind": move["kind"],
        "sentence": said(move),
        "amount": move["difference"],
        "calls": move["calls"],
        "link_where": move["link_where"],
    }


def smaller(move: Row) -> str:
    return (
        f"{counted(move['calls'], 'call')} on {move['from_model']} at {move['from_provider']} "
        f"would suit a {move['suitable_class']} model by task and length. The same tokens on "
        f"{move['to_model']} ({move['to_class']}) at {move['to_provider']} "
        f"list for {dollars(move['cost_after'])} instead of {dollars(move['cost'])}: "
        f"{dollars(move['difference'])} less, untested."
    )


def cheaper(move: Row) -> str:
    return (
        f"The same tokens of {counted(move['calls'], 'call')} on {move['from_model']} list for "
        f"{dollars(move['cost_after'])} at {move['to_provider']} instead of "
        f"{dollars(move['cost'])} at {move['from_provider']}: {dollars(move['difference'])} less; "
        "same model, speed and limits untested."
    )


def too_big(row: Row) -> Row:
    sentence = (
        f"{counted(row['calls'], 'call')} for {row['task']} went to {row['model']} "
        f"({row['size_class']}) with {mean_tokens(row['mean_input_tokens'])} tokens in and "
        f"{mean_tokens(row['mean_output_tokens'])} out on average; the smallest suitable class by "
        f"rule is {row['suitable_class']}. They cost {dollars(row['cost'])}."
    )
    where = {key: [row[key] or ""] for key in ("task", "model", "size_class", "suitable_class")}
    return observation("overkill", sentence, row["calls"], where)


def routes(rows: Sequence[Row]) -> list[Row]:
    """Calls without price, and routes that fail often."""
    return [*unpriced(rows), *failing(rows)]


def unpriced(rows: Sequence[Row]) -> list[Row]:
    missing = sorted((r for r in rows if r["unpriced_calls"]), key=lambda r: -r["unpriced_calls"])
    if not missing:
        return []
    calls = sum(row["unpriced_calls"] for row in missing)
    every = sum(row["calls"] for row in rows)
    most = missing[0]
    sentence = (
        f"{counted(calls, 'call')} ({percent(calls / every)}) have no known price and are in no "
        f"total; most of them, {most['unpriced_calls']:,}, went to {route(most)}."
    )
    return [observation("unpriced", sentence, calls, {"cost_basis": ["unknown"]})]


def failing(rows: Sequence[Row]) -> list[Row]:
    often = [row for row in rows if sent_on(row) >= ERROR_CALLS and failures(row) >= ERROR_SHARE]
    often.sort(key=lambda row: (-row["errors"], row["provider"] or "", row["model"] or ""))
    return [failed(row) for row in often]


def sent_on(row: Row) -> int:
    return int(row["calls"] - row["refused"])


def failures(row: Row) -> float:
    return error_share(row["errors"], row["calls"], row["refused"]) or 0.0


def failed(row: Row) -> Row:
    sentence = (
        f"{row['errors']:,} of {counted(sent_on(row), 'call')} to {route(row)} failed "
        f"({percent(failures(row), 1)})."
    )
    where = {"provider": [row["provider"] or ""], "model": [row["model"] or ""]}
    return observation("errors", sentence, row["errors"], {**where, "outcome": list(FAILED)})


def route(row: Row) -> str:
    return f"{row['model'] or 'an unknown model'} at {row['provider'] or 'an unknown provider'}"


def peak(row: Row) -> Row:
    sentence = (
        f"The busiest hour of the day begins at {row['hour']:02d}:00, with "
        f"{counted(row['calls'], 'call')} ({percent(row['share'], 1)} of all)."
    )
    return observation("peak", sentence, row["calls"], {})


def schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            ("rank", pa.int64()),
            ("kind", pa.string()),
            ("sentence", pa.string()),
            ("amount", pa.decimal128(38, 9)),
            ("calls", pa.int64()),
            ("link_where", pa.string()),
        ]
    )
