"""Sizes of models that people really call, written down by hand from their model cards."""

from __future__ import annotations

import pytest

from hf_ledger.ingest.catalogue.sizes import size_of

#: id, family, total parameters in billions, class. Sizes: model cards.
GOLDEN: tuple[tuple[str, str, float, str], ...] = (
    ("meta-llama/Llama-3.2-1B-Instruct", "llm", 1.24, "small"),
    ("meta-llama/Llama-3.2-3B-Instruct", "llm", 3.21, "small"),
    ("meta-llama/Llama-3.1-8B-Instruct", "llm", 8.03, "medium"),
    ("meta-llama/Llama-3.3-70B-Instruct", "llm", 70.6, "large"),
    ("meta-llama/Llama-3.1-405B-Instruct", "llm", 405.9, "xl"),
    ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "llm", 108.6, "xl"),
    ("meta-llama/Llama-Guard-4-12B", "llm", 12.0, "medium"),
    ("Qwen/Qwen2.5-0.5B-Instruct", "llm", 0.494, "small"),
    ("Qwen/Qwen2.5-72B-Instruct", "llm", 72.7, "large"),
    ("Qwen/QwQ-32B", "llm", 32.8, "large"),
    ("Qwen/Qwen3-4B", "llm", 4.02, "medium"),
    ("Qwen/Qwen3-30B-A3B-Instruct-2507", "llm", 30.5, "large"),
    ("Qwen/Qwen3-235B-A22B", "llm", 235.0, "xl"),
    ("Qwen/Qwen3-Coder-480B-A35B-Instruct", "llm", 480.0, "xl"),
    ("Qwen/Qwen3-Next-80B-A3B-Instruct", "llm", 81.3, "xl"),
    ("Qwen/Qwen2.5-VL-7B-Instruct", "llm", 8.29, "medium"),
    ("deepseek-ai/DeepSeek-V3.1", "llm", 671.0, "xl"),
    ("deepseek-ai/DeepSeek-R1", "llm", 671.0, "xl"),
    ("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "llm", 1.78, "small"),
    ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "llm", 70.6, "large"),
    ("deepseek-ai/DeepSeek-Coder-V2-Lite-Instruct", "llm", 15.7, "medium"),
    ("moonshotai/Kimi-K2-Instruct", "llm", 1000.0, "xl"),
    ("moonshotai/Kimi-K2.5", "llm", 1000.0, "xl"),
    ("openai/gpt-oss-20b", "llm", 20.9, "large"),
    ("openai/gpt-oss-120b", "llm", 116.8, "xl"),
    ("openai-community/gpt2", "llm", 0.137, "small"),
    ("microsoft/DialoGPT-small", "llm", 0.124, "small"),
    ("zai-org/GLM-4.5", "llm", 357.0, "xl"),
    ("zai-org/GLM-4.5-Air", "llm", 110.0, "xl"),
    ("MiniMaxAI/MiniMax-M2", "llm", 230.0, "xl"),
    ("mistralai/Mistral-7B-Instruct-v0.3", "llm", 7.25, "medium"),
    ("mistralai/Mixtral-8x7B-Instruct-v0.1", "llm", 46.7, "large"),
    ("mistralai/Mixtral-8x22B-Instruct-v0.1", "llm", 140.6, "xl"),
    ("mistralai/Mistral-Nemo-Instruct-2407", "llm", 12.2, "medium"),
    ("mistralai/Mistral-Small-3.1-24B-Instruct-2503", "llm", 24.0, "large"),
    ("google/gemma-2-2b-it", "llm", 2.61, "small"),
    ("google/gemma-2-27b-it", "llm", 27.2, "large"),
    ("microsoft/phi-4", "llm", 14.7, "medium"),
    ("microsoft/Phi-3.5-mini-instruct", "llm", 3.82, "small"),
    ("CohereLabs/c4ai-command-r-plus", "llm", 104.0, "xl"),
    ("CohereLabs/c4ai-command-a-03-2025", "llm", 111.0, "xl"),
    ("HuggingFaceTB/SmolLM2-135M-Instruct", "llm", 0.135, "small"),
    ("HuggingFaceH4/zephyr-7b-beta", "llm", 7.24, "medium"),
    ("tiiuae/falcon-180B-chat", "llm", 180.0, "xl"),
    ("google-bert/bert-base-uncased", "encoder", 0.110, "small"),
    ("google-bert/bert-large-uncased", "encoder", 0.336, "medium"),
    ("distilbert/distilbert-base-uncased-finetuned-sst-2-english", "encoder", 0.067, "small"),
    ("FacebookAI/roberta-large", "encoder", 0.355, "medium"),
    ("FacebookAI/xlm-roberta-base", "encoder", 0.278, "medium"),
    ("dslim/bert-base-NER", "encoder", 0.108, "small"),
    ("facebook/bart-large-mnli", "encoder", 0.407, "medium"),
    ("facebook/bart-large-cnn", "encoder", 0.406, "medium"),
    ("sshleifer/distilbart-cnn-12-6", "encoder", 0.306, "medium"),
    ("google-t5/t5-small", "encoder", 0.0605, "small"),
    ("Helsinki-NLP/opus-mt-en-zh", "encoder", 0.0775, "small"),
    ("facebook/mbart-large-50-many-to-many-mmt", "encoder", 0.611, "large"),
    ("sentence-transformers/all-MiniLM-L6-v2", "encoder", 0.0227, "small"),
    ("sentence-transformers/all-mpnet-base-v2", "encoder", 0.109, "small"),
    ("BAAI/bge-small-en-v1.5", "encoder", 0.0334, "small"),
    ("BAAI/bge-m3", "encoder", 0.568, "large"),
    ("BAAI/bge-reranker-v2-m3", "encoder", 0.568, "large"),
    ("intfloat/multilingual-e5-large", "encoder", 0.560, "large"),
    ("MoritzLaurer/DeBERTa-v3-base-mnli-fever-anli", "encoder", 0.184, "medium"),
    ("openai/whisper-large-v3", "other", 1.54, "large"),
    ("openai/whisper-large-v3-turbo", "other", 0.809, "medium"),
    ("facebook/wav2vec2-base-960h", "other", 0.0944, "small"),
    ("google/vit-base-patch16-224", "other", 0.0866, "small"),
    ("facebook/detr-resnet-50", "other", 0.0416, "small"),
    ("microsoft/resnet-50", "other", 0.0256, "small"),
    ("black-forest-labs/FLUX.1-dev", "other", 11.9, "xl"),
    ("stabilityai/stable-diffusion-xl-base-1.0", "other", 3.5, "large"),
    ("hexgrad/Kokoro-82M", "other", 0.082, "small"),
)


@pytest.mark.parametrize(("model", "family", "billions", "size_class"), GOLDEN)
def test_family_parameters_and_class(
    model: str, family: str, billions: float, size_class: str
) -> None:
    """Names round: 1B is 1.24 B, 7B is 8.29 B with its vision part."""
    size = size_of(model)
    assert size.params_total_b == pytest.approx(billions, rel=0.25)
    assert size.family == family and size.size_class == size_class


@pytest.mark.parametrize(
    ("model", "task", "family"),
    [
        ("acme/support-ft", "chat-completion", "llm"),
        ("acme/support-ft", "summarization", "encoder"),
        ("acme/support-ft", "image-classification", "other"),
        ("acme/support-ft", "a-task-of-tomorrow", "other"),
    ],
)
def test_a_private_model_has_the_family_of_its_task(model: str, task: str, family: str) -> None:
    size = size_of(model, task)
    assert (size.family, size.size_class, size.confidence) == (family, None, "unknown")
