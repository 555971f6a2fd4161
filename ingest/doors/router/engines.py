"""What a server of one's own says of itself, by engine: vLLM, TGI, TEI, llama.cpp, transformers.

Pure readers of decoded replies. They take any JSON, never raise and never guess: what an engine
does not state stays unknown, and an engine that is not recognised has no name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hf_ledger.ingest.doors.router.facts import dicts, name, part, tokens, without_folder
from hf_ledger.ingest.doors.router.found import MOST_TARGETS, Found

MODELS = "/v1/models"
INFO = "/info"
PROPS = "/props"
HEALTH = "/health"
PATHS = (MODELS, INFO, PROPS, HEALTH)

#: TEI's kinds of models → Hugging Face's names of what they do.
TEI_TASKS = {
    "embedding": "feature-extraction",
    "reranker": "text-ranking",
    "classifier": "text-classification",
}
GENERATION = frozenset({"chat-completion", "text-generation"})

Replies = Mapping[str, Any]


def read_server(replies: Replies, url: str) -> tuple[Found, ...]:
    """One entry a model that the server serves; none where its replies name no model."""
    info = part(replies, INFO)
    if is_tei(info):
        return (tei(info, url),)
    if is_tgi(info):
        return (tgi(info, url),)
    listed = dicts(part(replies, MODELS).get("data"))
    found = [each for each in (model_of(one, replies, url) for one in listed) if each]
    return tuple({each.model: each for each in found}.values())[:MOST_TARGETS]


def is_tei(info: Mapping[str, Any]) -> bool:
    """TEI alone says what kind of model it serves, as the key of an object."""
    return bool(part(info, "model_type")) and name(info.get("model_id")) is not None


def tei(info: Mapping[str, Any], url: str) -> Found:
    """What TEI's `/info` says; a kind of model that isn't known does none of our tasks."""
    kinds = {TEI_TASKS[kind] for kind in part(info, "model_type") if kind in TEI_TASKS}
    return Found(
        kind="self_hosted",
        url=url,
        model=name(info.get("model_id")),
        tasks=frozenset(kinds),
        context_length=tokens(info.get("max_input_length")),
        engine="tei",
    )


def is_tgi(info: Mapping[str, Any]) -> bool:
    stated = tokens(info.get("max_total_tokens")) or info.get("router") == "text-generation-router"
    return bool(stated) and name(info.get("model_id")) is not None


def tgi(info: Mapping[str, Any], url: str) -> Found:
    """What TGI's `/info` says: the context holds input and output together."""
    return Found(
        kind="self_hosted",
        url=url,
        model=name(info.get("model_id")),
        tasks=GENERATION,
        context_length=tokens(info.get("max_total_tokens")),
        engine="tgi",
    )


def model_of(listed: Mapping[str, Any], replies: Replies, url: str) -> Found | None:
    """One entry of `/v1/models`, with what the engine says of the context elsewhere."""
    model = name(listed.get("id"))
    if model is None:
        return None
    engine = engine_of(listed, model, replies)
    llama = engine == "llama.cpp"
    return Found(
        kind="self_hosted",
        url=url,
        model=without_folder(model) if llama else model,
        context_length=slot(listed, replies) if llama else tokens(listed.get("max_model_len")),
        engine=engine,
    )


def engine_of(listed: Mapping[str, Any], model: str, replies: Replies) -> str | None:
    """The engine as it names itself; `transformers serve` by what it alone puts there."""
    owner = listed.get("owned_by")
    named = {"vllm": "vllm", "llamacpp": "llama.cpp", "sglang": "sglang"}
    if isinstance(owner, str) and owner in named:
        return named[owner]
    if part(replies, PROPS).get("default_generation_settings") and part(listed, "meta"):
        return "llama.cpp"
    healthy = part(replies, HEALTH).get("status") == "ok"
    return "transformers" if healthy and owner == model.partition("/")[0] != model else None


def slot(listed: Mapping[str, Any], replies: Replies) -> int | None:
    """Tokens that one request of llama.cpp may hold.

    What the model was trained with (`n_ctx_train`) is no answer: the server may have been started
    with less.
    """
    stated = part(part(replies, PROPS), "default_generation_settings").get("n_ctx")
    return tokens(stated) or tokens(part(listed, "meta").get("n_ctx"))
