"""Hostile clients and hostile servers: a clear error in time, nothing leaked, nothing left open."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from factories_gateway import CHAT, SECRET, TOKEN, Running, chat, gateway
from factories_hostile import requests
from factories_hostile_servers import ACTS, Act, upstream
from factories_hostile_visits import CLOSED, Hostile, statuses_of
from factories_practice import calls, counted

from hf_ledger.ingest.doors.gateway import listening

REQUESTS = {each.name: each for each in requests()}
#: Replies that are whole, however odd what they say is: they pass as they are.
WHOLE = frozenset({
    "HTML", "an error in HTML", "too much", "invalid gzip", "an odd status", "deep JSON",
    "no body where one may not be", "a redirect to itself", "a redirect elsewhere",
    "events without an end", "an event of 32 MB", "events that are no JSON",
    "events in invalid UTF-8", "an error among events", "two lengths", "an injected header",
})  # fmt: skip


FAILED = (CLOSED, 502, 504)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with (
        pytest.MonkeyPatch.context() as patched,
        gateway(tmp_path_factory.mktemp("gateway"), body_seconds=1.0) as running,
    ):
        patched.setattr(listening, "HEAD_SECONDS", 1.0)
        yield running


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# -- clients ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REQUESTS)
def test_a_hostile_request_is_answered_in_time(shared: Running, name: str) -> None:
    hostile = REQUESTS[name]
    found = asyncio.run(visited(shared, hostile))
    assert set(found) <= hostile.statuses, f"{found} is not among {sorted(hostile.statuses)}"


async def visited(running: Running, hostile: Hostile) -> list[int]:
    return await statuses_of(hostile, "127.0.0.1", running.port, f"Bearer {SECRET}")


def test_afterwards_it_works_and_holds_nothing(shared: Running) -> None:
    assert shared.post().status_code == 200
    deadline = time.monotonic() + 5
    while len(shared.noted.asked) > len(shared.noted.ended):
        assert time.monotonic() < deadline, "a request was begun and never ended"
        time.sleep(0.05)
    assert counted(shared.places)["recorder_error"] == 0
    for each in calls(shared.places):
        assert each.outcome in ("ok", "error", "refused", "cancelled", "interrupted")


def test_bytes_at_random(shared: Running) -> None:
    """Requests with bytes changed, dropped and doubled anywhere: none is served by mistake."""
    drawn = random.Random(4)
    begun = time.monotonic()
    before = descriptors()
    body = b'{"model":"m","messages":[{"role":"user","content":"hello"}]}'
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\n"
    good = f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body

    async def one(data: bytes) -> list[int]:
        hostile = Hostile("random", lambda _key: iter([data]), frozenset(), half_close=True)
        return await visited(shared, hostile)

    async def all_of_them() -> list[int]:
        found: list[int] = []
        for _ in range(30):
            several = [one(mutated(good, drawn)) for _ in range(10)]
            for statuses in await asyncio.gather(*several):
                found += statuses
        return found

    found = asyncio.run(all_of_them())
    assert len(found) >= 300
    assert set(found) <= {CLOSED, 200, 400, 401, 404, 405, 408, 413, 431, 501, 505}
    assert 500 not in found
    assert time.monotonic() - begun < 60
    assert descriptors() <= before + 40
    assert shared.post().status_code == 200


def mutated(data: bytes, drawn: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(drawn.randint(1, 4)):
        at = drawn.randrange(len(changed))
        match drawn.randrange(4):
            case 0:
                changed[at] = drawn.randrange(256)
            case 1:
                del changed[at : at + drawn.randint(1, 8)]
            case 2:
                changed[at:at] = changed[at : at + drawn.randint(1, 40)]
            case _:
                changed[at:at] = drawn.choice([b"\r\n", b"\x00", b"\n", b": ", b"\xff", b"%00"])
    return bytes(changed)


# -- servers ---------------------------------------------------------------------------------------


@asynccontextmanager
async def before(act: Act, root: Path) -> AsyncIterator[Running]:
    """A gateway before a server that does this."""
    async with upstream(act) as server:
        with gateway(root, upstream_url=server.url, silent_s=0.5) as running:
            yield running


async def asked(running: Running, *, stream: bool) -> tuple[int, bytes]:
    """The status, and the body as far as it came; a body that is not whole counts as closed."""
    received = b""
    async with httpx.AsyncClient(timeout=15) as client:
        try:
            async with client.stream(
                "POST",
                running.url + CHAT,
                json=chat(stream=stream),
                headers={"authorization": f"Bearer {SECRET}"},
            ) as reply:
                async for piece in reply.aiter_raw():
                    received += piece
                return reply.status_code, received
        except httpx.RemoteProtocolError:
            return CLOSED, received


@pytest.mark.parametrize("name", ACTS)
def test_a_hostile_server_is_an_error_in_time(tmp_path: Path, name: str) -> None:
    async def visit() -> tuple[int, bytes]:
        async with before(ACTS[name], tmp_path) as running:
            begun = time.monotonic()
            found = await asked(running, stream="event" in name)
            assert time.monotonic() - begun < 12
            for _ in range(100):
                if running.noted.ended and calls(running.places):
                    break
                await asyncio.sleep(0.02)
            rows = calls(running.places)
            # A redirect is no call: whoever follows it makes one.
            assert len(rows) == (0 if "redirect" in name else 1)
            assert len(running.noted.ended) == 1
            for row in rows:
                assert row.outcome in ("error", "interrupted") or found[0] not in FAILED
                assert row.output_tokens is None or row.output_tokens >= 0
            assert counted(running.places)["recorder_error"] == 0
            return found

    status, received = asyncio.run(visit())
    if name not in WHOLE:
        assert status in FAILED, f"{status}: {received[:100]!r}"
    assert TOKEN.encode() not in received
    assert b"127.0.0.1" not in received or name == "a redirect elsewhere"
    if status in (502, 504) and name != "an error in HTML":
        assert b'"type":"gateway"' in received
