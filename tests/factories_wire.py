"""Exchanges by hand for the wire's readers: requests, replies, streams in providers' own forms."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.wire.exchange import Aside, Ending, WireSettings
from hf_ledger.ingest.wire.mapping import Routes
from hf_ledger.ingest.wire.reply import ReplyReader
from hf_ledger.ingest.wire.request import read_request

ROUTER = "https://router.huggingface.co"
CHAT_URL = f"{ROUTER}/v1/chat/completions"
ENDPOINT = "https://w8qtunpthvh1r7a0.us-east-1.aws.endpoints.huggingface.cloud"
JSON = {"content-type": "application/json"}
SSE = {"content-type": "text/event-stream"}
MESSAGES = [{"role": "user", "content": "What is deep learning?"}]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
FLAC = b"fLaC" + bytes(64)


class Clock:
    """Nanoseconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now

    def tick(self, ms: float) -> None:
        self.now += int(ms * 1_000_000)


def packed(body: Any) -> bytes | None:
    """A request's body as bytes: JSON for anything that is not bytes already."""
    return body if body is None or isinstance(body, bytes) else json.dumps(body).encode()


def ask(
    url: str,
    body: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
    method: str = "POST",
    settings: WireSettings | None = None,
    routes: Routes | None = None,
) -> Call | Aside | None:
    """Read one request; a body that is no bytes is sent as JSON."""
    sent = packed(body)
    types = JSON if sent and not isinstance(body, bytes) else {}
    return read_request(
        method, url, {**types, **(headers or {})}, sent, settings or WireSettings(), routes=routes
    )


def asked(url: str, body: Any = None, **rest: Any) -> Call:
    """Read one request that must be a call."""
    call = ask(url, body, **rest)
    assert isinstance(call, Call), call
    return call


def chat(model: str = "meta-llama/Llama-3.3-70B-Instruct", **fields: Any) -> dict[str, Any]:
    """A chat request's body."""
    return {"model": model, "messages": MESSAGES, **fields}


def completion(
    usage: Mapping[str, Any] | None = None, model: str = "m", **fields: Any
) -> dict[str, Any]:
    """A chat reply's body in OpenAI's form."""
    message = {"role": "assistant", "content": "It is a subset of machine learning."}
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        **fields,
    }
    return body if usage is None else {**body, "usage": dict(usage)}


def answered(
    call: Call,
    body: Any = b"",
    status: int = 200,
    *,
    headers: Mapping[str, str] | None = None,
    ending: Ending = "complete",
    chunks: Iterable[bytes] | None = None,
    clock: Callable[[], int] | None = None,
) -> Call:
    """Read the reply to a call: `chunks` as they come, or `body` in one piece."""
    sent = packed(body) or b""
    given = headers if headers is not None else JSON
    reader = ReplyReader(call, status, given, 0, clock or Clock())
    for chunk in [sent] if chunks is None else chunks:
        reader.feed(chunk)
    reader.finish(ending)
    return call


def chatted(body: Any, **rest: Any) -> Call:
    """A chat call through the router, answered with this body."""
    return answered(asked(CHAT_URL, chat()), body, **rest)


def event(data: Any, name: str | None = None) -> bytes:
    """One server-sent event; text is sent as it is, anything else as JSON."""
    text = data if isinstance(data, str) else json.dumps(data)
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {text}\n\n".encode()


def delta(content: str = "word", finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """One chunk of a streamed chat."""
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice], **fields}


def chat_stream(usage: Mapping[str, Any] | None = None, words: int = 3) -> bytes:
    """A whole streamed chat: role, words, finish reason, usage where given, `[DONE]`."""
    opening = delta("")
    opening["choices"][0]["delta"] = {"role": "assistant", "content": ""}
    events = [event(opening)]
    events += [event(delta(f" word{number}")) for number in range(words)]
    events.append(event(delta("", "stop")))
    if usage is not None:
        events.append(event({"id": "chatcmpl-1", "choices": [], "usage": usage}))
    return b"".join([*events, event("[DONE]")])


def recorded(identity: str | None = "x-1", **changes: Any) -> dict[str, Any]:
    """One line of a recording (made by hand, nothing of it was ever sent)."""
    line: dict[str, Any] = {
        "id": identity,
        "request": {
            "method": "POST",
            "url": CHAT_URL,
            "headers": {"Content-Type": "application/json"},
            "body": json.dumps(chat()),
        },
        "response": {
            "status": 200,
            "headers": {"Content-Type": "application/json", "X-Inference-Provider": "groq"},
            "body": json.dumps(completion({"prompt_tokens": 40, "completion_tokens": 2})),
        },
        "recorded_at": "2026-08-01T12:00:00Z",
    }
    return {**line, **changes}


def mapping_lookup(model: str, provider: str, provider_model: str, task: str) -> dict[str, Any]:
    """A recorded look-up of a model's providers (made by hand)."""
    entry = {"status": "live", "providerId": provider_model, "task": task}
    url = f"https://huggingface.co/api/models/{model}?expand=inferenceProviderMapping"
    body = {"id": model, "inferenceProviderMapping": {provider: entry}}
    return recorded(
        f"map-{provider}",
        request={"method": "GET", "url": url, "headers": {}, "body": None},
        response={"status": 200, "headers": {}, "body": json.dumps(body)},
    )


def facts(call: Call, wanted: dict[str, Any]) -> dict[str, Any]:
    """The call's own values of what is wanted."""
    return {name: getattr(call, name) for name in wanted}
