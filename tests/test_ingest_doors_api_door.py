"""The door without HTTP: what waits in the spool, and slots that are always given back."""

from __future__ import annotations

from contextlib import closing

from factories_api import batch, posted
from factories_imports import MIDNIGHT

from hf_ledger.ingest.doors.api.door import Door, refusal, spool_waiting
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect

DAY_NS = 86_400 * 10**9


def test_what_waits_is_what_the_collector_has_not_taken(places: Places) -> None:
    with Ledger.open(places) as ledger, closing(Door(ledger, places)) as door:
        assert spool_waiting(ledger, places) == 0
        content = batch(posted(1), posted(2))
        assert door.take_calls("k", content).status == 200
        assert spool_waiting(ledger, places) > len(content) // 2
        collect(ledger, places)
        assert spool_waiting(ledger, places) == 0


def test_a_refused_batch_gives_its_slot_back(places: Places) -> None:
    with Ledger.open(places) as ledger, closing(Door(ledger, places, most_at_once=1)) as door:
        for _ in range(5):
            assert door.take_calls("k", b"[").status == 400
            assert door.take_traces(b"{").status == 400
        assert door.take_calls("k", batch(posted(1))).status == 200


def test_the_doors_clock_says_what_is_the_future(places: Places) -> None:
    early = MIDNIGHT * 1000 - 2 * DAY_NS
    with (
        Ledger.open(places) as ledger,
        closing(Door(ledger, places, clock=lambda: early)) as door,
    ):
        reply = door.take_calls("k", batch(posted(1)))
        assert reply.status == 422
        assert "in the future" in str(reply.body["rejected"])


def test_a_refusal_says_when_to_come_again_only_where_it_helps() -> None:
    assert refusal(413, "Too large.").headers == {}
    assert refusal(429, "Busy.", retry_after=2).headers == {"retry-after": "2"}
    assert refusal(429, "Busy.").body == {"error": {"message": "Busy."}}
