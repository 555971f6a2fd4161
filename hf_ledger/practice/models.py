"""What the practice server pretends to serve. Its prices are round and made up."""

from __future__ import annotations

from typing import Any, NamedTuple

Json = dict[str, Any]

HF_INFERENCE = "hf-inference"


class Lane(NamedTuple):
    """One provider's offer for a model; prices are USD per million tokens, None where unstated."""

    provider: str
    input: float | None = None
    output: float | None = None
    tokens_per_second: float = 50.0


class Model(NamedTuple):
    id: str
    task: str
    lanes: tuple[Lane, ...] = (Lane(HF_INFERENCE),)


CHAT = "text-generation"

MODELS = {
    model.id: model
    for model in (
        Model(
            "meta-llama/Llama-3.1-8B-Instruct",
            CHAT,
            (Lane("novita", 0.02, 0.05, 60.0), Lane("cerebras", 0.10, 0.10, 2000.0)),
        ),
        Model(
            "meta-llama/Llama-3.3-70B-Instruct",
            CHAT,
            (Lane("together", 0.88, 0.88, 90.0), Lane("novita", 0.13, 0.39, 30.0)),
        ),
        Model(
            "deepseek-ai/DeepSeek-V3.1",
            CHAT,
            (Lane("together", 0.60, 1.70, 70.0), Lane("fireworks-ai", None, None, 95.0)),
        ),
        Model("Qwen/Qwen3-4B-Instruct-2507", CHAT, (Lane("nscale", 0.01, 0.03, 40.0),)),
        Model("HuggingFaceTB/SmolLM3-3B", CHAT),
        Model("sentence-transformers/all-MiniLM-L6-v2", "sentence-similarity"),
        Model("intfloat/multilingual-e5-large", "feature-extraction"),
        Model("facebook/bart-large-cnn", "summarization"),
        Model("google-t5/t5-small", "translation"),
        Model("distilbert/distilbert-base-uncased-finetuned-sst-2-english", "text-classification"),
        Model("dslim/bert-base-NER", "token-classification"),
        Model("facebook/bart-large-mnli", "zero-shot-classification"),
        Model("google-bert/bert-base-uncased", "fill-mask"),
        Model("deepset/roberta-base-squad2", "question-answering"),
        Model("google/tapas-base-finetuned-wtq", "table-question-answering"),
        Model("openai/whisper-large-v3", "automatic-speech-recognition"),
        Model("black-forest-labs/FLUX.1-schnell", "text-to-image"),
        Model("timbrooks/instruct-pix2pix", "image-to-image"),
        Model("Salesforce/blip-image-captioning-base", "image-to-text"),
        Model("google/vit-base-patch16-224", "image-classification"),
        Model("facebook/mask2former-swin-large-coco-panoptic", "image-segmentation"),
        Model("facebook/detr-resnet-50", "object-detection"),
        Model("openai/clip-vit-large-patch14", "zero-shot-image-classification"),
        Model("dandelin/vilt-b32-finetuned-vqa", "visual-question-answering"),
        Model("impira/layoutlm-document-qa", "document-question-answering"),
        Model("facebook/mms-tts-eng", "text-to-speech"),
        Model("MIT/ast-finetuned-audioset-10-10-0.4593", "audio-classification"),
        Model("speechbrain/sepformer-wham", "audio-to-audio"),
    )
}


def task_of(model: str) -> str:
    """The pipeline tag shown for a model; unknown models count as chat models."""
    known = MODELS.get(model)
    return known.task if known else CHAT


def lanes_of(model: str) -> tuple[Lane, ...]:
    known = MODELS.get(model)
    return known.lanes if known else (Lane("together"), Lane(HF_INFERENCE))


def choose_provider(model: str, suffix: str | None) -> str:
    """Who serves an auto-routed call: the one named, the cheapest, or the fastest (default)."""
    lanes = lanes_of(model)
    if suffix == "cheapest":
        return min(lanes, key=lambda lane: lane.output if lane.output is not None else 1e9).provider
    if suffix in (None, "fastest", "preferred"):
        return max(lanes, key=lambda lane: lane.tokens_per_second).provider
    return suffix


def provider_id(provider: str, model: str) -> str:
    """How a provider spells a Hugging Face model id; the habits differ as the real ones do."""
    name = model.rpartition("/")[2]
    if provider == "novita":
        return model.lower()
    if provider == "fireworks-ai":
        return "accounts/fireworks/models/" + name.lower().replace(".", "p")
    if provider in ("cerebras", "groq"):
        return name.lower()
    return model


def mapping(model: str) -> Json:
    """The reply to `GET /api/models/{id}`, with and without `expand`."""
    task = task_of(model)
    served = "conversational" if task == CHAT else task
    routes = {
        lane.provider: {
            "status": "live",
            "providerId": provider_id(lane.provider, model),
            "task": served,
        }
        for lane in lanes_of(model)
    }
    tags = ["feature-extraction", "sentence-similarity"]
    return {
        "_id": "practice",
        "id": model,
        "pipeline_tag": task,
        "tags": tags if task in tags else [task],
        "inferenceProviderMapping": routes,
    }


def listing() -> Json:
    """The reply to `GET /v1/models`: chat models with their providers and prices."""
    chat = [model for model in MODELS.values() if model.task == CHAT]
    return {"object": "list", "data": [listed(model) for model in chat]}


def listed(model: Model) -> Json:
    return {
        "id": model.id,
        "object": "model",
        "created": 1776837885,
        "owned_by": model.id.partition("/")[0],
        "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
        "providers": [offer(lane) for lane in model.lanes],
    }


def offer(lane: Lane) -> Json:
    said: Json = {
        "provider": lane.provider,
        "status": "live",
        "context_length": 131072,
        "throughput": lane.tokens_per_second,
        "is_model_author": False,
    }
    if lane.input is not None:
        said["pricing"] = {"input": lane.input, "output": lane.output}
    return said
