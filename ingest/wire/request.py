"""The request half: is it a call, and every fact it states before a reply exists."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec

from hf_ledger.ingest.call import Call, HostKind, Payer, Routing
from hf_ledger.ingest.wire import hosts, media
from hf_ledger.ingest.wire.exchange import Aside, AsideReason, Asked, WireSettings
from hf_ledger.ingest.wire.forms import Form, form_of, model_of_chat
from hf_ledger.ingest.wire.mapping import Routes
from hf_ledger.ingest.wire.paths import (
    IDLE_TAILS,
    OPENAI_TAILS,
    POLL_SEGMENTS,
    Place,
    place_of,
    segments_of,
)
from hf_ledger.ingest.wire.tasks import task_of_file

_POLICIES = frozenset({"fastest", "cheapest", "preferred"})
_PROXY = ("api", "inference-proxy")
#: Servers with one model take any name (`tgi`, `dummy`); only owner/name is an id on the Hub.
_HF_ID = r"[\w.-]+/[\w.-]+"
#: One provider, one task: its requests and replies do not say it.
_ONLY_TASK = {"black-forest-labs": "text-to-image"}
_PROVIDER = r"[a-z][a-z0-9-]*"
_LONGEST_NAME = 300
#: One address for both: a picture in the body says which.
_FROM_PICTURE = {"text-to-image": "image-to-image", "text-to-video": "image-to-video"}
_FILES = frozenset({"resolve", "raw"})
_NAMING = frozenset({"x-hf-bill-to", "x-hf-session-id", "x-amzn-trace-id"})


class Way(msgspec.Struct, frozen=True, eq=False):
    """A call as far as its address alone tells; it is the same for each call that goes there."""

    kind: str  # as hosts.known_host names it, or "proxy"
    host: str  # with its port, if any
    place: Place
    start: Asked  # copied for each call


#: Chats as far as way and model tell, under the same settings and routes; copied for each call.
Chats = dict[tuple[Way, str], Asked]

_MOST_CHATS = 1024
_copy: Callable[[Asked], Asked] = Asked.__copy__  # type: ignore[attr-defined]  # past copy's search


def read_request(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    settings: WireSettings,
    *,
    routes: Routes | None = None,
) -> Call | Aside | None:
    """The call that a request starts, why it is none, or None for a host that is none of ours.

    `headers` have lower-case names; `body` is None where it was not kept. The call has no id, no
    time and no outcome yet. Never raises on any input.
    """
    way = way_of(method, url, settings)
    if not isinstance(way, Way):
        return way
    return read_call(way, headers, body, settings, routes=routes)


def way_of(method: str, url: str, settings: WireSettings) -> Way | Aside | None:
    """What method and address tell: worth remembering, programs call few addresses."""
    try:
        split = urlsplit(url)
    except ValueError:
        return None
    host = split.netloc.rpartition("@")[2].lower()
    segments = segments_of(split.path)
    kind = hosts.known_host(host, settings) or _openai_host(method, segments, settings)
    if kind is None:
        return None
    if segments[:2] == _PROXY and kind == "hub":
        kind, segments = "proxy", segments[2:]
    aside = _aside(method.upper(), kind, segments, split.query)
    return _way(kind, host, segments) if aside is None else Aside(aside)


def _way(kind: str, host: str, segments: tuple[str, ...]) -> Way:
    if kind == "proxy":
        place = place_of("router", segments, None)
    else:
        place = place_of(kind, segments, hosts.provider_of_host(host))
    start = Asked(
        call_id="",
        ts=0,
        host_kind="legacy" if kind == "proxy" else cast(HostKind, kind),
        provider=place.provider,
        routing="explicit" if place.provider is not None and kind != "provider" else None,
        endpoint=host if kind in ("endpoint", "self_hosted") else None,
        stream=segments[-1:] == ("generate_stream",),
        task=place.task,
        task_from="path" if place.task else None,
    )
    return Way(kind, host, place, start)


def _openai_host(method: str, segments: tuple[str, ...], settings: WireSettings) -> str | None:
    if settings.any_openai_host and method.upper() == "POST" and segments[-2:] in OPENAI_TAILS:
        return "self_hosted"
    return None


def _aside(method: str, kind: str, segments: tuple[str, ...], query: str) -> AsideReason | None:
    if kind == "hub" or (kind == "router" and segments[:1] == ("api",)):
        return _hub_aside(method, segments, query)
    if kind == "asset":
        return "download"
    if method == "POST":
        return "other" if segments and segments[-1] in IDLE_TAILS else None
    if method in ("GET", "HEAD"):
        return "poll" if POLL_SEGMENTS.intersection(segments) else _fetch(segments)
    return "other"


def _fetch(segments: tuple[str, ...]) -> AsideReason:
    return "download" if segments[:1] == ("results",) else "other"


def _hub_aside(method: str, segments: tuple[str, ...], query: str) -> AsideReason:
    if segments[:1] != ("api",):
        fetched = method in ("GET", "HEAD") and not _FILES.isdisjoint(segments)
        return "download" if fetched else "hub_api"
    if segments[1:2] in (("telemetry",), ("agent-harnesses",)):
        return "telemetry"
    # A model's own page tells its pipeline tag; asked for, page and list tell its providers.
    told = len(segments) in (3, 4) or "inference" in query.lower()
    return "mapping" if method == "GET" and segments[1:2] == ("models",) and told else "hub_api"


def read_call(
    way: Way,
    headers: Mapping[str, str],
    body: bytes | None,
    settings: WireSettings,
    *,
    asked: Any = None,
    routes: Routes | None = None,
    chats: Chats | None = None,
) -> Asked:
    """The call that goes this way; `asked` is the body's JSON where the caller has read it.

    `chats` remembers what repeats, for as long as settings and routes stay as they are.
    """
    model = model_of_chat(asked)
    known = chats.get((way, model)) if chats is not None and model else None
    if known is not None:
        call = _copy(known)
        call.stream = call.stream or asked.get("stream") is True
    else:
        form = form_of(body, headers.get("content-type", "").lower(), asked)
        call = _read_form(way, form, headers.get("accept", ""), settings, routes)
        if chats is not None and model:
            _remember(chats, (way, model), call)
        call.stream = call.stream or form.stream
    if not headers.keys().isdisjoint(_NAMING):
        call.bill_to = _label(headers.get("x-hf-bill-to"))
        call.session_id = _label(headers.get("x-hf-session-id"))
        call.request_id = _label(headers.get("x-amzn-trace-id"))
    return call


def _remember(chats: Chats, key: tuple[Way, str], call: Asked) -> None:
    if len(chats) >= _MOST_CHATS:
        chats.clear()
    chats[key] = _copy(call)


def _read_form(
    way: Way, form: Form, accept: str, settings: WireSettings, routes: Routes | None
) -> Asked:
    """The call as far as way and body tell."""
    call: Asked = copy(way.start)
    call.form = form.kind
    _set_models(call, way, _label(form.model))
    if form.kind in ("image", "image+text"):
        call.task = _FROM_PICTURE.get(call.task or "", call.task)
    if call.task is None:
        call.task = form.task or _task_of_wanted(accept, form.kind)
        call.task_from = "form" if call.task else None
    _set_task(call, routes)
    call.payer = _payer(call, settings)
    return call


def _task_of_wanted(accept: str, form: str | None) -> str | None:
    """`Accept: image/png` says what kind of thing is to be made."""
    wanted = media.kind_of_type(accept)
    return task_of_file(wanted, form) if wanted else None


def _label(value: str | None) -> str | None:
    return value[:_LONGEST_NAME] if value else None


def _set_models(call: Asked, way: Way, named: str | None) -> None:
    """Which model was asked for, and under which name on the wire; never a guess."""
    place = way.place
    if place.model is not None:
        call.requested_model, call.provider_model = place.model, place.provider_model
    elif place.provider == "hf-inference":
        call.requested_model = call.provider_model = named
    elif place.provider is None and way.kind == "router":
        _set_routed_model(call, named)
    else:
        call.provider_model = place.provider_model or named
        call.requested_model = _id_of_own_server(call)


def _id_of_own_server(call: Asked) -> str | None:
    """An endpoint's or own server's model name, where it is an HF id."""
    name = call.provider_model
    if call.host_kind not in ("endpoint", "self_hosted") or not name:
        return None
    return name if re.fullmatch(_HF_ID, name, re.ASCII) else None


def _set_routed_model(call: Asked, named: str | None) -> None:
    """`org/name:suffix`: the suffix is a policy or a provider; what serves it, the reply says."""
    if named is None:
        return
    model, _, suffix = named.partition(":")
    call.requested_model = model
    call.routing = cast(Routing, suffix) if suffix in _POLICIES else "auto"
    # `:Q4_K_M` names a file of the model; providers are named in lower case.
    if suffix not in _POLICIES and re.fullmatch(_PROVIDER, suffix, re.ASCII):
        call.routing, call.provider = "explicit", suffix


def _set_task(call: Asked, routes: Routes | None) -> None:
    """What a look-up taught: the model behind a provider's own name, and its task."""
    if routes is not None and call.requested_model is None:
        call.requested_model = routes.model_of(call.provider, call.provider_model)
    if call.task is None:
        learned = routes.task_of(call.provider, call.provider_model) if routes else None
        call.task = learned or _ONLY_TASK.get(call.provider or "")
        call.task_from = "route" if call.task else None


def _payer(call: Call, settings: WireSettings) -> Payer:
    if call.host_kind == "self_hosted":
        return "self"
    if call.host_kind == "provider" or call.provider in settings.own_key_providers:
        return "provider"
    return "huggingface"
