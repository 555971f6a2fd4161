"""One row a call, whatever layers it passes: clients in clients, gateways, our client, imports."""

from __future__ import annotations

import asyncio
import csv
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import requests
from factories_imports import run
from factories_practice import calls, chat, counted, only_call, recorded
from factories_replies import Reply, Server, plain, replying, streamed

import hf_ledger
from hf_ledger import HuggingFaceInferenceClient
from hf_ledger.analytics.connect import connect
from hf_ledger.ingest.call import OpenCall, Withdrawn
from hf_ledger.ingest.doors.hook.recording import stop
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect

GATEWAY = {"x-hf-ledger-call-id": "01", "content-type": "application/json"}


@pytest.fixture
def server() -> Iterator[Server]:
    """A router of one's own, known to recorder and importer by the settings."""
    with replying() as running:
        yield running


@pytest.fixture
def recording(server: Server, places: Places) -> Iterator[None]:
    places.make()
    places.config.write_text(
        f'[targets.own]\nkind = "router"\nurl = "{server.url("/v1")}"\nmodel = "acme/a"\n'
    )
    hf_ledger.record(app="shop")
    yield
    stop()


# -- a client inside a client ----------------------------------------------------------------------


class OverAiohttp(httpx.AsyncBaseTransport):
    """An httpx transport that sends by aiohttp, as litellm's does."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.session = aiohttp.ClientSession()
        reply = await self.session.post(str(request.url), data=request.content)
        headers = {"content-type": reply.headers["content-type"]}
        return httpx.Response(reply.status, headers=headers, stream=Pieces(reply))

    async def aclose(self) -> None:
        await self.session.close()


class Pieces(httpx.AsyncByteStream):
    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self._reply = reply

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._reply.content.iter_any():
            yield piece

    async def aclose(self) -> None:
        self._reply.close()


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_httpx_over_aiohttp_is_one_call(
    server: Server, places: Places, recording: None, stream: bool
) -> None:
    url = server.answer(streamed() if stream else plain())
    async with httpx.AsyncClient(transport=OverAiohttp()) as client:
        reply = await client.post(url, json=chat(stream=stream))
        assert b"usage" in reply.content
        assert (only_call(places).outcome, only_call(places).output_tokens) == ("ok", 4)


class OverRequests(httpx2.BaseTransport):
    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        reply = requests.post(str(request.url), data=request.content, timeout=9)
        return httpx2.Response(reply.status_code, content=reply.content)


def test_httpx_over_requests_is_one_call(server: Server, places: Places, recording: None) -> None:
    url = server.answer(plain())
    with httpx2.Client(transport=OverRequests()) as client:
        client.post(url, json=chat())
    assert only_call(places).output_tokens == 4


class OverHttpx(requests.adapters.HTTPAdapter):
    def get_connection_with_tls_context(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        httpx.post(request.url, content=request.body)  # somebody warms a cache, say
        return super().get_connection_with_tls_context(request, *args, **kwargs)


def test_what_an_adapter_sends_meanwhile_is_the_same_call(
    server: Server, places: Places, recording: None
) -> None:
    session = requests.Session()
    session.mount("http://", OverHttpx())
    session.post(server.answer(plain()), json=chat(), timeout=9)
    assert len(server.bodies) == 2
    assert only_call(places).output_tokens == 4


async def test_the_next_call_is_seen_again(server: Server, places: Places, recording: None) -> None:
    """Also by the inner client, also after a failure, also from a task begun before."""
    url = server.answer(plain())
    async with httpx.AsyncClient(transport=OverAiohttp()) as client:
        await client.post(url, json=chat())
        with pytest.raises(httpx.ConnectError):
            httpx.post("http://127.0.0.1:9/v1/chat/completions", json=chat())
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(session.post(url, json=chat(str(n))) for n in range(3)))
        while len(calls(places)) < 4:
            await asyncio.sleep(0.01)
    assert [call.outcome for call in calls(places)] == ["ok"] * 4


# -- a gateway that is not yet known ---------------------------------------------------------------

PROGRAM = """
import hf_ledger
hf_ledger.record(hosts=["{host}=router"])
import {library} as client
client.post("{url}", json={{"model": "a/b", "messages": []}})
"""


def run_program(server: Server, url: str, library: str = "httpx2") -> None:
    code = PROGRAM.format(host=server.host, url=url, library=library)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def outcomes(places: Places) -> list[str]:
    """Of all rows, after everything in the spool is taken and nobody writes any more."""
    with Ledger.open(places) as ledger:
        collect(ledger, places)
        cursor = ledger.cursor()
        assert cursor.execute("select count(*) from open_calls").fetchall() == [(0,)]
        return [outcome for (outcome,) in cursor.execute("select outcome from calls").fetchall()]


@pytest.mark.parametrize("library", ["httpx2", "requests"])
def test_a_long_call_through_an_unknown_gateway_leaves_no_lost_row(
    server: Server, places: Places, library: str
) -> None:
    url = server.answer(plain(headers=GATEWAY, pause=1.6))
    run_program(server, url, library)
    kinds = [type(line) for line in recorded(places)]
    assert [kinds.count(kind) for kind in (OpenCall, Withdrawn)] == [1, 1]
    assert kinds.index(OpenCall) < kinds.index(Withdrawn)
    assert outcomes(places) == []


def test_neither_does_a_redirect_that_takes_long(server: Server, places: Places) -> None:
    moved = Reply(status=307, headers={"location": server.url()}, pause=1.6)
    run_program(server, server.answer(moved))
    assert any(isinstance(line, Withdrawn) for line in recorded(places))
    assert counted(places)["other"] == 1
    assert outcomes(places) == []


def test_a_withdrawal_may_come_in_a_later_batch(server: Server, places: Places) -> None:
    run_program(server, server.answer(plain(headers=GATEWAY, pause=1.6)))
    (segment,) = places.spool.glob("*.ndjson")
    lines = segment.read_bytes().splitlines(keepends=True)
    mark = next(index for index, line in enumerate(lines) if b'"withdrawn"' in line)
    segment.write_bytes(b"".join(lines[: mark - 1]))
    with Ledger.open(places) as ledger:
        collect(ledger, places)
        with segment.open("ab") as file:
            file.write(b"".join(lines[mark - 1 :]))
        collect(ledger, places)
    assert outcomes(places) == []


def test_a_call_with_a_mark_and_an_end_is_one_row_as_before(server: Server, places: Places) -> None:
    run_program(server, server.answer(plain(pause=1.6)))
    assert not any(isinstance(line, Withdrawn) for line in recorded(places))
    assert outcomes(places) == ["ok"]


# -- hook, client and imports of the same traffic --------------------------------------------------


def traffic(server: Server) -> int:
    """Calls by every layer: bare clients, our client, streamed and failed; how many it makes."""
    url = server.answer(plain())
    httpx2.post(url, json=chat("one"))
    requests.post(url, json=chat("two"), timeout=9)
    with HuggingFaceInferenceClient(target="own", token="hf_x") as client:
        client.chat_completion([{"role": "user", "content": "three"}])
        server.answer(streamed())
        list(client.chat_completion([{"role": "user", "content": "four"}], stream=True))
    server.answer(plain(status=500))
    httpx.post(url, json=chat("five"))
    return 5


def entries(places: Places, *columns: str) -> list[tuple[Any, ...]]:
    with Ledger.open(places) as ledger:
        collect(ledger, places)
        names = ", ".join(columns)
        return ledger.cursor().execute(f"select {names} from entries order by ts").fetchall()


def matched(places: Places) -> int:
    with connect(places) as session:
        (row,) = session.ask("matches").to_pylist()
    return int(row["calls"])


def test_one_row_a_call_with_hook_and_client_on(
    server: Server, places: Places, recording: None
) -> None:
    expected = traffic(server)
    stop()
    assert len(server.bodies) == expected
    assert entries(places, "source", "outcome", "request_id") == [
        ("hook", "ok", "r001"),
        ("hook", "ok", "r002"),
        ("client", "ok", "r003"),
        ("client", "ok", "r004"),
        ("hook", "error", "r005"),
    ]


def test_an_archive_of_the_same_traffic_is_matched_call_by_call(
    server: Server,
    places: Places,
    recording: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected = traffic(server)
    stop()
    archive = tmp_path / "traffic.har"
    archive.write_text(json.dumps(server.archive()))
    assert run("har", archive) == 0
    said = capsys.readouterr().out
    assert f"{expected} of them carry the request id of a call that was also recorded" in said
    assert matched(places) == expected
    assert run("har", archive) == 0
    assert "0 new in the ledger" in capsys.readouterr().out
    rows = entries(places, "origin", "request_id", "input_tokens", "output_tokens", "outcome")
    live = [row[1:] for row in rows if row[0] == "live"]
    assert len(live) == expected, "an import never adds to what was recorded"
    assert sorted(row[1:] for row in rows if row[0] == "import") == sorted(live)


def test_a_litellm_log_of_the_same_traffic_is_matched(
    server: Server,
    places: Places,
    recording: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """LiteLLM knows a call by the id in the reply's body."""
    traffic(server)
    stop()
    now = datetime.now(UTC).isoformat()
    path = tmp_path / "spend.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["request_id", "startTime", "endTime", "model", "call_type", "spend"])
        for name in ("r001", "r002", "elsewhere"):
            model = "huggingface/cerebras/acme/a"
            rows.writerow([name, now, now, model, "acompletion", "0.001"])
    assert run("litellm", path) == 0
    assert "2 of them carry the request id" in capsys.readouterr().out
    assert matched(places) == 2
