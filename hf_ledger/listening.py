"""Where a server listens, and under which names it may be asked."""

from __future__ import annotations

import errno
import socket

from hf_ledger.ingest.errors import Unusable
from hf_ledger.settings import Settings

PORT_IN_USE = "Port {port} is in use: stop what uses it or choose another with --port."
ADDRESS_UNKNOWN = "{host} is no address of this machine: use 127.0.0.1."


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, or one sentence. Port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's delay off only where the protocol is named: 40 ms an answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, socket.gaierror) as refused:
        listener.close()
        raise Unusable(why_not(host, port, refused)) from refused
    return listener


def why_not(host: str, port: int, refused: OSError) -> str:
    if isinstance(refused, socket.gaierror) or refused.errno == errno.EADDRNOTAVAIL:
        return ADDRESS_UNKNOWN.format(host=host)
    return PORT_IN_USE.format(port=port)


def address_of(listener: socket.socket, host: str) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"


def host_names(settings: Settings) -> list[str]:
    """Names under which a browser may ask; anything else could be a rebound name."""
    if settings.host in ("0.0.0.0", "::") and not settings.allowed_hosts:
        return ["*"]
    return sorted({"127.0.0.1", "localhost", "[::1]", settings.host, *settings.allowed_hosts})
