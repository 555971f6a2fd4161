"""How large a model is: parameters, family and size class, with source and confidence."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from hf_ledger.ingest.catalogue.architectures import (
    Architecture,
    Family,
    architecture_of,
    rows_of,
)
from hf_ledger.ingest.catalogue.ids import owner_and_name, plain_id
from hf_ledger.ingest.catalogue.names import NamedSize, is_part, named_size

SizeClass = Literal["small", "medium", "large", "xl"]

#: Changes with the cut points or the meaning of a family; stored with each call.
CLASS_VERSION = "2026-11"

#: Upper bounds in billions of total parameters for small, medium and large; above is xl. List
#: prices rise with total parameters, not with active ones.
CUTS: Mapping[Family, tuple[float, float, float]] = {
    "llm": (4.0, 16.0, 80.0),
    "encoder": (0.150, 0.500, 4.0),
    "other": (0.100, 1.0, 4.0),
}
CLASSES: tuple[SizeClass, ...] = ("small", "medium", "large", "xl")
#: Names round down: of 261 models named "4B" 240 have more, 4.02 or 4.4. On the other cuts names
#: are as often above as below ("16B" is 15.9, "80B" 79.7).
NAMES_ROUND_DOWN = 1.02
CUT_ON_A_NAME = 4.0

LLM_TASKS = frozenset(
    ["chat-completion", "conversational", "text-generation", "image-text-to-text", "any-to-any"]
)
ENCODER_TASKS = frozenset(
    [
        "text-classification",
        "token-classification",
        "zero-shot-classification",
        "fill-mask",
        "question-answering",
        "table-question-answering",
        "feature-extraction",
        "sentence-similarity",
        "text-ranking",
        "summarization",
        "translation",
        "text2text-generation",
    ]
)

ENCODER_NAMES = re.compile(
    r"bert(?!a?ir|une|hi)|electra|minilm|mpnet|labse|(^|[-_/])(bge|gte|gme|gve|ume|moca|(mm)?e5|nv-embed|sbert|bce)(?=[-_])"
    r"|embed|rerank|retriev|(^|[-_/])(m|u?m|by|flan-|long-|code)?t5|bart(?![a-z])|pegasus|marian"
    r"|opus-mt|nllb|m2m100|madlad|text2vec|zeroshot|sentiment|[-_]ner($|[-_])|tapas|reward|classifier"
    r"|sentence-|simcse|splade|sgpt|udever|[fc2]2?llm-|llm2vec|e2rank|monot5|repllama|col(qwen|pali|smol|mini"
    r"|vec|lfm)|-colq|kalm-|(^|[-_/])stella|jasper|gritlm|gliner|xlnet|longformer|layoutlm|(^|[-_/])esm2"
    r"|zembed|zerank|contriever|[-_]nli(?=$|[-_])|[-_]vdr|followir|rtriever|promptriever|querit"
)
OTHER_NAMES = re.compile(
    r"stable-?diffusion(?!.*prompt)|video-diffusion|(^|[-_/.])flux(?![a-z])(?!.*prompt)|sdxl|sd-turbo|whisper|wav2vec"
    r"|hubert|(^|[-_/])(timm/)?vit[-_]|(^|[-_/])clip|siglip|dino(?!saur)|detr|resnet|(^|[-_/])mms-"
    r"|yolo|segformer|(?<!cha)tts|speech|parakeet|musicgen|wan2|hunyuan(video|image)|ltx|cogvideo|qwen-image(?!-bench)"
    r"|z-image(?!-eng)|text-to-(image|video)|(?<![a-z])lora(?![a-z])|trocr|(?<!instruct)blip|vilt|kokoro|rmbg|sam2?-|deit"
    r"|swin|convnext|efficientnet|mobilenet|voice|voxcpm|(^|[-_/])orpheus|chatterbox|kimi-audio|lfm2(\.5)?-audio|higgs-audio"
    r"|stable-audio|audioldm|controlnet|animatediff|videomae|vjepa|depth-anything|clap|voxtral|zonos"
    r"|webssl|upscal|esrgan|pixart|omnigen|radio$"
)
OTHER_OWNERS = frozenset(["timm", "ultralytics", "black-forest-labs"])


@dataclass(frozen=True)
class Size:
    """What is known of one model's size; parameters in billions, None where unknown."""

    model: str
    family: Family
    params_total_b: float | None
    params_active_b: float | None
    size_class: SizeClass | None
    class_version: str
    source: str
    confidence: str


