"""Question `flat`: the analyzer this product began from, with its price book and its rule.

A request costs a flat price by the size class of its model. A smaller class is suitable by task
and input length; the saving is the difference of the two flat prices. None of it is evidence: it
is kept so that its figures can be reproduced and compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hf_ledger.analytics.kernel.scan import aggregate
from hf_ledger.analytics.kernel.suitable import CLASSES, classes_over
from hf_ledger.analytics.peaks import busiest
from hf_ledger.analytics.scope import Scope

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

#: USD a request, by size class.
PRICES: Mapping[str, Decimal] = {
    "small": Decimal("0.001"),
    "medium": Decimal("0.005"),
    "large": Decimal("0.01"),
    "xl": Decimal("0.02"),
}

#: Two or more classes smaller is overkill.
OVERKILL = 2

REQUESTS = "count(*) as calls"
KEYS = ("task", "size_class", "flat_class")

Row = dict[str, Any]

NOTHING = "No request used a larger class than its task and length call for."


def flat(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> pa.Table:
    """Rows of section, label, calls, share, amount, per_call, sentence.

    Sections: spend (all requests of known size), peak_hour, size, saving (the total), move (from
    class → suitable class), overkill (task: class → suitable class), recommendation. Amounts are
    USD at flat prices; `per_call` is the amount of one request, rounded at nine places.
    """
    import pyarrow as pa

    groups = sorted(aggregate(cursor, scope, KEYS, REQUESTS).to_pylist(), key=in_order)
    hours = busiest(cursor, scope).to_pylist()
    moves = [row for row in map(saved, groups) if row]
    rows = [spent(groups), *map(peak, hours), *sizes(groups), total(moves)]
    rows += [*by_move(moves), *overkill(moves)]
    return pa.Table.from_pylist([*rows, *recommendations(rows)], schema=schema())


def in_order(group: Row) -> tuple[int, int, str]:
    """Dearest class first, then smallest suitable class, then task."""
    return (-place(group["size_class"]), place(group["flat_class"]), group["task"] or "")


def place(size_class: str | None) -> int:
    return CLASSES.index(size_class) if size_class in CLASSES else -1


def line(section: str, label: str, calls: int, **rest: Any) -> Row:
    empty = {"share": None, "amount": None, "per_call": None, "sentence": None}
    return {"section": section, "label": label, "calls": calls, **empty, **rest}


def each_of(amount: Decimal, calls: int) -> Decimal | None:
    """The amount of one request, half to even at nine places."""
    return (amount / calls).quantize(Decimal("1e-9")) if calls else None


def spent(groups: Sequence[Row]) -> Row:
    priced = [row for row in groups if row["size_class"] in PRICES]
    calls = sum(row["calls"] for row in priced)
    amount = sum((PRICES[row["size_class"]] * row["calls"] for row in priced), Decimal(0))
    return line("spend", "total", calls, amount=amount, per_call=each_of(amount, calls))


def peak(row: Row) -> Row:
    return line("peak_hour", f"{row['hour']:02d}:00", row["calls"], share=row["share"])


def sizes(groups: Sequence[Row]) -> list[Row]:
    """Requests by class; those of unknown size have no flat price."""
    every = sum(row["calls"] for row in groups)
    found: list[Row] = []
    for size_class in (*CLASSES, None):
        calls = sum(row["calls"] for row in groups if row["size_class"] == size_class)
        if calls:
            price = PRICES.get(size_class or "")
            money = {"amount": price * calls, "per_call": price} if price is not None else {}
            found.append(line("size", size_class or "unknown", calls, share=calls / every, **money))
    return found


def saved(group: Row) -> Row | None:
    """A group whose suitable class is strictly smaller, with the difference of one request."""
    over = classes_over(group["size_class"], group["flat_class"])
    if over is None or over < 1:
        return None
    return {
        **group,
        "over": over,
        "each": PRICES[group["size_class"]] - PRICES[group["flat_class"]],
    }


def total(moves: Sequence[Row]) -> Row:
    calls = sum(row["calls"] for row in moves)
    amount = sum((row["each"] * row["calls"] for row in moves), Decimal(0))
    return line("saving", "total", calls, amount=amount, per_call=each_of(amount, calls))


def arrow(row: Row) -> str:
    return f"{row['size_class']} → {row['flat_class']}"


def by_move(moves: Sequence[Row]) -> list[Row]:
    """The saving of each pair of classes."""
    calls: dict[str, int] = {}
    prices: dict[str, Decimal] = {}
    for row in moves:
        calls[arrow(row)] = calls.get(arrow(row), 0) + row["calls"]
        prices[arrow(row)] = row["each"]
    return [
        line("move", label, count, amount=prices[label] * count, per_call=prices[label])
        for label, count in calls.items()
    ]


def overkill(moves: Sequence[Row]) -> list[Row]:
    """Scenarios two or more classes too big: task and pair of classes."""
    return [
        line(
            "overkill",
            f"{row['task']}: {arrow(row)}",
            row["calls"],
            amount=row["each"] * row["calls"],
            per_call=row["each"],
        )
        for row in moves
        if row["over"] >= OVERKILL
    ]


def recommendations(rows: Sequence[Row]) -> list[Row]:
    """What follows from the rows above, in words, greatest amount first."""
    moves = [row for row in rows if row["section"] == "move"]
    moves.sort(key=lambda row: (-row["amount"], row["label"]))
    sentences = [(move_sentence(row), row["calls"], row["amount"]) for row in moves]
    sentences += [
        (overkill_sentence(row), row["calls"], row["amount"])
        for row in rows
        if row["section"] == "overkill"
    ]
    sentences += [(peak_sentence(row), row["calls"], None) for row in peaks(rows)[:1]]
    if peaks(rows) and not moves:
        sentences.insert(0, (NOTHING, 0, None))
    return [
        line("recommendation", str(number), calls, amount=amount, sentence=sentence)
        for number, (sentence, calls, amount) in enumerate(sentences, start=1)
    ]


def peaks(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["section"] == "peak_hour"]


def requests(calls: int) -> str:
    return f"{calls:,} request{'' if calls == 1 else 's'}"


def move_sentence(row: Row) -> str:
    used, suitable = row["label"].split(" → ")
    return (
        f"{requests(row['calls'])} on {used} models fit a {suitable} one by task and length: "
        f"${row['amount'].normalize():f} less at flat prices, "
        f"${row['per_call'].normalize():f} a request, untested."
    )


def overkill_sentence(row: Row) -> str:
    task, pair = row["label"].split(": ")
    used, suitable = pair.split(" → ")
    return (
        f"Overkill: {requests(row['calls'])} for {task} on {used} models, where {suitable} is the "
        "smallest suitable class by the rule."
    )


def peak_sentence(row: Row) -> str:
    return f"Busiest hour of the day: {row['label']}, with {requests(row['calls'])}."


def schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            ("section", pa.string()),
            ("label", pa.string()),
            ("calls", pa.int64()),
            ("share", pa.float64()),
            ("amount", pa.decimal128(38, 9)),
            ("per_call", pa.decimal128(38, 9)),
            ("sentence", pa.string()),
        ]
    )
