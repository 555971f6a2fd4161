"""A loopback server whose replies a test spells out: pieces, pauses, headers, and where it cuts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
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

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/v1/chat/completions") -> str:
        return f"http://{self.host}{path}"

    def answer(self, reply: Reply, path: str = "/v1/chat/completions") -> str:
        """Answer this path so from now on; gives the URL."""
        self.replies[path] = reply
        return self.url(path)


def said(text: str = "fine", **more: Any) -> bytes:
    """A chat reply's body, with its usage."""
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


@contextmanager
def replying() -> Iterator[Server]:
    """Serve on a free loopback port until the test is over."""
    replies: dict[str, Reply] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            serving.bodies.append(body)
            reply = replies.get(self.path) or Reply([b"{}"], status=404)
            time.sleep(reply.pause)
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
