"""Agreed prices and discounts: they set `cost`, the list price stays beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from factories_calls import NOON, insert_rows, ledger_with, make_call, make_row

from hf_ledger.cli import main
from hf_ledger.ingest.catalogue.contracts import keep_contracts, read_contracts
from hf_ledger.ingest.catalogue.repricing import reprice
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places

HEAD = "provider,model,kind,usd,per_units,discount_percent,valid_from,valid_to\n"
LLAMA = "meta-llama/Llama-3.3-70B-Instruct"
AGREED = (
    f"together,{LLAMA},input_tokens,0.5,,,2026-08-01,\n"
    f"together,{LLAMA},output_tokens,0.6,1000000,,2026-08-01,\n"
)
LIST = (100 + 20) * Decimal("1.04") / 1_000_000


def written(folder: Path, rows: str, name: str = "ours.csv") -> Path:
    path = folder / name
    path.write_text(HEAD + rows if name.endswith(".csv") else rows, encoding="utf-8")
    return path


def priced(tmp_path: Path, rows: str, **call: Any) -> dict[str, Any]:
    """A call of 100 and 20 tokens at together, repriced with these contracts."""
    with Ledger.memory(reference=True) as ledger:
        keep_contracts(ledger, read_contracts(written(tmp_path, rows)))
        insert_rows(ledger, [make_row(ts=NOON, **call)])
        reprice(ledger, datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), "test")
        found = (
            ledger.cursor()
            .execute("select cost, list_cost, cost_basis, price_id from calls")
            .fetchall()
        )
    return dict(zip(("cost", "list_cost", "basis", "price_id"), found[0], strict=True))


def test_an_agreed_price_sets_the_cost_and_the_list_price_stays(tmp_path: Path) -> None:
    found = priced(tmp_path, AGREED)
    assert found["cost"] == (100 * Decimal("0.5") + 20 * Decimal("0.6")) / 1_000_000
    assert (found["list_cost"], found["basis"]) == (LIST, "contract")
    assert found["price_id"].startswith("contract/")


def test_before_and_after_it_holds_the_list_does(tmp_path: Path) -> None:
    later = AGREED.replace("2026-08-01,", "2026-08-13,2026-09-01")
    found = priced(tmp_path, later)
    assert (found["cost"], found["basis"]) == (LIST, "list_price_tokens")


def test_a_discount_is_off_the_list(tmp_path: Path) -> None:
    found = priced(tmp_path, "together,*,,,,12.5,2026-08-01,\n")
    assert found["cost"] == LIST * Decimal("0.875")
    assert (found["list_cost"], found["basis"]) == (LIST, "contract")


def test_a_discount_is_rounded_once_with_the_price(tmp_path: Path) -> None:
    """1 token at $1.04 per million: 1,040 nano-USD, of which 0.05 % off leave 1,039.48."""
    found = priced(tmp_path, "*,*,,,,0.05,2026-08-01,\n", uncached_input_tokens=1, output_tokens=0)
    assert found["cost"] == Decimal("0.000001039")


@pytest.mark.parametrize(
    ("rows", "share"),
    [
        (f"*,*,,,,10,2026-08-01,\ntogether,{LLAMA},,,,20,2026-08-01,\n", "0.8"),
        ("*,*,,,,10,2026-08-01,\ntogether,*,,,,30,2026-08-01,\n", "0.7"),
        ("novita,*,,,,10,2026-08-01,\n", "1"),
        ("*,*,,,,100,2026-08-01,\n", "0"),
    ],
)
def test_the_nearest_discount_counts(tmp_path: Path, rows: str, share: str) -> None:
    assert priced(tmp_path, rows)["cost"] == LIST * Decimal(share)


def test_an_agreed_price_outranks_a_discount(tmp_path: Path) -> None:
    found = priced(tmp_path, AGREED + "together,*,,,,50,2026-08-01,\n")
    assert found["cost"] == Decimal("0.000062")


def test_a_contract_that_leaves_output_out_leaves_the_call_to_the_list(tmp_path: Path) -> None:
    found = priced(tmp_path, AGREED.partition("\n")[0] + "\n")
    assert (found["cost"], found["basis"]) == (LIST, "list_price_tokens")


def test_a_contract_prices_a_route_that_no_list_has(tmp_path: Path) -> None:
    rows = AGREED.replace(LLAMA, "acme/wonder")
    found = priced(tmp_path, rows, model="acme/wonder")
    assert (found["cost"], found["list_cost"]) == (Decimal("0.000062"), None)


def test_a_contract_prices_images(tmp_path: Path) -> None:
    rows = "fal-ai,acme/paint,images,0.02,,,2026-08-01,\n"
    call = {"provider": "fal-ai", "model": "acme/paint", "images": 3, "task": "text-to-image"}
    unstated = {"uncached_input_tokens": None, "output_tokens": None}
    assert priced(tmp_path, rows, **call, **unstated)["cost"] == Decimal("0.06")


@pytest.mark.parametrize(
    ("call", "basis", "cost"),
    [
        ({"outcome": "error"}, "free", 0),
        ({"reported_cost": Decimal("0.5")}, "provider_reported", Decimal("0.5")),
        ({"host_kind": "endpoint"}, "endpoint_hours", None),
        ({"host_kind": "self_hosted"}, "unknown", None),
    ],
)
def test_what_outranks_a_contract(tmp_path: Path, call: Any, basis: str, cost: Any) -> None:
    found = priced(tmp_path, AGREED, **call)
    assert (found["basis"], found["cost"]) == (basis, cost)


def test_toml_says_the_same(tmp_path: Path) -> None:
    text = "".join(
        f'[[price]]\nprovider = "together"\nmodel = "{LLAMA}"\nkind = "{kind}"\n'
        f"usd = {usd}\nvalid_from = 2026-08-01\n"
        for kind, usd in (("input_tokens", 0.5), ("output_tokens", 0.6))
    )
    found = read_contracts(written(tmp_path, text, "ours.toml"))
    assert found.contracts == read_contracts(written(tmp_path, AGREED)).contracts


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("together,m,input_tokens,0.5,,10,2026-08-01,", "one of the two"),
        ("together,m,input_tokens,,,,2026-08-01,", "one of the two"),
        ("together,m,tokens,0.5,,,2026-08-01,", "unknown kind 'tokens'"),
        ("together,*,input_tokens,0.5,,,2026-08-01,", "needs its model"),
        ("together,m,input_tokens,-1,,,2026-08-01,", "not negative"),
        ("together,m,input_tokens,NaN,,,2026-08-01,", "not negative"),
        ("together,m,input_tokens,cheap,,,2026-08-01,", "not a number"),
        ("together,m,input_tokens,1,0,,2026-08-01,", "not a number of units"),
        ("together,m,input_tokens,1,,,,", "valid_from is needed"),
        ("together,m,input_tokens,1,,,2026-08-01,2026-07-01", "has to be later"),
        ("together,m,input_tokens,1,,,August,", "not a date"),
        (",m,input_tokens,1,,,2026-08-01,", "no provider"),
        ("together,m,,,,101,2026-08-01,", "above 100"),
    ],
)
def test_a_row_that_is_wrong_is_named_and_nothing_is_taken(
    tmp_path: Path, row: str, said: str
) -> None:
    with pytest.raises(Usage, match=said) as caught:
        read_contracts(written(tmp_path, AGREED + row + "\n"))
    assert "ours.csv, price 3" in str(caught.value)


@pytest.mark.parametrize("text", ["", "nothing", "[[price"])
def test_what_holds_no_prices_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(Usage):
        read_contracts(written(tmp_path, text, "ours.toml"))


def test_a_file_of_the_same_name_takes_the_old_ones_place(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, AGREED)
    assert main(["prices", "import", str(path)]) == 0
    assert main(["prices", "import", str(path)]) == 0
    assert "2 agreed prices of ours.csv" in capsys.readouterr().out
    written(tmp_path, "together,*,,,,50,2026-08-01,\n")
    assert main(["prices", "import", str(path)]) == 0
    with ledger_with(places, [make_call(ts=NOON)]) as ledger:
        found = ledger.cursor().execute("select cost, list_cost from calls").fetchall()
        assert ledger.cursor().execute("select count(*) from contracts").fetchall() == [(1,)]
    assert found == [(LIST / 2, LIST)]
