"""The HTTP side: bodies within limits, keys, and the answers as JSON, or as protobuf."""

from __future__ import annotations

import re
import zlib

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hf_ledger.ingest.doors.api.door import Door, Reply, json_request, refusal
from hf_ledger.ingest.doors.imports.protobuf import read_request
from hf_ledger.ingest.spool.posting import SEGMENT_HEADER

#: Of a body as it is sent, and unpacked.
MOST_BYTES = 8 << 20
MOST_UNPACKED = 32 << 20
GZIP = 16 + zlib.MAX_WBITS

PROTOBUF = "application/x-protobuf"
TRACE_TYPES = {"application/json": json_request, PROTOBUF: read_request}
BATCH_TYPES = ("application/x-ndjson", "application/ndjson", "application/json")
LOOPBACK = ("127.0.0.1", "::1")
SEGMENT = re.compile(r"[0-9]{1,20}-[0-9]{1,10}-[0-9a-f]{8}\.ndjson", re.ASCII)

NO_KEY = "Send a key: `Authorization: Bearer hfl_…`; hf-ledger key create makes one."
WRONG_KEY = "This is no good key of a host: hf-ledger key create --name HOST makes one."
TOO_LARGE = "The batch is larger than {most} MiB: send it in parts."
WRONG_TYPE = "Send {expected}."
BROKEN_GZIP = "The body is not gzip as its content-encoding says, or is cut off."


def api_routes(door: Door) -> list[Route]:
    """What other programs and hosts ask for; to stand before any path that takes the rest."""

    async def calls(request: Request) -> JSONResponse:
        return answer(await post_calls(door, request))

    async def hash_key(request: Request) -> JSONResponse:
        return answer(await get_hash_key(door, request))

    async def traces(request: Request) -> Response:
        reply = await post_traces(door, request)
        return binary_answer(reply) if content_type(request) == PROTOBUF else answer(reply)

    return [
        Route("/api/calls", calls, methods=["POST"]),
        Route("/api/fingerprint-key", hash_key, methods=["GET"]),
        Route("/v1/traces", traces, methods=["POST"]),
    ]


def answer(reply: Reply) -> JSONResponse:
    return JSONResponse(reply.body, reply.status, reply.headers)


def binary_answer(reply: Reply) -> Response:
    """As OTLP wants it: its response, or a `google.rpc.Status`, in protobuf."""
    from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTracePartialSuccess,
        ExportTraceServiceResponse,
    )

    if reply.status == 200:
        content = ParseDict(reply.body, ExportTraceServiceResponse()).SerializeToString()
    else:
        # On the wire it is a Status that leaves out its code: field 2 is the message of both.
        said = reply.body["error"]["message"]
        content = ExportTracePartialSuccess(error_message=said).SerializeToString()
    return Response(content, reply.status, reply.headers, media_type=PROTOBUF)


async def post_calls(door: Door, request: Request) -> Reply:
    """A batch of call lines, from a host with a key."""
    key = bearer(request)
    key_id = await run_in_threadpool(door.key_id, key)
    if key_id is None:
        return unauthorized(key)
    if content_type(request) not in BATCH_TYPES:
        return refusal(415, WRONG_TYPE.format(expected="application/x-ndjson or application/json"))
    body = await limited_body(request)
    if isinstance(body, Reply):
        return body
    return await run_in_threadpool(door.take_calls, key_id, body, segment_of(request))


async def get_hash_key(door: Door, request: Request) -> Reply:
    """The key of this ledger's hashes, for a host with a key."""
    key = bearer(request)
    if await run_in_threadpool(door.key_id, key) is None:
        return unauthorized(key)
    return await run_in_threadpool(door.hash_key)


def segment_of(request: Request) -> str | None:
    """The segment in which the lines stand on the host that sends them."""
    said = request.headers.get(SEGMENT_HEADER, "")
    return said if SEGMENT.fullmatch(said) else None


async def post_traces(door: Door, request: Request) -> Reply:
    """OTLP over HTTP. Programs of this machine need no key; others, and web pages, do."""
    key = bearer(request)
    key_id = await run_in_threadpool(door.key_id, key) if key else None
    if key_id is None and not is_own_program(request):
        return unauthorized(key)
    decode = TRACE_TYPES.get(content_type(request))
    if decode is None:
        return refusal(415, WRONG_TYPE.format(expected=" or ".join(TRACE_TYPES)))
    body = await limited_body(request)
    if isinstance(body, Reply):
        return body
    return await run_in_threadpool(door.take_traces, body, decode, key_id)


def unauthorized(key: str | None) -> Reply:
    said = refusal(401, WRONG_KEY if key else NO_KEY)
    return Reply(said.status, said.body, {"www-authenticate": "Bearer"})


def bearer(request: Request) -> str | None:
    """The key of the Authorization header."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


def content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_own_program(request: Request) -> bool:
    """Whether a program on this machine asks, and not a web page in its browser."""
    here = request.client is not None and request.client.host in LOOPBACK
    forwarded = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    return here and not forwarded and "origin" not in request.headers


async def limited_body(request: Request) -> bytes | Reply:
    """The unpacked body, or why it is not taken; never holds more than the limits."""
    too_large = refusal(413, TOO_LARGE.format(most=MOST_BYTES >> 20))
    stated = request.headers.get("content-length", "0")
    if stated.isdigit() and int(stated) > MOST_BYTES:
        return too_large
    received = bytearray()
    try:
        async for chunk in request.stream():
            received += chunk
            if len(received) > MOST_BYTES:
                return too_large
    except ClientDisconnect:
        return refusal(400, "The body ended early.")
    if request.headers.get("content-encoding", "identity").lower() == "identity":
        return bytes(received)
    return unpacked(bytes(received), request.headers["content-encoding"].lower())


def unpacked(body: bytes, encoding: str) -> bytes | Reply:
    """A gzip body, as far as `MOST_UNPACKED`."""
    if encoding != "gzip":
        return refusal(415, "Send the body plain or as gzip.")
    unpacker = zlib.decompressobj(GZIP)
    try:
        found = unpacker.decompress(body, MOST_UNPACKED)
    except zlib.error:
        return refusal(400, BROKEN_GZIP)
    if unpacker.unconsumed_tail:
        return refusal(413, TOO_LARGE.format(most=MOST_UNPACKED >> 20))
    return found if unpacker.eof else refusal(400, BROKEN_GZIP)
