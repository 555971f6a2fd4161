"""`hf-ledger route explain`: which target a request would go to, in which order, and why."""

from __future__ import annotations

import csv
import json
import sys
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hf_ledger.cli.key import table
from hf_ledger.cli.key_scope import Class as DataClass
from hf_ledger.cli.options import Format, Shape, listed

if TYPE_CHECKING:
    from hf_ledger.ingest.doors.router.ranked import Ranking
    from hf_ledger.ingest.doors.router.target import Target
    from hf_ledger.ingest.doors.router.wanted import Wanted
    from hf_ledger.ingest.places import Places

COLUMNS = (
    "place",
    "target",
    "kind",
    "model",
    "provider",
    "usd",
    "calls",
    "success",
    "latency_ms",
    "latency_p95_ms",
    "ttft_ms",
    "why",
)
SHOWN = ("place", "target", "model", "provider", "why")
DRAWN = ("split", "advised")

NOBODY = "No target may do this."
DRAWN_ANEW = "Which one comes first is drawn anew with each request."
HERE = "Breakers and requests under way are those of each program, and so not in this."
NO_FIGURES = "No figures of the last minutes: a server (hf-ledger serve) writes them."
FIGURES = "Figures are of calls up to {age:,.0f} s ago, over {minutes} minutes."
NO_PRICES = "No prices were published here yet: start hf-ledger serve once."
PRICES = "Prices as published at {at}."


Task = Annotated[
    str | None, typer.Option(metavar="TASK", help="Hugging Face's name; chat-completion.")
]
Policy = Annotated[
    str | None,
    typer.Option(
        metavar="POLICY",
        help="cheapest, fastest, balanced, sticky, hybrid, split or advised.",
    ),
]
Route = Annotated[
    str | None, typer.Option(metavar="NAME", help="Start from this route of the settings.")
]
Models = Annotated[
    list[str] | None, typer.Option("--model", metavar="PATTERN", help="Models that may do it.")
]
Targets = Annotated[
    list[str] | None, typer.Option("--target", metavar="PATTERN", help="Targets that may do it.")
]
Class = Annotated[
    DataClass | None, typer.Option("--data-class", help="The class of the data; internal.")
]
InputTokens = Annotated[int | None, typer.Option(min=0, help="Length of the request.")]
OutputTokens = Annotated[int | None, typer.Option(min=0, help="Most tokens that are written.")]
Sticky = Annotated[
    str | None, typer.Option(metavar="KEY", help="What the policy sticky goes by: a session.")
]


def explain(
    *,
    task: Task = None,
    policy: Policy = None,
    route: Route = None,
    model: Models = None,
    target: Targets = None,
    data_class: Class = None,
    input_tokens: InputTokens = None,
    output_tokens: OutputTokens = None,
    sticky: Sticky = None,
    output: Shape = Format.table,
) -> None:
    """In which order targets would be tried for a request, and why the others would not.

    Nothing is sent. Without --model and --target only targets of the settings and models that the
    policy file has proven for the task are considered.
    """
    from hf_ledger.ingest.places import Places

    places = Places.default()
    said = {
        "task": task,
        "policy": policy,
        "models": tuple(listed(model)) or None,
        "targets": tuple(listed(target)) or None,
        "data_class": None if data_class is None else data_class.value,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "sticky": sticky,
    }
    found = explained(
        places, route, {name: each for name, each in said.items() if each is not None}
    )
    show(found, output)


def explained(places: Places, route: str | None, said: dict[str, Any]) -> dict[str, Any]:
    """The ranking in the shape that stays. Raises `Usage` and `Unusable`."""
    import random

    from hf_ledger.ingest.doors.router.advice import AdviceNow
    from hf_ledger.ingest.doors.router.breakers import Breakers
    from hf_ledger.ingest.doors.router.metrics import Metrics
    from hf_ledger.ingest.doors.router.parts import PricesNow, compliance_of
    from hf_ledger.ingest.doors.router.ranking import Ranker
    from hf_ledger.ingest.doors.router.registry import Registry
    from hf_ledger.ingest.doors.router.told import Following

    registry = Registry.open(places)
    wanted = wanted_of(registry, route, said)
    metrics, advice = Metrics(), AdviceNow(places)
    following = Following(places, metrics)
    breakers, compliance = Breakers(random.random), compliance_of(places)
    ranker = Ranker(PricesNow(places), metrics, breakers, advice, compliance, random)
    ranking = ranker.rank(wanted, registry.targets, time.monotonic())
    held = advice()
    return {
        "wanted": {**asdict(wanted), "weights": dict(wanted.weights)},
        "policy_file": {"number": held.number if held else None},
        "prices": {"published_at": published_at(places), **list_age_of(places)},
        "metrics": {"age_s": following.age_s},
        "ranked": ranked_rows(ranking),
        "excluded": [{"target": each.target.name, "why": each.why} for each in ranking.excluded],
    }


