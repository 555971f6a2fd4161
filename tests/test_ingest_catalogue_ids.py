"""Ids however somebody wrote them, made plain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.catalogue.ids import owner_and_name, plain_id

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


@pytest.mark.parametrize(
    "written",
    [
        LLAMA,
        f"  {LLAMA}\n",
        f"{LLAMA}:groq",
        f"{LLAMA}:fastest",
        f"https://huggingface.co/{LLAMA}",
        f"http://www.huggingface.co/{LLAMA}/",
        f"https://hf.co/{LLAMA}?library=transformers",
        f"https://huggingface.co/{LLAMA}/tree/main",
        f"https://huggingface.co/{LLAMA}/blob/main/config.json#L1",
        f"https://huggingface.co/api/models/{LLAMA}",
        f"hf.co/{LLAMA}:Q4_K_M",
    ],
)
def test_one_model_many_spellings(written: str) -> None:
    assert plain_id(written) == LLAMA


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("accounts/fireworks/models/llama-v3p1-8b-instruct", "llama-v3.1-8b-instruct"),
        ("llama3.1:8b", "llama3.1-8b"),  # the size is the tag
        ("gemma3:270m", "gemma3-270m"),
        ("qwen3:latest", "qwen3"),
        ("gpt2", "gpt2"),
        ("", ""),
        ("https://example.org/v1", "https"),  # no Hub link: not a model, and no crash
    ],
)
def test_ids_of_others(written: str, plain: str) -> None:
    assert plain_id(written) == plain


def test_the_last_two_parts_are_owner_and_name() -> None:
    assert owner_and_name("huggingface/together/deepseek-ai/DeepSeek-R1") == (
        "deepseek-ai/DeepSeek-R1"
    )
    assert owner_and_name("gpt2") == "gpt2"


@given(st.text(max_size=80))
def test_plain_stays_plain(text: str) -> None:
    plain = plain_id(text)
    assert owner_and_name(owner_and_name(plain)) == owner_and_name(plain)
    assert len(plain) <= len(text)
