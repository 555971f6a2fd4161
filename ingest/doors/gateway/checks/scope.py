"""Whether a key may call this model at this provider."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.asking import Asking, Outcome
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import Key

WRONG_ROLE = "This key ({role}) calls no models: ask whoever runs this gateway for one that does."
NO_MODEL = "This key may call only {allowed}, and this request names no model."
OTHER_MODEL = "This key may call only {allowed}."
OTHER_PROVIDER = "This key may use only {allowed}."
NO_PROVIDER = "This key may use only {allowed}: name one of them, as in MODEL:{first}."
#: So many patterns are named in a sentence.
MOST_NAMED = 10


class Scope:
    """Compares model and provider with the key's patterns, as fnmatch does, in any case.

    What can't be told of a request is refused where the key is restricted in it.
    """

    name = "scope"

    def check(self, asking: Asking) -> None:
        key = asking.key
        if key is None or key.role != "call":
            role = f"of role {key.role}" if key else "missing"
            raise Refused(403, "role_not_allowed", WRONG_ROLE.format(role=role))
        # Reading, as a list of models, calls none.
        if asking.call or asking.method not in ("GET", "HEAD"):
            check_model(key, asking.call)
            check_provider(key, asking.call)
        asking.verdicts[self.name] = "restricted" if key.models or key.providers else "any"

    def finish(self, asking: Asking, outcome: Outcome) -> None:
        """Nothing is held."""


def check_model(key: Key, call: Call | None) -> None:
    """The Hugging Face id counts; the provider's own only where there is none."""
    if not key.models:
        return
    model = call and (call.requested_model or call.provider_model)
    if not (model and matches(model, key.models)):
        sentence = OTHER_MODEL if model else NO_MODEL
        raise Refused(403, "model_not_allowed", sentence.format(allowed=named(key.models)))


def check_provider(key: Key, call: Call | None) -> None:
    """A call for which Hugging Face would choose the provider has none that could be allowed."""
    if not key.providers:
        return
    provider = call and provider_of(call)
    if not (provider and matches(provider, key.providers)):
        sentence = OTHER_PROVIDER if provider else NO_PROVIDER
        said = sentence.format(allowed=named(key.providers), first=key.providers[0])
        raise Refused(403, "provider_not_allowed", said)


def provider_of(call: Call) -> str | None:
    """The provider; endpoints and servers of one's own count under these names."""
    own = call.host_kind in ("endpoint", "self_hosted")
    return call.provider or (call.host_kind if own else None)


def matches(name: str, patterns: Sequence[str]) -> bool:
    folded = name.lower()
    return any(fnmatchcase(folded, pattern.lower()) for pattern in patterns)


def named(patterns: Sequence[str]) -> str:
    further = len(patterns) - MOST_NAMED
    shown = ", ".join(patterns[:MOST_NAMED])
    return f"{shown} and {further} more" if further > 0 else shown
