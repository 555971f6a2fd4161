"""A loopback server whose replies a test spells out: pieces, pauses, headers, and where it cuts.

Each reply has an id of its own: in `x-request-id`, and where a piece says `%ID%`. What came and
went can be had as an HTTP archive, as a proxy between would have saved it.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15}


@dataclass
class Reply:
    """What a POST gets. Without `chunked` its length is announced; `cut` drops the connection."""

    pieces: list[bytes] = field(default_factory=list)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    chunked: bool = False
    cut: bool = False
    pause: float = 0.0  # before the head


@dataclass
class Server:
    port: int
    replies: dict[str, Reply]
    bodies: list[bytes] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)  # of an HTTP archive

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/v1/chat/completions") -> str:
        return f"http://{self.host}{path}"

    def answer(self, reply: Reply, path: str = "/v1/chat/completions") -> str:
        """Answer this path so from now on; gives the URL."""
        self.replies[path] = reply
        return self.url(path)

    def archive(self) -> dict[str, Any]:
        return {"log": {"version": "1.2", "entries": self.entries}}

    def note(self, began: datetime, path: str, body: bytes, reply: Reply, said: bytes) -> None:
        headers = [{"name": name, "value": value} for name, value in reply.headers.items()]
        self.entries.append(
            {
                "startedDateTime": began.isoformat(),
                "time": (datetime.now(UTC) - began).total_seconds() * 1000,
                "request": {
                    "method": "POST",
                    "url": self.url(path),
                    "headers": [{"name": "content-type", "value": "application/json"}],
                    "postData": {"mimeType": "application/json", "text": body.decode("latin-1")},
                },
                "response": {
                    "status": reply.status,
                    "headers": headers,
                    "content": {"text": said.decode("latin-1")},
                },
            }
        )


def said(text: str = "fine", **more: Any) -> bytes:
    """A chat reply's body, with its usage."""
    more = {"id": "%ID%", **more}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}}
    return json.dumps({"choices": [choice], "usage": USAGE, **more}).encode()


def plain(text: str = "fine", **more: Any) -> Reply:
    return Reply([said(text)], **{"headers": {"content-type": "application/json"}, **more})


def streamed(words: int = 3, end: bytes = b"data: [DONE]\n\n", **more: Any) -> Reply:
    """Events: words, then the usage, then the end marker."""
    events = [{"choices": [{"index": 0, "delta": {"content": f"w{n} "}}]} for n in range(words)]
    last = {"choices": [], "usage": USAGE}
    pieces = [b"data: %b\n\n" % json.dumps(each).encode() for each in [*events, last]]
    return Reply([*pieces, end], headers={"content-type": "text/event-stream"}, **more)


def numbered(reply: Reply, number: int) -> Reply:
    """The reply with an id of its own, as long as its placeholder."""
    name = f"r{number:03}"
    pieces = [piece.replace(b"%ID%", name.encode()) for piece in reply.pieces]
    headers = {**reply.headers, "x-request-id": name}
    return replace(reply, pieces=pieces, headers=headers)


@contextmanager
def replying() -> Iterator[Server]:
    """Serve on a free loopback port until the test is over."""
    replies: dict[str, Reply] = {}
    numbers = itertools.count(1)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            serving.bodies.append(body)
            began = datetime.now(UTC)
            reply = numbered(replies.get(self.path) or Reply([b"{}"], status=404), next(numbers))
            time.sleep(reply.pause)
            serving.note(began, self.path, body, reply, b"".join(reply.pieces))
            self._head(reply)
            try:
                self._body(reply)
            except OSError:
                self.close_connection = True  # the client has left

        def do_GET(self) -> None:
            self.do_POST()

        def _head(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.chunked:
                self.send_header("transfer-encoding", "chunked")
            else:
                missing = 10 if reply.cut else 0
                self.send_header("content-length", str(sum(map(len, reply.pieces)) + missing))
            self.end_headers()

        def _body(self, reply: Reply) -> None:
            for piece in filter(None, reply.pieces):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if reply.chunked else piece)
                self.wfile.flush()
            if reply.cut:
                self.close_connection = True
            elif reply.chunked:
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: Any) -> None:
            """Silence."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: Any) -> None:
            """Clients of these tests leave as they like."""

    server = Quiet(("127.0.0.1", 0), Handler)
    serving = Server(server.server_address[1], replies)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield serving
    finally:
        server.shutdown()
        server.server_close()
