"""What the readers made of one exchange, in the words of the labelled recordings."""

from __future__ import annotations

from typing import Any

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.wire.exchange import Aside
from hf_ledger.ingest.wire.usage import INPUT_ONLY


def explain(said: Call | Aside | None) -> dict[str, Any]:
    """One exchange's facts, for a person to check: field names as in the labelled recordings.

    A call has all fields, `input_tokens` being the total with cached ones; anything else says only
    that it is no call and why. Units: seconds; tokens as stated by the server, null where not.
    """
    if not isinstance(said, Call):
        return {"is_inference_call": False, "reason": said.reason if said else "unknown_host"}
    return {
        "is_inference_call": True,
        "host_kind": said.host_kind,
        "provider": said.provider,
        "requested_model": said.requested_model,
        "provider_model": said.provider_model,
        "task": said.task,
        "stream": said.stream,
        "input_tokens": said.input_tokens,
        "output_tokens": said.output_tokens,
        "cached_input_tokens": said.cache_read_tokens,
        "reasoning_tokens": said.reasoning_tokens,
        "tokens_known": tokens_known(said),
        "tokens_source": said.tokens_source,
        "outcome": said.outcome,
        "error_class": said.error_kind,
        "cached_reply": said.cached_reply,
        "compute_seconds": said.compute_seconds,
        "request_id": said.request_id,
        "provider_request_id": said.provider_request_id,
    }


def tokens_known(call: Call) -> bool:
    """Whether the server stated all the tokens that this task has."""
    made = call.output_tokens is not None or call.task in INPUT_ONLY
    return call.input_tokens is not None and made


def explain_estimates(said: Call | Aside | None, stated: dict[str, Any]) -> dict[str, Any]:
    """What was estimated where `stated` has nothing; null where it has."""
    if not isinstance(said, Call):
        return {}
    found = {"input_tokens": said.input_tokens, "output_tokens": said.output_tokens}
    return {
        "tokens_source": said.tokens_source,
        **{
            f"estimated_{name}": None if stated[name] == value else value
            for name, value in found.items()
        },
    }
