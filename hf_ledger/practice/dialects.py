"""The router's other languages: OpenAI's Responses and Anthropic's Messages, plain and streamed."""

from __future__ import annotations

import json
from collections.abc import Iterator

from starlette.responses import Response

from hf_ledger.practice import answers, models
from hf_ledger.practice.answers import Answer
from hf_ledger.practice.asking import Asked, Json, reply_json, stream


def event(name: str, data: Json) -> bytes:
    """An event that is called as its type."""
    packed = json.dumps({"type": name, **data}, separators=(",", ":"))
    return f"event: {name}\ndata: {packed}\n\n".encode()


def served(asked: Asked) -> tuple[str, dict[str, str]]:
    """The model's name in the reply, and the header that says who served it."""
    wanted, _, suffix = asked.model.partition(":")
    provider = models.choose_provider(wanted, suffix or None)
    return models.provider_id(provider, wanted), {"x-inference-provider": provider}


async def responses(asked: Asked) -> Response:
    model, headers = served(asked)
    given = asked.body.get("input")
    prompt = " ".join([answers.text_of(asked.body.get("instructions")), answers.text_of(given)])
    limit = answers.limit_of(asked.body, "max_output_tokens")
    answered = answers.answer(prompt, answers.text_of(given), limit, asked.wishes)
    said = response_of(model, answered)
    if asked.stream:
        return stream(asked, response_events(asked, said, answered), headers)
    return await reply_json(asked, said, headers)


def response_of(model: str, answered: Answer) -> Json:
    cut = answered.finish_reason == "length"
    content = [{"type": "output_text", "text": answered.text, "annotations": []}]
    return {
        "id": answers.fresh_id(),
        "object": "response",
        "created_at": answers.CREATED,
        "status": "incomplete" if cut else "completed",
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "model": model,
        "output": [
            {
                "type": "message",
                "id": "msg_practice",
                "role": "assistant",
                "status": "completed",
                "content": content,
            }
        ],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": response_usage(answered),
    }


def response_usage(answered: Answer) -> Json:
    return {
        "input_tokens": answered.input_tokens,
        "input_tokens_details": {"cached_tokens": answered.cached_tokens},
        "output_tokens": answered.output_tokens,
        "output_tokens_details": {"reasoning_tokens": answered.reasoning_tokens},
        "total_tokens": answered.input_tokens + answered.output_tokens,
    }


def response_events(asked: Asked, said: Json, answered: Answer) -> Iterator[bytes]:
    """Created, a delta a word, and the whole response with its usage; or a failed one."""
    begun = {**said, "status": "in_progress", "output": [], "usage": None}
    yield event("response.created", {"sequence_number": 0, "response": begun})
    place = {"item_id": "msg_practice", "output_index": 0, "content_index": 0, "logprobs": []}
    for number, word in enumerate(answered.words, 1):
        if "error-in-stream" in asked.wishes and number > 1:
            error = {"code": "server_error", "message": "The model failed to answer"}
            failed = {**begun, "status": "failed", "error": error}
            yield event("response.failed", {"sequence_number": number, "response": failed})
            return
        spaced = word if number == 1 else " " + word
        said_now = {"sequence_number": number, "delta": spaced, **place}
        yield event("response.output_text.delta", said_now)
    last = f"response.{said['status']}"
    yield event(last, {"sequence_number": len(answered.words) + 1, "response": said})


async def messages(asked: Asked) -> Response:
    model, headers = served(asked)
    system = answers.text_of(asked.body.get("system"))
    answered = answers.chat_answer(asked.body, asked.wishes)
    answered = answered._replace(input_tokens=answered.input_tokens + answers.tokens_in(system))
    said = message_of(model, answered)
    if asked.stream:
        return stream(asked, message_events(asked, said, answered), headers)
    return await reply_json(asked, said, headers)


def message_of(model: str, answered: Answer) -> Json:
    return {
        "id": answers.fresh_id(),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": answered.text}],
        "stop_reason": "max_tokens" if answered.finish_reason == "length" else "end_turn",
        "stop_sequence": None,
        "usage": message_usage(answered),
    }


def message_usage(answered: Answer) -> Json:
    """Anthropic counts cached tokens beside the input, not inside."""
    return {
        "input_tokens": answered.input_tokens - answered.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": answered.cached_tokens,
        "output_tokens": answered.output_tokens,
    }


def message_events(asked: Asked, said: Json, answered: Answer) -> Iterator[bytes]:
    """The input's tokens come with the first event, the output's with the last but one."""
    usage = {**said["usage"], "output_tokens": 1}
    begun = {**said, "content": [], "stop_reason": None, "usage": usage}
    yield event("message_start", {"message": begun})
    yield event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})
    for number, word in enumerate(answered.words):
        if "error-in-stream" in asked.wishes and number:
            error = {"type": "overloaded_error", "message": "Overloaded"}
            yield event("error", {"error": error})
            return
        delta = {"type": "text_delta", "text": word if number == 0 else " " + word}
        yield event("content_block_delta", {"index": 0, "delta": delta})
    yield event("content_block_stop", {"index": 0})
    ended = {"stop_reason": said["stop_reason"], "stop_sequence": None}
    made = {"output_tokens": answered.output_tokens}
    yield event("message_delta", {"delta": ended, "usage": made})
    yield event("message_stop", {})
