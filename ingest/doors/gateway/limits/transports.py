"""The two ways to the owner's bank: in the same process, or over the owner's Unix socket."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from hf_ledger.ingest.doors.gateway.limits.exchanging import COMMAND, Exchange, Reply, decode_reply
from hf_ledger.ingest.errors import LedgerError, Unusable
from hf_ledger.ingest.ledger.socket import Caller, call_owner
from hf_ledger.ingest.places import Places

if TYPE_CHECKING:
    from hf_ledger.ingest.doors.gateway.limits.bank import Bank

ANSWER_SECONDS = 2.0
NO_OWNER = "no process owns the ledger in {root} just now: start hf-ledger serve."


class Direct:
    """The bank of this very process."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    async def exchange(self, message: Exchange) -> Reply:
        return self._bank.exchange(message)

    def close(self) -> None:
        """Nothing to let go of: the bank is the owner's."""


class OverSocket:
    """Asks the owner in one background thread, and finds the new one where an owner is gone."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._caller: Caller | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hf-ledger-leases")

    async def exchange(self, message: Exchange) -> Reply:
        payload = msgspec.json.encode(message)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._asked, payload)

    def close(self) -> None:
        self._thread.shutdown(wait=True)
        if self._caller:
            self._caller.close()

    def _asked(self, payload: bytes) -> Reply:
        self._caller = self._caller or call_owner(self._places, ANSWER_SECONDS)
        if self._caller is None:
            raise Unusable(NO_OWNER.format(root=self._places.root))
        try:
            return decode_reply(self._caller.ask(COMMAND, payload))
        except (LedgerError, msgspec.MsgspecError) as error:
            # Perhaps another owner answers next time.
            self._caller.close()
            self._caller = None
            raise Unusable(f"the owner's answer is of no use: {error}") from error
