"""Targets of the settings with what was discovered of them; then what else was discovered.

A stated fact always stands. A discovered one fills in what is not stated, and only where it is of
the same model in the same place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from hf_ledger.ingest.doors.hook.hosts import netloc_of
from hf_ledger.ingest.doors.router.found import Discovered, Found
from hf_ledger.ingest.doors.router.stated import Stated, StatedTarget, target_of
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.wanted import CHAT

#: Facts that the settings may leave to discovery.
FACTS = (
    "model",
    "tasks",
    "context_length",
    "max_output_tokens",
    "tools",
    "structured_output",
    "region",
)
#: Facts that are only ever discovered.
OBSERVED = ("engine", "throughput", "first_token_ms", "state")
#: What holds of a server holds of every model on it.
OF_THE_SERVER = ("region", "data_classes", "most_at_once", "requests_per_minute", "token_variable")


@dataclass(frozen=True)
class Merged:
    """`seen`: when the discovered facts of a target were told."""

    targets: tuple[Target, ...] = ()
    by_name: Mapping[str, Target] = field(default_factory=dict)
    seen: Mapping[str, float] = field(default_factory=dict)


class Told(NamedTuple):
    found: Found
    seen_at: float | None


def merged(stated: Stated, discovered: Discovered) -> Merged:
    """Every target once, those of the settings first and in their order."""
    told = [Told(each, of.seen_at) for of in discovered.sources.values() for each in of.found]
    targets: dict[str, Target] = {}
    ones: dict[str, Told] = {}
    for name, said in stated.targets.items():
        targets[name] = target_of(name, said)
        if one := one_of(said, told):
            targets[name] = filled(targets[name], said, one.found)
            ones[name] = one
    used = {id(one.found) for one in ones.values()}
    for one in told:
        further = None if id(one.found) in used else beside(one.found, stated)
        if further and further.name not in targets:
            targets[further.name] = further
            ones[further.name] = one
    seen = {name: one.seen_at for name, one in ones.items() if one.seen_at is not None}
    return Merged(tuple(targets.values()), targets, seen)


def one_of(said: StatedTarget, told: Sequence[Told]) -> Told | None:
    """What was told of this target; None where it may be another model's."""
    there = [each for each in told if same_place(each.found, said)]
    if said.model is not None:
        named = [each for each in there if same_model(each.found.model, said.model)]
        there = named or there
    return there[0] if len(there) == 1 else None


def same_place(found: Found, said: StatedTarget) -> bool:
    if said.host_kind == "router":
        both = said.model is not None and said.provider is not None and found.kind == "router"
        return both and found.provider == said.provider and same_model(found.model, said.model)
    return bool(said.url and found.url) and netloc_of(said.url or "") == netloc_of(found.url or "")


def same_model(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one.lower() == other.lower()


def filled(target: Target, said: StatedTarget, found: Found) -> Target:
    """The target with what its settings leave open."""
    facts = {name: getattr(found, name) for name in FACTS if getattr(said, name) is None}
    facts |= {name: getattr(found, name) for name in OBSERVED}
    return replace(target, **{name: fact for name, fact in facts.items() if fact is not None})


def beside(found: Found, stated: Stated) -> Target | None:
    """What is no target of the settings: `model:provider`, `model:endpoint`, `model:server`.

    None for a model of a server that the settings name no more, or name with this model.
    """
    if found.kind == "self_hosted":
        return on_server(
            found, [each for each in stated.targets.items() if same_place(found, each[1])]
        )
    if found.provider is None:
        return None
    provider = found.provider if found.kind == "router" else None
    return discovered_target(found, found.provider, provider=provider)


def on_server(found: Found, servers: Sequence[tuple[str, StatedTarget]]) -> Target | None:
    if not servers or any(same_model(found.model, said.model) for _, said in servers):
        return None
    name, said = servers[0]
    own = {fact: getattr(said, fact) for fact in OF_THE_SERVER if getattr(said, fact) is not None}
    return discovered_target(found, name, **own)


def discovered_target(found: Found, place: str, **further: Any) -> Target:
    facts = {name: getattr(found, name) for name in (*FACTS, *OBSERVED)}
    facts["tasks"] = frozenset({CHAT}) if found.tasks is None else found.tasks
    name = f"{found.model}:{place}" if found.model else place
    kind: dict[str, Any] = {"kind": found.kind, "url": found.url, "known": "discovered"}
    return Target(name=name, **{**facts, **kind, **further})
