"""Where to send and with which key; what is refused before a key leaves this host."""

from __future__ import annotations

import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from factories_sending import between

from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.spool.posting import Target, fetch_hash_key, post_lines, target_of

KEY = "hfl_0123abcd_" + "A" * 43


def given(url: str, key: str = KEY, **more: str) -> Target | None:
    return target_of({"HF_LEDGER_SERVER": url, "HF_LEDGER_KEY": key, **more})


def test_nothing_is_sent_where_nobody_said_where() -> None:
    assert target_of({}) is None
    assert target_of({"HF_LEDGER_KEY": KEY, "HF_LEDGER_SERVER": " "}) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://ledger.example:8501",
        "https://ledger.example/behind/a/path/",
        "http://127.0.0.1:8501",
        "http://localhost:8501",
        "http://[::1]:8501",
    ],
)
def test_addresses_that_are_safe(url: str) -> None:
    assert given(url) == Target(url.rstrip("/"), KEY)


@pytest.mark.parametrize("url", ["http://ledger.example:8501", "http://10.0.0.8:8501"])
def test_a_key_goes_in_the_clear_only_where_one_says_so(url: str) -> None:
    with pytest.raises(Usage, match="HF_LEDGER_ALLOW_HTTP=1"):
        given(url)
    assert given(url, HF_LEDGER_ALLOW_HTTP="1") == Target(url, KEY)


@pytest.mark.parametrize(
    "url",
    [
        "ledger.example:8501",
        "ftp://ledger.example",
        "https://",
        "https://me:secret@ledger.example",
        "https://ledger.example?key=1",
        "https://ledger.example#x",
        "https://ledger.example:port",
        "https://[ledger",
        "https://ledger.example\n.evil",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(Usage, match="is no address"):
        given(url)


@pytest.mark.parametrize("key", ["hf_token", KEY + "\nx", KEY[:-1], "hfl_" + "Ä" * 52])
def test_what_is_no_key_is_not_quoted(key: str) -> None:
    with pytest.raises(Usage, match="is no key") as raised:
        given("https://ledger.example", key)
    assert key not in str(raised.value)


def test_without_a_key_one_is_told_how_to_make_one() -> None:
    with pytest.raises(Usage, match="hf-ledger key create"):
        given("https://ledger.example", " ")


def test_a_target_shows_no_key() -> None:
    assert KEY not in repr(given("https://ledger.example"))


def test_a_redirect_is_not_followed_so_that_the_key_stays() -> None:
    with between(says=(200, b'{"accepted": 1}')) as elsewhere, between(says=(307, b"")) as server:
        server.headers = {"location": elsewhere.url}
        answer = post_lines(Target(server.url, KEY), "s", b"{}\n")
        assert (answer.status, elsewhere.seen) == (307, [])
        assert fetch_hash_key(Target(server.url, KEY)).status == 307


def test_proxies_of_the_environment_do_not_see_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with between(says=(200, b"{}")) as proxy, between(says=(200, b'{"accepted": 1}')) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        assert post_lines(Target(server.url, KEY), "s", b"{}\n").body == {"accepted": 1}
        assert proxy.seen == []


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [("7", 7.0), ("999999", 3600.0), ("-1", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)],
)
def test_retry_after_is_bounded(stated: str, seconds: float | None) -> None:
    with between(says=(429, b"")) as server:
        server.headers = {"retry-after": stated}
        answer = post_lines(Target(server.url, KEY), "s", b"{}\n")
    assert (answer.status, answer.retry_after) == (429, seconds)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"{", b"[" * 100_000, b"\xff"])
def test_any_body_is_an_answer(body: bytes) -> None:
    with between(says=(200, body)) as server:
        assert post_lines(Target(server.url, KEY), "s", b"{}\n").body == {}


def test_nobody_there_is_an_answer_without_a_status() -> None:
    answer = post_lines(Target("http://127.0.0.1:1", KEY), "s", b"{}\n")
    assert (answer.status, answer.said) == (None, "no answer (Connection refused)")


def test_a_server_that_hangs_up_is_an_answer_too() -> None:
    with between(says=(200, b"{}"), forgets=1) as server:
        answer = post_lines(Target(server.url, KEY), "s", b"{}\n")
    assert answer.status is None
    assert KEY not in answer.said


def test_a_certificate_nobody_vouches_for_gets_no_key(tmp_path: Path) -> None:
    made = tmp_path / "made.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    try:
        subprocess.run(
            [*command, "-keyout", made, "-out", tmp_path / "c.pem"], check=True, capture_output=True
        )
    except FileNotFoundError:
        pytest.skip("the command openssl is not installed here")
    made.write_bytes(made.read_bytes() + (tmp_path / "c.pem").read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made)
    asked: list[str] = []

    class Asked(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.headers["authorization"])

    with HTTPServer(("127.0.0.1", 0), Asked) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.timeout = 5
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"https://localhost:{server.server_address[1]}"
        answer = post_lines(Target(url, KEY), "s", b"{}\n")
        thread.join()
    assert (answer.status, asked) == (None, [])
