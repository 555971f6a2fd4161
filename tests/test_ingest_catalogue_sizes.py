"""Sizes: family, class cuts, traps, the shipped table, and how often names alone are right."""

from __future__ import annotations

import csv
import gzip
import re
from dataclasses import replace

import pytest
from conftest import shared_file
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.catalogue.architectures import architectures
from hf_ledger.ingest.catalogue.load import data_file
from hf_ledger.ingest.catalogue.prices import shipped_prices
from hf_ledger.ingest.catalogue.sizes import (
    CLASS_VERSION,
    CUTS,
    Family,
    Size,
    class_of,
    family_of_name,
    family_of_task,
    shipped_sizes,
    size_of,
)

NO_TABLE: dict[str, Size] = {}
ASKED = [
    "meta-llama/Llama-3.3-70B-Instruct",
    "Qwen/Qwen3-30B-A3B",
    "mistralai/Mixtral-8x7B-Instruct-v0.1",
    "BAAI/bge-m3",
    "openai/whisper-large-v3-turbo",
    "acme/fresh-4b",
    "acme/mystery",
    "google/gemma-3n-E4B-it",
]


@pytest.mark.parametrize(
    ("family", "billions", "size_class"),
    [
        ("llm", 0.0, "small"),
        ("llm", 4.0, "small"),
        ("llm", 4.01, "medium"),
        ("llm", 16.0, "medium"),
        ("llm", 16.1, "large"),
        ("llm", 80.0, "large"),
        ("llm", 80.1, "xl"),
        ("llm", 1000.0, "xl"),
        ("encoder", 0.15, "small"),
        ("encoder", 0.151, "medium"),
        ("encoder", 0.5, "medium"),
        ("encoder", 0.56, "large"),
        ("encoder", 4.0, "large"),
        ("encoder", 7.1, "xl"),
        ("other", 0.1, "small"),
        ("other", 0.81, "medium"),
        ("other", 3.5, "large"),
        ("other", 11.9, "xl"),
        ("llm", None, None),
    ],
)
def test_classes_go_by_total_parameters_within_a_family(
    family: Family, billions: float | None, size_class: str | None
) -> None:
    assert class_of(family, billions) == size_class


def test_cuts_rise_within_every_family() -> None:
    assert all(sorted(cuts) == list(cuts) and len(set(cuts)) == 3 for cuts in CUTS.values())


@pytest.mark.parametrize(
    ("task", "family"),
    [
        ("chat-completion", "llm"),
        ("conversational", "llm"),
        ("text-generation", "llm"),
        ("image-text-to-text", "llm"),
        ("summarization", "encoder"),
        ("translation", "encoder"),
        ("feature-extraction", "encoder"),
        ("zero-shot-classification", "encoder"),
        ("text-to-image", "other"),
        ("automatic-speech-recognition", "other"),
        (None, None),
        ("", None),
    ],
)
def test_a_task_tells_the_family(task: str | None, family: str | None) -> None:
    assert family_of_task(task) == family


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("google-bert/bert-base-uncased", "encoder"),
        ("BAAI/bge-m3", "encoder"),
        ("sentence-transformers/all-MiniLM-L6-v2", "encoder"),
        ("Qwen/Qwen3-Embedding-8B", "encoder"),
        ("google/flan-t5-xl", "encoder"),
        ("facebook/bart-large-cnn", "encoder"),
        ("black-forest-labs/FLUX.1-dev", "other"),
        ("openai/whisper-large-v3", "other"),
        ("google/vit-base-patch16-224", "other"),
        ("meta-llama/Llama-3.1-8B", None),
        ("barthowski/some-model", None),  # a person's name is no architecture
    ],
)
def test_a_name_tells_the_family_where_it_can(model: str, family: str | None) -> None:
    assert family_of_name(model) == family


