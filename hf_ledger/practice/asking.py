"""One request to the practice server and the ways to answer it: whole, as JSON, as events."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hf_ledger.practice import answers
from hf_ledger.practice.delivery import Pieces
from hf_ledger.practice.mishaps import Wishes, seconds_of, wishes_of

Json = dict[str, Any]

#: Told apart from real traffic by this header: the recorder marks such calls as practice.
PRACTICE_HEADER = "x-hf-ledger-practice"


class Asked:
    """One request: its JSON (or none), the model named, and what is to go wrong."""

    def __init__(self, request: Request, raw: bytes) -> None:
        self.request = request
        self.raw = raw
        self.started = time.perf_counter()
        self.body: Json = parsed(raw)
        path_model = request.path_params.get("model")
        self.model = str(path_model or self.body.get("model") or "tgi")
        self.wishes: Wishes = wishes_of(request.headers.get("x-practice"), self.model)
        self.provider: str = request.path_params.get("provider", "")

    @property
    def stream(self) -> bool:
        return bool(self.body.get("stream")) or self.request.url.path == "/generate_stream"

    @property
    def hf_inference(self) -> bool:
        return "/models/" in self.request.url.path or "/pipeline/" in self.request.url.path

    def compute_headers(self, characters: int) -> dict[str, str]:
        """What hf-inference's pipelines say of the work done."""
        spent = max(time.perf_counter() - self.started, 0.001)
        return {
            "x-compute-type": "cache" if "cache" in self.wishes else "cpu",
            "x-compute-time": f"{spent:.3f}",
            "x-compute-characters": str(characters),
            "x-inference-id": uuid.uuid4().hex[:22],
        }


def parsed(raw: bytes) -> Json:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def base_headers(request: Request) -> dict[str, str]:
    """What every reply carries; the client's own trace id comes back after the semicolon."""
    trace = request.headers.get("x-amzn-trace-id", uuid.uuid4().hex)
    return {
        PRACTICE_HEADER: "1",
        "x-practice-server": answers.TITLE,
        "x-request-id": f"Root=1-{uuid.uuid4().hex[:24]};{trace}",
    }


async def reply(
    asked: Asked,
    body: bytes,
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    """A whole reply, delayed, compressed or cut as wished."""
    await asyncio.sleep(seconds_of(asked.wishes))
    named = {"content-type": content_type, **base_headers(asked.request), **(headers or {})}
    if "gzip" in asked.wishes:
        body = gzip.compress(body)
        named["content-encoding"] = "gzip"
    if "cut" in asked.wishes:
        half = len(body) // 2
        return Pieces([body[:half], body[half:]], named, status=status, cut=True)
    return Response(body, status, named)


async def reply_json(asked: Asked, body: object, headers: dict[str, str] | None = None) -> Response:
    return await reply(asked, json.dumps(body).encode(), headers=headers)


def stream(asked: Asked, events: Iterable[bytes], headers: dict[str, str]) -> Response:
    """Server-sent events, slow, cut or compressed as wished."""
    pieces = list(events)
    named = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
    named |= base_headers(asked.request) | headers
    if "gzip" in asked.wishes:
        pieces = [gzip.compress(b"".join(pieces))]
        named["content-encoding"] = "gzip"
    return Pieces(pieces, named, seconds=seconds_of(asked.wishes), cut="cut" in asked.wishes)
