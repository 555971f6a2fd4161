"""What the heads of columns choose from: targets, models with their providers, prices of now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hf_ledger.dashboard import loaders
from hf_ledger.dashboard.books import Shelf
from hf_ledger.dashboard.console import pricing
from hf_ledger.dashboard.console.column import PRACTICE, Column
from hf_ledger.dashboard.console.destinations import ROUTER, targets
from hf_ledger.dashboard.console.long_texts import Asked
from hf_ledger.ingest.call import HostKind
from hf_ledger.ingest.doors.router.registry import Registry
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.wanted import CHAT
from hf_ledger.practice.mishaps import OWNER

Row = dict[str, Any]

#: Two that cost different amounts, where the list has them.
FIRST_MODELS = ("meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.1-8B-Instruct")

#: One model a task that serverless inference has long had; the router lists chat models only.
WELL_KNOWN: dict[str, tuple[str, ...]] = {
    "text-generation": ("HuggingFaceTB/SmolLM3-3B",),
    "summarization": ("facebook/bart-large-cnn",),
    "translation": ("Helsinki-NLP/opus-mt-en-fr",),
    "text-classification": ("distilbert/distilbert-base-uncased-finetuned-sst-2-english",),
    "token-classification": ("dslim/bert-base-NER",),
    "zero-shot-classification": ("facebook/bart-large-mnli",),
    "fill-mask": ("google-bert/bert-base-uncased",),
    "question-answering": ("deepset/roberta-base-squad2",),
    "table-question-answering": ("google/tapas-base-finetuned-wtq",),
    "feature-extraction": ("intfloat/multilingual-e5-large", "BAAI/bge-small-en-v1.5"),
    "sentence-similarity": ("sentence-transformers/all-MiniLM-L6-v2",),
    "automatic-speech-recognition": ("openai/whisper-large-v3",),
    "audio-classification": ("superb/hubert-large-superb-er",),
    "text-to-image": ("black-forest-labs/FLUX.1-schnell", "black-forest-labs/FLUX.1-dev"),
    "image-classification": ("google/vit-base-patch16-224",),
    "image-segmentation": ("mattmdjaga/segformer_b2_clothes",),
    "object-detection": ("facebook/detr-resnet-50",),
    "zero-shot-image-classification": ("openai/clip-vit-large-patch14",),
}


@dataclass(frozen=True)
class Offers:
    """All that can be chosen just now."""

    targets: list[str]
    providers: dict[str, list[str]]  # of each model on the router's list, cheapest output first
    listed: Sequence[Row]  # prices of routes
    settings: dict[str, Target]

    def models(self, task: str) -> list[str]:
        """Models that are offered for a task; any other may be typed."""
        if task != CHAT:
            return list(WELL_KNOWN.get(task, ()))
        first = [model for model in FIRST_MODELS if model in self.providers]
        return [*first, *(model for model in sorted(self.providers) if model not in first)]

    def lists(self, task: str, column: Column) -> bool:
        """Whether it is known what the column would call: a listed model, one that the settings
        name, a wish of the practice server, or a server that has one model anyway."""
        if not column.model or column.target == ROUTER or self.is_server(column.target):
            return True
        if column.target == PRACTICE and column.model.startswith(OWNER):
            return True
        stated = {target.model for target in self.settings.values()}
        return column.model in stated or column.model in self.models(task)

    def asked(self, columns: Iterable[Column]) -> list[Asked]:
        """Columns whose calls go to a target of the settings: what it takes may be known."""
        named = [each for each in columns if each.target in self.settings]
        return [Asked(each, self.settings[each.target]) for each in named]

    def kind_of(self, target: str) -> HostKind:
        return self.settings[target].kind if target in self.settings else "router"

    def is_server(self, target: str) -> bool:
        """Whether it is one server, which nobody chooses a provider for."""
        return target in self.settings and self.settings[target].url is not None

    def price(self, model: str, provider: str) -> Row | None:
        return next(
            (row for row in self.listed if (row["model"], row["provider"]) == (model, provider)),
            None,
        )


def offers_of(shelf: Shelf) -> Offers:
    """What this server offers now."""
    listed = pricing.prices(shelf["yours"], shelf.clock())
    return Offers(targets(shelf), providers_of(shelf, listed), listed, settings_of(shelf))


def providers_of(shelf: Shelf, listed: Sequence[Row]) -> dict[str, list[str]]:
    """Models of the router's list with the providers that serve them there."""
    outputs = {(row["model"], row["provider"]): row["output"] for row in listed}
    found: dict[str, list[str]] = {}
    for row in loaders.rows(shelf["yours"], "route_prices"):
        on_list = row["rank"] == 0 and row["valid_to"] is None
        if on_list and row["kind"] == "output_tokens":
            found.setdefault(row["model"], []).append(row["provider"])
    return {
        model: sorted(names, key=lambda name: Decimal(outputs.get((model, name)) or "Infinity"))
        for model, names in found.items()
    }


def settings_of(shelf: Shelf) -> dict[str, Target]:
    registry = Registry(shelf.places)
    return {name: registry.named(name) for name in shelf.targets}


def per_million(row: Row | None) -> str:
    """A route's price as "$0.13 in, $0.40 out per million tokens"."""
    if row is None or row["input"] is None or row["output"] is None:
        return "no price known"
    scale = Decimal(1_000_000) / row["per_units"]
    read, written = Decimal(row["input"]) * scale, Decimal(row["output"]) * scale
    return f"${amount(read)} in, ${amount(written)} out"


def amount(usd: Decimal) -> str:
    """Dollars with at least two places."""
    text = f"{usd.normalize():f}"
    return text if len(text.partition(".")[2]) > 2 else f"{usd:.2f}"
