"""Which targets may do what is wanted, and of the others why not."""

from __future__ import annotations

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.compliance.policy import (
    Allowed,
    Policy,
    fits,
    hold_call,
    hold_place,
)
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.router.advice import Advice, is_of
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.wanted import Wanted

ROUTER = "https://router.huggingface.co"
NOT_PROVEN = "not proven for this task: name the model, or certify it"


def why_not(
    wanted: Wanted, target: Target, compliance: Policy, advice: Advice | None, now: float
) -> str | None:
    """The first reason for which a target may not do it, None where it may."""
    return (
        not_able(wanted, target)
        or not_named(wanted, target, advice, now)
        or not_allowed(wanted, target, compliance)
    )


def not_able(wanted: Wanted, target: Target) -> str | None:
    """What it can't do, or is not known to do."""
    if wanted.task not in target.tasks:
        return f"it does not do {wanted.task}"
    if wanted.tools and not target.tools:
        return "it can't call tools" if target.tools is False else "not known to call tools"
    if wanted.structured_output and not target.structured_output:
        denied = target.structured_output is False
        return "it has no structured output" if denied else "not known to have structured output"
    return None


def not_named(wanted: Wanted, target: Target, advice: Advice | None, now: float) -> str | None:
    """What is named is taken; where nothing is, only what the user or a proof names."""
    if wanted.targets and not fits(target.name, wanted.targets):
        return f"its name is not among those wanted ({', '.join(wanted.targets)})"
    if wanted.models and not fits(target.model, wanted.models):
        return f"its model is not among those wanted ({', '.join(wanted.models)})"
    if wanted.targets or wanted.models or target.known == "settings":
        return None
    return None if is_proven(wanted, target, advice, now) else NOT_PROVEN


def is_proven(wanted: Wanted, target: Target, advice: Advice | None, now: float) -> bool:
    """Whether the policy file names it for the task: as the strong one, or as certified now."""
    return any(
        is_of(target, rule.from_model, rule.from_provider)
        or (rule.holds(now) and is_of(target, rule.to_model, rule.to_provider))
        for rule in (advice.rules_for(wanted.task, wanted.segment) if advice else ())
    )


def not_allowed(wanted: Wanted, target: Target, compliance: Policy) -> str | None:
    """Where data of this class may not go, by the target's own settings or the compliance ones."""
    data_class = wanted.data_class
    if target.data_classes is not None and data_class not in target.data_classes:
        return f"it takes no {data_class} data"
    allowed = compliance.allowed.get(data_class) or Allowed()
    try:
        hold_call(allowed, data_class, call_to(wanted, target))
        hold_place(allowed, data_class, target.url or ROUTER)
    except Refused as refused:
        return refused.sentence.rstrip(".")
    return None


def call_to(wanted: Wanted, target: Target) -> Call:
    """The call as compliance looks at it."""
    return Call(
        call_id="",
        ts=0,
        host_kind=target.kind,
        provider=target.provider,
        routing=target.routing,
        requested_model=target.model,
        task=wanted.task,
    )


def too_long(target: Target, tokens_in: int | None, tokens_out: int | None) -> str | None:
    """Whether the request and its answer have no room, as far as lengths are known."""
    most, context = target.max_output_tokens, target.context_length
    if tokens_out is not None and most is not None and tokens_out > most:
        return f"it writes {most:,} tokens at most, {tokens_out:,} are wanted"
    together = (tokens_in or 0) + (tokens_out or 0)
    if context is not None and together > context:
        return f"its context of {context:,} tokens is too short for {together:,}"
    return None
