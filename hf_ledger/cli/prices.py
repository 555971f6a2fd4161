"""`hf-ledger prices`: the list prices that calls are priced with, from the ledger or as shipped."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hf_ledger.cli.options import Format, Shape

if TYPE_CHECKING:
    import pyarrow as pa

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="The price list and its history."
)

COLUMNS = (
    "provider",
    "model",
    "kind",
    "usd",
    "per_units",
    "valid_from",
    "valid_to",
    "source",
    "rank",
    "price_id",
)
Model = Annotated[str, typer.Argument(metavar="MODEL", help="Hugging Face model id.")]
OptionalModel = Annotated[
    str | None, typer.Argument(metavar="[MODEL]", help="Hugging Face model id; all without one.")
]

Row = dict[str, Any]


@app.command()
def show(model: OptionalModel = None, output: Shape = Format.table) -> None:
    """Prices that hold now, by provider; a price no longer in the latest list is left out."""
    now = datetime.now(UTC)
    rows, listed = known(model)
    held = [row for row in rows if row["valid_from"] <= now and holds_on(row["valid_to"], now)]
    held = counting(held)
    written("show", sorted(held, key=lambda row: (row["model"], row["provider"])), listed, output)


@app.command()
def history(model: Model, output: Shape = Format.table) -> None:
    """Every price a model has had, oldest first, by provider."""
    rows, listed = known(model)
    order = sorted(rows, key=lambda row: (row["provider"], row["valid_from"], row["kind"]))
    written("history", order, listed, output)


@app.command()
def refresh() -> None:
    """Ask Hugging Face for today's price list and keep what changed."""
    from hf_ledger.cli.holder import ledger_of_yours
    from hf_ledger.ingest.catalogue.fetching import client, fetch_list
    from hf_ledger.ingest.places import Places
    from hf_ledger.settings import Settings

    places = Places.default()
    addresses = Settings.load(places).addresses()
    now = datetime.now(UTC)
    with client() as http, ledger_of_yours(places) as session:
        found = fetch_list(http, addresses, now)
        done = session.command("prices_keep", **as_params(found))
        typer.echo(refreshed(done))
        further(http, addresses, session, now)


def further(http: Any, addresses: Any, session: Any, now: datetime) -> None:
    """Routes, and with a token hardware: the prices stand whether or not these can be had."""
    from hf_ledger.ingest.catalogue.fetching import fetch_hardware, fetch_routes
    from hf_ledger.ingest.errors import Incomplete, Unusable

    try:
        routes, snapshot = fetch_routes(http, addresses)
        origin = {"source": addresses.hub, "snapshot": snapshot, "moment": now}
        new = sum(
            session.command("routes_keep", routes=part, **origin)["routes"]
            for part in parts_of(routes)
        )
        typer.echo(f"Routes: {len(routes):,} listed, {new:,} new.")
        if addresses.token:
            hardware, source, snapshot = fetch_hardware(http, addresses)
            given = {"source": source, "snapshot": snapshot, "moment": now}
            kept = session.command("hardware_keep", hardware=hardware, **given)
            typer.echo(
                f"Hardware: {len(hardware):,} machines listed, {kept['hardware']:,} changed."
            )
    except Unusable as error:
        raise Incomplete(f"the prices are in, but {error}") from error


def parts_of(routes: list[Any]) -> list[list[Any]]:
    """As many at a time as a request to the owner holds."""
    return [routes[first : first + 2000] for first in range(0, len(routes), 2000)]


