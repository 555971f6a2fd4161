"""What tells one place that answers from another: the same of a target and of a finished call."""

from __future__ import annotations

from typing import NamedTuple

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.hook.hosts import netloc_of
from hf_ledger.ingest.doors.router.target import Target

OWN = ("endpoint", "self_hosted")


class Key(NamedTuple):
    """Where the router chooses the provider, `provider` is `:` and the policy that it chooses by.

    `host` is known of endpoints and servers of one's own only. "" is not known or not named.
    """

    kind: str
    provider: str
    model: str
    host: str


def key_of(target: Target) -> Key:
    """The key under which a target's calls are counted."""
    model = (target.model or "").lower()
    if target.kind in OWN:
        return Key(target.kind, "", model, netloc_of(target.url or ""))
    return Key(target.kind, _provider(target.provider, target.routing), model, "")


def key_of_call(call: Call) -> Key:
    """The key of the place that a call went to."""
    kind, model = call.host_kind or "", (call.requested_model or "").lower()
    if kind in OWN:
        return Key(kind, "", model, (call.endpoint or "").lower())
    return Key(kind, _provider(call.provider, call.routing or "explicit"), model, "")


def _provider(provider: str | None, routing: str) -> str:
    if routing != "explicit":
        return f":{routing}"
    return provider.lower() if provider else ":auto"
