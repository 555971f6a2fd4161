"""What docs/security.md says of the gateway, tried from outside where no other test does so."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from factories_gateway import CHAT, KEY, MODEL, SECRET, TOKEN, Running, chat, gateway, running
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from hf_ledger.ingest.doors.gateway.asking import Asking, Outcome
from hf_ledger.ingest.doors.gateway.checks.authentication import Authentication
from hf_ledger.ingest.doors.gateway.checks.compliance import Compliance
from hf_ledger.ingest.doors.gateway.compliance.policy import Policy
from hf_ledger.ingest.doors.gateway.limits.exchanging import Exchange, Reply
from hf_ledger.ingest.doors.gateway.opening import Gateway, Plan
from hf_ledger.ingest.doors.gateway.state import Screening
from hf_ledger.ingest.doors.gateway.upstream import Upstream, refusal_of
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places

CARD = "4111 1111 1111 1111"


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Running]:
    with gateway(tmp_path) as one:
        yield one


def app_of(answer: Any) -> Starlette:
    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])


def exchanged(running: Running, head: bytes) -> bytes:
    """What comes back for these very bytes and a chat behind them."""
    body = json.dumps(chat()).encode()
    sent = head + b"Content-Type: application/json\r\nConnection: close\r\n"
    sent += b"Authorization: Bearer %s\r\n" % SECRET.encode()
    with closing(socket.create_connection(("127.0.0.1", running.port), 10)) as connected:
        connected.sendall(sent + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        received = b""
        while piece := connected.recv(1 << 16):
            received += piece
    return received


@pytest.mark.parametrize(
    "head",
    [
        b"POST http://evil.example%s HTTP/1.1\r\nHost: evil.example\r\n" % CHAT.encode(),
        b"POST %s HTTP/1.1\r\nHost: evil.example\r\n" % CHAT.encode(),
        b"POST %s HTTP/1.1\r\nHost: 169.254.169.254\r\nX-Forwarded-Host: evil.example\r\n"
        % CHAT.encode(),
    ],
)
def test_no_request_names_where_it_goes(started: Running, head: bytes) -> None:
    """Whatever a request calls its host, it goes to the gateway's own upstream or nowhere."""
    received = exchanged(started, head)
    status = int(received.split()[1])
    assert status in (200, 400, 404)
    for seen in started.witness.seen:
        assert seen.headers["host"].startswith("127.0.0.1:")
        assert "x-forwarded-host" not in seen.headers
    assert len(started.witness.seen) == (status == 200)


@pytest.mark.parametrize("path", ["/together/v1/batches", "/openai/v1/files", "/x/v1/uploads"])
def test_work_that_no_budget_would_count_is_not_passed_on(started: Running, path: str) -> None:
    reply = started.post(path)
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "unknown_path")
    assert started.witness.seen == []


def test_no_header_of_a_client_makes_another(started: Running) -> None:
    query = "?a=%0d%0aX-HF-Bill-To:%20evil"
    assert started.post(CHAT + query, headers={"x-odd": "a\tb; c"}).status_code == 200
    (seen,) = started.witness.seen
    assert "x-hf-bill-to" not in seen.headers
    assert seen.headers["x-odd"] == "a\tb; c"
    received = exchanged(
        started, b"POST %s HTTP/1.1\r\nHost: x\r\nX-Odd: a\rX-HF-Bill-To: e\r\n" % CHAT.encode()
    )
    assert b" 200 " not in received.split(b"\r\n")[0]


def test_a_web_page_without_a_key_gets_nowhere(started: Running) -> None:
    """Nor does a preflight let it try: no header of ours tells a browser that it may."""
    page = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    with httpx.Client(base_url=started.url, headers=page) as browser:
        replies = [
            browser.options(CHAT),
            browser.post(CHAT, json=chat()),
            browser.post(CHAT, content=json.dumps(chat()), headers={"content-type": "text/plain"}),
            browser.get("/v1/models"),
        ]
    assert [each.status_code for each in replies] == [405, 401, 401, 401]
    for each in replies:
        assert not [name for name in each.headers if name.startswith("access-control-")]
    assert started.witness.seen == []


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    elsewhere: list[str] = []

    async def kept(request: Request) -> Response:
        elsewhere.append(request.headers.get("authorization", ""))
        return JSONResponse({})

    with running(app_of(kept), "off") as port:

        async def sent_away(_request: Request) -> Response:
            return RedirectResponse(f"http://127.0.0.1:{port}/stolen", 307)

        with gateway(tmp_path, upstream=app_of(sent_away)) as one:
            assert one.post().status_code == 307
    assert elsewhere == []


@pytest.mark.parametrize("own", ["", "sk-of-that-server"])
def test_a_server_of_ones_own_never_sees_the_token(tmp_path: Path, own: str) -> None:
    shown: list[dict[str, str]] = []

    async def answer(request: Request) -> Response:
        shown.append(dict(request.headers))
        return JSONResponse({"choices": []})

    screened = replace(KEY, screening=Screening(on=True, found="route", target="inside"))
    with running(app_of(answer), "off") as port:
        target = f"http://127.0.0.1:{port}"
        checks = (Compliance(Policy(), {"inside": target}),)
        with gateway(tmp_path, key=screened, checks=checks) as one:
            one.door.tokens = {target: own} if own else {}
            assert one.post(json=chat(f"pay with {CARD}")).status_code == 200
            assert one.witness.seen == []
    (headers,) = shown
    assert headers.get("authorization") == (f"Bearer {own}" if own else None)
    assert TOKEN not in str(headers)
    assert SECRET not in str(headers)
    assert "x-hf-bill-to" not in headers


