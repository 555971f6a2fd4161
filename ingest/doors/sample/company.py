"""The made-up company of company.toml: teams, what they build, when they work, what they call."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

from hf_ledger.ingest.doors.sample.shapes import Shape

Kind = Literal["chat", "embedding", "pipeline", "image", "endpoint"]

ENDPOINT = "q7v2logs.us-east-1.aws.endpoints.huggingface.cloud"


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the file's tables: a misspelt key is an error."""


class Route(Part, frozen=True):
    """A model at a provider, with its speed as a caller sees it."""

    model: str
    provider: str | None = None
    weight: float = 1.0
    first_ms: float = 420.0
    tokens_per_second: float = 70.0


class Compute(Part, frozen=True):
    """What hf-inference says of a pipeline's run: hardware and median seconds."""

    type: str
    seconds: float


class Spike(Part, frozen=True):
    """One day's calls, `times` as many; `at` is a share of the period."""

    at: float
    times: float


class Outage(Part, frozen=True):
    provider: str
    at: float
    hours: int


class Service(Part, frozen=True):
    """One use of models by one team; shares are of its calls, but `share` of all."""

    name: str
    kind: Kind
    task: str
    share: float
    routes: tuple[Route, ...]
    tokens: Shape = "chat"
    stream: float = 0.0
    repeats: float = 0.0
    cached: float = 0.0
    reasoning: float = 0.0
    falls_back: bool = False
    hours: str | None = None  # None: the team's
    compute: Compute | None = None
    begins: float = 0.0
    spike: Spike | None = None


class Team(Part, frozen=True):
    name: str
    zone: str
    hours: str
    weekend: float
    growth: float
    projects: tuple[str, ...]
    users: tuple[str, ...]
    services: tuple[Service, ...]


class Company(Part, frozen=True):
    hours: dict[str, tuple[float, ...]]
    outage: Outage
    teams: tuple[Team, ...]


@cache
def company() -> Company:
    """The company as the file describes it."""
    text = resources.files(__package__).joinpath("company.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), Company)
