"""A request's body, within its limits of size and time; whatever else comes is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from starlette.types import Receive

from hf_ledger.ingest.doors.gateway.refusal import Refused

#: So many times the most that is taken is read and dropped of a body that is larger.
READ_PAST = 8
CLOSING = {"connection": "close"}

TOO_LARGE = "The body is larger than {most:,} bytes, the most that this gateway takes."
TOO_SLOW = "The body did not arrive within {seconds:g} s."
CUT_OFF = "The body ended early."


class Body:
    """Reads one body: at most `most` bytes, within `seconds`; `is_here`: it has come already."""

    def __init__(
        self, receive: Receive, most: int, seconds: float, *, is_here: bool = False
    ) -> None:
        self._receive = receive
        self._most = most
        self._seconds = seconds
        self._is_large = False
        self._is_here = is_here

    async def read(self, headers: Mapping[str, str]) -> bytes:
        """The whole body. Raises `Refused` 400, 408 or 413."""
        if self._is_here:
            return await self._read()
        stated = headers.get("content-length", "")
        if stated.isdigit() and int(stated) > self._most:
            await self._read_past()
        try:
            async with asyncio.timeout(self._seconds):
                return await self._read()
        except TimeoutError:
            if self._is_large:
                raise self._too_large() from None
            sentence = TOO_SLOW.format(seconds=self._seconds)
            raise Refused(408, "body_too_slow", sentence, CLOSING) from None

    async def _read(self) -> bytes:
        piece = await self._piece()
        received = bytearray(piece.get("body", b""))
        while piece.get("more_body"):
            if len(received) > self._most:
                received.clear()
                await self._read_past()
            piece = await self._piece()
            received += piece.get("body", b"")
        if len(received) > self._most:
            raise self._too_large()
        return bytes(received)

    async def _read_past(self) -> None:
        """Refuse a body that is too large, after its end: who still sends does not listen."""
        self._is_large, past, more = True, 0, True
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                while more and past < READ_PAST * self._most:
                    piece = await self._piece()
                    past += len(piece.get("body", b""))
                    more = bool(piece.get("more_body"))
        raise self._too_large()

    async def _piece(self) -> Any:
        piece = await self._receive()
        if piece["type"] == "http.disconnect":
            raise Refused(400, "body_cut_off", CUT_OFF)
        return piece

    def _too_large(self) -> Refused:
        return Refused(413, "body_too_large", TOO_LARGE.format(most=self._most), CLOSING)
