"""Where a column's call goes: the practice server, Hugging Face, or a target of the settings."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Literal

from hf_ledger.dashboard.books import Shelf
from hf_ledger.dashboard.console.column import AUTO, HUGGING_FACE, PRACTICE, Column
from hf_ledger.ingest.call import Routing
from hf_ledger.ingest.doors.router.registry import Registry
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.errors import Usage

#: What the router decides itself, as it is asked for behind a model's name.
POLICIES: tuple[Literal["fastest", "cheapest", "preferred"], ...] = (
    "fastest",
    "cheapest",
    "preferred",
)
#: Standing in for a target where this ledger's router chooses among those of the settings.
ROUTER = "Router policy"

NOT_OFFERED = "{target} is not offered here just now; choose another target."
NO_MODEL = "Choose a model first."


def targets(shelf: Shelf) -> list[str]:
    """Where the console can send a question just now; empty where nowhere."""
    offered = [PRACTICE] if shelf.practice_url else []
    offered += [HUGGING_FACE] if os.environ.get("HF_TOKEN") else []
    offered += shelf.targets
    return [*offered, ROUTER] if shelf.targets else offered


def destinations(column: Column, shelf: Shelf) -> tuple[Target, ...]:
    """Where this column's calls may go: one place, or by a policy any of the settings' targets.

    Raises Usage for what the server does not offer.
    """
    if column.target != ROUTER:
        return (destination(column, shelf),)
    if not shelf.targets or not column.policy:
        raise Usage(NOT_OFFERED.format(target=column.target))
    registry = Registry(shelf.places)
    return tuple(registry.named(name) for name in shelf.targets)


def destination(column: Column, shelf: Shelf) -> Target:
    """Where this column's calls go. Raises Usage for what the server does not offer."""
    if column.target not in targets(shelf) or column.target == ROUTER:
        raise Usage(NOT_OFFERED.format(target=column.target))
    if column.target not in (PRACTICE, HUGGING_FACE):
        return named(column, shelf)
    if not column.model:
        raise Usage(NO_MODEL)
    return Target(
        name=column.target,
        url=shelf.practice_url if column.target == PRACTICE else None,
        model=column.model,
        provider=None if routing_of(column) != "explicit" else column.provider,
        routing=routing_of(column),
    )


def named(column: Column, shelf: Shelf) -> Target:
    """A target of the settings; the column may ask it for another model."""
    found = Registry(shelf.places).named(column.target)
    return replace(found, model=column.model) if column.model else found


def routing_of(column: Column) -> Routing:
    if column.provider == AUTO:
        return "auto"
    return column.provider if column.provider in POLICIES else "explicit"