@pytest.mark.parametrize(
    ("model", "family", "total", "active", "size_class"),
    [
        ("mistralai/Mixtral-8x7B-Instruct-v0.3", "llm", 46.7, 12.9, "large"),
        ("someone/Mixtral-8x22B-finetune", "llm", 140.6, 39.1, "xl"),
        ("meta-llama/Llama-4-Scout-17B-16E", "llm", 108.6, 17, "xl"),
        ("meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8", "llm", 401.6, 17, "xl"),
        ("tencent/Hunyuan-A13B-Pretrain", "llm", 80.4, 13, "xl"),
        ("moonshotai/Kimi-K2-Base", "llm", 1000, 32, "xl"),
        ("unsloth/DeepSeek-V3-GGUF", "llm", 671, 37, "xl"),
        ("unsloth/DeepSeek-R1-0528-Qwen3-8B-GGUF", "llm", 8, None, "medium"),
        ("someone/deepseek-r1-distill-qwen-7b", "llm", 7, None, "medium"),
        ("deepseek-ai/DeepSeek-V2-Lite-Chat", "llm", 15.7, 2.4, "medium"),
        ("allenai/OLMoE-1B-7B-0924-Instruct", "llm", 6.9, 1.3, "medium"),
        ("openai-community/gpt2", "llm", 0.137, None, "small"),
        ("gpt2", "llm", 0.137, None, "small"),
        ("bigscience/bloom", "llm", 176, None, "xl"),
        ("microsoft/Phi-4-mini-instruct", "llm", 3.84, None, "small"),
        ("microsoft/phi-4", "llm", 14.7, None, "medium"),
        ("google/gemma-3n-E4B-it", "llm", 7.85, 4, "medium"),
        ("Snowflake/snowflake-arctic-embed-l", "encoder", 0.334, None, "medium"),
        ("FacebookAI/xlm-roberta-large", "encoder", 0.56, None, "large"),
        ("meta-llama/Prompt-Guard-86M", "encoder", 0.279, None, "medium"),
        ("albert/albert-base-v2", "encoder", 0.0117, None, "small"),
        ("facebook/bart-large-mnli", "encoder", 0.406, None, "medium"),
        ("Helsinki-NLP/opus-mt-de-en", "encoder", 0.077, None, "small"),
        ("openai/whisper-tiny", "other", 0.0378, None, "small"),
        ("stabilityai/stable-diffusion-xl-base-1.0", "other", 3.5, None, "large"),
    ],
)
def test_traps(
    model: str, family: str, total: float, active: float | None, size_class: str
) -> None:
    size = size_of(model, table=NO_TABLE)
    assert (size.family, size.size_class) == (family, size_class)
    assert size.params_total_b == pytest.approx(total, rel=0.03)
    assert size.params_active_b == active


@pytest.mark.parametrize(
    "model",
    ["acme/mystery", "", "yuhuili/EAGLE-LLaMA3-Instruct-8B", "someone/Kimi-K2-draft", "x-LoRA"],
)
def test_unknown_is_said(model: str) -> None:
    size = size_of(model, table=NO_TABLE)
    assert (size.params_total_b, size.size_class) == (None, None)
    assert size.confidence == "unknown"
    assert size.source.startswith("unknown: ")


def test_an_unknown_model_of_a_known_task_has_its_family() -> None:
    size = size_of("acme/mystery", "text-classification", NO_TABLE)
    assert (size.family, size.size_class) == ("encoder", None)
    assert size_of("acme/mystery", None, NO_TABLE).family == "other"
    assert size_of("acme/mystery-7b", None, NO_TABLE).family == "llm"


def test_a_name_beats_the_task_it_is_used_for() -> None:
    """A chat model that classifies is still a chat model; an encoder stays one."""
    assert (
        size_of("google-bert/bert-large-uncased", "text-generation", NO_TABLE).family == "encoder"
    )
    assert size_of("openai/gpt-oss-20b", "text-classification", NO_TABLE).family == "llm"


def test_a_number_that_contradicts_the_architecture_wins() -> None:
    """Somebody's 3B model named after Kimi-K2 is not Kimi-K2."""
    assert size_of("someone/kimi-k2-style-3b", table=NO_TABLE).params_total_b == 3.0


def test_a_number_on_a_cut_belongs_above_it() -> None:
    """Names round down: "4B" has 4.02 or 4.4 billion parameters."""
    size = size_of("acme/fresh-4b", table=NO_TABLE)
    assert (size.params_total_b, size.size_class) == (4.0, "medium")


def test_provider_suffixes_and_case_do_not_matter() -> None:
    plain = size_of("meta-llama/Llama-3.3-70B-Instruct")
    assert size_of("meta-llama/llama-3.3-70b-instruct").params_total_b == plain.params_total_b
    assert size_of("meta-llama/Llama-3.3-70B-Instruct:groq").size_class == plain.size_class
    assert plain.confidence == "metadata and name agree"


@pytest.mark.parametrize(
    "written",
    [
        "meta-llama/llama-3.3-70b-instruct",
        "meta-llama/Llama-3.3-70B-Instruct:fastest",
        "https://huggingface.co/meta-llama/Llama-3.3-70B-Instruct",
        "huggingface/together/meta-llama/Llama-3.3-70B-Instruct",
    ],
)
def test_the_answer_is_of_the_id_as_asked(written: str) -> None:
    size = size_of(written)
    assert (size.model, size.params_total_b) == (written, 70.5537)


@given(st.text(max_size=80))
def test_any_text_has_an_answer(text: str) -> None:
    size = size_of(text)
    assert size.model == text
    assert (size.size_class is None) == (size.params_total_b is None)
    assert size.source and size.confidence


@given(
    st.sampled_from(ASKED), st.sampled_from(["", ":groq", ":fastest", ":preferred"]), st.booleans()
)
def test_suffix_and_case_change_nothing(model: str, suffix: str, upper: bool) -> None:
    plain = size_of(model)
    written = (model.upper() if upper else model.lower()) + suffix
    assert replace(size_of(written), model=model) == plain


