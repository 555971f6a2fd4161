"""Recorded exchanges become calls, once and in file order."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from factories_wire import ROUTER, completion, mapping_lookup, recorded
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call, Line, RouteSeen
from hf_ledger.ingest.doors.imports.exchanges import (
    SOURCE,
    Imported,
    Importer,
    call_id_of,
)
from hf_ledger.ingest.doors.imports.explain import explain
from hf_ledger.ingest.doors.imports.recordings import (
    GIVE_UP_AFTER,
    Exchange,
    Rejected,
    read_line,
    read_recording,
)
from hf_ledger.ingest.fingerprint import HashKey
from hf_ledger.ingest.wire.exchange import Aside, WireSettings

KEY = HashKey(bytes(32))
SCORE = Path(__file__).resolve().parent.parent.parent / "shared" / "tools" / "score_exchanges.py"


class Import:
    """One import of hand-made lines, with all it wrote."""

    def __init__(self, lines: Iterable[dict[str, Any] | bytes], key: HashKey | None = KEY) -> None:
        self.written: list[Line] = []
        self.explained: list[dict[str, Any]] = []
        importer = Importer(
            self.written.append, WireSettings(any_openai_host=True), key, self.explained.append
        )
        packed = (each if isinstance(each, bytes) else json.dumps(each).encode() for each in lines)
        self.done: Imported = importer.read(read_line(n, each) for n, each in enumerate(packed, 1))

    @property
    def calls(self) -> list[Call]:
        return [line for line in self.written if isinstance(line, Call)]


def provider_call(identity: str = "x-2", model: str = "llama-3.3-70b") -> dict[str, Any]:
    return recorded(
        identity,
        request={
            "method": "POST",
            "url": f"{ROUTER}/cerebras/v1/chat/completions",
            "headers": {"Content-Type": "application/json"},
            "body": json.dumps({"model": model, "messages": [{"role": "user", "content": "x"}]}),
        },
    )


# -- ids ------------------------------------------------------------------------------------------


def test_ids_are_uuids_of_version_8() -> None:
    identity = uuid.UUID(call_id_of("exchanges", "x-1"))
    assert (identity.version, identity.variant) == (8, uuid.RFC_4122)


def test_ids_are_the_same_for_ever() -> None:
    """Golden: another value would import everything a second time."""
    assert call_id_of("exchanges", "hub-453a9504b7") == "8ce6d867-a553-8ac5-9734-15e9098ec978"


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_ids_are_those_of_source_and_external_id(source: str, one: str, two: str) -> None:
    assert (call_id_of(source, one) == call_id_of(source, two)) is (one == two)
    assert call_id_of(source + "x", one) != call_id_of(source, one)


def test_the_same_lines_give_the_same_ids() -> None:
    lines = [recorded("a"), recorded("b")]
    first, second = Import(lines), Import(lines)
    assert [call.call_id for call in first.calls] == [call.call_id for call in second.calls]
    assert first.calls[0].call_id == call_id_of(SOURCE, "a")
    assert first.calls[0].external_id == "a"


def test_lines_without_an_id_are_known_by_place_and_occurrence() -> None:
    lines = [recorded(None), recorded(None), recorded(None, recorded_at="2026-08-02T12:00:00Z")]
    first, second = Import(lines), Import(lines)
    ids = [call.call_id for call in first.calls]
    assert len(set(ids)) == 3
    assert ids == [call.call_id for call in second.calls]


def test_an_id_made_up_says_nothing_of_the_content() -> None:
    other = recorded(None)
    other["request"]["body"] = '{"model": "a/b", "messages": [{"role": "user", "content": "else"}]}'
    assert Import([recorded(None)]).calls[0].external_id == Import([other]).calls[0].external_id


# -- calls ----------------------------------------------------------------------------------------


def test_a_recorded_exchange_becomes_a_call() -> None:
    (call,) = Import([recorded()]).calls
    assert (call.source, call.origin, call.purpose) == ("import", "import", "work")
    assert call.ts == 1785585600 * 1_000_000
    assert (call.provider, call.task, call.outcome) == ("groq", "chat-completion", "ok")
    assert (call.input_tokens, call.output_tokens) == (40, 2)


def test_durations_of_recordings_are_unknown_not_zero() -> None:
    (call,) = Import([recorded()]).calls
    assert (call.latency_ms, call.ttft_ms) == (None, None)


def test_a_request_without_reply_is_a_failed_call() -> None:
    (call,) = Import([recorded(response=None)]).calls
    assert (call.outcome, call.error_kind, call.status) == ("error", "connection", None)


def test_whole_bodies_are_fingerprinted() -> None:
    (call,) = Import([recorded()]).calls
    assert call.input_hash is not None
    assert call.hash_key_id == KEY.id


def test_without_a_key_calls_have_no_hash() -> None:
    (call,) = Import([recorded()], key=None).calls
    assert call.input_hash is None


@pytest.mark.parametrize(
    "body",
    [
        None,
        '{"inputs": "<base64:264148 chars:head=iVBORw0KGgoAAAAN:sha256=5a70acee2237c21d>"}',
        {"truncated_bytes": 94321, "first_bytes_hex": "664c6143"},
    ],
)
def test_parts_of_bodies_are_not_fingerprinted(body: Any) -> None:
    line = recorded()
    line["request"]["body"] = body
    (call,) = Import([line]).calls
    assert call.input_hash is None


def test_nothing_of_prompt_answer_or_token_is_written() -> None:
    line = recorded()
    line["request"]["headers"]["Authorization"] = "Bearer hf_MARKER"
    line["request"]["body"] = (
        '{"messages": [{"role": "user", "content": "MARKER"}], "model": "a/b"}'
    )
    line["response"]["body"] = json.dumps({**completion({}), "choices": ["MARKER"]})
    written = Import([line, recorded("x-2", response={"status": 500, "body": "MARKER"})])
    assert b"MARKER" not in msgspec.json.encode(written.written)
    assert "MARKER" not in json.dumps(written.explained)


# -- order and routes -----------------------------------------------------------------------------


def test_a_look_up_teaches_the_calls_after_it() -> None:
    look_up = mapping_lookup(
        "meta-llama/Llama-3.3-70B-Instruct", "cerebras", "llama-3.3-70b", "conversational"
    )
    taught = Import([look_up, provider_call()])
    assert taught.calls[0].requested_model == "meta-llama/Llama-3.3-70B-Instruct"
    assert [line for line in taught.written if isinstance(line, RouteSeen)] == [
        RouteSeen(
            ts=1785585600 * 1_000_000,
            model="meta-llama/Llama-3.3-70B-Instruct",
            provider="cerebras",
            provider_model="llama-3.3-70b",
            task="chat-completion",
        )
    ]
    assert taught.done.routes == 1
    before = Import([provider_call(), look_up])
    assert before.calls[0].requested_model is None


def test_a_failed_look_up_teaches_nothing() -> None:
    look_up = mapping_lookup("a/b", "cerebras", "llama-3.3-70b", "conversational")
    look_up["response"]["status"] = 307
    taught = Import([look_up, provider_call()])
    assert (taught.calls[0].requested_model, taught.done.routes) == (None, 0)


def test_a_look_up_without_a_time_teaches_this_import_alone() -> None:
    look_up = mapping_lookup("a/b", "cerebras", "llama-3.3-70b", "conversational")
    taught = Import([{**look_up, "recorded_at": None}, provider_call()])
    assert taught.calls[0].requested_model == "a/b"
    assert taught.done.routes == 0


def test_what_one_file_taught_counts_in_the_next(tmp_path: Path) -> None:
    written: list[Line] = []
    importer = Importer(written.append, WireSettings())
    look_up = mapping_lookup("a/b", "cerebras", "llama-3.3-70b", "conversational")
    for number, line in enumerate((look_up, provider_call())):
        path = tmp_path / f"{number}.jsonl"
        path.write_text(json.dumps(line))
        importer.read(read_recording(path))
    (call,) = (line for line in written if isinstance(line, Call))
    assert call.requested_model == "a/b"


# -- what an import says of itself ----------------------------------------------------------------


def test_the_span_and_the_rest_are_counted() -> None:
    space = recorded(
        "s", request={"method": "POST", "url": "https://huggingface.co/api/repos/create"}
    )
    other = recorded("o", request={"method": "GET", "url": "https://example.com/"})
    done = Import(
        [
            recorded("a", recorded_at="2026-08-03T00:00:00Z"),
            recorded("b", recorded_at="2026-08-01T00:00:00Z"),
            mapping_lookup("a/b", "cerebras", "x", "conversational"),
            space,
            space,
            other,
            b"broken",
        ]
    ).done
    assert (done.calls, done.exchanges) == (2, 6)
    assert (done.last or 0) - (done.first or 0) == 2 * 86400 * 1_000_000
    assert done.asides == {"mapping": 1, "hub_api": 2, "unknown_host": 1}
    assert done.rejected == [Rejected(7, "not JSON, or cut off")]
    assert done.given_up is False


def test_a_call_without_any_time_is_left_out() -> None:
    made = Import([recorded(recorded_at=None), recorded("x-2")])
    assert [each.line for each in made.done.rejected] == [1]
    assert "recorded_at" in made.done.rejected[0].reason
    assert len(made.calls) == 1
    assert len(made.explained) == 2


def test_a_file_of_another_kind_is_given_up_early() -> None:
    seen = []

    def lines() -> Iterable[Exchange | Rejected]:
        for number in range(10 * GIVE_UP_AFTER):
            seen.append(number)
            yield Rejected(number + 1, "not JSON, or cut off")

    done = Importer(print, WireSettings()).read(lines())
    assert done.given_up is True
    assert len(seen) == GIVE_UP_AFTER


def test_many_bad_lines_after_a_good_one_are_all_listed() -> None:
    done = Import([recorded(), *[b"broken"] * (GIVE_UP_AFTER + 5), recorded("x-2")]).done
    assert (done.calls, len(done.rejected), done.given_up) == (2, GIVE_UP_AFTER + 5, False)


# -- explain --------------------------------------------------------------------------------------


def test_each_exchange_is_explained_call_or_not() -> None:
    said = Import([recorded("a"), mapping_lookup("a/b", "groq", "b", "conversational")]).explained
    assert [each["id"] for each in said] == ["a", "map-groq"]
    assert said[0]["is_inference_call"] is True
    assert said[1] == {"id": "map-groq", "is_inference_call": False, "reason": "mapping"}


def test_the_fields_of_an_explanation() -> None:
    call = Call(
        call_id="",
        ts=0,
        provider="groq",
        task="chat-completion",
        uncached_input_tokens=60,
        cache_read_tokens=40,
        output_tokens=5,
        reasoning_tokens=2,
        tokens_source="usage",
    )
    said = explain(call)
    assert said["input_tokens"] == 60 + 40
    assert (said["cached_input_tokens"], said["output_tokens"], said["reasoning_tokens"]) == (
        40,
        5,
        2,
    )
    assert (said["tokens_known"], said["outcome"], said["error_class"]) == (True, "ok", None)
    assert explain(Aside("poll")) == {"is_inference_call": False, "reason": "poll"}
    assert explain(None) == {"is_inference_call": False, "reason": "unknown_host"}


@pytest.mark.parametrize(
    ("task", "read", "made", "known"),
    [
        ("chat-completion", 5, 2, True),
        ("chat-completion", 5, None, False),
        ("chat-completion", None, 2, False),
        ("feature-extraction", 5, None, True),
        ("feature-extraction", None, None, False),
        (None, 5, 0, True),
    ],
)
def test_when_tokens_are_known(
    task: str | None, read: int | None, made: int | None, known: bool
) -> None:
    call = Call(call_id="", ts=0, task=task, uncached_input_tokens=read, output_tokens=made)
    assert explain(call)["tokens_known"] is known


def test_the_labelled_recordings_are_read_without_a_mistake(
    exchanges: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    with out.open("wb") as file:
        importer = Importer(
            lambda _: None,
            WireSettings(any_openai_host=True),
            explained=lambda said: file.write(msgspec.json.encode(said) + b"\n"),
        )
        done = importer.read(read_recording(exchanges))
    assert (done.calls, done.asides.total(), done.rejected) == (225, 379 - 225, [])
    scored = subprocess.run(
        [
            sys.executable,
            str(SCORE),
            str(exchanges),
            str(out),
            "--strict",
            "--json",
            str(tmp_path / "s.json"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    wrong = json.loads((tmp_path / "s.json").read_text())["wrong"]
    assert not any(wrong.values()), scored.stdout


def queued(identity: str, at: str, method: str, path: str, reply: dict[str, Any]) -> dict[str, Any]:
    """One exchange with fal's queue (made by hand)."""
    url = f"https://router.huggingface.co/fal-ai/fal-ai/ltx{path}?_subdomain=queue"
    body = json.dumps({"prompt": "a film"}) if method == "POST" else None
    headers = {"Content-Type": "application/json", "X-Fal-Billable-Units": "3"}
    return recorded(
        identity,
        request={"method": method, "url": url, "headers": headers, "body": body},
        response={"status": 200, "headers": headers if path else {}, "body": json.dumps(reply)},
        recorded_at=at,
    )


QUEUED = [
    queued(
        "post",
        "2026-08-01T12:00:00Z",
        "POST",
        "",
        {"status": "IN_QUEUE", "request_id": "7a4c", "response_url": "u"},
    ),
    queued("s1", "2026-08-01T12:00:01Z", "GET", "/requests/7a4c/status", {"status": "IN_QUEUE"}),
    queued("s2", "2026-08-01T12:00:09Z", "GET", "/requests/7a4c", {"video": {"url": "u"}}),
]


def test_a_recorded_job_is_one_call_with_its_results_units() -> None:
    lines: list[Any] = []
    importer = Importer(lines.append, WireSettings())
    done = importer.read([read_line(i, json.dumps(each).encode()) for i, each in enumerate(QUEUED)])
    [call] = lines
    assert (done.calls, done.asides["poll"]) == (1, 2)
    assert (call.outcome, call.units, call.task) == ("ok", "3", "text-to-video")


def test_a_recorded_promise_without_its_polls_stays_as_it_is() -> None:
    lines: list[Any] = []
    importer = Importer(lines.append, WireSettings())
    importer.read([read_line(1, json.dumps(QUEUED[0]).encode())])
    assert [call.outcome for call in lines] == ["ok"]
