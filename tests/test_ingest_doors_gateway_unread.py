"""Replies that wait in memory: whole ones, for minutes, within their bytes."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.types import Message

from hf_ledger.ingest.doors.gateway.unread import KEPT_SECONDS, MOST_REPLY_BYTES, Reply, Unread


def reply(body: bytes = b"answer", **said: Any) -> Reply:
    return Reply(**{"status": 200, "body": body, "whole": True, **said})


def test_a_reply_is_given_again_as_it_was() -> None:
    unread = Unread()
    unread.keep("a", reply(headers={"content-type": "application/json", "x-other": "1"}))
    again = unread.again("a", "id-1")
    assert again is not None
    assert (again.status, again.body("id-2")) == (200, b"answer")
    assert again.headers == {
        "content-type": "application/json",
        "x-hf-ledger-repeated": "id-1",
    }
    assert unread.again("b", "id-1") is None


@pytest.mark.parametrize(
    "other", [{"status": 500}, {"whole": False}, {"body": b"x" * (MOST_REPLY_BYTES + 1)}]
)
def test_only_good_and_whole_ones_are_held(other: dict[str, Any]) -> None:
    unread = Unread()
    unread.keep("a", reply(**other))
    assert unread.again("a", "id") is None


def test_after_ten_minutes_it_is_gone() -> None:
    now = [0.0]
    unread = Unread(clock=lambda: now[0])
    unread.keep("a", reply())
    now[0] = KEPT_SECONDS
    assert unread.again("a", "id") is not None
    now[0] += 1
    assert unread.again("a", "id") is None


def test_the_oldest_goes_where_there_is_no_room() -> None:
    unread = Unread(most_bytes=10)
    for name in ("a", "b", "a", "c"):
        unread.keep(name, reply(b"12345"))
    assert [unread.again(name, "id") is not None for name in ("a", "b", "c")] == [True, False, True]


async def test_what_is_sent_is_held_beside() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    held = Reply()
    beside = held.beside(send)
    messages: list[Message] = [
        {"type": "http.response.start", "status": 200, "headers": [(b"Content-Type", b"a/b")]},
        {"type": "http.response.body", "body": b"one ", "more_body": True},
        {"type": "http.response.body", "body": b"two"},
    ]
    for at, message in enumerate(messages):
        await beside(message)
        assert held.whole == (at == 2)
    assert sent == messages
    assert (held.status, held.body, held.headers) == (200, b"one two", {"content-type": "a/b"})
