"""How a reply leaves: at once or in pieces, slowly, cut off, or never."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Pieces(Response):
    """A body sent piece by piece without a content length, as streams are.

    `seconds` is spread over the pieces; `cut` ends the connection in the middle, so that the
    reader sees an incomplete body.
    """

    def __init__(
        self,
        pieces: Sequence[bytes],
        headers: dict[str, str],
        *,
        status: int = 200,
        seconds: float = 0.0,
        cut: bool = False,
    ) -> None:
        super().__init__(None, status, headers)
        del self.headers["content-length"]
        kept = max(len(pieces) // 2, 1) if cut else len(pieces)
        self.pieces = pieces[:kept]
        self.pause = seconds / max(len(pieces), 1)
        self.cut = cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        for piece in self.pieces:
            await asyncio.sleep(self.pause)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        # An application that returns without an end makes the server drop the connection.
        if not self.cut:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


class Never(Response):
    """No reply at all: it waits until the caller gives up."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
