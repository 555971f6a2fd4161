"""Classes of data, and where data of each class may go."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import get_args
from urllib.parse import urlsplit

import msgspec

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.compliance.findings import Kind
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import DataClass

#: The lowest first.
CLASSES: tuple[DataClass, ...] = get_args(DataClass)
CLASS_HEADER = "x-hf-ledger-data-class"
#: `<hash>.<region>.<cloud>` before it.
ENDPOINTS = ".endpoints.huggingface.cloud"

UNKNOWN_CLASS = "The header {header} names no class of data; classes are {classes}."
NO_CALL = "Data of class {data_class} goes only where it may, and this is no call that is known."
NOT_NAMED = (
    "Data of class {data_class} may go to {allowed} only; name one of them behind the model's "
    "name, as in model:provider."
)
NOT_HERE = "Data of class {data_class} may not go to this {what}; allowed are {allowed}."
NONE = "none"


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """Where data of one class may go: patterns as of fnmatch, case ignored; None: anywhere.

    `hosts` and `regions` both name places: where either is given, one pattern of them must fit.
    """

    models: tuple[str, ...] | None = None
    providers: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    hosts: tuple[str, ...] | None = None


#: What a finding makes of the request in which it stands.
RAISES: dict[Kind, DataClass] = {
    "private_key": "restricted",
    "token": "restricted",
    "iban": "confidential",
    "card": "confidential",
    "national_id": "confidential",
    "email": "confidential",
    "phone": "confidential",
}


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """One installation's rules. Out of the box every class may go anywhere."""

    allowed: dict[DataClass, Allowed] = {}
    raises: dict[Kind, DataClass] = msgspec.field(default_factory=lambda: dict(RAISES))
    region: str | None = None  # whose national telephone numbers are recognised


def highest(*classes: DataClass) -> DataClass:
    """The strictest of some classes."""
    return max(classes, key=CLASSES.index)


def stated(headers: dict[str, str]) -> DataClass:
    """The class that a request's header names, the lowest without one. Raises `Refused`."""
    said = headers.get(CLASS_HEADER)
    if said is None:
        return CLASSES[0]
    for known in CLASSES:
        if said.strip().lower() == known:
            return known
    sentence = UNKNOWN_CLASS.format(header=CLASS_HEADER, classes=", ".join(CLASSES))
    raise Refused(400, "unknown_data_class", sentence)


def hold_call(allowed: Allowed, data_class: DataClass, call: Call | None) -> None:
    """Refuse a model or provider that data of this class may not go to."""
    if allowed.models is None and allowed.providers is None:
        return
    if call is None:
        raise _refused(NO_CALL, data_class)
    if allowed.models is not None and not fits(call.requested_model, allowed.models):
        raise _refused(NOT_HERE, data_class, allowed.models, "model")
    if allowed.providers is not None:
        _hold_provider(allowed.providers, data_class, call)


def _hold_provider(allowed: Sequence[str], data_class: DataClass, call: Call) -> None:
    """Endpoints and servers of one's own are no providers; they go by their kind of host."""
    own = call.host_kind in ("endpoint", "self_hosted")
    provider = call.host_kind if own else call.provider
    if not own and (provider is None or call.routing not in (None, "explicit")):
        raise _refused(NOT_NAMED, data_class, allowed)
    if not fits(provider, allowed):
        raise _refused(NOT_HERE, data_class, allowed, "provider")


def hold_place(allowed: Allowed, data_class: DataClass, upstream: str) -> None:
    """Refuse a server that is neither of a host nor in a region where this data may go."""
    if allowed.hosts is None and allowed.regions is None:
        return
    host = (urlsplit(upstream).hostname or "").rstrip(".")
    if fits(host, allowed.hosts or ()):
        return
    if any(fits(region, allowed.regions or ()) for region in regions_of(host)):
        return
    raise _refused(NOT_HERE, data_class, (*(allowed.hosts or ()), *(allowed.regions or ())), "host")


def regions_of(host: str) -> tuple[str, ...]:
    """`us-east-1` and `us-east-1.aws` of a dedicated endpoint's host; of others nothing."""
    parts = host.lower().removesuffix(ENDPOINTS).split(".")
    if not host.lower().endswith(ENDPOINTS) or len(parts) != 3:
        return ()
    return parts[1], f"{parts[1]}.{parts[2]}"


def fits(name: str | None, patterns: Sequence[str]) -> bool:
    """Whether a name is known and one of the patterns fits it."""
    return name is not None and any(fnmatchcase(name.lower(), p.lower()) for p in patterns)


def _refused(
    sentence: str, data_class: DataClass, allowed: Sequence[str] = (), what: str = ""
) -> Refused:
    listed = ", ".join(allowed) or NONE
    said = sentence.format(data_class=data_class, allowed=listed, what=what)
    return Refused(403, "data_not_allowed", said)
