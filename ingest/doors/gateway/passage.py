"""There and back: what was let through goes upstream, the reply's bytes come back as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp

from hf_ledger.ingest.doors.gateway.asking import Outcome, Tap
from hf_ledger.ingest.doors.gateway.edits import Edited, bounded
from hf_ledger.ingest.doors.gateway.passing import returned, sent_on
from hf_ledger.ingest.doors.gateway.recording import head_of
from hf_ledger.ingest.doors.gateway.upstream import refusal_of
from hf_ledger.ingest.doors.gateway.usage_events import WithoutUsage
from hf_ledger.ingest.doors.hook.decoding import decoder
from hf_ledger.ingest.doors.hook.flight import Trip

if TYPE_CHECKING:
    from hf_ledger.ingest.doors.gateway.door import Visit

#: A reply of a stated length up to this is read whole, so that its line is there before its end.
READ_WHOLE = 1 << 20
FAILURES = (aiohttp.ClientError, OSError, TimeoutError)
COST_HEADER = "x-hf-ledger-cost-estimate"


class Passage:
    """One request's way to the server that does the work, and the reply's way back."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.asking = visit.asking
        self.edited = self._edited()

    def _edited(self) -> Edited:
        """The body to send; changed only where a hard budget must know the worst case."""
        door, asking = self.visit.door, self.asking
        if asking.call is None or not door.bounds(asking):
            return Edited(asking.body)
        most = asking.key.limits.max_tokens if asking.key else None
        return bounded(asking.path, asking.body, most or door.limits.default_max_tokens)

    async def run(self) -> None:
        """Until the reply's last byte is on its way to the client, or the reply has failed."""
        try:
            reply = await self._sent()
        except FAILURES as error:
            await self._failed(error)
            return
        try:
            await self._pass_back(reply)
        finally:
            reply.close()

    async def _sent(self) -> aiohttp.ClientResponse:
        asking, upstream = self.asking, self.visit.door.upstream
        assert upstream is not None
        headers = sent_on(self.visit.scope["headers"])
        if self.edited.adds_usage:
            # A packed stream could not be looked into.
            headers = [pair for pair in headers if pair[0] != "accept-encoding"]
        query = self.visit.scope.get("query_string", b"").decode("ascii", "replace")
        url = asking.upstream + asking.path + ("?" + query if query else "")
        return await upstream.send(asking.method, url, headers, self.edited.body, asking.token)

    async def _pass_back(self, reply: aiohttp.ClientResponse) -> None:
        trip, tap = watching(reply, self.visit.trip), self._tap(reply)
        length = reply.content_length
        if length is not None and length <= READ_WHOLE and not self.edited.adds_usage:
            await self._whole(reply, trip, tap)
        else:
            await self._streamed(reply, trip, tap)

    def _tap(self, reply: aiohttp.ClientResponse) -> Tap | None:
        """What wants to have the answer, if something does; of most replies nothing is kept."""
        tap = self.visit.door.tap(self.asking) if reply.status == 200 else None
        if tap is not None:
            headers = reply.headers
            tap.opened(headers.get("content-type", ""), headers.get("content-encoding"))
        return tap

    async def _whole(
        self, reply: aiohttp.ClientResponse, trip: Trip | None, tap: Tap | None
    ) -> None:
        visit, asking = self.visit, self.asking
        try:
            body = await reply.read()
        except FAILURES as error:
            visit.over(error)
            await self._failed(error)
            return
        if trip is not None:
            trip.feed(body)
        visit.over(None)
        outcome = visit.finish(Outcome(status=reply.status))
        if outcome.cost is not None:
            asking.answer[COST_HEADER] = f"{outcome.cost:f}"
        await visit.begin(reply.status, returned(reply.raw_headers, asking.answer))
        await visit.send({"type": "http.response.body", "body": body})
        if tap is not None:
            tap.feed(body)
            tap.over(outcome)

    async def _streamed(
        self, reply: aiohttp.ClientResponse, trip: Trip | None, tap: Tap | None
    ) -> None:
        visit, status = self.visit, reply.status
        without = WithoutUsage() if self.edited.adds_usage and status == 200 else None
        headers = returned(reply.raw_headers, self.asking.answer)
        if without is not None:
            headers = [pair for pair in headers if pair[0] != b"content-length"]
        await visit.begin(status, headers)
        left = reply.content_length or 0
        try:
            async for piece in reply.content.iter_any():
                if trip is not None:
                    trip.feed(piece)
                if tap is not None:
                    tap.feed(piece)
                left -= len(piece)
                if left == 0:
                    # The client knows the length: with these bytes it has the end.
                    visit.over(None)
                    visit.finish(Outcome(status=status))
                shown = piece if without is None else without.feed(piece)
                if shown:
                    await visit.send(
                        {"type": "http.response.body", "body": shown, "more_body": True}
                    )
        except FAILURES as error:
            # The head is out: all that can be said is that the reply is not whole, by its end.
            visit.over(error)
            visit.finish(Outcome(status=status))
            return
        visit.over(None)
        outcome = visit.finish(Outcome(status=status))
        rest = b"" if without is None else without.close()
        await visit.send({"type": "http.response.body", "body": rest})
        if tap is not None:
            tap.over(outcome)

    async def _failed(self, error: BaseException) -> None:
        """No reply, or not the whole of one, before anything went back."""
        visit, refused = self.visit, refusal_of(error)
        if visit.trip is not None:
            visit.trip.failed(error)
        visit.finish(Outcome(status=refused.status))
        await visit.answer(refused)


def watching(reply: aiohttp.ClientResponse, trip: Trip | None) -> Trip | None:
    """The trip that wants to see the reply's bytes, if one does."""
    head = head_of(list(reply.raw_headers))
    if trip is None or not trip.wants(reply.status, head):
        return None
    if "content-encoding" in head:
        trip.decode = decoder(head["content-encoding"])
    return trip
