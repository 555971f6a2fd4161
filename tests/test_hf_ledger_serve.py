"""The server as people start it: a real process, its routes, its refusals, its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser import Server, serving
from factories_calls import make_call, spool

from hf_ledger.analytics.connect import connect
from hf_ledger.dashboard.web import options
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.ledger.owner import living_owner
from hf_ledger.ingest.places import Places
from hf_ledger.listening import address_of, host_names, listen
from hf_ledger.serve import checkout
from hf_ledger.settings import Settings


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(Places(tmp_path_factory.mktemp("server") / "ledger")) as started:
        yield started


def get(server: Server, path: str, **more: Any) -> httpx.Response:
    return httpx.get(server.url + path, timeout=20, **more)


def command(places: Places, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`hf-ledger serve` where it is expected to refuse."""
    return subprocess.run(
        [sys.executable, "-m", "hf_ledger.cli", "serve", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "HF_LEDGER_DIR": str(places.root)},
    )


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The refusal: exit 2, one line, no traceback."""
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_it_prints_the_address_and_the_three_lines(server: Server) -> None:
    assert f"hf-ledger is at {server.url}" in server.printed
    assert "pip install -e" in server.printed
    assert "nothing to set" in server.printed
    assert 'hf_ledger.record(app="search", team="search")' in server.printed


def test_it_tells_gateways_and_routers(server: Server) -> None:
    for file in (server.places.gateway_state, server.places.router_state):
        assert file.stat().st_mode & 0o777 == 0o600


def test_health(server: Server) -> None:
    reply = get(server, "/healthz")
    assert reply.status_code == 200
    assert reply.json()["status"] == "ok"


@pytest.mark.parametrize("path", ["/", "/calls", "/console?book=Sample"])
def test_pages_are_served(server: Server, path: str) -> None:
    reply = get(server, path)
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/api/nothing", "/v1/nothing", "/v1/x/y"])
def test_unknown_api_paths_are_json_404(server: Server, path: str, method: str) -> None:
    reply = httpx.request(method, server.url + path, timeout=20)
    assert reply.status_code == 404
    assert reply.json() == {"error": {"message": "There is no such path here."}}


@pytest.mark.parametrize(
    "path", ["/_stcore/metrics", "/_stcore/agent/interact", "/_stcore/agent/mcp"]
)
def test_what_is_streamlits_alone_is_hidden(server: Server, path: str) -> None:
    assert get(server, path).status_code == 404
    assert httpx.post(server.url + path, json={}, timeout=20).status_code == 404


def test_a_rebound_host_name_is_refused(server: Server) -> None:
    assert get(server, "/", headers={"host": "evil.example"}).status_code == 400
    assert get(server, "/healthz", headers={"host": "evil.example"}).status_code == 400


def test_assets_are_compressed_and_api_replies_are_not(server: Server) -> None:
    page = get(server, "/").text
    script = page.split('src="./static/js/', 1)[1].split('"', 1)[0]
    asset = get(server, f"/static/js/{script}", headers={"accept-encoding": "gzip"})
    assert asset.headers["content-encoding"] == "gzip"
    api = get(server, "/api/nothing", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in api.headers


def test_the_font_comes_from_the_package(server: Server) -> None:
    reply = get(server, "/app/static/inter-latin-wght.woff2")
    assert reply.status_code == 200
    assert reply.content[:4] == b"wOF2"


def test_the_owner_is_announced_and_answers(server: Server) -> None:
    owner = living_owner(server.places)
    assert owner is not None
    assert owner.address == server.url
    with connect(server.places) as session:
        assert session.ask("health").num_rows >= 1


def test_a_spooled_call_is_answered_for_within_two_seconds(server: Server) -> None:
    call = make_call(team="fresh")
    spool(server.places, [call])
    began = time.monotonic()
    with connect(server.places) as session:
        while not session.ask("call", call_id=call.call_id).num_rows:
            assert time.monotonic() - began < 2.0
            time.sleep(0.05)


def test_a_second_owner_is_told_who_holds_the_ledger(server: Server) -> None:
    said = one_sentence(command(server.places, "--port", "0"))
    assert "is held by another process" in said
    assert server.url in said


def test_a_port_in_use_is_one_sentence(server: Server, places: Places) -> None:
    port = server.url.rpartition(":")[2]
    said = one_sentence(command(places, "--port", port))
    assert f"Port {port} is in use" in said


def test_another_address_needs_insecure(places: Places) -> None:
    said = one_sentence(command(places, "--host", "0.0.0.0"))
    assert "--insecure" in said
    assert not places.ledger.exists()


def test_a_wrong_setting_is_one_sentence(places: Places) -> None:
    said = one_sentence(command(places, "--zone", "Mars/Olympus"))
    assert "Mars/Olympus is no time zone" in said


def test_it_ends_on_sigterm_and_leaves_nothing_behind(tmp_path: Path) -> None:
    places = Places(tmp_path / "short")
    with serving(places, "--practice") as started:
        assert places.owner.exists()
        os.kill(started.pid, signal.SIGTERM)
        began = time.monotonic()
        started.process.wait(20)
        assert time.monotonic() - began < 10
    assert not places.owner.exists()
    assert "Traceback" not in started.log.read_text()
    with connect(places) as session:
        assert session.command("ping") == {"root": str(places.root)}


# -- parts ---------------------------------------------------------------------------------------


def test_port_zero_is_a_free_one() -> None:
    with closing(listen("127.0.0.1", 0)) as listener:
        assert address_of(listener, "127.0.0.1").startswith("http://127.0.0.1:")
        assert listener.getsockname()[1] > 0


def test_an_address_of_another_machine_is_one_sentence() -> None:
    with pytest.raises(Unusable, match=r"192\.0\.2\.1 is no address of this machine"):
        listen("192.0.2.1", 0)


def test_a_taken_port_is_one_sentence() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Unusable, match=f"Port {port} is in use"):
            listen("127.0.0.1", port)


def test_host_names(places: Places) -> None:
    local = host_names(Settings.load(places))
    assert local == ["127.0.0.1", "[::1]", "localhost"]
    wide = Settings.load(places, host="0.0.0.0", insecure=True)
    assert host_names(wide) == ["*"]
    named = Settings.load(places, host="0.0.0.0", allowed_hosts=("ledger.example",))
    assert "ledger.example" in host_names(named)
    assert "*" not in host_names(named)


def test_streamlit_is_told_the_address() -> None:
    told = options("http://127.0.0.1:8501", ["localhost"])
    assert (told["server.address"], told["server.port"]) == ("127.0.0.1", 8501)
    assert told["server.allowedHosts"] == ["localhost"]
    assert told["browser.gatherUsageStats"] is False
    assert options("http://[::1]:80", [])["server.address"] == "::1"


def test_this_is_a_checkout() -> None:
    root = checkout()
    assert root is not None
    assert (Path(root) / "pyproject.toml").exists()
