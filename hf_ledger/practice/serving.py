"""Run the practice server on loopback until told to stop."""

from __future__ import annotations

import socket

import uvicorn

from hf_ledger.ingest.errors import Unusable
from hf_ledger.practice.app import practice_app

LOOPBACK = "127.0.0.1"


def bound(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one. Raises Unusable if taken."""
    # The protocol is named because asyncio turns Nagle's delay off only where it is.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError as error:
        listener.close()
        sentence = f"port {port} is not free ({error.strerror}): choose another with --port."
        raise Unusable(sentence) from error
    listener.listen(1024)
    return listener


def server() -> uvicorn.Server:
    """A uvicorn server that logs nothing: a practice run prints one line, not one a call."""
    config = uvicorn.Config(
        practice_app(), log_level="critical", access_log=False, lifespan="off", ws="none"
    )
    return uvicorn.Server(config)