def as_params(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


def refreshed(done: dict[str, Any]) -> str:
    """What a list brought, in one line of words."""
    line = (
        f"Prices: {done['pairs']:,} routes listed, {done['new']:,} new, {done['changed']:,} "
        f"changed, {done['ended']:,} ended, {done['missing']:,} missing for now, "
        f"{done['unpriced']:,} without a price"
    )
    if done["free"]:
        line += f", {done['free']:,} marked free"
    if done["unreadable"]:
        line += f", {done['unreadable']:,} not readable and left as they were"
    return f"{line}."


@app.command("import")
def import_contracts(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or TOML; docs/prices.md.")],
    as_list: Annotated[
        bool, typer.Option("--list", help="A provider's own public list: below the router's.")
    ] = False,
) -> None:
    """Prices agreed on and discounts: they outrank the list, which stays beside them."""
    from hf_ledger.cli.holder import ledger_of_yours
    from hf_ledger.ingest.catalogue.contracts import read_contracts

    agreed = read_contracts(file)
    with ledger_of_yours() as session:
        if as_list:
            told = f"{session.command('prices_list', **as_params(agreed))['prices']:,} list prices"
        else:
            done = session.command("prices_agree", **as_params(agreed))
            told = f"{done['contracts']:,} agreed prices"
    typer.echo(
        f"{told} of {agreed.source} hold for calls from now on; "
        "for earlier ones: hf-ledger reprice --since DATE."
    )


def counting(held: list[Row]) -> list[Row]:
    """Of several prices that a route has at once the one that calls are priced by."""
    best: dict[tuple[str, str], tuple[int, float]] = {}
    for row in held:
        route, place = (row["provider"], row["model"]), place_of(row)
        best[route] = min(best.get(route, place), place)
    return [row for row in held if place_of(row) == best[row["provider"], row["model"]]]


def place_of(row: Row) -> tuple[int, float]:
    """Lowest first: the source that counts more, of one source the newest version."""
    return row["rank"], -row["valid_from"].timestamp()


def holds_on(end: datetime | None, now: datetime) -> bool:
    return end is None or now < end


def known(model: str | None) -> tuple[list[Row], datetime | None]:
    """Prices of a model (or all) and when the latest list was captured.

    Raises `Usage` with near names for a model that has no price in any list.
    """
    rows, listed = listed_prices(model)
    if model and not rows:
        raise no_price(model)
    return rows, listed


def listed_prices(model: str | None) -> tuple[list[Row], datetime | None]:
    """The same, ours or the shipped ones; no rows where no list has a price."""
    from hf_ledger.ingest.places import Places

    places = Places.default()
    return from_ledger(places, model) if places.ledger.exists() else shipped(model)


def from_ledger(places: Any, model: str | None) -> tuple[list[Row], datetime | None]:
    from hf_ledger.cli.options import connected

    with connected(places) as ask:
        health = {row["name"]: row["value"] for row in ask("health").to_pylist()}
        rows = ask("route_prices", model=model).select(list(COLUMNS)).to_pylist()
    at = health.get("price_list_at")
    return rows, datetime.fromisoformat(at) if at else None


def shipped(model: str | None) -> tuple[list[Row], datetime]:
    from hf_ledger.ingest.catalogue.prices import of_model, shipped_list_at, shipped_prices

    prices = of_model(shipped_prices(), model) if model else shipped_prices()
    return [{name: getattr(price, name) for name in COLUMNS} for price in prices], shipped_list_at()


def no_price(model: str) -> Exception:
    from difflib import get_close_matches

    from hf_ledger.ingest.catalogue.prices import shipped_prices
    from hf_ledger.ingest.errors import Usage

    spelled = {price.model.lower(): price.model for price in shipped_prices()}
    near = [spelled[each] for each in get_close_matches(model.lower(), spelled, n=3)]
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return Usage(f"no price of {model!r} is in any list: its calls are price unknown.{hint}")


def written(question: str, rows: list[Row], listed: datetime | None, output: Format) -> None:
    from hf_ledger.analytics.words import list_days
    from hf_ledger.cli.output import as_text, write_csv

    if output is Format.json:
        days = list_days(listed, datetime.now(UTC))
        told = {"question": f"prices {question}", "list_at": listed, "list_days": days}
        answer = {**told, "rows": rows}
        print(json.dumps(answer, default=as_text, ensure_ascii=False, indent=2))
    elif output is Format.csv:
        write_csv(table_of(rows))
    else:
        print_table(rows, listed)


def table_of(rows: list[Row]) -> pa.Table:
    import pyarrow as pa

    return pa.table({name: [row[name] for row in rows] for name in COLUMNS})


def print_table(rows: list[Row], listed: datetime | None) -> None:
    """One line a version of a route's price, its kinds side by side."""
    import pyarrow as pa
    from rich.console import Console

    from hf_ledger.analytics.words import list_age
    from hf_ledger.cli.output import PIPE_WIDTH, grid
    from hf_ledger.ingest.catalogue.prices import age_of_list

    lines = versions(rows)
    console = Console(highlight=False)
    console.width = console.width if console.is_terminal else PIPE_WIDTH
    console.print(grid(pa.Table.from_pylist(lines), list(lines[0])) if lines else "No price holds.")
    if listed:
        now = datetime.now(UTC)
        console.print(f"List prices in USD, {age_of_list(listed, now)}.")
        if list_age(listed, now)[1]:
            console.print("Prices may have changed since: hf-ledger prices refresh.")


def versions(rows: list[Row]) -> list[Row]:
    """For people: provider, model, price, since, until, source."""
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = (row["price_id"], row["valid_from"], row["valid_to"])
        line = found.setdefault(
            key,
            {
                "provider": row["provider"],
                "model": row["model"],
                "price": "",
                "since": day(row["valid_from"]),
                "until": day(row["valid_to"]),
                "source": row["source"],
            },
        )
        line["price"] += (", " if line["price"] else "") + priced(row)
    return list(found.values())


def priced(row: Row) -> str:
    """As "$0.13 per 1,000,000 input tokens"."""
    kind = row["kind"].replace("_", " ")
    units = kind.removesuffix("s") if row["per_units"] == 1 else f"{row['per_units']:,} {kind}"
    return f"${row['usd'].normalize():f} per {units}"


def day(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%d}" if moment else None
