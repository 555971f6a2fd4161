"""Every task, usage and header of Hugging Face's wire, one exchange each, made by hand."""

from __future__ import annotations

from typing import Any

import pytest
from factories_wire import (
    CHAT_URL,
    ENDPOINT,
    FLAC,
    JSON,
    MESSAGES,
    ROUTER,
    answered,
    asked,
    chat,
    completion,
    facts,
)

LEGACY = "https://api-inference.huggingface.co"
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
COUNTED = {"input_tokens": 10, "output_tokens": 5, "tokens_source": "usage"}
PICTURE = "data:image/png;base64,iVBORw0KGgo="
UPLOAD = (
    b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nopenai/whisper-large-v3\r\n'
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\nID3\r\n--x--\r\n'
)


#: what is asked, what is answered, what it was
TASKS: dict[str, tuple[str, Any, Any, dict[str, str], dict[str, Any]]] = {
    "tgi-root": (
        f"{ENDPOINT}/",
        {"inputs": "x", "parameters": {"max_new_tokens": 3}},
        [{"generated_text": "y"}],
        {
            "x-compute-time": "2.484567121",
            "x-total-time": "2484",
            "x-prompt-tokens": "4",
            "x-generated-tokens": "7",
        },
        {
            "task": "text-generation",
            "compute_seconds": 2.484567121,
            "input_tokens": 4,
            "output_tokens": 7,
            "tokens_source": "header",
        },
    ),
    "tei-embed": (
        f"{ENDPOINT}/embed",
        {"inputs": ["x"]},
        [[0.1, 0.2]],
        {"x-compute-time": "12", "x-total-time": "12", "x-compute-tokens": "7"},
        {"task": "feature-extraction", "compute_seconds": 0.012, "input_tokens": 7},
    ),
    "tei-embed-without-total-time": (
        f"{ENDPOINT}/embed",
        {"inputs": "x"},
        [[0.1]],
        {"x-compute-time": "12", "x-compute-tokens": "7"},
        {"compute_seconds": 0.012, "output_tokens": None},
    ),
    "tei-sparse": (
        f"{ENDPOINT}/embed_sparse",
        {"inputs": "x"},
        [[{"index": 1, "value": 0.2}]],
        {},
        {"task": "feature-extraction"},
    ),
    "tei-rerank": (
        f"{ENDPOINT}/rerank",
        {"query": "x", "texts": ["a"]},
        [{"index": 0, "score": 0.2}],
        {"x-compute-tokens": "7"},
        {"task": "text-ranking", "input_tokens": 7},
    ),
    "tei-predict": (
        f"{ENDPOINT}/predict",
        {"inputs": "x"},
        [{"label": "a", "score": 0.2}],
        {},
        {"task": "text-classification"},
    ),
    "tei-similarity": (
        f"{ENDPOINT}/similarity",
        {"inputs": {"source_sentence": "x", "sentences": ["a"]}},
        [0.2],
        {},
        {"task": "sentence-similarity"},
    ),
    "vllm-score": (
        f"{ENDPOINT}/score",
        {"model": "a/b", "text_1": "x", "text_2": "y"},
        {"data": [{"score": 1}], "usage": {"prompt_tokens": 3, "total_tokens": 3}},
        {},
        {"task": "text-ranking", "input_tokens": 3},
    ),
    "vllm-pooling": (
        f"{ENDPOINT}/pooling",
        {"model": "a/b", "input": "x"},
        {"data": [{"data": [1]}], "usage": {"prompt_tokens": 3, "completion_tokens": 0}},
        {},
        {"task": "feature-extraction", "input_tokens": 3},
    ),
    "vllm-rerank-states-a-total-alone": (
        f"{ENDPOINT}/v1/rerank",
        {"model": "a/b", "query": "x", "documents": ["y"]},
        {"results": [{"index": 0, "relevance_score": 1}], "usage": {"total_tokens": 3}},
        {},
        {"task": "text-ranking", "input_tokens": 3, "output_tokens": None},
    ),
    "a-total-alone-says-nothing-of-a-chat": (
        CHAT_URL,
        chat(),
        completion({"total_tokens": 30}),
        {},
        {"input_tokens": None, "output_tokens": None, "tokens_source": "none"},
    ),
    "llama-cpp": (
        f"{ENDPOINT}/completion",
        {"prompt": "x", "n_predict": 3},
        {"content": "y", "tokens_evaluated": 4, "tokens_predicted": 3},
        {},
        {"task": "text-generation", "input_tokens": 4, "output_tokens": 3},
    ),
    "fal-image": (
        f"{ROUTER}/fal-ai/fal-ai/flux/dev",
        {"prompt": "x"},
        {"images": [{"url": "u", "width": 1024, "height": 768}], "timings": {"inference": 2.1}},
        {"x-fal-billable-units": "0.79"},
        {
            "task": "text-to-image",
            "provider_model": "fal-ai/flux/dev",
            "images": 1,
            "units": "0.79",
            "unit_kind": "fal_billable_unit",
            "compute_seconds": None,
        },
    ),
    "fal-speech": (
        f"{ROUTER}/fal-ai/fal-ai/kokoro",
        {"text": "x"},
        {"audio": {"url": "https://fal.media/x.wav"}},
        {},
        {"task": "text-to-speech"},
    ),
    "fal-video-from-image": (
        f"{ROUTER}/fal-ai/fal-ai/ltx-video?_subdomain=queue",
        {"image_url": PICTURE, "prompt": "x"},
        {"video": {"url": "https://fal.media/x.mp4"}},
        {},
        {"task": "image-to-video", "provider_model": "fal-ai/ltx-video"},
    ),
    "replicate-transcription": (
        f"{ROUTER}/replicate/v1/predictions",
        {"version": "abc", "input": {"audio": "data:audio/wav;base64,UklGRg=="}},
        {"id": "p", "status": "succeeded", "output": {"transcription": "x"}},
        {},
        {"task": "automatic-speech-recognition", "provider_model": "abc"},
    ),
    "replicate-image-from-image": (
        f"{ROUTER}/replicate/v1/models/a/b/predictions",
        {"input": {"images": [PICTURE], "prompt": "x"}},
        {"id": "p", "status": "succeeded", "output": ["https://replicate.delivery/x.webp"]},
        {},
        {"task": "image-to-image", "provider_model": "a/b", "images": 1},
    ),
    "together-image": (
        f"{ROUTER}/together/v1/images/generations",
        {"prompt": "x", "model": "a/b", "n": 2},
        {"data": [{"b64_json": "x"}, {"b64_json": "y"}]},
        {},
        {"task": "text-to-image", "images": 2},
    ),
    "together-image-from-image": (
        f"{ROUTER}/together/v1/images/generations",
        {"prompt": "x", "model": "a/b", "reference_images": [PICTURE]},
        {"data": [{"b64_json": "x"}]},
        {},
        {"task": "image-to-image", "images": 1},
    ),
    "together-video-from-image": (
        f"{ROUTER}/together/v2/videos",
        {"model": "a/b", "frame_images": [{"input_image": PICTURE, "frame": "first"}]},
        {"id": "v1", "status": "queued"},
        {},
        {"task": "image-to-video"},
    ),
    "novita-video": (
        f"{ROUTER}/novita/v3/hf/wan-t2v",
        {"prompt": "x"},
        {"video": {"video_url": "https://x/y.mp4"}},
        {},
        {"task": "text-to-video", "provider_model": "wan-t2v"},
    ),
    "whisper-upload": (
        f"{ENDPOINT}/v1/audio/transcriptions",
        UPLOAD,
        {"text": "hello", "usage": {"type": "duration", "seconds": 4}},
        {},
        {
            "task": "automatic-speech-recognition",
            "requested_model": "openai/whisper-large-v3",
            "audio_seconds": 4.0,
        },
    ),
    "tabular-regression": (
        f"{LEGACY}/models/scikit-learn/x",
        {"inputs": {"data": {"Height": ["11.5"]}}},
        [7.2, 9.1],
        {},
        {"task": "tabular-regression"},
    ),
    "tabular-classification": (
        f"{LEGACY}/models/scikit-learn/x",
        {"inputs": {"data": {"Height": ["11.5"]}}},
        [5, 7],
        {},
        {"task": "tabular-classification"},
    ),
    "visual-question-with-its-picture-dropped": (
        f"{LEGACY}/models/a/b",
        None,
        [{"score": 0.5, "answer": "2"}, {"score": 0.3, "answer": "3"}],
        {},
        {"task": "visual-question-answering"},
    ),
    "document-question-with-its-picture-dropped": (
        f"{LEGACY}/models/a/b",
        None,
        [{"score": 0.6, "answer": "us-001", "start": 16, "end": 16}],
        {},
        {"task": "document-question-answering"},
    ),
    "could-be-any-classifier": (
        f"{LEGACY}/models/a/b",
        None,
        [{"label": "cat", "score": 0.9}],
        {},
        {"task": None},
    ),
    "responses": (
        f"{ROUTER}/v1/responses",
        {"model": "a/b:groq", "input": "x"},
        {
            "id": "resp_1",
            "model": "a/b",
            "status": "completed",
            "error": None,
            "output": [{"type": "message", "content": [{"type": "output_text", "text": "x"}]}],
            "usage": {
                "input_tokens": 5,
                "input_tokens_details": {"cached_tokens": 2},
                "output_tokens": 7,
                "output_tokens_details": {"reasoning_tokens": 3},
            },
        },
        {"x-inference-provider": "groq"},
        {
            "task": "chat-completion",
            "provider": "groq",
            "input_tokens": 5,
            "cache_read_tokens": 2,
            "output_tokens": 7,
            "reasoning_tokens": 3,
        },
    ),
    "messages-count-cached-tokens-beside": (
        f"{ROUTER}/v1/messages",
        {"model": "a/b", "max_tokens": 5, "messages": MESSAGES},
        {
            "id": "msg",
            "type": "message",
            "model": "a/b",
            "usage": {
                "input_tokens": 5,
                "cache_read_input_tokens": 10,
                "cache_creation_input_tokens": 3,
                "output_tokens": 7,
            },
        },
        {},
        {"input_tokens": 18, "cache_read_tokens": 10, "cache_write_tokens": 3, "output_tokens": 7},
    ),
    "deepinfra-states-its-cost": (
        f"{ROUTER}/deepinfra/v1/openai/chat/completions",
        chat(),
        completion({**USAGE, "estimated_cost": 1.5e-6}),
        {},
        {"reported_cost": "0.0000015", **COUNTED},
    ),
    "together-waits-on-a-good-reply": (
        CHAT_URL,
        chat(),
        completion({**USAGE, "cached_tokens": 4}),
        {"retry-after": "30"},
        {"outcome": "ok", "error_kind": None, "input_tokens": 10, "cache_read_tokens": 4},
    ),
    "groq-states-reasoning-and-timings": (
        f"{ROUTER}/groq/openai/v1/chat/completions",
        chat(),
        completion(
            {**USAGE, "queue_time": 0.1, "completion_tokens_details": {"reasoning_tokens": 3}}
        ),
        {},
        {"reasoning_tokens": 3, **COUNTED},
    ),
    "details-may-be-null": (
        CHAT_URL,
        chat(),
        completion({**USAGE, "prompt_tokens_details": None, "completion_tokens_details": None}),
        {},
        {"reasoning_tokens": None, "cache_read_tokens": None, **COUNTED},
    ),
    "cached-reply": (
        f"{LEGACY}/models/a/b",
        {"inputs": "x"},
        [[{"label": "a", "score": 0.1}]],
        {"x-compute-type": "cache", "x-compute-time": "0.593", "x-compute-characters": "12"},
        {"cached_reply": True, "compute_type": "cache", "input_chars": 12},
    ),
    "binary-has-no-characters": (
        f"{LEGACY}/models/a/b",
        FLAC,
        {"text": "x"},
        {"x-compute-characters": "-1", "x-compute-audio-length": "4.65"},
        {"audio_seconds": 4.65, "input_chars": None},
    ),
}


@pytest.mark.parametrize("name", TASKS)
def test_an_exchange_says_its_task_and_what_it_used(name: str) -> None:
    url, body, reply, headers, wanted = TASKS[name]
    types = {"content-type": "multipart/form-data; boundary=x"} if body is UPLOAD else {}
    call = answered(asked(url, body, headers=types), reply, headers={**JSON, **headers})
    assert facts(call, wanted) == wanted
