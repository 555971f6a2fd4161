"""Bare pass-throughs: what a gateway of this language costs before it does anything of its own.

python -m benchmarks.gateway_floor aiohttp|starlette|recorded PORT UPSTREAM [RECORD]
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import msgspec
import uvicorn
import uvloop
from aiohttp import web
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

PASSED = ("content-type", "x-inference-provider", "x-request-id")
PATH = "/v1/chat/completions"


class Asked(msgspec.Struct):
    model: str
    stream: bool = False


class Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int


class Said(msgspec.Struct):
    usage: Usage | None = None


class Line(msgspec.Struct):
    ts: int
    model: str
    provider: str | None
    latency_ms: float
    input_tokens: int | None
    output_tokens: int | None


class Recorder:
    """One line a reply, in one write to a file that is only appended to."""

    def __init__(self, path: str) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.encode = msgspec.json.Encoder().encode
        self.asked = msgspec.json.Decoder(Asked).decode
        self.said = msgspec.json.Decoder(Said).decode

    def keep(self, body: bytes, provider: str | None, begun: int, reply: bytes) -> None:
        usage = self.said(reply).usage
        line = Line(
            begun,
            self.asked(body).model,
            provider,
            (time.time_ns() - begun) / 1e6,
            usage.prompt_tokens if usage else None,
            usage.completion_tokens if usage else None,
        )
        os.write(self.file, self.encode(line) + b"\n")


def usage_event(chunk: bytes) -> bytes | None:
    """The event that has the usage, where it is in this chunk."""
    if b'"usage"' not in chunk:
        return None
    return next(line[6:] for line in chunk.split(b"\n") if b'"usage"' in line)


def session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def kept(headers: Any) -> dict[str, str]:
    return {name: headers[name] for name in PASSED if name in headers}


def on_aiohttp(upstream: str) -> web.Application:
    async def passed(request: web.Request) -> web.StreamResponse:
        client: aiohttp.ClientSession = request.app[CLIENT]
        body = await request.read()
        headers = {"content-type": "application/json"}
        async with client.post(upstream + PATH, data=body, headers=headers) as reply:
            if reply.content_length is not None:
                whole = await reply.read()
                return web.Response(body=whole, status=reply.status, headers=kept(reply.headers))
            answer = web.StreamResponse(status=reply.status, headers=kept(reply.headers))
            await answer.prepare(request)
            async for chunk in reply.content.iter_any():
                await answer.write(chunk)
            await answer.write_eof()
            return answer

    async def opened(app: web.Application) -> AsyncIterator[None]:
        async with session() as app[CLIENT]:
            yield

    app = web.Application()
    app.cleanup_ctx.append(opened)
    app.router.add_post(PATH, passed)
    return app


CLIENT = web.AppKey("client", aiohttp.ClientSession)


def on_starlette(upstream: str, recorder: Recorder | None) -> Starlette:
    clients: list[aiohttp.ClientSession] = []

    async def passed(request: Request) -> Response:
        if not clients:
            clients.append(session())
        begun, body = time.time_ns(), await request.body()
        headers = {"content-type": "application/json"}
        reply = await clients[0].post(upstream + PATH, data=body, headers=headers)
        provider = reply.headers.get("x-inference-provider")

        def ended(last: bytes) -> None:
            if recorder:
                recorder.keep(body, provider, begun, last)

        if reply.content_length is None:
            return StreamingResponse(chunks(reply, ended), reply.status, kept(reply.headers))
        whole = await reply.read()
        ended(whole)
        return Response(whole, reply.status, kept(reply.headers))

    return Starlette(routes=[Route(PATH, passed, methods=["POST"])])


async def chunks(
    reply: aiohttp.ClientResponse, ended: Callable[[bytes], None]
) -> AsyncIterator[bytes]:
    usage = None
    async for chunk in reply.content.iter_any():
        usage = usage_event(chunk) or usage
        yield chunk
    if usage:
        ended(usage)


def main(kind: str, port: str, upstream: str, record: str = "") -> None:
    if kind == "aiohttp":
        uvloop.install()
        web.run_app(
            on_aiohttp(upstream), host="127.0.0.1", port=int(port), access_log=None, print=None
        )
        return
    recorder = Recorder(record) if kind == "recorded" else None
    uvicorn.run(
        on_starlette(upstream, recorder),
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
