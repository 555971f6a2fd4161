"""The real server takes posted calls and traces; the documents say what is taken and lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser import Server, serving
from factories_api import NDJSON, batch, posted
from factories_imports import export, span

from hf_ledger.analytics.connect import connect
from hf_ledger.ingest.doors.api.keys import make_key
from hf_ledger.ingest.doors.gateway.state_file import Watched
from hf_ledger.ingest.doors.imports import langfuse
from hf_ledger.ingest.doors.imports.calls import FIELDS
from hf_ledger.ingest.doors.imports.formats import FORMATS
from hf_ledger.ingest.places import Places

DOCS = Path(__file__).resolve().parent.parent / "docs" / "imports.md"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(Places(tmp_path_factory.mktemp("server") / "ledger")) as started:
        yield started


def made_key(server: Server, **scope: Any) -> str:
    """A key made through the running server, as `hf-ledger key create` does."""
    key, kept = make_key("web-1", **scope)
    said = {name: getattr(kept, name) for name in kept.__struct_fields__}
    with connect(server.places) as session:
        session.command("key_create", **said)
    return key


def calls_in(server: Server, at_least: int) -> int:
    """How many calls the server holds, once its collector has run."""
    for _ in range(100):
        count = int(httpx.get(f"{server.url}/healthz", timeout=20).json()["calls"])
        if count >= at_least:
            break
        time.sleep(0.1)
    return count


def test_posted_calls_and_traces_are_in_the_ledger(server: Server) -> None:
    key = made_key(server)
    headers = {"authorization": f"Bearer {key}", "content-type": NDJSON}
    for _ in range(2):
        reply = httpx.post(
            f"{server.url}/api/calls",
            content=batch(posted(1), posted(2)),
            headers=headers,
            timeout=20,
        )
        assert (reply.status_code, reply.json()["accepted"]) == (200, 2)
        traces = httpx.post(f"{server.url}/v1/traces", json=export(span(1)), timeout=20)
        assert (traces.status_code, traces.json()) == (200, {})
    assert calls_in(server, 3) == 3


def test_without_a_key_it_is_refused(server: Server) -> None:
    reply = httpx.post(f"{server.url}/api/calls", content=batch(posted(9)), timeout=20)
    assert reply.status_code == 401


def test_a_key_that_calls_models_posts_none(server: Server) -> None:
    for role in ("call", "admin"):
        headers = {"authorization": f"Bearer {made_key(server, role=role)}"}
        reply = httpx.post(
            f"{server.url}/api/calls", content=batch(posted(9)), headers=headers, timeout=20
        )
        assert reply.status_code == 401


def test_a_running_server_tells_gateways_of_a_key_that_ends_at_once(server: Server) -> None:
    watched = Watched(server.places.gateway_state)
    assert len(watched.now().prices) > 100  # since it started
    key_id = made_key(server, role="call")[4:12]
    assert key_id in {key.key_id for key in watched.now().keys}
    with connect(server.places) as session:
        session.command("key_revoke", key_id=key_id)
    assert key_id not in {key.key_id for key in watched.now().keys}


@pytest.mark.parametrize("path", ["/api/calls/x", "/v1/metrics", "/v1/nothing"])
def test_paths_beside_them_are_still_json_404(server: Server, path: str) -> None:
    reply = httpx.post(server.url + path, json={}, timeout=20)
    assert (reply.status_code, "error" in reply.json()) == (404, True)


# -- docs/imports.md ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*FORMATS, "calls"])
def test_every_kind_of_export_has_a_section(kind: str) -> None:
    text = DOCS.read_text(encoding="utf-8")
    section = text.split(f"\n## `{kind}`")[1].split("\n## ")[0]
    assert "Lost:" in section


def test_every_field_of_a_plain_call_is_named() -> None:
    section = DOCS.read_text(encoding="utf-8").split("\n## `calls`")[1].split("\n## ")[0]
    assert [name for name in FIELDS if f"`{name}`" not in section] == []


def test_the_styles_of_usage_keys_are_named() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert [name for name in langfuse.CACHE_READ if f"`{name}`" not in text] == []
