"""What a program asks of the router: a task, what may do it, and how long it may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hf_ledger.ingest.doors.gateway.state import DataClass

CHAT = "chat-completion"
POLICIES = (
    "cheapest",
    "fastest",
    "balanced",
    "sticky",
    "hybrid",
    "split",
    "advised",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One request to be routed. Names of targets and models are patterns as of fnmatch.

    With neither `targets` nor `models` only targets of the settings and models that the policy
    file has proven for the task are considered. `weights` are for `balanced` (price, speed,
    success) and `split` (target → per cent). Seconds count from the start of the operation.
    """

    task: str = CHAT
    policy: str = "cheapest"
    targets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    data_class: DataClass = "internal"
    input_tokens: int | None = None  # estimated, for the context length and the price
    output_tokens: int | None = None  # the limit asked for
    tools: bool = False
    structured_output: bool = False
    sticky: str | None = None  # what a prompt cache would know it by: a session, a template's hash
    segment: str | None = None  # what advice is for, beside the task: a template's hash, a team
    weights: Mapping[str, float] = field(default_factory=dict)
    total_s: float = 120.0
    attempt_s: float = 60.0
    attempts: int = 4  # at most, over all targets
    hedge_after_s: float | None = None  # not for streams
