"""HTTP archives: entries become exchanges for the wire's readers; timings become latency."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from factories_imports import MARKER, MIDNIGHT, ledger_rows, run
from factories_wire import CHAT_URL, MESSAGES

from hf_ledger.ingest.doors.imports.exchanges import Importer
from hf_ledger.ingest.doors.imports.fields import Unfit
from hf_ledger.ingest.doors.imports.har import headers, read_entry
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.wire.exchange import WireSettings

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "openai/gpt-oss-120b",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": MARKER}}],
    "usage": {"prompt_tokens": 1057, "completion_tokens": 424, "total_tokens": 1481},
}


def named(**values: str) -> list[dict[str, str]]:
    return [{"name": name.replace("_", "-"), "value": value} for name, value in values.items()]


def entry(**changes: Any) -> dict[str, Any]:
    """A chat through the router as Chromium saves it."""
    asked = {"model": "openai/gpt-oss-120b", "messages": MESSAGES}
    said = json.dumps(ANSWER)
    return {
        "startedDateTime": "2026-07-27T02:00:00.000+02:00",
        "time": 812.5,
        "request": {
            "method": "POST",
            "url": CHAT_URL,
            "headers": named(Content_Type="application/json", Authorization="Bearer hf_" + MARKER),
            "postData": {"mimeType": "application/json", "text": json.dumps(asked)},
        },
        "response": {
            "status": 200,
            "headers": named(
                Content_Type="application/json",
                x_inference_provider="cerebras",
                x_request_id="req-1",
            ),
            "content": {"mimeType": "application/json", "text": said, "size": len(said)},
        },
        **changes,
    }


def archive(path: Path, *entries: Any) -> Path:
    log = {"version": "1.2", "creator": {"name": "test", "version": "1"}, "pages": []}
    path.write_text(json.dumps({"log": {**log, "entries": list(entries)}}, indent=1))
    return path


def test_an_entry_becomes_a_priced_call(tmp_path: Path, places: Places) -> None:
    assert run("har", archive(tmp_path / "a.har", entry())) == 0
    (row,) = ledger_rows(places)
    assert (row["provider"], row["model"]) == ("cerebras", "openai/gpt-oss-120b")
    assert (row["input_tokens"], row["output_tokens"]) == (1057, 424)
    assert (row["latency_ms"], row["ttft_ms"], row["request_id"]) == (812.5, None, "req-1")
    assert row["ts"].isoformat() == "2026-07-27T00:00:00"
    assert row["cost_basis"] == "list_price_tokens"
    assert row["input_hash"] is not None


def test_nothing_said_is_anywhere_on_disk(tmp_path: Path, places: Places) -> None:
    assert run("har", archive(tmp_path / "a.har", entry())) == 0
    files = [each for each in places.root.rglob("*") if each.is_file()]
    assert len(files) >= 2
    assert not [each for each in files if MARKER.encode() in each.read_bytes()]


def test_a_second_import_adds_nothing(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    path = archive(tmp_path / "a.har", entry(), entry())
    assert run("har", path) == run("har", path) == 0
    assert "0 new in the ledger, 2 were there already" in capsys.readouterr().out
    assert len(ledger_rows(places)) == 2  # the same twice in an archive are two


def test_other_requests_are_counted_and_left(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    page = entry(request={"method": "GET", "url": "https://example.org/index.html", "headers": []})
    out = tmp_path / "out.jsonl"
    path = archive(tmp_path / "a.har", page, entry())
    assert run("har", path, "--explain", out) == 0
    assert "2 exchanges, 1 calls" in capsys.readouterr().out
    said = [json.loads(line) for line in out.read_text().splitlines()]
    assert [each["is_inference_call"] for each in said] == [False, True]


def test_a_request_without_an_answer_failed(tmp_path: Path, places: Places) -> None:
    response = {"status": 0, "headers": [], "content": {}}
    assert run("har", archive(tmp_path / "a.har", entry(response=response))) == 0
    (row,) = ledger_rows(places)
    assert (row["outcome"], row["error_kind"], row["status"]) == ("error", "connection", None)


def test_bodies_may_be_base64() -> None:
    raw = bytes(range(256))
    content = {"text": base64.b64encode(raw).decode(), "encoding": "base64"}
    found = read_entry(1, entry(response={"status": 200, "headers": [], "content": content}))
    assert found.response_body == raw


def test_headers_are_lower_case_and_joined() -> None:
    listed = [*named(X_A="1", x_a="2"), {"name": ":path", "value": "/"}, None, {"value": "3"}]
    assert headers(listed) == {"x-a": "1, 2"}
    assert headers(None) == {}


@pytest.mark.parametrize("post", [None, {}, {"params": []}, {"text": None}])
def test_a_request_body_that_was_not_saved_is_not_fingerprinted(post: Any) -> None:
    request = {**entry()["request"], "postData": post}
    found = read_entry(1, entry(request=request))
    assert (found.request_body, found.whole) == (None, False)


def test_times_are_utc() -> None:
    assert read_entry(1, entry()).ts == MIDNIGHT


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"request": None}, "no entry of an HTTP archive"),
        ({"request": {"method": "GET"}}, "no entry of an HTTP archive"),
        ({"startedDateTime": "now"}, "startedDateTime is not a time"),
        ({"time": "long"}, "time is no number"),
    ],
)
def test_what_makes_no_sense_is_named(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unfit, match=reason):
        read_entry(1, entry(**changes))


def test_a_broken_entry_is_named_and_the_rest_kept(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = entry(response={"status": 200, "content": {"text": "a", "encoding": "base64"}})
    assert run("har", archive(tmp_path / "a.har", entry(), broken, {"request": 3})) == 1
    said = capsys.readouterr().err
    assert "2 records were left out" in said
    assert "record 2: a base64 body is damaged" in said
    assert "record 3: no entry of an HTTP archive" in said
    assert len(ledger_rows(places)) == 1


def test_a_file_of_another_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.har"
    path.write_text('{"id": 1}')
    assert run("har", path) == 1
    assert "HTTP archives are JSON with `log` and its `entries`" in capsys.readouterr().err


def test_the_time_up_to_the_last_poll_is_the_calls() -> None:
    def kept(method: str, path: str, second: int, reply: dict[str, Any]) -> dict[str, Any]:
        return {
            "startedDateTime": f"2026-08-01T12:00:{second:02}.000Z",
            "time": 250.0,
            "request": {
                "method": method,
                "url": f"https://router.huggingface.co/together/v2/videos{path}",
                "headers": [{"name": "Content-Type", "value": "application/json"}],
                "postData": {"text": '{"model":"a/b","prompt":"x"}'},
            },
            "response": {
                "status": 200,
                "headers": [{"name": "Content-Type", "value": "application/json"}],
                "content": {"text": json.dumps(reply)},
            },
        }

    entries = [
        kept("POST", "", 0, {"id": "v1", "status": "queued"}),
        kept("GET", "/v1", 5, {"id": "v1", "status": "in_progress"}),
        kept("GET", "/v1", 40, {"id": "v1", "status": "completed"}),
    ]
    lines: list[Any] = []
    importer = Importer(lines.append, WireSettings())
    importer.read(read_entry(number, entry) for number, entry in enumerate(entries))
    assert [(call.outcome, call.latency_ms) for call in lines] == [("ok", 40_250.0)]