async def test_what_goes_to_a_server_of_ones_own_passes_no_proxy_that_it_is_exempt_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What may only stay in the house is shown to no stranger on its way."""
    through: list[str] = []

    async def proxied(request: Request) -> Response:
        through.append(request.headers["host"])
        return JSONResponse({})

    async def direct(_request: Request) -> Response:
        return JSONResponse({"direct": True})

    with running(app_of(proxied), "off") as proxy, running(app_of(direct), "off") as inside:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        upstream = Upstream(lambda: TOKEN, proxy=f"http://127.0.0.1:{proxy}")
        url = f"http://127.0.0.1:{inside}/v1/x"
        own = await upstream.send("POST", url, [], b"{}", "")
        assert await own.json() == {"direct": True}
        assert through == []
        ours = await upstream.send("POST", "http://huggingface.example/v1/x", [], b"{}")
        assert (ours.status, through) == (200, ["huggingface.example"])
        await upstream.close()


def self_signed(folder: Path) -> ssl.SSLContext:
    """What a server shows that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def test_upstream_must_show_a_good_certificate(tmp_path: Path) -> None:
    received: list[bytes] = []

    async def listening(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read(1 << 16))
        writer.close()

    context = self_signed(tmp_path)
    server = await asyncio.start_server(listening, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    upstream = Upstream(lambda: TOKEN, connect_s=5)
    with pytest.raises(aiohttp.ClientConnectorCertificateError) as caught:
        await upstream.send("POST", f"https://localhost:{port}/v1/x", [], b"{}")
    assert refusal_of(caught.value).code == "upstream_unreachable"
    await upstream.close()
    server.close()
    assert b"".join(received) == b""


def test_upstream_cannot_speak_as_the_gateway(tmp_path: Path) -> None:
    async def forged(_request: Request) -> Response:
        headers = {
            "x-hf-ledger-call-id": "forged",
            "x-hf-ledger-budget-left": "0",
            "set-cookie": "session=of-the-token",
        }
        return JSONResponse({"choices": []}, headers=headers)

    with gateway(tmp_path, upstream=app_of(forged)) as one:
        reply = one.post()
    assert reply.headers["x-hf-ledger-call-id"] != "forged"
    assert "x-hf-ledger-budget-left" not in reply.headers
    assert "set-cookie" not in reply.headers


def test_replies_of_64_clients_never_meet(tmp_path: Path) -> None:
    async def echo(request: Request) -> Response:
        asked = await request.json()
        said = asked["messages"][0]["content"]
        await asyncio.sleep(int(said.split()[1]) % 5 / 200)
        return JSONResponse({"choices": [{"message": {"content": said}}]})

    async def one(client: httpx.AsyncClient, number: int) -> None:
        for turn in range(3):
            text = f"client {number} {turn} " + "x" * number
            reply = await client.post(CHAT, json=chat(text))
            assert reply.json()["choices"][0]["message"]["content"] == text

    async def all_of_them(url: str) -> None:
        headers = {"authorization": f"Bearer {SECRET}"}
        limits = httpx.Limits(max_connections=64)
        async with httpx.AsyncClient(
            base_url=url, headers=headers, timeout=20, limits=limits
        ) as client:
            await asyncio.gather(*(one(client, number) for number in range(64)))

    with gateway(tmp_path, upstream=app_of(echo)) as started:
        asyncio.run(all_of_them(started.url))
        assert len(started.witness.seen) == 64 * 3


class Breaking:
    """A check with a fault of ours in it."""

    name = "breaking"

    def check(self, asking: Asking) -> None:
        raise RuntimeError("a fault of ours")

    def finish(self, asking: Asking, outcome: Outcome) -> None:
        """Nothing is held."""


class Kept(logging.Handler):
    """Keeps what a log would show, traceback and all."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += logging.Formatter().format(record)


def test_a_crash_shows_no_secret(tmp_path: Path) -> None:
    log, kept = logging.getLogger("uvicorn.error"), Kept()
    with gateway(tmp_path, checks=[Breaking()]) as one:
        log.addHandler(kept)
        log.setLevel("ERROR")
        try:
            reply = one.post(json=chat("a marker of a prompt"))
        finally:
            log.removeHandler(kept)
    assert (reply.status_code, one.witness.seen) == (500, [])
    assert "a fault of ours" in kept.text
    for secret in (TOKEN, SECRET, "a marker of a prompt", MODEL):
        assert secret not in kept.text + reply.text


def test_keys_are_compared_in_constant_time() -> None:
    """By construction: the one place where a key is held against another."""
    assert "hmac.compare_digest(kept, key_hash(raw))" in inspect.getsource(Authentication._known)


class NoOwner:
    """A ledger's owner that is not there."""

    async def exchange(self, message: Exchange) -> Reply:
        raise Unusable("nobody")

    def close(self) -> None:
        """Nothing to let go of."""


async def test_who_has_no_key_cannot_fill_the_disk(tmp_path: Path) -> None:
    """Each is answered; of one address ten are noted at once, then one in six seconds."""
    places = Places(tmp_path / "ledger")
    places.make()
    one = Gateway(places, Plan(), lambda: TOKEN, NoOwner())
    transport = httpx.ASGITransport(app=one.door)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        for path in (CHAT, "/v1/nothing", "/%2e%2e/x") * 20:
            assert (await client.post(path, json=chat())).status_code in (400, 401, 404)
    lines = [
        json.loads(line)["kind"]
        for path in (places.root / "audit").glob("*.ndjson")
        for line in path.read_bytes().splitlines()
    ]
    assert lines.count("decided") == lines.count("finished") == 10
    await one.close()
