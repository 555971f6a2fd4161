"""`POST /api/calls` and `POST /v1/traces` over loopback: keys, limits, pressure, exactly once."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from factories_api import Api, api, batch, new_key, posted
from factories_imports import MARKER, export, json_lines, ledger_rows, message, run, span
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from hf_ledger.ingest.doors.api import routes
from hf_ledger.ingest.doors.api.keys import revoke_key
from hf_ledger.ingest.doors.api.routes import PROTOBUF
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool import segments


@pytest.fixture
def server(places: Places) -> Iterator[Api]:
    with api(places) as running:
        yield running


def test_calls_of_another_host_are_priced_like_our_own(server: Api) -> None:
    reply = server.post(batch(posted(1), posted(2)))
    assert (reply.status_code, reply.json()) == (
        200,
        {"accepted": 2, "ignored": 0, "rejected": []},
    )
    rows = server.rows()
    assert [row["key_id"] for row in rows] == [server.key_id] * 2
    assert [row["origin"] for row in rows] == ["live"] * 2
    assert rows[0]["cost"] == (1000 * Decimal("0.25") + 100 * Decimal("0.69")) / 10**6


def test_what_is_acknowledged_is_on_disk(server: Api) -> None:
    assert server.post(batch(posted(1))).status_code == 200
    written = b"".join(path.read_bytes() for path in server.places.spool.glob("*.ndjson"))
    assert posted(1).call_id.encode() in written


def test_the_same_batch_again_adds_nothing(server: Api) -> None:
    for _ in range(3):
        assert server.post(batch(posted(1), posted(2), posted(1))).json()["accepted"] == 3
        assert len(server.rows()) == 2


def test_batches_at_once_lose_and_double_nothing(server: Api) -> None:
    batches = [batch(*(posted(n) for n in range(start, start + 30))) for start in range(0, 200, 20)]

    def send(content: bytes) -> int:
        while (reply := server.post(content)).status_code == 429:
            assert int(reply.headers["retry-after"]) >= 1
        return reply.status_code

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(send, batches * 2)) == {200}
    assert len(server.rows("call_id")) == 210


def test_bad_lines_are_listed_and_the_rest_taken(server: Api) -> None:
    body = batch(posted(1)) + b"nonsense " + MARKER.encode() + b"\n" + batch(posted(2))
    reply = server.post(body)
    assert reply.status_code == 200
    assert reply.json()["rejected"] == [{"line": 2, "reason": "not JSON, or cut off"}]
    assert MARKER not in reply.text
    assert len(server.rows()) == 2


def test_a_batch_of_bad_lines_alone_is_refused(server: Api) -> None:
    reply = server.post(b"nonsense\n")
    assert (reply.status_code, reply.json()["accepted"]) == (422, 0)
    assert server.rows() == []


def test_an_array_that_is_no_json(server: Api) -> None:
    reply = server.post(b"[{", content_type="application/json")
    assert reply.status_code == 400
    assert reply.json() == {"error": {"message": "the batch is no JSON array, or is cut off."}}


# -- keys --------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "hfl_00000000_" + "A" * 43, "x"])
def test_without_a_good_key_nothing_is_taken(server: Api, key: str | None) -> None:
    reply = server.post(batch(posted(1)), key=key)
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert "hf-ledger key create" in reply.json()["error"]["message"]
    assert server.rows() == []


def test_a_revoked_key_is_refused_from_then_on(server: Api) -> None:
    other, other_id = new_key(server.ledger, "web-2")
    assert server.post(batch(posted(1)), key=other).status_code == 200
    revoke_key(server.ledger.cursor(), other_id)
    assert server.post(batch(posted(2)), key=other).status_code == 401
    assert server.post(batch(posted(3))).status_code == 200
    assert len(server.rows()) == 2


def test_other_schemes_are_no_key(server: Api) -> None:
    reply = server.post(batch(posted(1)), key=None, authorization=f"Basic {server.key}")
    assert reply.status_code == 401


# -- limits and pressure -----------------------------------------------------------------------


def test_a_batch_may_be_gzip(server: Api) -> None:
    reply = server.post(gzip.compress(batch(posted(1))), content_encoding="gzip")
    assert reply.json()["accepted"] == 1


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(b"x" * 1000, mtime=0)[:-9]], ids=["another kind", "cut"]
)
def test_a_broken_gzip_is_said(server: Api, content: bytes) -> None:
    reply = server.post(content, content_encoding="gzip")
    assert reply.status_code == 400
    assert "not gzip" in reply.json()["error"]["message"]


@pytest.mark.parametrize("encoding", ["br", "deflate"])
def test_other_encodings_are_not_read(server: Api, encoding: str) -> None:
    assert server.post(b"x", content_encoding=encoding).status_code == 415


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_other_types_are_not_read(server: Api, kind: str) -> None:
    """Among them the types that a web page may send without asking first."""
    assert server.post(batch(posted(1)), content_type=kind).status_code == 415


def test_a_batch_that_is_too_large_is_refused(server: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "MOST_BYTES", 2 << 20)
    reply = server.post(b"x" * (2 << 20) + b"x")
    assert reply.status_code == 413
    assert "larger than 2 MiB" in reply.json()["error"]["message"]


def test_a_body_without_a_stated_length_is_limited_too(
    server: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "MOST_BYTES", 1 << 20)
    headers = {"authorization": f"Bearer {server.key}", "content-type": "application/x-ndjson"}
    pieces = (b"x" * 65536 for _ in range(64))
    try:
        reply = httpx.post(f"{server.url}/api/calls", content=pieces, headers=headers)
    except httpx.HTTPError:
        return  # the server closed while we were still sending
    assert reply.status_code == 413


def test_a_small_gzip_may_not_grow_without_end(
    server: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "MOST_UNPACKED", 1 << 20)
    bomb = gzip.compress(b" " * (16 << 20))
    assert len(bomb) < 1 << 20
    assert server.post(bomb, content_encoding="gzip").status_code == 413


def test_too_many_batches_at_once_wait_outside(places: Places) -> None:
    with api(places, most_at_once=1) as server:
        inside, leave = threading.Event(), threading.Event()

        def hold() -> None:
            with server.door._slot():
                inside.set()
                leave.wait(10)

        thread = threading.Thread(target=hold)
        thread.start()
        inside.wait(10)
        reply = server.post(batch(posted(1)))
        assert (reply.status_code, reply.headers["retry-after"]) == (429, "1")
        leave.set()
        thread.join()
        assert server.post(batch(posted(1))).status_code == 200


def test_a_ledger_that_is_behind_says_when_to_come_again(places: Places) -> None:
    with api(places, most_waiting=100_000) as server:
        many = batch(*(posted(n) for n in range(600)))
        assert len(many) > 100_000
        assert server.post(many).status_code == 200
        server.door._looked = 0.0  # the next second
        reply = server.post(batch(posted(1000)))
        assert (reply.status_code, reply.headers["retry-after"]) == (429, "5")
        assert len(server.rows("call_id")) == 600
        server.door._looked = 0.0
        assert server.post(batch(posted(1000))).status_code == 200


def test_a_spool_that_can_not_be_written_acknowledges_nothing(server: Api) -> None:
    server.places.spool.parent.mkdir(exist_ok=True)
    server.places.spool.write_text("a file where the folder should be")
    reply = server.post(batch(posted(1)))
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "30")
    server.places.spool.unlink()
    assert server.post(batch(posted(1))).status_code == 200
    assert len(server.rows()) == 1


def test_a_disk_that_does_not_sync_acknowledges_nothing(
    server: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(segments, "_sync", refuses)
    assert server.post(batch(posted(1))).status_code == 503
    monkeypatch.undo()
    assert server.post(batch(posted(1))).status_code == 200
    assert len(server.rows()) == 1


# -- traces ------------------------------------------------------------------------------------


def test_traces_are_calls(server: Api) -> None:
    tool = span(3, gen_ai__operation__name="execute_tool")
    reply = server.traces(export(span(1), span(2), tool))
    assert (reply.status_code, reply.json()) == (200, {})
    rows = server.rows()
    assert [(row["source"], row["origin"], row["app"]) for row in rows] == [
        ("otlp", "live", "shop")
    ] * 2
    assert rows[0]["cost"] == (1057 * Decimal("0.25") + 424 * Decimal("0.69")) / 10**6


def test_the_same_spans_again_add_nothing(server: Api) -> None:
    for _ in range(2):
        assert server.traces(export(span(1), span(2))).status_code == 200
    assert len(server.rows()) == 2


def test_spans_that_came_here_are_known_to_an_import(places: Places, tmp_path: Path) -> None:
    with api(places) as server:
        server.traces(export(span(1)))
        assert len(server.rows()) == 1
    assert run("otlp", json_lines(tmp_path / "a.jsonl", [export(span(1), span(2))])) == 0
    assert sorted(row["source"] for row in ledger_rows(places)) == ["import", "otlp"]


def test_unfit_spans_are_a_partial_success(server: Api) -> None:
    reply = server.traces(export(span(1), span(2, gen_ai__usage__output_tokens=-1)))
    assert reply.status_code == 200
    said = reply.json()["partialSuccess"]
    assert said["rejectedSpans"] == "1"
    assert "span 2: gen_ai.usage.output_tokens is negative" in said["errorMessage"]
    assert len(server.rows()) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"data": []}'])
def test_what_is_no_export_request(server: Api, body: bytes) -> None:
    reply = server.traces(body)
    assert reply.status_code == 400
    assert "export request of OTLP" in reply.json()["error"]["message"]


def binary(server: Api, body: bytes, **headers: str) -> tuple[httpx.Response, Any]:
    """Posted as protobuf; the reply, and what it says where it is a success."""
    reply = server.traces(body, content_type=PROTOBUF, **headers)
    assert reply.headers["content-type"] == PROTOBUF
    return reply, ExportTraceServiceResponse.FromString(reply.content)


def test_traces_in_protobuf_are_the_same_calls(server: Api) -> None:
    both = export(span(1), span(2))
    for content, headers in (
        (message(both), {}),
        (gzip.compress(message(both)), {"content_encoding": "gzip"}),
    ):
        reply, said = binary(server, content, **headers)
        assert (reply.status_code, reply.content) == (200, b"")
        assert not said.HasField("partial_success")
        assert len(server.rows()) == 2
    assert server.traces(both).status_code == 200
    rows = server.rows()
    assert len(rows) == 2, "the same spans in the other encoding"
    assert rows[0]["cost"] == (1057 * Decimal("0.25") + 424 * Decimal("0.69")) / 10**6


def test_a_partial_success_in_protobuf(server: Api) -> None:
    bad = export(span(1), span(2, gen_ai__usage__output_tokens=-1))
    reply, said = binary(server, message(bad))
    assert (reply.status_code, said.partial_success.rejected_spans) == (200, 1)
    assert "span 2: gen_ai.usage.output_tokens" in said.partial_success.error_message
    assert len(server.rows()) == 1


@pytest.mark.parametrize(
    "body", [b"\x0a\x05", b"{}", b"\xff" * 40, b"\x12\x00"], ids=["cut", "JSON", "noise", "other"]
)
def test_what_is_no_protobuf_gets_a_status_in_protobuf(server: Api, body: bytes) -> None:
    reply = server.traces(body, content_type=PROTOBUF)
    assert (reply.status_code, reply.headers["content-type"]) == (400, PROTOBUF)
    assert b"no export request of OTLP in protobuf" in reply.content
    assert reply.content[0] == 2 << 3 | 2, "google.rpc.Status: field 2, its message"
    assert server.rows() == []


def test_other_hosts_that_send_protobuf_are_refused_in_it(server: Api) -> None:
    reply = server.traces(
        message(export(span(1))), content_type=PROTOBUF, x_forwarded_for="1.2.3.4"
    )
    assert (reply.status_code, reply.headers["content-type"]) == (401, PROTOBUF)
    assert b"hf-ledger key create" in reply.content


def test_traces_of_another_type_are_told_both(server: Api) -> None:
    reply = server.traces(b"x", content_type="text/plain")
    assert (reply.status_code, reply.headers["content-type"]) == (415, "application/json")
    assert "application/json or application/x-protobuf" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"x_forwarded_for": "1.2.3.4"}, {"forwarded": "for=1"}],
)
def test_web_pages_and_other_hosts_need_a_key(server: Api, headers: dict[str, str]) -> None:
    assert server.traces(export(span(1)), **headers).status_code == 401
    assert server.rows() == []
    with_key = {**headers, "authorization": f"Bearer {server.key}"}
    assert server.traces(export(span(1)), **with_key).status_code == 200
    assert [row["key_id"] for row in server.rows()] == [server.key_id]


def test_a_web_page_can_not_send_traces_as_text(server: Api) -> None:
    body = json.dumps(export(span(1))).encode()
    assert server.traces(body, content_type="text/plain").status_code == 415


def test_content_of_spans_is_nowhere_on_disk(server: Api) -> None:
    assert server.traces(export(span(1))).status_code == 200
    server.rows()
    files = [each for each in server.places.root.rglob("*") if each.is_file()]
    assert not [each for each in files if MARKER.encode() in each.read_bytes()]


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/calls"), ("PUT", "/v1/traces")])
def test_other_methods_are_not_answered(server: Api, method: str, path: str) -> None:
    assert httpx.request(method, server.url + path).status_code == 405


def test_posted_and_imported_rows_are_never_mixed_up(server: Api) -> None:
    """A call line may say that it was imported or practised; it stays out of live totals then."""
    server.post(batch(posted(1, origin="practice"), posted(2)))
    origins: list[Any] = [row["origin"] for row in server.rows()]
    assert origins == ["practice", "live"]
