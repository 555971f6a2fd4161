"""A loopback stand-in for Hugging Face's public interfaces: replies by path, requests kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hf_ledger.ingest.catalogue.fetching import Addresses


@dataclass
class Stub:
    """`replies` maps a path without query to (status, body, headers)."""

    url: str = ""
    replies: dict[str, tuple[int, bytes, dict[str, str]]] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def answer(
        self, path: str, value: Any, status: int = 200, headers: Mapping[str, str] = {}
    ) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.replies[path] = (status, body, dict(headers))

    def addresses(self, **given: Any) -> Addresses:
        return Addresses(router=self.url, hub=self.url, endpoints=self.url, **given)


@contextmanager
def stubbed() -> Iterator[Stub]:
    """A stub that listens on a free loopback port."""
    stub = Stub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            stub.asked.append((self.path, self.headers.get("authorization")))
            status, body, headers = stub.replies.get(path, (404, b"{}", {}))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()


def listing(*pairs: tuple[Any, ...]) -> dict[str, Any]:
    """A reply of `GET /v1/models`: pairs of (model, provider, pricing[, is_free])."""
    models: dict[str, list[dict[str, Any]]] = {}
    for model, provider, pricing, *free in pairs:
        entry: dict[str, Any] = {"provider": provider, "status": "live"}
        if pricing is not None:
            entry["pricing"] = pricing
        if free:
            entry["is_free"] = free[0]
        models.setdefault(model, []).append(entry)
    data = [{"id": model, "object": "model", "providers": found} for model, found in models.items()]
    return {"object": "list", "data": data}


def usd(input_usd: float | str, output_usd: float | str) -> dict[str, Any]:
    return {"input": input_usd, "output": output_usd}
