"""The shipped price list: consistent in itself, true to the captures, honest about its age."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest
from conftest import shared_file

from hf_ledger.ingest.catalogue.load import data_file
from hf_ledger.ingest.catalogue.prices import (
    Price,
    age_of_list,
    of_model,
    shipped_list_at,
    shipped_prices,
)

ROOT = Path(__file__).resolve().parent.parent
JULY = datetime(2026, 7, 27, tzinfo=UTC)


def versions() -> dict[tuple[str, str, str], list[Price]]:
    found: dict[tuple[str, str, str], list[Price]] = defaultdict(list)
    for price in shipped_prices():
        found[price.provider, price.model, price.kind].append(price)
    return found


def test_versions_of_a_price_never_overlap() -> None:
    for prices in versions().values():
        for old, new in pairwise(sorted(prices, key=lambda price: price.valid_from)):
            assert old.valid_to is not None and old.valid_to <= new.valid_from


def test_a_price_ends_after_it_began() -> None:
    assert all(p.valid_to is None or p.valid_to > p.valid_from for p in shipped_prices())


def test_only_changes_are_kept() -> None:
    """The same two prices never follow each other without a gap."""
    routes: dict[tuple[str, str], dict[datetime, list[Price]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for price in shipped_prices():
        routes[price.provider, price.model][price.valid_from].append(price)
    for eras in routes.values():
        for (_, old), (start, new) in pairwise(sorted(eras.items())):
            if old[0].valid_to == start:
                assert [p.usd for p in old] != [p.usd for p in new]


def test_all_kinds_of_a_version_share_one_id_and_no_other_version_has_it() -> None:
    groups: dict[str, set[tuple[str, str, datetime, datetime | None, int]]] = defaultdict(set)
    for p in shipped_prices():
        groups[p.price_id].add((p.provider, p.model, p.valid_from, p.valid_to, p.per_units))
    assert all(len(group) == 1 for group in groups.values())
    kinds = [(p.price_id, p.kind) for p in shipped_prices()]
    assert len(kinds) == len(set(kinds))


def test_every_route_price_has_input_and_output() -> None:
    groups: dict[str, set[str]] = defaultdict(set)
    for price in shipped_prices():
        groups[price.price_id].add(price.kind)
    wanted = [{"input_tokens", "output_tokens"}, {"gpu_seconds"}]
    assert all(kinds in wanted for kinds in groups.values())


def test_no_price_of_nought_and_nought_is_shipped() -> None:
    """Listed as 0 and 0 may be free or a placeholder: nobody says which."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for price in shipped_prices():
        sums[price.price_id] += price.usd
    assert min(sums.values()) > 0


def test_every_price_names_a_list_that_ships() -> None:
    with data_file("price_lists.csv").open(encoding="utf-8") as file:
        known = {(row["source"], row["snapshot"]) for row in csv.DictReader(file)}
    with data_file("prices.csv").open(encoding="utf-8") as file:
        used = {(row["source"], row["snapshot"]) for row in csv.DictReader(file) if row["snapshot"]}
    assert used <= known and len(known) == 11


def test_ids_are_spelled_as_on_the_hub() -> None:
    models = {price.model for price in shipped_prices()}
    assert len({model.lower() for model in models}) == len(models)
    lower = {m for m in models if m == m.lower() and m != "*"}
    assert {"openai/gpt-oss-20b", "google/gemma-3-27b-it"} <= lower  # these are lower-case there
    assert len(lower) <= 12


def test_no_data_file_is_large() -> None:
    sizes = {path.name: path.stat().st_size for path in data_file("").iterdir()}
    assert sum(sizes.values()) < 1_000_000, sizes


def test_the_rise_of_a_quarter() -> None:
    """40 of 51 Novita pairs cost a quarter more from February 2026 than in December 2025."""
    december, february = datetime(2025, 12, 16, tzinfo=UTC), datetime(2026, 2, 24, tzinfo=UTC)
    factors = []
    for (provider, _, kind), prices in versions().items():
        then = [p.usd for p in prices if p.holds(december)]
        later = [p.usd for p in prices if p.holds(february)]
        if provider == "novita" and kind == "output_tokens" and then and later:
            factors.append(later[0] / then[0])
    # Three more stood in an earlier list and in February's: they are carried through December's.
    assert factors.count(Decimal("1.25")) == 40 + 2
    assert factors.count(Decimal(1)) == 51 - 40 + 1


