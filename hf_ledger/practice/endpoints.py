"""What dedicated endpoints answer: TEI with its headers in milliseconds, vLLM with usage alone."""

from __future__ import annotations

import time

from starlette.responses import Response

from hf_ledger.practice import answers
from hf_ledger.practice.asking import Asked, Json, reply_json


def texts_of(given: object) -> list[str]:
    """One text or a list of them."""
    return [answers.text_of(each) for each in (given if isinstance(given, list) else [given])]


def tei_headers(asked: Asked, texts: list[str]) -> dict[str, str]:
    """TEI states whole milliseconds where other servers state seconds."""
    spent = max(int((time.perf_counter() - asked.started) * 1000), 1)
    return {
        "x-compute-type": "gpu+optimized",
        "x-compute-time": str(spent),
        "x-compute-characters": str(sum(map(len, texts))),
        "x-compute-tokens": str(sum(map(answers.tokens_in, texts))),
        "x-total-time": str(spent),
        "x-tokenization-time": "0",
        "x-queue-time": "0",
        "x-inference-time": str(spent),
    }


async def embed(asked: Asked) -> Response:
    texts = texts_of(asked.body.get("inputs"))
    vectors = [answers.vector(text) for text in texts]
    return await reply_json(asked, vectors, tei_headers(asked, texts))


async def rerank(asked: Asked) -> Response:
    texts = texts_of(asked.body.get("texts"))
    said = [{"index": index, "score": round(1 / (index + 2), 4)} for index in range(len(texts))]
    asked_for = [answers.text_of(asked.body.get("query")), *texts]
    return await reply_json(asked, said, tei_headers(asked, asked_for))


async def predict(asked: Asked) -> Response:
    said = [{"score": 0.75, "label": "POSITIVE"}, {"score": 0.25, "label": "NEGATIVE"}]
    return await reply_json(asked, said, tei_headers(asked, texts_of(asked.body.get("inputs"))))


async def similarity(asked: Asked) -> Response:
    inputs = answers.part_of(asked.body, "inputs")
    texts = texts_of(inputs.get("sentences"))
    said = [abs(answers.vector(text)[0]) for text in texts]
    asked_for = [answers.text_of(inputs.get("source_sentence")), *texts]
    return await reply_json(asked, said, tei_headers(asked, asked_for))


def read_alone(texts: list[str]) -> Json:
    """vLLM's usage of tasks that write nothing."""
    count = sum(map(answers.tokens_in, texts))
    return {"prompt_tokens": count, "total_tokens": count, "completion_tokens": 0}


async def score(asked: Asked) -> Response:
    texts = [*texts_of(asked.body.get("text_1")), *texts_of(asked.body.get("text_2"))]
    data = [{"index": 0, "object": "score", "score": 0.5}]
    said = {"id": answers.fresh_id(), "model": asked.model, "data": data}
    return await reply_json(asked, {**said, "usage": read_alone(texts)})


async def pooling(asked: Asked) -> Response:
    texts = texts_of(asked.body.get("input"))
    data = [{"index": index, "data": answers.vector(text)} for index, text in enumerate(texts)]
    said = {"id": answers.fresh_id(), "model": asked.model, "data": data}
    return await reply_json(asked, {**said, "usage": read_alone(texts)})
