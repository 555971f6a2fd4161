"""Headers on their way through: all but what belongs to one connection, or to the gateway."""

from __future__ import annotations

from collections.abc import Iterable

Pairs = list[tuple[bytes, bytes]]

#: Of one connection alone (RFC 9110, 7.6.1), or set anew by each side.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
#: Ours or the client's own: the key, who pays, and where the request came from.
KEPT_BACK = HOP_BY_HOP | {
    b"host",
    b"content-length",
    b"expect",
    b"authorization",
    b"x-api-key",
    b"cookie",
    b"forwarded",
    b"idempotency-key",
    b"x-hf-bill-to",
    b"x-real-ip",
}
KEPT_PREFIXES = (b"x-hf-ledger-", b"x-forwarded-")
#: Cookies of a reply are for the holder of the token, not for whoever holds a key.
NOT_RETURNED = HOP_BY_HOP | {b"date", b"server", b"set-cookie", b"alt-svc"}
OURS = b"x-hf-ledger-"
PRACTICE = b"x-hf-ledger-practice"


def sent_on(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """The client's headers that go upstream; names are lower-case already, as ASGI has them."""
    dropped = KEPT_BACK | _named_by_connection(headers)
    return [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in headers
        if name not in dropped and not name.startswith(KEPT_PREFIXES)
    ]


def returned(headers: Iterable[tuple[bytes, bytes]], ours: dict[str, str]) -> Pairs:
    """The reply's headers for the client, and ours behind them."""
    found = [(name.lower(), value) for name, value in headers]
    dropped = NOT_RETURNED | _named_by_connection(found)
    kept = [
        (name, value)
        for name, value in found
        if name not in dropped and (not name.startswith(OURS) or name == PRACTICE)
    ]
    kept += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in ours.items()]
    return kept


def _named_by_connection(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """What `Connection: …` names is of that connection alone, too."""
    for name, value in headers:
        if name == b"connection":
            return frozenset(each.strip().lower() for each in value.split(b","))
    return frozenset()
