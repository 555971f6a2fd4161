"""What `hf-ledger.toml` says of targets and routes, read without pydantic and checked alike."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from hf_ledger.ingest.doors.gateway.state import DataClass
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.tasks import TASKS
from hf_ledger.ingest.doors.router.wanted import CHAT, POLICIES, Wanted
from hf_ledger.ingest.errors import Unusable

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Read = TypeVar("Read", bound=msgspec.Struct)


class StatedTarget(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """`[targets.NAME]`; None is not stated, and may be discovered."""

    kind: Literal["router", "endpoint", "self_hosted"] | None = None
    url: str | None = None
    model: str | None = None
    provider: str | None = None
    token_variable: str | None = None
    routing: Literal["fastest", "cheapest", "preferred"] | None = None
    tasks: Annotated[frozenset[str], Meta(min_length=1)] | None = None
    context_length: Count | None = None
    max_output_tokens: Count | None = None
    tools: bool | None = None
    structured_output: bool | None = None
    data_classes: frozenset[DataClass] | None = None
    region: str | None = None
    most_at_once: Count | None = None
    requests_per_minute: Count | None = None

    @property
    def host_kind(self) -> Literal["router", "endpoint", "self_hosted"]:
        return self.kind or ("endpoint" if self.url else "router")


class StatedRoute(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[routes.NAME]`."""

    task: str = CHAT
    policy: str = "cheapest"
    targets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    data_class: DataClass = "internal"
    weights: dict[str, Annotated[float, Meta(ge=0, le=1e9)]] = {}
    total_s: Seconds = 120.0
    attempt_s: Seconds = 60.0
    attempts: Annotated[int, Meta(ge=1, le=100)] = 4
    hedge_after_s: Seconds | None = None


class Where(msgspec.Struct, frozen=True):
    """Where Hugging Face is asked what there is, by the settings' own names."""

    router_url: str = "https://router.huggingface.co"
    endpoints_url: str = "https://api.endpoints.huggingface.cloud"
    endpoint_namespace: str = ""
    token_variable: str = "HF_TOKEN"


class Stated(msgspec.Struct, frozen=True):
    """Both tables, and where discovery asks."""

    targets: dict[str, StatedTarget] = {}
    routes: dict[str, StatedRoute] = {}
    where: Where = Where()


#: Two threads must not be the first to have msgspec look at a type: it crashes there.
_LOOKED_AT = msgspec.json.Decoder(Stated)


def stated(content: bytes, path: Path) -> Stated:
    """The file's targets and routes. Raises `Unusable` with one sentence."""
    try:
        file = tomllib.loads(content.decode())
    except ValueError as error:
        raise Unusable(f"{path} is not valid TOML: {error}.") from error
    targets = {
        name: checked_target(read(StatedTarget, said, f"targets.{name}", path), name, path)
        for name, said in table(file, "targets", path).items()
    }
    routes = {
        name: checked_route(read(StatedRoute, said, f"routes.{name}", path), name, path)
        for name, said in table(file, "routes", path).items()
    }
    told = {name: file[name] for name in Where.__struct_fields__ if name in file}
    return Stated(targets, routes, read(Where, told, "", path))


def table(file: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    found = file.get(name, {})
    if not isinstance(found, dict):
        raise Unusable(f"Setting {name} is wrong: write [{name}.NAME] in {path}.")
    return found


def read(kind: type[Read], said: Any, name: str, path: Path) -> Read:
    """One table as its struct; values are left out of the sentence, they may be secrets."""
    known = kind.__struct_fields__
    unknown = sorted(set(said) - set(known)) if isinstance(said, dict) else []
    if unknown:
        there = ", ".join(sorted(known))
        raise Unusable(f"There is no setting {name}.{unknown[0]}; known are {there} ({path}).")
    try:
        return msgspec.convert(said, kind)
    except msgspec.ValidationError as error:
        raise wrong(f"{name}{where(error)}".lstrip("."), what(error), path) from error


def where(error: msgspec.ValidationError) -> str:
    """`.tasks` of "Expected … - at `$.tasks[...]`"."""
    place = str(error).rpartition("`$")[2].rstrip("`") if "`$" in str(error) else ""
    return place.partition("[")[0]


def what(error: msgspec.ValidationError) -> str:
    """Without the value: msgspec repeats one that is not among those allowed."""
    said = str(error).partition(" - at ")[0]
    return "there is no such choice" if said.startswith("Invalid enum value") else said


def wrong(name: str, why: str, path: Path) -> Unusable:
    return Unusable(f"Setting {name} is wrong: {why} ({path}).")


def checked_target(said: StatedTarget, name: str, path: Path) -> StatedTarget:
    if said.host_kind != "router" and not said.url:
        raise Unusable(f"Target {name!r} needs a url in {path}.")
    for task in sorted(said.tasks or ()):
        if why := wrong_task(task):
            raise wrong(f"targets.{name}.tasks", why, path)
    if why := wrong_routing(said.host_kind, said.provider, said.routing):
        raise wrong(f"targets.{name}.routing", why, path)
    return said


def checked_route(said: StatedRoute, name: str, path: Path) -> StatedRoute:
    for field, why in (("task", wrong_task(said.task)), ("policy", wrong_policy(said.policy))):
        if why:
            raise wrong(f"routes.{name}.{field}", why, path)
    return said


def wrong_task(name: str) -> str | None:
    return None if name in TASKS else f"there is no such task; known are {', '.join(sorted(TASKS))}"


def wrong_policy(name: str) -> str | None:
    return None if name in POLICIES else f"there is no such policy; known are {', '.join(POLICIES)}"


def wrong_routing(kind: str, provider: str | None, routing: str | None) -> str | None:
    """Why this target can't let the router choose."""
    if routing is None:
        return None
    if kind != "router":
        return "only Hugging Face's router chooses a provider: leave routing out"
    return "it names a provider already: leave provider or routing out" if provider else None


def target_of(name: str, said: StatedTarget) -> Target:
    """The target as the settings alone have it. Chat is assumed where no task is stated."""
    facts = msgspec.structs.asdict(said)
    facts |= {"kind": said.host_kind, "routing": routing_of(said), "url": base_of(said.url)}
    facts["tasks"] = said.tasks or frozenset({CHAT})
    return Target(name=name, known="settings", **facts)


def base_of(url: str | None) -> str | None:
    """The address without the path that clients add to it."""
    return url.rstrip("/").removesuffix("/v1") if url else None


def routing_of(said: StatedTarget) -> str:
    """How the provider is chosen: named, by the router as asked, or by the router as it likes."""
    named = said.provider or said.host_kind != "router"
    return "explicit" if named else said.routing or "auto"


def wanted_of(said: StatedRoute) -> Wanted:
    return Wanted(**msgspec.structs.asdict(said))
