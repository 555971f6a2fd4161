"""What a name says of a model's size: plain numbers, and the traps in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.catalogue.names import UNNAMED, named_size


@pytest.mark.parametrize(
    ("model", "total"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", 8.0),
        ("Qwen/Qwen2.5-0.5B", 0.5),
        ("Qwen/Qwen2.5-7B-Instruct-1M", 7.0),  # 1M tokens of context
        ("TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T", 1.1),  # 3T tokens of training
        ("microsoft/bitnet-b1.58-2B-4T", 2.0),
        ("gradientai/Llama-3-8B-Instruct-Gradient-1048k", 8.0),
        ("unsloth/gemma-3-4b-it-bnb-4bit", 4.0),  # 4bit is no size
        ("lmstudio-community/Qwen3-4B-MLX-8bit", 4.0),
        ("EleutherAI/llemma_7b", 7.0),
        ("IlyaGusev/saiga_llama3_8b", 8.0),
        ("stabilityai/stablelm-2-1_6b-chat", 1.6),
        ("internlm/internlm2_5-1_8b-chat", 1.8),
        ("bigscience/bloom-7b1", 7.1),
        ("HuggingFaceTB/SmolLM-135M", 0.135),
        ("google/embeddinggemma-300m", 0.3),
        ("hexgrad/Kokoro-82M", 0.082),
        ("inclusionAI/Ling-1T", 1000.0),
        ("TheBloke/Llama-2-7B-Chat-GPTQ", 7.0),
        ("xtuner/llava-llama-3-8b-v1_1", 8.0),
        ("Tongyi-Zhiwen/QwenLong-L1-32B", 32.0),
        ("ISTA-DASLab/gemma-3-12b-it-GPTQ-4b-128g", 12.0),  # 4b is bits
        ("acme/gpt2-124m-fineweb-edu-10b", 0.124),  # 10b is tokens
        ("naver/splade-code-06B", 0.6),
        ("acme/evolai-tfm-1p5b", 1.5),
        ("chujiezheng/Mistral7B-PairRM", 7.0),
        ("EleutherAI/pythia410m", 0.41),
        ("acme/Qwen3.8-27B-AWQ-MTP", 27.0),  # the model with its own head
        ("acme/Qwen3-0.6B-Distilled-30B-A3B", 0.6),  # 30B-A3B is the teacher
    ],
)
def test_a_plain_number_is_the_size(model: str, total: float) -> None:
    assert named_size(model).total_b == total
    assert named_size(model).active_b is None


@pytest.mark.parametrize(
    ("model", "total"),
    [
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", 7.0),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", 70.0),
        ("someone/Big-671B-distill-into-1.5B", 1.5),
    ],
)
def test_a_distilled_model_has_its_pupils_size(model: str, total: float) -> None:
    assert named_size(model).total_b == total


@pytest.mark.parametrize(
    ("model", "total", "active"),
    [
        ("Qwen/Qwen3-30B-A3B", 30.0, 3.0),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507", 235.0, 22.0),
        ("baidu/ERNIE-4.5-21B-A3B-PT", 21.0, 3.0),
        ("nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16", 550.0, 55.0),
        ("ibm-granite/granite-3.1-1b-a400m-instruct", 1.0, 0.4),
        ("inclusionAI/Ling-1T-A50B", 1000.0, 50.0),
    ],
)
def test_a_mixture_names_its_total_and_its_active_part(
    model: str, total: float, active: float
) -> None:
    found = named_size(model)
    assert (found.total_b, found.active_b) == (total, active)


@pytest.mark.parametrize(
    ("model", "active"),
    [
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", 17.0),  # 109 B in all
        ("meta-llama/Llama-4-Maverick-17B-128E-Instruct", 17.0),  # 400 B in all
        ("tencent/Hunyuan-A13B-Instruct", 13.0),  # 80 B in all
        ("Wan-AI/Wan2.2-T2V-A14B", 14.0),
    ],
)
def test_an_active_part_alone_is_not_taken_for_the_total(model: str, active: float) -> None:
    found = named_size(model)
    assert (found.total_b, found.active_b) == (None, active)


@pytest.mark.parametrize(
    ("model", "real"),
    [
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", 46.7),
        ("mistral-community/Mixtral-8x22B-v0.1", 140.6),
        ("someone/beyonder-4x7b", 24.2),
        ("someone/phixtral-2x7b", 12.9),
        ("mixtao/MixTAO-7Bx2-MoE", 12.6),
    ],
)
def test_experts_share_parts(model: str, real: float) -> None:
    """8x7B is 46.7 B, not 56."""
    total = named_size(model).total_b
    assert total == pytest.approx(real, rel=0.05)


@pytest.mark.parametrize(
    "model",
    [
        "deepseek-ai/DeepSeek-V3",
        "moonshotai/Kimi-K2-Instruct",
        "bigscience/bloom",
        "google/gemma-3n-E4B-it",  # effective, not total
        "CohereLabs/c4ai-command-r7b-12-2024",
        "yuhuili/EAGLE3-LLaMA3.1-Instruct-8B",  # a drafter of some 0.4 B
        "RedHatAI/Llama-3.1-8B-Instruct-speculator.eagle3",
        "someone/llama-3-8b-lora",
        "someone/qwen-7b-adapter",
        "Qwen/Qwen3.6-27B-MTP",
        "z-lab/Qwen3.5-4B-DFlash",
        "RadixArk/Qwen3.8-27B-DSpark",
        "google/gemma-4-31B-it-qat-assistant",
        "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k",  # images of training
        "Corianas/miniguanaco-1.5T",  # tokens of training
        "hf-internal-testing/tiny-random-llama-8b",
        "allenai/OLMoE-1B-7B-0924",  # two sizes, one of them active
        "fla-hub/transformer-1.3B-100B",  # trained on 100 B tokens
        "",
        "b",
        "8b8b8b",
    ],
)
def test_a_name_that_says_nothing_certain_says_nothing(model: str) -> None:
    assert named_size(model) in (UNNAMED, named_size("no-number"))
    assert named_size(model).total_b is None


@given(st.text(max_size=60))
def test_any_text_is_a_name(name: str) -> None:
    found = named_size(name)
    assert found.total_b is None or found.total_b >= 0


@given(
    st.decimals(min_value="0.1", max_value=999, places=1),
    st.sampled_from(["-Instruct", "", "-GGUF", "_chat", "-v0.1", "-AWQ-4bit", "-it-2507", ".Q4"]),
)
def test_a_size_is_found_whatever_stands_behind_it(size: object, ending: str) -> None:
    assert named_size(f"maker/model-{size}B{ending}").total_b == float(str(size))