@given(st.sampled_from(ASKED))
def test_the_class_follows_from_family_and_parameters(model: str) -> None:
    """But for a name on the cut of 4 B, which rounds down."""
    size = size_of(model, table=NO_TABLE)
    if size.params_total_b != 4.0:
        assert size.size_class == class_of(size.family, size.params_total_b)


def test_what_is_priced_has_a_size_or_a_reason() -> None:
    with data_file("routes.csv").open(encoding="utf-8") as file:
        routed = {row["model"]: row["task"] for row in csv.DictReader(file)}
    priced = {price.model for price in shipped_prices()} - {"*"}
    sizes = [size_of(model, routed.get(model)) for model in sorted(priced | set(routed))]
    assert [size.model for size in sizes if size.model in priced and not size.size_class] == []
    assert all(size.size_class or size.source.startswith("unknown: ") for size in sizes)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("Shakker-Labs/FLUX.1-dev-LoRA-AntiBlur", "a part of a model"),
        ("acme/thing-17B-16E", "the active part only"),
        ("acme/mystery", "no certain size"),
    ],
)
def test_why_a_size_is_unknown_is_said(model: str, reason: str) -> None:
    assert reason in size_of(model, table=NO_TABLE).source


def test_the_shipped_table_comes_before_the_name() -> None:
    mine = Size("acme/x-7b", "llm", 90.0, None, "xl", CLASS_VERSION, "mine", "certain")
    assert size_of("acme/x-7b", table={"acme/x-7b": mine}) == mine


def test_a_table_without_a_size_still_tells_the_family() -> None:
    mine = Size("acme/x-7b", "encoder", None, None, None, CLASS_VERSION, "mine", "tag only")
    size = size_of("acme/x-7b", table={"acme/x-7b": mine})
    assert (size.family, size.params_total_b, size.size_class) == ("encoder", 7.0, "xl")


def test_every_shipped_size_is_in_its_class() -> None:
    sizes = shipped_sizes().values()
    assert len(sizes) > 1_500
    assert all(size.size_class == class_of(size.family, size.params_total_b) for size in sizes)
    assert all(size.source and size.confidence for size in sizes if size.params_total_b)


def test_active_parameters_are_never_more_than_all() -> None:
    both = [size for size in shipped_sizes().values() if size.params_active_b]
    assert len(both) > 50
    assert all(
        size.params_active_b <= (size.params_total_b or 0) * 1.05
        for size in both
        if size.params_active_b
    )


def test_every_architecture_can_be_reached() -> None:
    """A pattern behind a wider one would never count."""
    patterns = [each.pattern for each in architectures()]
    assert len(set(patterns)) == len(patterns)
    assert all(each.size.total_b and each.size.total_b > 0 for each in architectures())


def truth() -> list[dict[str, str]]:
    path = shared_file("catalogue/model_sizes.csv.gz")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["usable_as_truth"] == "True"]


def score(sizes: list[tuple[Size, str]]) -> tuple[float, float]:
    """Share answered, and share right of those answered."""
    answered = [(size, expected) for size, expected in sizes if size.size_class]
    right = sum(size.size_class == expected for size, expected in answered)
    return len(answered) / len(sizes), right / len(answered)


def expected_class(row: dict[str, str]) -> str:
    family = family_of_task(row["pipeline_tag"]) or family_of_name(row["model"]) or "llm"
    return class_of(family, float(row["params_b"])) or ""


def test_classes_of_models_with_a_known_size() -> None:
    scored = [(size_of(row["model"]), expected_class(row)) for row in truth()]
    answered, right = score(scored)
    assert answered >= 0.90 and right >= 0.97


def test_classes_by_name_alone() -> None:
    """What a model not in the table gets: never seen by size_of here."""
    scored = [(size_of(row["model"], table=NO_TABLE), expected_class(row)) for row in truth()]
    answered, right = score(scored)
    assert answered >= 0.90 and right >= 0.97


def test_metadata_that_contradicts_the_name_is_not_shipped() -> None:
    """Olmo-3-7B-Instruct has half a million parameters, says its metadata."""
    path = shared_file("catalogue/model_sizes.csv.gz")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        odd = [r["model"] for r in csv.DictReader(file) if "contradicts" in r["confidence"]]
    shipped = shipped_sizes()
    assert odd
    assert not [m for m in odd if m.lower() in shipped and shipped[m.lower()].params_total_b]


def test_architecture_patterns_are_lower_case() -> None:
    with data_file("architectures.csv").open(encoding="utf-8") as file:
        patterns = [row["pattern"] for row in csv.DictReader(file)]
    assert [p for p in patterns if re.sub(r"\\.", "", p) != re.sub(r"\\.", "", p).lower()] == []
