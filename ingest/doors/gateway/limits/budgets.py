"""The budgets as the ledger keeps them: set, listed, removed, and what each has come to.

A budget for the same dimension, value and period is the same budget: setting it again changes its
amount and keeps what was spent.
"""

from __future__ import annotations

import secrets
import time
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, get_args

import duckdb
import msgspec

from hf_ledger.ingest.doors.gateway.limits.bank import Bank, bank_here
from hf_ledger.ingest.doors.gateway.limits.books import Books, Standing
from hf_ledger.ingest.doors.gateway.limits.money import usd
from hf_ledger.ingest.doors.gateway.state import Budget, Dimension, Period, State
from hf_ledger.ingest.doors.replays.caps import caps_of
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger, transaction
from hf_ledger.ingest.places import Places

COMMANDS = ("budget_set", "budget_list", "budget_remove", "budget_show")
UNPRICED = ("refuse", "allow", "assume")
#: What DECIMAL(18, 9) holds.
LARGEST_USD = 10**9
LONGEST_VALUE = 200

ADD = """
insert into budgets
values (
    $budget_id,
    $dimension,
    $value,
    $period,
    $usd::decimal(18, 9),
    $hard,
    $unpriced,
    $assumed_usd::decimal(18, 9),
    $created_at,
    null
)
"""

CHANGE = """
update budgets
set
    usd = $usd::decimal(18, 9),
    hard = $hard,
    unpriced = $unpriced,
    assumed_usd = $assumed_usd::decimal(18, 9)
where budget_id = $budget_id
"""

LIST = """
select
    budget_id,
    dimension,
    value,
    period,
    usd,
    hard,
    unpriced,
    assumed_usd
from budgets
where removed_at is null
order by
    created_at,
    budget_id
"""

REMOVE = """
update budgets
set removed_at = $removed_at
where budget_id = $budget_id
"""


class BudgetName(msgspec.Struct):
    budget_id: str


# Made here, once: see exchanging.py.
_budget = msgspec.json.Decoder(Budget)
_name = msgspec.json.Decoder(BudgetName)
_state = msgspec.json.Decoder(State)


def perform(ledger: Ledger, places: Places, command: str, payload: bytes) -> dict[str, Any]:
    """Carry out one of `COMMANDS` in the process that holds the ledger; its bank follows."""
    bank = bank_here(places)
    if command == "budget_show":
        return {"budgets": shown(ledger, places, bank)}
    if command == "budget_list":
        with closing(ledger.cursor()) as cursor:
            return {"budgets": msgspec.to_builtins(read_budgets(cursor))}
    with ledger.writing, closing(ledger.cursor()) as cursor, transaction(cursor):
        done = changed(cursor, command, payload)
    if bank:
        known = bank.state
        with closing(ledger.cursor()) as cursor:
            budgets = (*read_budgets(cursor), *caps_of(known.keys))
        bank.adopt(msgspec.structs.replace(known, budgets=budgets))
    return done


def changed(cursor: duckdb.DuckDBPyConnection, command: str, payload: bytes) -> dict[str, Any]:
    if command == "budget_set":
        return set_budget(cursor, _budget.decode(payload))
    return remove_budget(cursor, _name.decode(payload).budget_id)


def new_budget(**said: Any) -> Budget:
    """A budget with an id of its own; raises `Usage` for what makes no sense."""
    made = Budget(budget_id=secrets.token_hex(4), **said)
    if made.dimension is not None and made.dimension not in get_args(Dimension):
        known = ", ".join(get_args(Dimension))
        raise Usage(f"a budget can't be for {made.dimension!r}; there are {known}.")
    if made.value is not None and len(made.value) > LONGEST_VALUE:
        raise Usage(f"a budget is for a name of at most {LONGEST_VALUE} characters.")
    if made.period not in get_args(Period):
        raise Usage(f"unknown period {made.period!r}; there are {', '.join(get_args(Period))}.")
    if made.unpriced not in UNPRICED:
        raise Usage(f"unknown way {made.unpriced!r} with calls without a price: {UNPRICED}.")
    if (made.unpriced == "assume") != (made.assumed_usd is not None):
        raise Usage("what a call without a price counts goes with assume, and only with it.")
    for amount in filter(None, (made.usd, made.assumed_usd)):
        checked_usd(amount)
    return made


