"""A host that sends: its own folder, a target, and servers on the way that misbehave."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from factories_api import Api, posted

from hf_ledger.ingest.call import Call, Line
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.outbox import Outbox
from hf_ledger.ingest.spool.posting import Target
from hf_ledger.ingest.spool.segments import Segments

GONE = 2**22 + 1  # no system here gives a process such a number


def host(tmp_path: Path, name: str = "host") -> Outbox:
    return Outbox(Places(tmp_path / name))


def target(server: Api) -> Target:
    return Target(server.url, server.key)


def keep(outbox: Outbox, *lines: Line) -> Path:
    """A segment of this process with these lines; it is not closed, as a living program's."""
    segments = Segments(outbox.places.spool)
    for line in lines:
        assert segments.write(line)
    assert segments.path
    return segments.path


def abandoned(outbox: Outbox, *lines: Line) -> Path:
    """A segment whose process is gone."""
    import msgspec

    from hf_ledger.ingest.spool.lines import decode, encode

    path = keep(outbox, *lines)
    first, *rest = path.read_bytes().splitlines(keepends=True)
    writer = msgspec.structs.replace(decode(first.rstrip()), pid=GONE)
    moved = path.with_name(path.name.replace(f"-{path.name.split('-')[1]}-", f"-{GONE}-"))
    moved.write_bytes(encode(writer) + b"".join(rest))
    path.unlink()
    return moved


def many(count: int, first: int = 1) -> list[Call]:
    return [posted(number) for number in range(first, first + count)]


class Between(ThreadingHTTPServer):
    """Passes requests on to the ledger; `forgets` answers are lost on the way back."""

    daemon_threads = True

    def __init__(self, upstream: str, forgets: int = 0, says: tuple[int, bytes] | None = None):
        super().__init__(("127.0.0.1", 0), _Passing)
        self.upstream = urlsplit(upstream)
        self.forgets = forgets
        self.says = says
        self.seen: list[tuple[str, str]] = []
        self.headers: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Passing(BaseHTTPRequestHandler):
    server: Between

    def do_POST(self) -> None:
        self.server.seen.append((self.command, self.path))
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        status, headers, answer = self._answer(body)
        if self.server.forgets:
            self.server.forgets -= 1
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_GET(self) -> None:
        self.do_POST()

    def _answer(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if self.server.says:
            status, answer = self.server.says
            return status, self.server.headers, answer
        upstream = self.server.upstream
        connection = http.client.HTTPConnection(upstream.hostname or "", upstream.port)
        connection.request(self.command, self.path, body, dict(self.headers.items()))
        reply = connection.getresponse()
        return reply.status, {}, reply.read()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def between(
    upstream: str = "http://127.0.0.1:1", forgets: int = 0, says: tuple[int, bytes] | None = None
) -> Iterator[Between]:
    with Between(upstream, forgets, says) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
