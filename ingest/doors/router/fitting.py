"""A target and a task as hub's client wants them said: address, model, provider and arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.tasks import Task
from hf_ledger.ingest.doors.router.wanted import CHAT
from hf_ledger.ingest.errors import Usage

SERVERLESS = "hf-inference"
#: Models that serve several tasks; serverless tells them apart by the path.
PIPELINES = frozenset({"feature-extraction", "sentence-similarity"})
POLICIES = frozenset({"fastest", "cheapest", "preferred"})
#: A Hugging Face token; with any other hub asks the provider itself, by a key of the user's own.
HF_TOKEN = "hf_"
#: What is ours to say, or the task's inputs.
OURS = frozenset({"self", "model", "stream", "extra_body"})


class Where(NamedTuple):
    """Arguments of hub's client, and the model that a chat request names."""

    client: Mapping[str, Any]
    chat_model: str | None = None


def where_of(target: Target, task: str, token: str | None) -> Where:
    """How hub's client is told of this target. Raises Usage for a task that can't be asked there.

    Chat names provider or policy behind the model, as the router reads it: hub then need not look
    up who serves the model before each first call.
    """
    if task == CHAT:
        named = routed_model(target)
        if target.url:
            return Where({"base_url": target.url}, named)
        if not (token or HF_TOKEN).startswith(HF_TOKEN):
            return Where({"model": target.model, "provider": target.provider})
        return Where({"model": named, "provider": "auto"})
    if target.url and target.kind == "router":
        return Where({"model": serverless_url(target, task)})
    if target.url:
        return Where({"model": target.url})
    return Where({"model": target.model, "provider": target.provider or "auto"})


def routed_model(target: Target) -> str | None:
    """`model:provider` or `model:policy` for a router, the bare model for all others."""
    if target.kind != "router" or target.model is None:
        return target.model
    suffix = target.provider or (target.routing if target.routing in POLICIES else None)
    return f"{target.model}:{suffix}" if suffix else target.model


def serverless_url(target: Target, task: str) -> str:
    """Where a router at an address of its own has this task: only serverless is asked by path."""
    if target.provider not in (None, SERVERLESS) or target.model is None:
        raise Usage(
            f"The target {target.name} can be asked for {task} only by a model of {SERVERLESS}: "
            f"its router has an address of its own ({target.provider} is not asked by path)."
        )
    base = (target.url or "").rstrip("/").removesuffix("/v1")
    tail = f"/pipeline/{task}" if task in PIPELINES else ""
    return f"{base}/{SERVERLESS}/models/{target.model}{tail}"


def fitted(
    method: Callable[..., Any], task: str, asked: Task, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Parameters as the method takes them: those it doesn't know go into `extra_body`.

    Raises Usage where it has none.
    """
    takes = inspect.signature(method).parameters
    given = {name: value for name, value in parameters.items() if value is not None}
    extra = dict(given.pop("extra_body", None) or {})
    known = {name for name in takes if name not in OURS and name not in asked.inputs}
    open_ended = any(each.kind is each.VAR_KEYWORD for each in takes.values())
    unknown = {name: given.pop(name) for name in list(given) if name not in known}
    if (unknown or extra) and "extra_body" in takes:
        return {**given, "extra_body": {**unknown, **extra}}
    if open_ended:
        return {**given, **unknown, **extra}
    if unknown or extra:
        wrong = ", ".join([*unknown, *extra])
        raise Usage(f"The task {task} takes no {wrong}; it takes {', '.join(sorted(known))}.")
    return given
