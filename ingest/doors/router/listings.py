"""What Hugging Face lists: models and providers of the router, dedicated endpoints.

Pure readers, as those of servers: any JSON is taken, nothing is guessed. Prices in the router's
list are left out: the ledger's price list is the only source of money.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from hf_ledger.ingest.doors.router.facts import dicts, measure, name, part, tokens, truth
from hf_ledger.ingest.doors.router.found import MOST_TARGETS, Found
from hf_ledger.ingest.doors.router.tasks import TASKS
from hf_ledger.ingest.doors.router.wanted import CHAT

RUNNING = "running"
#: Kinds of image as the API writes them → the engines' names here.
ENGINES = {
    "tgi": "tgi",
    "tei": "tei",
    "vLLM": "vllm",
    "sGLang": "sglang",
    "llamacpp": "llama.cpp",
    "hfServe": "transformers",
}


def read_router(answer: Any) -> tuple[Found, ...]:
    """One entry a model and live provider, of `GET /v1/models`."""
    return tuple(islice(_pairs(answer), MOST_TARGETS))


def _pairs(answer: Any) -> Iterator[Found]:
    for model in dicts(answer.get("data") if isinstance(answer, dict) else None):
        for offer in dicts(model.get("providers")):
            if offer.get("status") == "live" and name(model.get("id")) and offered_by(offer):
                yield _pair(model["id"], offer)


def offered_by(offer: Mapping[str, Any]) -> str | None:
    return name(offer.get("provider"))


def _pair(model: str, offer: Mapping[str, Any]) -> Found:
    return Found(
        kind="router",
        model=model,
        provider=offered_by(offer),
        tasks=frozenset({CHAT}),
        context_length=tokens(offer.get("context_length")),
        tools=truth(offer.get("supports_tools")),
        structured_output=truth(offer.get("supports_structured_output")),
        throughput=measure(offer.get("throughput")),
        first_token_ms=measure(offer.get("first_token_latency_ms")),
    )


def read_endpoints(answer: Any) -> tuple[Found, ...]:
    """One entry an endpoint of `GET /v2/endpoint/NAMESPACE`; of one that isn't running, its state.

    One without a name or a state is left out.
    """
    items = answer.get("items") if isinstance(answer, dict) else answer
    found = (_endpoint(each) for each in dicts(items))
    return tuple(islice((each for each in found if each), MOST_TARGETS))


def _endpoint(item: Mapping[str, Any]) -> Found | None:
    status, model = part(item, "status"), part(item, "model")
    endpoint, state = name(item.get("name")), name(status.get("state"))
    if endpoint is None or state is None:
        return None
    return Found(
        kind="endpoint",
        model=name(model.get("repository")),
        provider=endpoint,
        url=address(status.get("url")),
        tasks=tasks_of(name(model.get("task"))),
        region=name(part(item, "provider").get("region")),
        engine=engine_of(part(model, "image")),
        state=None if state == RUNNING else state,
    )


def address(value: Any) -> str | None:
    """The base address, https where no scheme is written."""
    told = name(value)
    if told is None:
        return None
    return (told if "://" in told else f"https://{told}").rstrip("/").removesuffix("/v1")


def tasks_of(task: str | None) -> frozenset[str] | None:
    """Endpoints for text generation chat too; a task that is none of ours is none."""
    if task is None:
        return None
    if task == "text-generation":
        return frozenset({CHAT, task})
    return frozenset({task} & TASKS.keys())


def engine_of(image: Mapping[str, Any]) -> str | None:
    """Of the kinds of image that the API names one by one."""
    return next((engine for kind, engine in ENGINES.items() if kind in image), None)
