"""What routers and servers said of themselves, and when: the values of `run/targets.json`."""

from __future__ import annotations

import msgspec

from hf_ledger.ingest.call import HostKind

#: The file of a source that says more is cut there.
MOST_TARGETS = 2_000


class Found(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model in one place, as that place states it; None is not stated.

    `state` is the word of the endpoints' API where it isn't running: paused, scaledToZero, …
    """

    kind: HostKind
    model: str | None = None
    provider: str | None = None  # of the router's; else the name of the endpoint
    url: str | None = None
    tasks: frozenset[str] | None = None
    context_length: int | None = None
    max_output_tokens: int | None = None
    tools: bool | None = None
    structured_output: bool | None = None
    region: str | None = None
    engine: str | None = None
    throughput: float | None = None
    first_token_ms: float | None = None
    state: str | None = None


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One place that was asked. Seconds since 1970, UTC.

    `found` is of `seen_at`, the last time that it answered; what failed since is in `why`.
    """

    name: str  # "router", "endpoints", or the base address of a server
    asked_at: float
    seen_at: float | None = None
    failed_since: float | None = None
    why: str | None = None  # one clause
    found: tuple[Found, ...] = ()


class Discovered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The whole file."""

    sources: dict[str, Source] = {}


DECODER = msgspec.json.Decoder(Discovered)
