"""What a gateway process and the ledger's owner tell each other about money and tokens.

All counters are cumulative: a message that comes twice, or again to an owner that was restarted,
changes nothing. Amounts are nano-USD.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

COMMAND = "gateway_exchange"


class Said(msgspec.Struct, array_like=True):
    """A gateway's word on its share of one budget's period."""

    budget_id: str
    period: str
    granted: int = 0  # as far as the gateway has heard
    spent: int = 0
    returned: int = 0
    wanted: int = 0  # beyond what it has
    least: int = 0  # less than this is of no use to it


class Drawn(msgspec.Struct, array_like=True):
    """A gateway's word on its tokens of one bucket, since its session began."""

    name: str  # whose bucket: `user:…` or `key:…`
    model: str
    capacity: int
    per_second: float
    granted: int = 0
    used: int = 0
    returned: int = 0
    wanted: int = 0


class Exchange(msgspec.Struct, omit_defaults=True):
    """One message of a gateway process."""

    gateway: str  # random, one for each purse
    host: str
    pid: int
    process_start: str
    session: str = ""  # as the owner last named it; tokens are of one session
    accounts: list[Said] = []
    buckets: list[Drawn] = []
    closing: bool = False


class Granted(msgspec.Struct, array_like=True):
    """The owner's word on a share: everything it ever granted, and what is left for everybody."""

    budget_id: str
    period: str
    granted: int
    left: int | None  # limit less what is settled; None: the owner knows no such budget
    recall: bool = False  # others are short: return what is not reserved


class Lent(msgspec.Struct, array_like=True):
    """The owner's word on a bucket."""

    name: str
    model: str
    granted: int
    level: int = 0  # whole tokens still with the owner
    wait_ns: int = 0  # until there could be one more, where nothing was granted


class Reply(msgspec.Struct, omit_defaults=True):
    """The owner's answer: good for `expires_ms` from when the exchange was sent."""

    session: str
    expires_ms: int
    accounts: list[Granted] = []
    buckets: list[Lent] = []


# Made here, in the thread that imports: msgspec learns a type where it is first decoded, and where
# several threads do so at once the interpreter crashes (msgspec 0.22; seen with three gateways that
# came to a new owner in the same millisecond).
decode_exchange = msgspec.json.Decoder(Exchange).decode
decode_reply = msgspec.json.Decoder(Reply).decode


class Transport(Protocol):
    """The way to the owner; raises `Unusable` where it does not answer."""

    async def exchange(self, message: Exchange) -> Reply: ...

    def close(self) -> None: ...
