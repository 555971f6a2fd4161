"""What the practice server answers: functions from a request's JSON to a reply's JSON.

Deterministic but for the reply's id, and echo-like; a token is a word.
"""

from __future__ import annotations

import json
import uuid
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from hf_ledger.practice.mishaps import IN_STREAM, Wishes, number_of

TITLE = "Practice server, no model ran"

Json = dict[str, Any]

#: Who says its usage in a stream though nobody asked, on every chunk or on one of its own.
USAGE_UNASKED = frozenset({"together", "fireworks-ai", "cerebras", "cohere", "novita", "groq"})
USAGE_EVERYWHERE = "hyperbolic"

CREATED = 1769546580
ECHOED_WORDS = 24


def tokens_in(text: str) -> int:
    return len(text.split())


def text_of(content: object) -> str:
    """The text in a message's content, whether a string or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return " ".join(text_of(part) for part in content)
    if isinstance(content, dict):
        return text_of(content.get("text") or content.get("content") or "")
    return ""


def part_of(body: Json, name: str) -> Json:
    """An object inside a body; empty where something else stands there."""
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def items_of(body: Json, name: str) -> list[Any]:
    """A list inside a body; empty where something else stands there."""
    found = body.get(name)
    return found if isinstance(found, list) else []


def limit_of(body: Json, *names: str) -> int | None:
    """The first whole number from 1 of these names; anything else sets no limit."""
    found = (body.get(name) for name in names)
    return next((each for each in found if type(each) is int and each > 0), None)


class Answer(NamedTuple):
    """What a chat or a generation says, and what it counts."""

    words: list[str]
    finish_reason: str
    input_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def text(self) -> str:
        return " ".join(self.words)

    @property
    def output_tokens(self) -> int:
        return len(self.words) + self.reasoning_tokens

    def usage(self, upto: int | None = None) -> Json:
        written = self.output_tokens if upto is None else upto
        return {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": written,
            "total_tokens": self.input_tokens + written,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
        }


def answer(prompt: str, echo: str, limit: int | None, wishes: Wishes) -> Answer:
    """`TITLE` and the first words of the last message, or as many words as were wished for."""
    said = [f"{TITLE}.", "You", "wrote:", *echo.split()[:ECHOED_WORDS]]
    wanted = number_of(wishes, "words")
    if wanted:
        said = [f"word{index}" for index in range(wanted)]
    cut = limit is not None and len(said) > limit
    count = tokens_in(prompt)
    return Answer(
        words=said[:limit] if cut else said,
        finish_reason="length" if cut else "stop",
        input_tokens=count,
        cached_tokens=min(number_of(wishes, "cached"), count),
        reasoning_tokens=number_of(wishes, "reasoning"),
    )


def chat_answer(body: Json, wishes: Wishes) -> Answer:
    messages = [m for m in items_of(body, "messages") if isinstance(m, dict)]
    texts = [text_of(message.get("content")) for message in messages]
    limit = limit_of(body, "max_completion_tokens", "max_tokens")
    return answer(" ".join(texts), texts[-1] if texts else "", limit, wishes)


def fresh_id() -> str:
    return "practice-" + uuid.uuid4().hex[:16]


def chat_reply(model: str, answered: Answer, provider: str) -> Json:
    usage = answered.usage()
    if provider == "together":
        # Together states cached tokens flat and no details.
        usage = {key: usage[key] for key in ("prompt_tokens", "completion_tokens", "total_tokens")}
        usage["cached_tokens"] = answered.cached_tokens
    return {
        "id": fresh_id(),
        "object": "chat.completion",
        "created": CREATED,
        "model": model,
        "system_fingerprint": TITLE,
        "choices": [
            {
                "index": 0,
                "finish_reason": answered.finish_reason,
                "message": {"role": "assistant", "content": answered.text},
            }
        ],
        "usage": usage,
    }


def event(data: Json) -> bytes:
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"


def says_usage(body: Json, provider: str, wishes: Wishes) -> bool:
    asked = part_of(body, "stream_options").get("include_usage")
    return "no-usage" not in wishes and bool(asked or provider in USAGE_UNASKED)


def chat_events(
    body: Json, model: str, answered: Answer, provider: str, wishes: Wishes
) -> Iterator[bytes]:
    """The server-sent events of a chat stream: role, words, finish, usage, end."""
    reply_id = fresh_id()

    def chunk(delta: Json, finish: str | None = None) -> Json:
        return {
            "id": reply_id,
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": model,
            "system_fingerprint": TITLE,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }

    yield event(chunk({"role": "assistant", "content": ""}))
    for index, word in enumerate(answered.words):
        if "error-in-stream" in wishes and index >= min(2, len(answered.words) - 1):
            yield event(IN_STREAM)
            return
        spaced = word if index == 0 else " " + word
        said = chunk({"content": spaced})
        if provider == USAGE_EVERYWHERE:
            said["usage"] = answered.usage(index + 1)
        yield event(said)
    yield event(chunk({}, answered.finish_reason))
    if says_usage(body, provider, wishes):
        yield event({**chunk({}), "choices": [], "usage": answered.usage()})
    yield b"data: [DONE]\n\n"


def completion_reply(model: str, answered: Answer) -> Json:
    return {
        "id": fresh_id(),
        "object": "text_completion",
        "created": CREATED,
        "model": model,
        "choices": [{"index": 0, "text": answered.text, "finish_reason": answered.finish_reason}],
        "usage": answered.usage(),
    }


def generation_answer(body: Json, wishes: Wishes) -> Answer:
    prompt = text_of(body.get("inputs"))
    limit = limit_of(part_of(body, "parameters"), "max_new_tokens")
    return answer(prompt, prompt, limit, wishes)


def generation_reply(body: Json, answered: Answer) -> list[Json]:
    """Text generation as TGI words it, with `details` where asked."""
    said: Json = {"generated_text": answered.text}
    if part_of(body, "parameters").get("details"):
        said["details"] = {
            "finish_reason": "length" if answered.finish_reason == "length" else "eos_token",
            "generated_tokens": answered.output_tokens,
            "seed": None,
            "prefill": [],
            "tokens": [],
        }
    return [said]


def generation_events(answered: Answer, wishes: Wishes) -> Iterator[bytes]:
    """TGI's token stream, which has no end marker: the last event carries text and details."""
    last = len(answered.words) - 1
    for index, word in enumerate(answered.words):
        if "error-in-stream" in wishes and index == 2:
            yield event(IN_STREAM)
            return
        token = {"id": index, "text": " " + word, "logprob": -0.5, "special": False}
        said: Json = {"index": index, "token": token, "generated_text": None, "details": None}
        if index == last:
            said["generated_text"] = answered.text
            said["details"] = {
                "finish_reason": "length" if answered.finish_reason == "length" else "eos_token",
                "generated_tokens": answered.output_tokens,
                "seed": None,
                "input_length": answered.input_tokens,
            }
        yield event(said)


def vector(text: str, size: int = 8) -> list[float]:
    """A small vector that depends on the text alone."""
    return [(zlib.crc32(f"{index}:{text}".encode()) % 2000 - 1000) / 1000 for index in range(size)]


def embeddings_reply(body: Json, model: str) -> Json:
    given = body.get("input")
    texts = given if isinstance(given, list) else [given]
    count = sum(tokens_in(text_of(text)) for text in texts)
    return {
        "object": "list",
        "model": model,
        "data": [
            {"object": "embedding", "index": index, "embedding": vector(text_of(text))}
            for index, text in enumerate(texts)
        ],
        "usage": {"prompt_tokens": count, "total_tokens": count},
    }
