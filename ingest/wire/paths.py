"""What the URL alone says: who serves, which model, which task."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

#: The end of a path → Hugging Face's task; the longer one wins: `/chat/completions` is chat.
_TAILS: dict[tuple[str, ...], str] = {
    ("chat", "completions"): "chat-completion",
    ("completions",): "text-generation",
    ("completion",): "text-generation",
    ("infill",): "text-generation",
    ("generate",): "text-generation",
    ("generate_stream",): "text-generation",
    ("responses",): "chat-completion",
    ("messages",): "chat-completion",
    ("embeddings",): "feature-extraction",
    ("embedding",): "feature-extraction",
    ("embed",): "feature-extraction",
    ("embed_all",): "feature-extraction",
    ("embed_sparse",): "feature-extraction",
    ("pooling",): "feature-extraction",
    ("similarity",): "sentence-similarity",
    ("rerank",): "text-ranking",
    ("score",): "text-ranking",
    ("reranking",): "text-ranking",
    ("predict",): "text-classification",
    ("classify",): "text-classification",
    ("images", "generations"): "text-to-image",
    ("images", "edits"): "image-to-image",
    ("images", "variations"): "image-to-image",
    ("audio", "transcriptions"): "automatic-speech-recognition",
    ("audio", "translations"): "automatic-speech-recognition",
    ("audio", "speech"): "text-to-speech",
    ("video", "generations"): "text-to-video",
    ("videos", "generations"): "text-to-video",
    ("v2", "videos"): "text-to-video",
    ("v1", "videos"): "text-to-video",
}
_COHERE_TAILS: dict[tuple[str, ...], str] = {
    ("v2", "chat"): "chat-completion",
    ("v1", "chat"): "chat-completion",
    ("v1", "generate"): "text-generation",
}

#: Paths that only OpenAI-compatible servers have, whatever their host.
OPENAI_TAILS = frozenset(
    {
        ("chat", "completions"),
        ("v1", "completions"),
        ("v1", "responses"),
        ("v1", "messages"),
        ("v1", "embeddings"),
        ("images", "generations"),
        ("audio", "transcriptions"),
        ("audio", "speech"),
    }
)

#: POSTs to an inference host that have no model work: counting, cancelling, uploading.
IDLE_TAILS = frozenset(
    {
        "cancel",
        "tokenize",
        "detokenize",
        "decode",
        "chat_tokenize",
        "apply-template",
        "count_tokens",
        "files",
        "uploads",
        "batches",
        "load_lora_adapter",
        "unload_lora_adapter",
        "telemetry",
        "info",
        "health",
        "ping",
        "metrics",
        "props",
        "slots",
    }
)

#: Segments of a GET that asks how far earlier work has come.
POLL_SEGMENTS = frozenset(
    {
        "requests",
        "predictions",
        "videos",
        "status",
        "async",
        "async-result",
        "task-result",
        "get_result",
        "result",
        "responses",
    }
)

#: Tasks of the old conversational pipeline are today's chat.
_TASK_NAMES = {"conversational": "chat-completion"}


class Place(NamedTuple):
    """Where a request goes, as far as its URL tells."""

    provider: str | None = None
    model: str | None = None  # HF id named by the path
    provider_model: str | None = None  # provider's id named by the path
    task: str | None = None
    rest: tuple[str, ...] = ()  # path below the provider


def segments_of(path: str) -> tuple[str, ...]:
    """The path's segments, unquoted, without empty ones."""
    parts = path.split("?", 1)[0].split("#", 1)[0].split("/")
    return tuple([unquote(part) if "%" in part else part for part in parts if part])


def split_url(url: str) -> SplitResult:
    """The address in its parts; an empty one for what is no address at all."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


def task_of_tail(rest: tuple[str, ...], provider: str | None = None) -> str | None:
    """The task that the end of the path names."""
    tails = _COHERE_TAILS | _TAILS if provider == "cohere" else _TAILS
    return tails.get(rest[-2:]) or tails.get(rest[-1:])


def task_name(task: str) -> str:
    """Hugging Face's name: the hub's `conversational` is chat."""
    return _TASK_NAMES.get(task, task)


def place_of(kind: str, segments: tuple[str, ...], host_provider: str | None) -> Place:
    """Read the path of an inference host; `segments` without any proxy prefix."""
    if kind == "provider":
        return _below_provider(host_provider, segments)
    if kind == "legacy":
        return _below_provider("hf-inference", segments)
    if kind == "router" and segments and not _is_version(segments):
        return _below_provider(segments[0], segments[1:])
    return Place(task=task_of_tail(segments), rest=segments)


def _is_version(segments: tuple[str, ...]) -> bool:
    """`/v1/…` is the router's own API; anything else starts with a provider's name."""
    return segments[0] in ("v1", "chat", "responses", "messages", "embeddings", "completions")


def _below_provider(provider: str | None, rest: tuple[str, ...]) -> Place:
    if provider == "hf-inference":
        return _hf_inference(rest)
    task = task_of_tail(rest, provider)
    model = None if task else _model_in_path(provider, rest)
    return Place(provider=provider, provider_model=model, task=task, rest=rest)


def _hf_inference(rest: tuple[str, ...]) -> Place:
    if rest[:1] == ("pipeline",) and len(rest) >= 3:
        model = "/".join(rest[2:4])
        return Place("hf-inference", model, model, task_name(rest[1]), rest)
    if rest[:1] == ("models",) and len(rest) >= 2:
        model, below = _split_model(rest[1:])
        return Place("hf-inference", model, model, _task_below_model(below), rest)
    return Place("hf-inference", task=task_of_tail(rest), rest=rest)


def _split_model(rest: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """A model id has an owner or, for the oldest models, none."""
    cut = next((i for i, part in enumerate(rest[:3]) if i and part in _AFTER_MODEL), None)
    cut = min(2, len(rest)) if cut is None else cut
    return "/".join(rest[:cut]), rest[cut:]


_AFTER_MODEL = frozenset({"v1", "pipeline", "generate", "generate_stream", "embed"})


def _task_below_model(below: tuple[str, ...]) -> str | None:
    if below[:1] == ("pipeline",) and len(below) > 1:
        return task_name(below[1])
    return task_of_tail(below)


def _model_in_path(provider: str | None, rest: tuple[str, ...]) -> str | None:
    """Providers whose URL is the model: fal-ai, black-forest-labs, wavespeed, replicate, novita."""
    if provider == "replicate":
        return _replicate_model(rest)
    if provider == "black-forest-labs":
        return rest[-1] if rest else None
    prefixes = _MODEL_AFTER.get(provider or "", ())
    for prefix in prefixes:
        if rest[: len(prefix)] == prefix and len(rest) > len(prefix):
            return "/".join(rest[len(prefix) :])
    return None


_MODEL_AFTER: dict[str, tuple[tuple[str, ...], ...]] = {
    "fal-ai": ((),),
    "wavespeed": (("api", "v3"), ("api", "v2")),
    "novita": (("v3", "hf"), ("v3", "async")),
    "deepinfra": (("v1", "inference"),),
}


def _replicate_model(rest: tuple[str, ...]) -> str | None:
    if rest[:2] == ("v1", "models") and rest[-1] == "predictions":
        return "/".join(rest[2:-1])
    return None