def checked_usd(text: str) -> None:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise Usage(f"{text!r} is not an amount of USD, such as 250 or 0.05.") from None
    if not amount.is_finite() or not 0 <= amount < LARGEST_USD or amount != round(amount, 9):
        raise Usage(f"{text!r} is no amount of USD: not negative, at most nine places.")


def set_budget(cursor: duckdb.DuckDBPyConnection, budget: Budget) -> dict[str, Any]:
    """Add a budget, or change the one of the same dimension, value and period."""
    row = {name: getattr(budget, name) for name in budget.__struct_fields__}
    same = [each for each in read_budgets(cursor) if counts_of(each) == counts_of(budget)]
    if not same:
        cursor.execute(ADD, {**row, "created_at": _now()})
        return {"budget_id": budget.budget_id}
    row["budget_id"] = same[0].budget_id
    cursor.execute(CHANGE, {name: row[name] for name in _changeable(row)})
    return {"budget_id": same[0].budget_id}


def counts_of(budget: Budget) -> tuple[str | None, str | None, str]:
    """What makes a budget the same one."""
    return budget.dimension, budget.value, budget.period


def read_budgets(cursor: duckdb.DuckDBPyConnection) -> list[Budget]:
    """The budgets that hold now, oldest first."""
    return [
        Budget(
            budget_id=budget_id,
            dimension=dimension,
            value=value,
            period=period,
            usd=_plain(amount),
            hard=hard,
            unpriced=unpriced,
            assumed_usd=None if assumed is None else _plain(assumed),
        )
        for budget_id, dimension, value, period, amount, hard, unpriced, assumed in cursor.execute(
            LIST
        ).fetchall()
    ]


def remove_budget(cursor: duckdb.DuckDBPyConnection, budget_id: str) -> dict[str, Any]:
    """End a budget; raises `Usage` where there is none of this id."""
    if not any(each.budget_id == budget_id for each in read_budgets(cursor)):
        raise Usage(f"there is no budget {budget_id!r}: hf-ledger budget list shows them.")
    cursor.execute(REMOVE, {"budget_id": budget_id, "removed_at": _now()})
    return {"budget_id": budget_id}


def shown(ledger: Ledger, places: Places, bank: Bank | None) -> list[dict[str, Any]]:
    """Every budget with limit, settled, reserved and left; USD as decimal strings.

    What replays of a key may cost is among them, as the key `replay:KEY_ID`.
    """
    told = bank.state if bank else last_told(places)
    with closing(ledger.cursor()) as cursor:
        found = (*read_budgets(cursor), *caps_of(told.keys))
    budgets = {each.budget_id: each for each in found}
    if bank:
        standings = bank.standings()
    else:
        state = State(zone=told.zone, budgets=found)
        standings = Books.read(places, state).standings(time.time())
    return [_row(budgets[each.budget_id], each) for each in standings if each.budget_id in budgets]


def last_told(places: Places) -> State:
    """What gateways were told last: their keys, and the zone in which periods begin."""
    try:
        return _state.decode((places.root / "run" / "gateway.json").read_bytes())
    except (OSError, msgspec.MsgspecError):
        return State()


def _row(budget: Budget, standing: Standing) -> dict[str, Any]:
    left = standing.limit - standing.settled - standing.reserved
    return {
        "budget_id": budget.budget_id,
        "dimension": budget.dimension,
        "value": budget.value,
        "period": standing.period,
        "hard": budget.hard,
        "limit_usd": f"{usd(standing.limit):f}",
        "settled_usd": f"{usd(standing.settled):f}",
        "unaccounted_usd": f"{usd(standing.unaccounted):f}",
        "reserved_usd": f"{usd(standing.reserved):f}",
        "left_usd": f"{usd(left):f}",
    }


def _changeable(row: dict[str, Any]) -> list[str]:
    return [name for name in row if name not in ("dimension", "value", "period")]


def _plain(amount: Decimal) -> str:
    """Without the zeros that the column adds: 250 and not 250.000000000."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