def wanted_of(registry: Any, route: str | None, said: dict[str, Any]) -> Wanted:
    """What the route asks for, and on top of it what was said. Raises `Usage`."""
    from hf_ledger.ingest.doors.router.tasks import task_named
    from hf_ledger.ingest.doors.router.wanted import Wanted

    wanted = replace(registry.route(route) if route else Wanted(), **said)
    task_named(wanted.task)
    return wanted


def published_at(places: Places) -> str | None:
    """When what gateways and routers know of prices was last another; None without a file."""
    try:
        moment = places.gateway_state.stat().st_mtime
    except OSError:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def list_age_of(places: Places) -> dict[str, Any]:
    """When the latest price list in the ledger was captured, and its age in days; None: none is."""
    from hf_ledger.analytics.words import list_days
    from hf_ledger.cli.options import connected

    at = None
    if places.ledger.exists():
        with connected(places) as ask:
            health = {row["name"]: row["value"] for row in ask("health").to_pylist()}
        at = health.get("price_list_at")
    listed_at = datetime.fromisoformat(at) if at else None
    return {"list_at": at, "list_days": list_days(listed_at, datetime.now(UTC))}


def ranked_rows(ranking: Ranking) -> list[dict[str, Any]]:
    rows = []
    for place, each in enumerate(ranking.ranked, 1):
        health = each.health
        figures = (
            None if each.cost is None else f"{each.cost:f}",
            health.calls,
            health.success,
            health.latency_ms,
            health.latency_p95_ms,
            health.ttft_ms,
            each.why,
        )
        rows.append(dict(zip(COLUMNS, (place, *identity(each.target), *figures), strict=True)))
    return rows


def identity(target: Target) -> tuple[str | None, ...]:
    return target.name, target.kind, target.model, target.provider


# -- writing it ------------------------------------------------------------------------------------


def show(found: dict[str, Any], output: Format) -> None:
    if output is Format.json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    elif output is Format.csv:
        writer = csv.DictWriter(sys.stdout, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(found["ranked"])
        writer.writerows(found["excluded"])
    else:
        typer.echo("\n".join(lines(found)))


def lines(found: dict[str, Any]) -> list[str]:
    """Two tables, and how old what they rest on is."""
    wanted = found["wanted"]
    said = [f"{wanted['task']}, {wanted['policy']}, {wanted['data_class']} data:"]
    if found["ranked"]:
        rows = [{name: text(row[name]) for name in SHOWN} for row in found["ranked"]]
        said.append(table(rows, SHOWN))
    else:
        said.append(NOBODY)
    if found["excluded"]:
        said += ["", "Left out:", table(found["excluded"], ("target", "why"))]
    return [*said, "", *notes(found)]


def text(value: Any) -> str | None:
    return None if value is None else str(value)


def notes(found: dict[str, Any]) -> list[str]:
    from hf_ledger.ingest.doors.router.metrics import WINDOW_S

    age, at = found["metrics"]["age_s"], found["prices"]["published_at"]
    said = [
        NO_PRICES if at is None else prices_line(at, found["prices"]["list_at"]),
        NO_FIGURES if age is None else FIGURES.format(age=age, minutes=WINDOW_S // 60),
        *lengths(found["wanted"]),
    ]
    return [*said, HERE, *([DRAWN_ANEW] if found["wanted"]["policy"] in DRAWN else [])]


def prices_line(published: str, list_at: str | None) -> str:
    from hf_ledger.cli.output import list_line

    listed = datetime.fromisoformat(list_at) if list_at else None
    return f"{PRICES.format(at=published)} {list_line(listed, datetime.now(UTC))}"


def lengths(wanted: dict[str, Any]) -> list[str]:
    """What was reckoned with where a length was not said."""
    from hf_ledger.ingest.doors.router.costs import DEFAULT_INPUT_TOKENS, DEFAULT_OUTPUT_TOKENS

    reckoned = [
        f"{tokens:,} tokens of {what}"
        for what, tokens in (("input", DEFAULT_INPUT_TOKENS), ("output", DEFAULT_OUTPUT_TOKENS))
        if wanted[f"{what}_tokens"] is None
    ]
    return [f"Reckoned with {' and '.join(reckoned)}."] if reckoned else []
