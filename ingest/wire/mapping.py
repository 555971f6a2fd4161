"""What look-ups on the Hub teach: who serves a model under which name, for which task."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hf_ledger.ingest.call import RouteSeen
from hf_ledger.ingest.wire import raw
from hf_ledger.ingest.wire.paths import segments_of, split_url, task_name
from hf_ledger.ingest.wire.raw import NOTHING, Raw


class _Model(msgspec.Struct, gc=False):
    id: Raw = NOTHING
    modelId: Raw = NOTHING  # noqa: N815 - the Hub's own name
    pipeline_tag: Raw = NOTHING
    inferenceProviderMapping: Raw = NOTHING  # noqa: N815


class _Entry(msgspec.Struct, gc=False):
    provider: Raw = NOTHING
    providerId: Raw = NOTHING  # noqa: N815
    task: Raw = NOTHING


_MODEL = msgspec.json.Decoder(_Model)
_ENTRY = msgspec.json.Decoder(_Entry)


def read_mapping(url: str, body: bytes, ts: int) -> list[RouteSeen]:
    """Routes in the reply to a look-up of one model or of a list of models; `ts` in µs UTC.

    Both forms of the mapping are read: an object by provider, and a list with `provider` inside.
    """
    return [route for name, model in _models(url, body) for route in _routes_of(name, model, ts)]


def read_tasks(url: str, body: bytes) -> dict[str, str]:
    """The task of each model in the reply, by the model's own pipeline tag."""
    tags = {name: raw.text(model.pipeline_tag) for name, model in _models(url, body)}
    return {name: task_name(tag) for name, tag in tags.items() if tag}


def _models(url: str, body: bytes) -> Iterator[tuple[str, _Model]]:
    asked = _model_of_url(url)
    for each in raw.items(body) if raw.start(body) == b"[" else [body]:
        model = raw.decode(_MODEL, each)
        if model is None:
            continue
        name = raw.text(model.id) or raw.text(model.modelId) or asked
        if name:
            yield name, model


def _model_of_url(url: str) -> str | None:
    parts = segments_of(split_url(url).path)
    return "/".join(parts[2:4]) if parts[:2] == ("api", "models") and len(parts) > 2 else None


def _routes_of(name: str, model: _Model, ts: int) -> Iterator[RouteSeen]:
    for provider, entry in _entries(model.inferenceProviderMapping):
        if wire_id := raw.text(entry.providerId):
            task = raw.text(entry.task)
            yield RouteSeen(
                ts=ts,
                model=name,
                provider=provider,
                provider_model=wire_id,
                task=task_name(task) if task else None,
            )


def _entries(mapping: Raw) -> Iterator[tuple[str, _Entry]]:
    named = raw.fields(mapping).items() if raw.start(mapping) == b"{" else ()
    listed = raw.items(mapping) if raw.start(mapping) == b"[" else ()
    for name, value in [*named, *(("", each) for each in listed)]:
        entry = raw.decode(_ENTRY, value)
        if entry is None:
            continue
        provider = name or raw.text(entry.provider)
        if provider:
            yield provider, entry


class Routes:
    """The routes seen so far; the latest word on a provider's model counts."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], RouteSeen] = {}
        self._tags: dict[str, str] = {}

    def read(self, url: str, body: bytes, ts: int) -> list[RouteSeen]:
        """Learn all that a look-up's reply says; the routes in it, to be kept."""
        self._tags.update((name.lower(), task) for name, task in read_tasks(url, body).items())
        routes = read_mapping(url, body, ts)
        for route in routes:
            self.learn(route)
        return routes

    def learn(self, route: RouteSeen) -> None:
        """Remember a route under each spelling that may stand on the wire."""
        for spelling in _spellings(route.provider_model):
            self._seen[route.provider, spelling] = route

    def model_of(self, provider: str | None, provider_model: str | None) -> str | None:
        """The Hugging Face id behind a provider's own, or None where no look-up told."""
        route = self._find(provider, provider_model)
        return route.model if route else None

    def task_of(self, provider: str | None, provider_model: str | None) -> str | None:
        """The task that provider serves the model for, or None where no look-up told."""
        route = self._find(provider, provider_model)
        if route is not None and route.task is not None:
            return route.task
        # Serverless inference runs the model's own pipeline, whatever the mapping holds.
        own = provider_model if provider == "hf-inference" else None
        return self._tags.get(own.lower()) if own else None

    def _find(self, provider: str | None, provider_model: str | None) -> RouteSeen | None:
        if not provider or not provider_model:
            return None
        return self._seen.get((provider, provider_model.lower()))


def _spellings(provider_model: str) -> list[str]:
    """Whole; without and with only the version after a colon (replicate sends the version alone);
    without a leading API version (black-forest-labs)."""
    lower = provider_model.lower()
    name, _, version = lower.partition(":")
    short = lower.rsplit("/", 1)[-1] if lower.startswith(("v1/", "v2/", "v3/")) else lower
    return list(dict.fromkeys(each for each in (lower, name, version, short) if each))
