"""How large a model is: parameters, family and size class, with source and confidence."""

from __future__ import annotations

import csv
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Literal

from hf_ledger.ingest.catalogue.names import SAME_WITHIN, NamedSize, is_part, named_size

Family = Literal["llm", "encoder", "other"]
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
#: Names round down: of 1,000 models four in five have somewhat more parameters than they are named
#: for ("4B" is 4.02 or 4.4), which matters where the name stands exactly on a cut.
NAMES_ROUND_DOWN = 1.02

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
    r"bert(?!a?ir)|electra|minilm|mpnet|labse|(^|[-_/])(bge|gte|e5|nv-embed|sbert|bce)(?=[-_])|embed"
    r"|rerank|(^|[-_/])(m|by|flan-|long-)?t5|bart(?![a-z])|pegasus|marian|opus-mt|nllb|m2m100|madlad"
    r"|text2vec|zeroshot|sentiment|[-_]ner($|[-_])|tapas|reward|classifier"
)
OTHER_NAMES = re.compile(
    r"diffusion|flux|sdxl|sd-turbo|whisper|wav2vec|hubert|(^|[-_/])vit-|clip|siglip|dino|detr|resnet"
    r"|yolo|segformer|tts|speech|parakeet|musicgen|wan2|hunyuanvideo|ltx|cogvideo|qwen-image|z-image"
    r"|text-to-(image|video)|lora|trocr|blip|vilt|kokoro|rmbg|sam2?-"
)


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


@dataclass(frozen=True)
class Architecture:
    """A size that a name implies without stating it: all-MiniLM-L6 has 23 M parameters."""

    pattern: re.Pattern[str]
    family: Family
    size: NamedSize
    name_misleads: bool


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
    name = model.lower()
    if OTHER_NAMES.search(name.rpartition("/")[2]):
        return "other"
    return "encoder" if ENCODER_NAMES.search(name.rpartition("/")[2]) else None


def rows_of(name: str) -> Iterator[dict[str, str]]:
    path = resources.files("hf_ledger") / "data" / name
    with path.open(encoding="utf-8") as file:
        yield from csv.DictReader(file)


@cache
def shipped_sizes() -> Mapping[str, Size]:
    """The table that ships, by lower-cased id."""
    sizes = {}
    for row in rows_of("model_sizes.csv"):
        model = row["model"]
        family = family_of_task(row["pipeline_tag"]) or family_of_name(model) or "llm"
        total = float(row["params_total_b"]) if row["params_total_b"] else None
        active = float(row["params_active_b"]) if row["params_active_b"] else None
        sizes[model.lower()] = sized(
            model, family, NamedSize(total, active, row["source"]), row["confidence"]
        )
    return sizes


@cache
def architectures() -> tuple[Architecture, ...]:
    return tuple(
        Architecture(
            re.compile(row["pattern"]),
            family,
            NamedSize(
                float(row["params_total_b"]),
                float(row["params_active_b"]) if row["params_active_b"] else None,
                "published size of the architecture named",
            ),
            row["name_misleads"] == "yes",
        )
        for row in rows_of("architectures.csv")
        if (family := family_in(row["family"]))
    )


def family_in(text: str) -> Family:
    families: dict[str, Family] = {"llm": "llm", "encoder": "encoder", "other": "other"}
    return families[text]


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
    """Size of a model by its Hugging Face id (or a provider's), offline.

    `task` (a task or pipeline tag) helps to tell the family of a model not in `table`, the shipped
    table by default. A model with no size known has params and class None: unknown beats wrong.
    """
    known = shipped_sizes() if table is None else table
    plain = model.partition(":")[0]
    found = known.get(plain.lower())
    if found and found.params_total_b is not None:
        return found
    return size_by_name(model, plain, task, found.family if found else None)


def size_by_name(model: str, plain: str, task: str | None, family: Family | None) -> Size:
    named = named_size(plain)
    known = architecture_of(plain)
    family = family or family_of(plain, task, known, named)
    if known and (known.name_misleads or agrees(known.size, named)):
        return sized(model, family, known.size, "architecture known by name")
    if named.total_b is not None:
        rounded = class_of(family, named.total_b * NAMES_ROUND_DOWN)
        return replace(sized(model, family, named, "name only"), size_class=rounded)
    return sized(model, family, NamedSize(None, named.active_b, "unknown"), "unknown")


def architecture_of(plain: str) -> Architecture | None:
    if is_part(plain):
        return None
    return next((each for each in architectures() if each.pattern.search(plain.lower())), None)


def agrees(known: NamedSize, named: NamedSize) -> bool:
    """Whether a number in the name, if there is one, leaves room for the architecture's size."""
    if named.total_b is None or known.total_b is None:
        return True
    return max(known.total_b, named.total_b) <= min(known.total_b, named.total_b) * SAME_WITHIN


def family_of(plain: str, task: str | None, known: Architecture | None, named: NamedSize) -> Family:
    """A name that tells beats the task (a large LLM may classify); else the task; else the size."""
    told = (known.family if known else None) or family_of_name(plain) or family_of_task(task)
    return told or ("llm" if named.total_b or named.active_b else "other")
