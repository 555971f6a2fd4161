"""Making and ending keys over HTTP, for whoever shows a key of role admin; each change is audited.

GET    /api/gateway/keys                every key, never the key itself
POST   /api/gateway/keys                {"name": …, "user": …, "models": […], …} → the key, once
DELETE /api/gateway/keys/KEY_ID         ends it, at every gateway, before this is answered
PUT    /api/gateway/teams/TEAM/limits   {"capacity": …, "per_second": …, …}
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hf_ledger.ingest.doors.gateway.administering import admin
from hf_ledger.ingest.doors.gateway.asking import Asking
from hf_ledger.ingest.doors.gateway.audit.administration import note
from hf_ledger.ingest.doors.gateway.checks.authentication import Authentication
from hf_ledger.ingest.doors.gateway.door import taken_key
from hf_ledger.ingest.doors.gateway.refusal import REQUEST_ID_HEADER, Refused
from hf_ledger.ingest.doors.gateway.state import Key
from hf_ledger.ingest.doors.gateway.state_file import Watched
from hf_ledger.ingest.doors.hook.ids import uuid7
from hf_ledger.ingest.errors import LedgerError, Usage
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places

MOST_BYTES = 64 << 10

NOT_ADMIN = "This key makes no keys: hf-ledger key create --role admin makes one that does."
TOO_LARGE = "The body is larger than 64 KiB."
NOT_OBJECT = "Send a JSON object."

Handler = Callable[[Request], Awaitable[Response]]


class Administration:
    """Carries out what an administrator asks for, in the process that holds the ledger."""

    def __init__(self, ledger: Ledger, places: Places) -> None:
        self._ledger = ledger
        self._places = places
        self._state = Watched(places.gateway_state)
        self._who = Authentication()

    def routes(self) -> list[Route]:
        """To stand before any path that takes the rest of /api."""
        return [
            Route("/api/gateway/keys", self.answering(self.keys), methods=["GET", "POST"]),
            Route("/api/gateway/keys/{key_id}", self.answering(self.key), methods=["DELETE"]),
            Route("/api/gateway/teams/{team}/limits", self.answering(self.limits), methods=["PUT"]),
        ]

    def answering(self, handler: Callable[[Request, Key], Awaitable[Any]]) -> Handler:
        """The handler for whoever shows an admin's key; everybody else gets the refusal."""

        async def answer(request: Request) -> Response:
            asking = asked(request, self._state)
            try:
                key = self._identified(asking)
                return JSONResponse(await handler(request, key))
            except Refused as refused:
                body = refused.body(asking.request_id)
                headers = {REQUEST_ID_HEADER: asking.request_id, **refused.headers}
                return Response(body, refused.status, headers, "application/json")

        return answer

    def _identified(self, asking: Asking) -> Key:
        key = self._who.identify(taken_key(asking.headers), asking)
        if key.role != "admin":
            raise Refused(403, "role_not_allowed", NOT_ADMIN)
        return key

    async def keys(self, request: Request, key: Key) -> Any:
        if request.method == "GET":
            return await self._done(key, "key_list", {})
        return await self._done(key, "key_create", await object_of(request))

    async def key(self, request: Request, key: Key) -> Any:
        return await self._done(key, "key_revoke", {"key_id": request.path_params["key_id"]})

    async def limits(self, request: Request, key: Key) -> Any:
        team, limits = request.path_params["team"], await object_of(request)
        return await self._done(key, "team_limit", {"team": team, "limits": limits})

    async def _done(self, key: Key, command: str, asked_for: dict[str, Any]) -> Any:
        return await run_in_threadpool(self._perform, key, command, asked_for)

    def _perform(self, key: Key, command: str, asked_for: dict[str, Any]) -> Any:
        payload = msgspec.json.encode(asked_for)
        try:
            done = admin(self._ledger, self._places, command, payload)
            note(self._places, command, payload, done, who=f"key:{key.key_id}")
        except Usage as error:
            raise Refused(400, "not_possible", str(error)) from error
        except LedgerError as error:
            raise Refused(503, "not_kept", str(error), {"retry-after": "5"}) from error
        return done


def asked(request: Request, state: Watched) -> Asking:
    """What authentication wants to know of a request."""
    now = time.time_ns()
    return Asking(
        request_id=uuid7(now),
        ts=now // 1000,
        method=request.method,
        path=request.url.path,
        address=request.client.host if request.client else "",
        headers=dict(request.headers),
        body=b"",
        state=state.now(),
    )


async def object_of(request: Request) -> dict[str, Any]:
    """The body's JSON object. Raises `Refused`."""
    received = bytearray()
    async for piece in request.stream():
        received += piece
        if len(received) > MOST_BYTES:
            raise Refused(413, "body_too_large", TOO_LARGE, {"connection": "close"})
    try:
        return msgspec.json.decode(received, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Refused(400, "not_json", NOT_OBJECT) from None
