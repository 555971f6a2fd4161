"""Architectures known by name: found by a word first, then by the pattern, in the table's order."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.catalogue.architectures import (
    BEGINNING,
    architecture_of,
    architectures,
    likely,
)

NAMES = [
    "google-bert/bert-base-uncased",
    "openai/whisper-large-v3-turbo",
    "BAAI/bge-small-zh-v1.5",
    "timm/convnextv2_base.fcmae_ft_in22k_in1k_384",
    "facebook/dinov2-giant",
    "moonshotai/Kimi-K2-Instruct-0905",
    "nomic-ai/nomic-embed-text-v1.5",
    "black-forest-labs/FLUX.1-Kontext-dev",
]


@pytest.mark.parametrize("model", NAMES)
def test_the_words_leave_no_pattern_out(model: str) -> None:
    """The quick look by words finds what trying every pattern finds."""
    name = model.lower().replace("_", "-")
    tried = next(each for each in architectures() if each.fits(name))
    assert next(each for each in likely(name) if each.fits(name)) == tried


@given(st.sampled_from(NAMES), st.text("abcdefghijklmnopqrstuvwxyz0123456789.-", max_size=12))
def test_words_and_patterns_agree_on_longer_names(model: str, ending: str) -> None:
    name = (model + ending).lower().replace("_", "-")
    assert [a for a in likely(name) if a.fits(name)] == [a for a in architectures() if a.fits(name)]


def test_every_pattern_is_valid_and_has_words() -> None:
    for each in architectures():
        re.compile(each.pattern)
        assert each.words and min(map(len, each.words)) >= BEGINNING


@pytest.mark.parametrize(
    ("model", "billions"),
    [
        ("google/siglip2-base-patch16-224", 0.375),
        ("facebook/wav2vec2-large-xlsr-53", 0.317),
        ("openai/whisper-large-v3-turbo", 0.809),
        ("distil-whisper/distil-large-v3.5", 0.756),
        ("jinaai/jina-embeddings-v2-base-de", 0.161),
        ("intfloat/e5-large-v2", 0.335),
        ("acme/turkish-e5-large", 0.56),  # others tune the multilingual one
        ("deepseek-ai/deepseek-moe-16b-chat", 16.4),
        ("deepseek-ai/DeepSeek-V4-Pro", 1600),
        ("MiniMaxAI/MiniMax-M2.5", 230),
        ("google/gemma-4-E2B-it", 5.1),
        ("facebook/mbart-large-50-many-to-many-mmt", 0.611),
        ("microsoft/swinv2-base-patch4-window16-256", 0.0878),
        ("black-forest-labs/FLUX.2-dev", 32.2),
        ("Wan-AI/Wan2.2-T2V-A14B-Diffusers", 27),
    ],
)
def test_sizes_that_names_imply(model: str, billions: float) -> None:
    found = architecture_of(model)
    assert found and found.size.total_b == pytest.approx(billions, rel=0.01)


@pytest.mark.parametrize(
    "model",
    [
        "acme/Kimi-K2-Instruct-REAP-pruned",
        "acme/GLM-5-5layer",
        "acme/MiniMax-M2.5-tiny",
        "acme/GLM-4.5-Air-REAP50",
        "z-lab/gpt-oss-120b-DFlash",  # a drafter
        "nyxspecter/kin-7b",  # the owner's name is no architecture
    ],
)
def test_a_giants_name_on_something_smaller_is_not_the_giant(model: str) -> None:
    assert architecture_of(model) is None


def test_a_small_model_may_be_called_tiny() -> None:
    found = architecture_of("ibm-granite/granite-4.0-h-tiny")
    assert found and found.size.total_b == 6.94
