"""Heads that do not come, never end or are too large hold no connection and start nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from factories_gateway import CHAT, SECRET, Running, gateway

from hf_ledger.ingest.doors.gateway import listening


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def spoken(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """All that is answered to these bytes until the other side closes, at most 3 s long."""
    received, deadline = b"", time.monotonic() + 3
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(3)
        for piece in pieces:
            try:
                client.sendall(piece)
            except OSError:
                break
            time.sleep(pause)
        while time.monotonic() < deadline:
            try:
                piece = client.recv(4_096)
            except OSError:
                break
            if not piece:
                break
            received += piece
    return received


def head(*lines: str) -> bytes:
    asked = [f"POST {CHAT} HTTP/1.1", "host: x", f"authorization: Bearer {SECRET}", *lines]
    return "\r\n".join(asked).encode()


def test_half_a_head_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "HEAD_SECONDS", 0.3)
    with gateway(tmp_path) as running:
        begun = time.monotonic()
        assert spoken(running.port, head()) == b""
        assert spoken(running.port) == b""
        assert spoken(running.port, b"P", b"O", b"S", b"T", pause=0.15) == b""
        assert time.monotonic() - begun < 3
        assert running.post().status_code == 200


def test_a_second_request_on_a_connection_is_timed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "HEAD_SECONDS", 0.3)
    with gateway(tmp_path) as running:
        first = head("content-length: 2", "", "") + b"{}"
        received = spoken(running.port, first, head())
        assert received.count(b"HTTP/1.1") == 1


def test_a_slow_request_is_not_a_slow_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "HEAD_SECONDS", 0.2)
    with gateway(tmp_path) as running:
        body = {"model": "practice/slow=0.6", "messages": [{"role": "user", "content": "x"}]}
        assert running.post(json=body).status_code == 200


@pytest.mark.parametrize("size", [100_000, 2_000_000])
def test_headers_that_are_too_large(shared: Running, size: int) -> None:
    received = spoken(shared.port, head("x-big: " + "x" * size, "content-length: 0", "", ""))
    assert received.startswith(b"HTTP/1.1 431")
    assert b'"headers_too_large"' in received
    assert SECRET.encode() not in received


def test_headers_that_never_end(shared: Running) -> None:
    before = len(shared.witness.seen)
    many = (f"x-{number}: {'y' * 1_000}\r\n".encode() for number in range(2_000))
    received = spoken(shared.port, head(""), *many)
    assert received == b"" or received.startswith(b"HTTP/1.1 431")
    assert len(shared.witness.seen) == before


def test_a_large_body_behind_a_small_head_is_no_large_head(shared: Running) -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"%b"}]}' % (b"x" * 300_000)
    sent = head(f"content-length: {len(body)}", "connection: close", "", "") + body
    assert spoken(shared.port, sent).startswith(b"HTTP/1.1 200")
