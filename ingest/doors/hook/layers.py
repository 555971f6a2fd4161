"""One call, one row: a client that works inside another's request stands back.

litellm sends through an httpx client whose transport is aiohttp, for one. The outer client is the
one that the program called, so it records, and whatever it sends meanwhile is the same call.
"""

from __future__ import annotations

from contextvars import ContextVar

#: Whether a client further out records the request that is on its way in this context.
recorded: ContextVar[bool] = ContextVar("hf_ledger_recorded", default=False)
