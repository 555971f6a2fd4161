"""One place that can answer: a model at a provider, an endpoint, a server of one's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hf_ledger.ingest.call import HostKind, Routing
from hf_ledger.ingest.doors.gateway.state import DataClass

#: Where a target is known from. Only those that settings or the policy file name are used unasked.
Known = Literal["settings", "discovered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is known of it; None is unknown, and never assumed to be enough.

    `url` is the base address without `/v1`, None for Hugging Face's router; `provider` is None
    where the router chooses by `routing`. `tasks` are Hugging Face's names. `data_classes` None:
    whatever the compliance settings let go there.
    """

    name: str  # of the settings, or "model:provider" where it was discovered
    kind: HostKind = "router"
    url: str | None = None
    model: str | None = None  # Hugging Face id
    provider: str | None = None
    routing: Routing = "explicit"
    tasks: frozenset[str] = frozenset({"chat-completion"})
    context_length: int | None = None  # tokens, input and output together
    max_output_tokens: int | None = None
    tools: bool | None = None
    structured_output: bool | None = None
    data_classes: frozenset[DataClass] | None = None
    region: str | None = None
    most_at_once: int | None = None  # requests under way in this process
    requests_per_minute: int | None = None  # sent by this process
    token_variable: str | None = None
    engine: str | None = None  # vllm, tgi, tei, llama.cpp, transformers, where it says so
    throughput: float | None = None  # tokens a second, as the router's list states it
    first_token_ms: float | None = None  # likewise
    state: str | None = None  # of an endpoint that isn't running: paused, scaledToZero, …
    known: Known = "settings"
    tags: frozenset[str] = field(default_factory=frozenset)
