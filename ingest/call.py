"""The lines a recorder writes: one `Call` per finished attempt, and notices beside it.

Only msgspec and the standard library may be imported here: these types live in other people's
programs. Units stand in the names; money is a decimal string; `None` means unknown, never zero.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Source = Literal["hook", "client", "gateway", "console", "replay", "import", "api", "otlp"]
Origin = Literal["live", "import", "practice", "sample"]
Purpose = Literal["work", "replay", "judge", "hedge", "evaluation"]
HostKind = Literal["router", "endpoint", "provider", "self_hosted", "legacy"]
Routing = Literal["auto", "fastest", "cheapest", "preferred", "explicit"]
TokensSource = Literal["usage", "header", "details", "estimated", "none"]
Outcome = Literal["ok", "error", "interrupted", "cancelled", "lost", "refused"]
ErrorKind = Literal[
    "auth",
    "quota",
    "rate_limited",
    "bad_request",
    "not_found",
    "model_loading",
    "overloaded",
    "server_error",
    "timeout",
    "connection",
    "other",
]
Payer = Literal["huggingface", "provider", "self", "nobody"]
#: What a judge says of a candidate's answer beside the one that was given; `different` is better or
#: worse, `unsure` is no opinion, `failed` is no judgement at all.
Verdict = Literal["same", "better", "worse", "different", "unsure", "failed"]
#: Where a verdict comes from: a sampled replay, a set that was evaluated, or a person's blind vote.
Evidence = Literal["replay", "evaluation", "vote"]
#: How a replay ended: judged; no good answer; no judgement; or no money left to judge it.
ReplayOutcome = Literal["ok", "error", "judge_error", "over_cap"]


class Call(
    msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="call", gc=False
):
    """One attempt to have a model do work, without its text.

    Token counts are disjoint: the input total is uncached + cache read + cache write, and
    reasoning tokens are part of `output_tokens`. Costs are not here: the ledger's owner adds
    model, size and money when it collects the line.
    """

    call_id: str  # UUIDv7; UUIDv8 of (source, external id) for imports
    ts: int  # start, UTC, microseconds since 1970

    source: Source = "hook"
    origin: Origin = "live"
    purpose: Purpose = "work"
    external_id: str | None = None

    operation_id: str | None = None
    operation: str | None = None
    attempt: int = 1
    fallback_of: str | None = None  # call_id of the attempt this one replaces

    app: str | None = None
    environment: str | None = None
    team: str | None = None
    project: str | None = None
    user_id: str | None = None
    key_id: str | None = None
    tags: dict[str, str] | None = None  # at most 16

    host_kind: HostKind | None = None
    provider: str | None = None  # Hugging Face's name of who served it
    routing: Routing | None = None
    requested_model: str | None = None  # HF id asked for, without :suffix
    provider_model: str | None = None  # id on the wire
    endpoint: str | None = None  # host of a dedicated endpoint or self-hosted server

    task: str | None = None  # Hugging Face's name; chat is "chat-completion"
    stream: bool = False

    uncached_input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    tokens_source: TokensSource = "none"
    input_chars: int | None = None
    audio_seconds: float | None = None
    images: int | None = None
    units: str | None = None  # decimal, as the provider bills (fal's billable units)
    unit_kind: str | None = None

    input_hash: str | None = None  # 32 hex digits, HMAC-SHA-256 truncated to 128 bit
    template_hash: str | None = None
    hash_key_id: str | None = None
    prefix: list[int] | None = None  # chained block hashes, signed 64 bit; kept 7 days
    shape: dict[str, int | float] | None = None  # text-free features

    outcome: Outcome = "ok"
    status: int | None = None
    error_kind: ErrorKind | None = None
    latency_ms: float | None = None
    ttft_ms: float | None = None  # first content chunk, not first byte
    compute_seconds: float | None = None
    compute_type: str | None = None
    cached_reply: bool = False

    request_id: str | None = None
    provider_request_id: str | None = None
    session_id: str | None = None
    bill_to: str | None = None
    payer: Payer | None = None
    reported_cost: str | None = None  # USD as the provider stated it in the reply
    stated_cost: str | None = None  # USD as another ledger estimated it; imports only

    @property
    def input_tokens(self) -> int | None:
        """Total input tokens, cached ones included; None where the provider stated none."""
        if self.uncached_input_tokens is None:
            return None
        return (
            self.uncached_input_tokens
            + (self.cache_read_tokens or 0)
            + (self.cache_write_tokens or 0)
        )


class OpenCall(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="open"):
    """A call that has run for more than a second and has not ended: its start mark."""

    call: Call  # what is known so far


class Withdrawn(
    msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="withdrawn"
):
    """The reply to a call with a start mark showed that it is not this recorder's to keep: a
    gateway has it, or it was no call. The mark counts no more."""

    ts: int
    call_id: str


class RouteSeen(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="route"):
    """A mapping look-up taught us a provider's own id for a Hugging Face model."""

    ts: int
    model: str  # HF id
    provider: str
    provider_model: str
    task: str | None = None


class Noticed(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="noticed"):
    """Counts of what a recorder saw or suffered and did not turn into calls, since its last notice.

    Reasons: mapping, poll, download, telemetry, hub_api, other, recorder_error, not_spooled,
    no_hash_key.
    """

    ts: int
    counts: dict[str, int]
    segment: str | None = None  # where it stood on the host that posted it


class Replayed(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="replay"):
    """What was found by sending a call's input to a candidate model too, without either's text.

    A candidate that is the model itself measures the judge's noise. Each request that was sent for
    it is a `Call` of its own; costs are repeated here so that a pair stands in one row. Only a
    sampled replay has a probability: sets and votes are somebody's choice of what to ask.
    """

    replay_id: str  # UUIDv7; UUIDv8 of the pair and its judge for evaluations and votes
    call_id: str  # of the call that was answered first
    ts: int  # when the candidate was asked, UTC, microseconds since 1970
    evidence: Evidence = "replay"
    origin: Origin = "live"  # of both calls; practice says nothing of any model
    key_id: str | None = None
    model: str | None = None  # as asked for, with its :suffix
    candidate: str
    judge: str | None = None  # "exact/1"; of a model "llm/1:owner/name"
    verdict: Verdict | None = None
    score: float | None = None  # in the judge's own measure; of evaluations and votes -1, 0 or 1
    model_score: float | None = None  # 1: the first answer is as expected, 0: not; None: unknown
    model_input_tokens: int | None = None
    model_output_tokens: int | None = None
    candidate_input_tokens: int | None = None
    candidate_output_tokens: int | None = None
    model_cost: str | None = None  # USD, decimal
    candidate_cost: str | None = None
    judge_cost: str | None = None  # "0" where no model was asked
    sampling_probability: float | None = None  # with which such a call is sent to this candidate
    order_swapped: bool | None = None  # asked in both orders; of a vote: the candidate stood first
    outcome: ReplayOutcome = "ok"


class Recorder(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="recorder"):
    """First line of each segment: which process writes it."""

    ts: int
    pid: int
    process_start: str  # boot-unique, tells a reused pid apart
    host: str
    version: str
    app: str | None = None
    clients: list[str] = []  # libraries hooked


Line = Call | OpenCall | Withdrawn | RouteSeen | Noticed | Replayed | Recorder