CAPTURED = """
select
    provider,
    model_lower,
    cast(input_usd_per_mtok as varchar) as input_usd,
    cast(output_usd_per_mtok as varchar) as output_usd
from read_parquet($path)
where captured_at = cast($at as timestamptz)
    and input_usd_per_mtok is not null
    and input_usd_per_mtok + output_usd_per_mtok > 0
"""

MOMENTS = "select distinct captured_at::varchar from read_parquet($path) order by 1"


def test_at_each_capture_the_list_says_what_the_capture_says() -> None:
    """For all 11 captures and every priced pair: the shipped price at that moment is that price."""
    path = str(shared_file("prices/hf_router_prices.parquet"))
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    moments = [at for (at,) in connection.execute(MOMENTS, {"path": path}).fetchall()]
    assert len(moments) == 11
    for at in moments:
        held = {
            (p.provider, p.model.lower(), p.kind): p.usd
            for p in shipped_prices()
            if p.holds(datetime.fromisoformat(at))
        }
        for provider, model, entry, output in connection.execute(
            CAPTURED, {"path": path, "at": at}
        ).fetchall():
            assert held[provider, model, "input_tokens"] == Decimal(entry)
            assert held[provider, model, "output_tokens"] == Decimal(output)


BUILD = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import build_data
build_data.DATA = pathlib.Path(sys.argv[3])
build_data.main(pathlib.Path(sys.argv[2]))
"""


def test_the_files_are_what_the_captures_make(tmp_path: Path) -> None:
    """Built again from the captures, every built file has the same bytes."""
    captures = shared_file("prices/hf_router_prices.parquet").parent.parent
    folder = str(ROOT / "benchmarks")
    subprocess.run(
        [sys.executable, "-c", BUILD, folder, str(captures), str(tmp_path)],
        check=True,
        capture_output=True,
    )
    built = sorted(path.name for path in tmp_path.iterdir())
    assert len(built) == 5
    assert [n for n in built if (tmp_path / n).read_bytes() != data_file(n).read_bytes()] == []


def test_the_latest_list_tells_its_age() -> None:
    assert shipped_list_at() == JULY
    now = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
    assert age_of_list(JULY, now) == "at the list of 27 Jul 2026 (119 days old)"
    assert age_of_list(JULY, JULY + timedelta(hours=30)).endswith("(1 day old)")
    assert age_of_list(JULY, JULY).endswith("(0 days old)")


@pytest.mark.parametrize("model", ["openai/gpt-oss-120b", "OpenAI/GPT-OSS-120b"])
def test_prices_of_one_model(model: str) -> None:
    prices = of_model(shipped_prices(), model)
    assert {price.model for price in prices} == {"openai/gpt-oss-120b"}
    assert len({price.provider for price in prices}) >= 8


def test_a_price_holds_from_its_first_moment_to_before_its_last() -> None:
    price = next(price for price in shipped_prices() if price.valid_to)
    assert price.valid_to is not None
    assert price.holds(price.valid_from)
    assert not price.holds(price.valid_to)
    assert not price.holds(price.valid_from - timedelta(microseconds=1))


def test_endpoint_hardware_is_dated_and_priced() -> None:
    with data_file("endpoint_hardware.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 55
    assert all(Decimal(row["usd_per_hour"]) > 0 and row["valid_from"] for row in rows)
    keys = [(r["vendor"], r["instance_type"], r["instance_size"]) for r in rows]
    assert len(keys) == len(set(keys))
    aws = {(r["instance_type"], r["instance_size"]): r for r in rows if r["vendor"] == "aws"}
    assert Decimal(aws["h200", "x8"]["usd_per_hour"]) == 40
    assert aws["h100", "x1"]["deprecated"] == "yes"