def class_of(family: Family, params_total_b: float | None) -> SizeClass | None:
    """Size class by total parameters within the family; None where the size is unknown."""
    if params_total_b is None:
        return None
    return CLASSES[bisect_left(CUTS[family], params_total_b)]


def family_of_task(task: str | None) -> Family | None:
    if not task:
        return None
    if task in LLM_TASKS:
        return "llm"
    return "encoder" if task in ENCODER_TASKS else "other"


def family_of_name(model: str) -> Family | None:
    """The family a name tells, or None."""
    owner, _, name = model.lower().rpartition("/")
    if owner in OTHER_OWNERS or OTHER_NAMES.search(name):
        return "other"
    return "encoder" if ENCODER_NAMES.search(name) else None


@cache
def shipped_sizes() -> Mapping[str, Size]:
    """The tables that ship, by lower-cased id; the further one fills gaps of the first."""
    sizes = sizes_in("model_sizes.csv")
    gaps = {model for model, size in sizes.items() if size.params_total_b is None}
    further = sizes_in("further_sizes.csv")
    return sizes | {m: size for m, size in further.items() if m in gaps or m not in sizes}


def sizes_in(name: str) -> dict[str, Size]:
    sizes = {}
    for row in rows_of(name):
        model = row["model"]
        family = family_of_task(row["pipeline_tag"]) or family_of_name(model) or "llm"
        total = float(row["params_total_b"]) if row["params_total_b"] else None
        active = float(row["params_active_b"]) if row["params_active_b"] else None
        size = NamedSize(total, active, row["source"])
        sizes[model.lower()] = sized(model, family, size, row["confidence"])
    return sizes


def sized(model: str, family: Family, size: NamedSize, confidence: str) -> Size:
    return Size(
        model=model,
        family=family,
        params_total_b=size.total_b,
        params_active_b=size.active_b,
        size_class=class_of(family, size.total_b),
        class_version=CLASS_VERSION,
        source=size.how,
        confidence=confidence,
    )


def size_of(model: str, task: str | None = None, table: Mapping[str, Size] | None = None) -> Size:
    """Size of a model by its Hugging Face id (or a provider's, or a link), offline.

    `task` (a task or pipeline tag) helps to tell the family of a model not in `table`, the shipped
    table by default. A model with no size known has params and class None: unknown beats wrong.
    `model` of the answer is what was asked for, as it was written.
    """
    plain = plain_id(model)
    found = row_of(plain, shipped_sizes() if table is None else table)
    if found and found.params_total_b is not None:
        return replace(found, model=model)
    return size_by_name(model, plain, task, found.family if found else None)


def row_of(plain: str, table: Mapping[str, Size]) -> Size | None:
    folded = plain.lower()
    return table.get(folded) or table.get(owner_and_name(folded))


def size_by_name(model: str, plain: str, task: str | None, family: Family | None) -> Size:
    named = named_size(plain)
    known = architecture_of(plain)
    family = family or family_of(plain, task, known, named)
    if known and known.agrees(named):
        return sized(model, family, known.size, "architecture known by name")
    if named.total_b is not None:
        size_class = class_of(family, rounded_up(named.total_b))
        return replace(sized(model, family, named, "name only"), size_class=size_class)
    return sized(model, family, replace(named, how=why_unknown(plain, named)), "unknown")


def why_unknown(plain: str, named: NamedSize) -> str:
    """What stands in the place of a source where no size is known."""
    if is_part(plain):
        return "unknown: named as a part of a model (adapter, drafter, head), not as a model"
    if named.active_b is not None:
        return "unknown: the name gives the active part only"
    return "unknown: in no table, and the name gives no certain size"


def rounded_up(named_b: float) -> float:
    """What a name that rounds down stands for, where it matters: "4B"."""
    return named_b * NAMES_ROUND_DOWN if named_b == CUT_ON_A_NAME else named_b


def family_of(plain: str, task: str | None, known: Architecture | None, named: NamedSize) -> Family:
    """A name that tells beats the task (a large LLM may classify); else the task; else the size."""
    told = (known.family if known else None) or family_of_name(plain) or family_of_task(task)
    return told or ("llm" if named.total_b or named.active_b else "other")
