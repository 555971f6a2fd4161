"""Named questions and commands to the owner over a Unix socket, in length-prefixed frames.

    request   u32 length · JSON {"name": …, "payload": …}       big endian, at most 1 MiB
    reply     u8 0 · u64 length · the answer's bytes            what `handle` returned
              u8 1 · u64 length · JSON {"sentence": …, "kind": …}

Never SQL: the owner decides what a name means. A connection may ask any number of times.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import stat
import struct
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from hf_ledger.ingest import errors
from hf_ledger.ingest.errors import LedgerError, Unusable
from hf_ledger.ingest.ledger.owner import announce, read_owner, withdraw
from hf_ledger.ingest.places import Places

Handle = Callable[[str, bytes], bytes]

REQUEST = struct.Struct(">I")
REPLY = struct.Struct(">BQ")
GOOD, BAD = 0, 1
LARGEST_REQUEST = 2**20
#: sockaddr_un holds 108 bytes on Linux and 104 on macOS, the closing zero among them.
LONGEST_PATH = 103
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 300.0

NO_ANSWER = "the ledger's owner (pid {pid}) ended the connection without an answer: see its log."

_log = logging.getLogger("hf_ledger")


class Request(msgspec.Struct):
    name: str
    payload: msgspec.Raw = msgspec.Raw(b"null")


class Failure(msgspec.Struct):
    """An error as it crosses the socket: its sentence and the class that gives its exit code."""

    sentence: str
    kind: str


# Made here, in the thread that imports: where several connections' threads teach msgspec a type at
# the same moment, the interpreter crashes.
_requests = msgspec.json.Decoder(Request)
_failures = msgspec.json.Decoder(Failure)


class Listener:
    """The owner's side: binds the socket, announces it, and answers each connection in a thread."""

    def __init__(self, places: Places, handle: Handle, address: str | None = None) -> None:
        self._places = places
        self._handle = handle
        self._connections: set[socket.socket] = set()
        self.path = socket_path(places)
        self._socket = _bound(self.path)
        self._thread = threading.Thread(target=self._accept, name="hf-ledger-owner", daemon=True)
        self._thread.start()
        announce(places, self.path, address)

    def announce(self, address: str | None) -> None:
        """Tell others where the page is, once that is known."""
        announce(self._places, self.path, address)

    def close(self) -> None:
        """Stop answering and take socket file and announcement away."""
        withdraw(self._places)
        self.path.unlink(missing_ok=True)
        for each in (self._socket, *self._connections):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._thread.join(timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                # Closed: the owner is leaving.
                return
            self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, suppress(OSError):
                while request := _read_request(connection):
                    connection.sendall(_reply(self._handle, request))
        finally:
            self._connections.discard(connection)


class Caller:
    """The asking side: one connection, one question after the other."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self._connection = connection
        self._pid = pid
        self._lock = threading.Lock()

    def ask(self, name: str, payload: bytes = b"null") -> bytes:
        """The owner's answer; raises the same error that asking in its process would raise."""
        frame = msgspec.json.encode(Request(name, msgspec.Raw(payload)))
        with self._lock:
            try:
                self._connection.sendall(REQUEST.pack(len(frame)) + frame)
                state, length = REPLY.unpack(_exactly(self._connection, REPLY.size))
                body = _exactly(self._connection, length)
            except OSError as error:
                # What may still arrive would be taken for the answer to the next question.
                self._connection.close()
                raise Unusable(NO_ANSWER.format(pid=self._pid)) from error
        if state == BAD:
            raise _error(body)
        return body

    def close(self) -> None:
        self._connection.close()


def call_owner(places: Places, answer_seconds: float | None = None) -> Caller | None:
    """A connection to the owner; None where none answers (a stale `owner.json` is none).

    An answer that takes longer than `answer_seconds` (five minutes) ends the connection.
    """
    owner = read_owner(places)
    if owner is None or owner.socket is None:
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(CONNECT_SECONDS)
    try:
        connection.connect(owner.socket)
    except OSError:
        connection.close()
        return None
    connection.settimeout(ANSWER_SECONDS if answer_seconds is None else answer_seconds)
    return Caller(connection, owner.pid)


def socket_path(places: Places) -> Path:
    """`run/owner.sock` of the ledger; a short name in the runtime folder where that is too long."""
    path = places.root.absolute() / "run" / "owner.sock"
    if len(os.fsencode(path)) <= LONGEST_PATH:
        return path
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return runtime_folder() / f"{name}.sock"


def runtime_folder() -> Path:
    """A short folder of this user's: the session's own, else one in the temporary folder."""
    session = os.environ.get("XDG_RUNTIME_DIR")
    candidates = [Path(session) / "hf-ledger"] if session else []
    candidates += [Path(tempfile.gettempdir()) / f"hf-ledger-{os.getuid()}"]
    candidates += [Path("/tmp") / f"hf-ledger-{os.getuid()}"]
    return next(each for each in candidates if len(os.fsencode(each)) < LONGEST_PATH - 22)


def _bound(path: Path) -> socket.socket:
    """A listening socket only this user reaches; the ledger's lock makes us its one owner."""
    private_folder(path.parent)
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o077)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    listening.listen(64)
    return listening


def private_folder(folder: Path) -> None:
    """Make the folder 0700, and refuse one that somebody else could have put there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise Unusable(f"{folder} belongs to another user: remove it, or set XDG_RUNTIME_DIR.")
    folder.chmod(0o700)


def _read_request(connection: socket.socket) -> Request | None:
    """The next request; None where the other side is done or does not speak our frames."""
    try:
        (length,) = REQUEST.unpack(_exactly(connection, REQUEST.size))
        if length > LARGEST_REQUEST:
            return None
        return _requests.decode(_exactly(connection, length))
    except (OSError, msgspec.MsgspecError):
        return None


def _reply(handle: Handle, request: Request) -> bytes:
    try:
        state, body = GOOD, handle(request.name, bytes(request.payload))
    except LedgerError as error:
        state, body = BAD, msgspec.json.encode(Failure(str(error), type(error).__name__))
    return REPLY.pack(state, len(body)) + body


def _error(body: bytes) -> LedgerError:
    failure = _failures.decode(body)
    kind = getattr(errors, failure.kind, Unusable)
    error: LedgerError = kind(failure.sentence)
    return error


def _exactly(connection: socket.socket, length: int) -> bytes:
    """Read `length` bytes; ConnectionError where the stream ends before."""
    data = bytearray(length)
    view, got = memoryview(data), 0
    while got < length:
        count = connection.recv_into(view[got:])
        if not count:
            raise ConnectionResetError("the connection ended in the middle of a frame")
        got += count
    return bytes(data)
