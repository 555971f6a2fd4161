"""The pages as one ASGI application: Streamlit behind our routes and guards.

Paths of ours answer in JSON, unknown ones with 404 (Streamlit would send its page); Streamlit's own
metrics and agent routes are hidden; only pages and assets are compressed, never an API reply.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.web import bootstrap

SCRIPT = Path(__file__).resolve().parent / "app.py"

API_PREFIXES = ("/api/", "/v1/", "/healthz")
HIDDEN = ("/_stcore/metrics", "/_stcore/agent")
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

Lifespan = Callable[[Any], AbstractAsyncContextManager[dict[str, Any]]]


def application(
    lifespan: Lifespan,
    health: Callable[[], dict[str, Any]],
    address: str,
    hosts: list[str],
    routes: Sequence[Route] = (),
    *,
    plain: Sequence[str] = (),
) -> st.App:
    """The application for one `address`, reachable under these host names only.

    `routes` are the API's own; what they don't answer under its prefixes is a JSON 404. Replies
    below `plain` prefixes are never compressed.
    """

    async def healthz(_request: Request) -> JSONResponse:
        return JSONResponse(health())

    app = st.App(
        SCRIPT,
        lifespan=lifespan,
        routes=[
            Route("/healthz", healthz),
            *routes,
            Route("/api/{rest:path}", not_found, methods=METHODS),
            Route("/v1/{rest:path}", not_found, methods=METHODS),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=hosts),
            Middleware(Guarded, prefixes=(*API_PREFIXES, *plain)),
        ],
    )
    bootstrap.load_config_options(options(address, hosts))
    return app


def options(address: str, hosts: list[str]) -> dict[str, Any]:
    """Streamlit's options that depend on ours; the rest stands in its config file."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    return {
        "server.address": host.strip("[]"),
        "server.port": int(port),
        "server.headless": True,
        "server.allowedHosts": hosts,
        "browser.gatherUsageStats": False,
        "logger.level": "error",
        "logger.hideWelcomeMessage": True,
    }


async def not_found(_request: Request) -> JSONResponse:
    return JSONResponse({"error": {"message": "There is no such path here."}}, status_code=404)


class Guarded:
    """Hides what is Streamlit's alone, and compresses what is not an API reply."""

    def __init__(self, app: ASGIApp, prefixes: tuple[str, ...] = API_PREFIXES) -> None:
        self.prefixes = prefixes
        self.plain = app
        self.compressed = GZipMiddleware(app, minimum_size=1000, compresslevel=4)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and path.startswith(HIDDEN):
            response = JSONResponse({"error": {"message": "hidden"}}, status_code=404)
            await response(scope, receive, send)
        elif scope["type"] != "http" or path.startswith(self.prefixes):
            await self.plain(scope, receive, send)
        else:
            await self.compressed(scope, receive, send)
