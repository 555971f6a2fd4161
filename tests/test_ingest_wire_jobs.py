"""Promises and polls of every queue, as its documentation words them."""

from __future__ import annotations

from typing import Any

import pytest
from factories_wire import CHAT_URL, ROUTER, answered, asked, chat, completion, packed
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.wire import jobs
from hf_ledger.ingest.wire.reply import ReplyReader

FAL = f"{ROUTER}/fal-ai/fal-ai/x?_subdomain=queue"
FAL_JOB = f"{ROUTER}/fal-ai/fal-ai/x/requests/7a4c"
BFL = "https://api.us1.bfl.ai/v1"


def promise_of(url: str, body: Any, reply: Any) -> tuple[Call, jobs.Job | None]:
    call = asked(url, body)
    reader = ReplyReader(call, 200, {"content-type": "application/json"}, 0, lambda: 0)
    reader.feed(packed(reply) or b"")
    reader.finish("complete")
    return call, reader.promised


PROMISES: dict[str, tuple[str, Any, str]] = {
    "fal": (FAL, {"status": "IN_QUEUE", "request_id": "7a4c", "response_url": "u"}, "7a4c"),
    "replicate": (f"{ROUTER}/replicate/v1/predictions", {"id": "p1", "status": "starting"}, "p1"),
    "wavespeed": (
        f"{ROUTER}/wavespeed/api/v3/wan/t2v",
        {"code": 200, "data": {"id": "w1", "status": "created", "urls": {"get": "u"}}},
        "w1",
    ),
    "together": (f"{ROUTER}/together/v2/videos", {"id": "v1", "status": "queued"}, "v1"),
    "together without status": (f"{ROUTER}/together/v2/videos", {"id": "v1"}, "v1"),
    "novita": ("https://api.novita.ai/v3/async/wan-t2v", {"task_id": "t1"}, "t1"),
    "zai": (
        f"{ROUTER}/zai-org/api/paas/v4/async/images/generations",
        {"id": "z1", "request_id": "z1", "task_status": "PROCESSING"},
        "z1",
    ),
    "black forest labs": (f"{BFL}/flux-dev", {"id": "d1", "polling_url": "u"}, "d1"),
    "background response": (f"{ROUTER}/v1/responses", {"id": "r1", "status": "queued"}, "r1"),
}


@pytest.mark.parametrize("name", PROMISES)
def test_a_promise_names_its_job(name: str) -> None:
    url, reply, job = PROMISES[name]
    _, promised = promise_of(url, {"prompt": "x", "model": "m"}, reply)
    assert promised is not None
    assert promised.id == job


@pytest.mark.parametrize(
    ("url", "reply"),
    [
        (FAL, {"images": [{"url": "u"}], "request_id": "7a4c"}),
        (f"{ROUTER}/replicate/v1/predictions", {"id": "p", "status": "succeeded", "output": "u"}),
        (f"{ROUTER}/novita/v3/hf/wan", {"video": {"video_url": "u"}}),
        (CHAT_URL, completion(None)),
        (CHAT_URL, {"id": "x", "choices": [], "status": "processing", "error": "failed"}),
    ],
    ids=["fal", "replicate", "novita", "chat", "error"],
)
def test_a_result_is_no_promise(url: str, reply: Any) -> None:
    assert promise_of(url, chat(), reply)[1] is None


def polled(job: str, url: str, status: int, reply: Any, **headers: str) -> tuple[Call, bool]:
    """A call whose job is polled once."""
    call = answered(asked(FAL, {"prompt": "x"}), {"status": "IN_QUEUE", "request_id": job})
    body = packed(reply) or b""
    said = jobs.Polled(url, status, {k.replace("_", "-"): v for k, v in headers.items()}, body)
    return call, jobs.read_poll(call, jobs.Job(job, "text"), said)


RUNNING = [
    (f"{FAL_JOB}/status", 202, {"status": "IN_PROGRESS"}),
    (f"{FAL_JOB}/status", 200, {"status": "COMPLETED", "response_url": "u"}),
    (f"{FAL_JOB}/status", 503, b"<html>"),
    (f"{FAL_JOB}/status", 429, {"error": "x"}),
    ("https://x/v1/predictions/7a4c", 200, {"status": "processing"}),
    (f"{BFL}/get_result?id=7a4c", 200, {"status": "Pending", "result": None}),
    ("https://x/async-result/7a4c", 200, {"task_status": "PROCESSING"}),
    ("https://x/task-result?task_id=7a4c", 200, {"task": {"status": "TASK_STATUS_QUEUED"}}),
]


@pytest.mark.parametrize(("url", "status", "reply"), RUNNING, ids=range(len(RUNNING)))
def test_a_poll_on_the_way_ends_nothing(url: str, status: int, reply: Any) -> None:
    call, ended = polled("7a4c", url, status, reply)
    assert (ended, call.outcome) == (False, "ok")


ENDS: list[tuple[str, int, Any, dict[str, Any]]] = [
    (FAL_JOB, 200, {"video": {"url": "https://fal.media/x.mp4"}}, {"task": "text-to-video"}),
    (
        FAL_JOB,
        200,
        {"images": [{"url": "u"}, {"url": "v"}]},
        {"task": "text-to-image", "images": 2},
    ),
    (FAL_JOB, 422, {"detail": "x"}, {"outcome": "error", "error_kind": "bad_request"}),
    (FAL_JOB, 500, b"", {"outcome": "error", "error_kind": "server_error"}),
    (
        "https://x/predictions/7a4c",
        200,
        {"status": "succeeded", "output": ["https://x/o.png"]},
        {"task": "text-to-image", "images": 1},
    ),
    ("https://x/predictions/7a4c", 200, {"status": "canceled"}, {"outcome": "cancelled"}),
    (
        "https://x/predictions/7a4c/result",
        200,
        {"data": {"status": "completed", "outputs": ["https://x/o.mp4"]}},
        {"task": "text-to-video"},
    ),
    (
        "https://x/v2/videos/7a4c",
        200,
        {"status": "failed", "error": {"message": "x", "code": "server_error"}},
        {"outcome": "error", "error_kind": "server_error"},
    ),
    (
        f"{BFL}/get_result?id=7a4c",
        200,
        {"status": "Content Moderated"},
        {"outcome": "error", "error_kind": "bad_request"},
    ),
    (
        f"{BFL}/get_result?id=7a4c",
        200,
        {"status": "Ready", "result": {"sample": "u"}},
        {"outcome": "ok"},
    ),
    (
        "https://x/task-result?task_id=7a4c",
        200,
        {"task": {"status": "TASK_STATUS_FAILED"}},
        {"outcome": "error", "error_kind": "other"},
    ),
    ("https://x/gone/7a4c", 404, {"error": "x"}, {"outcome": "error", "error_kind": "not_found"}),
    (
        f"{ROUTER}/v1/responses/7a4c",
        200,
        {"id": "7a4c", "status": "completed", "usage": {"input_tokens": 3, "output_tokens": 4}},
        {"input_tokens": 3, "output_tokens": 4},
    ),
]


@pytest.mark.parametrize(("url", "status", "reply", "wanted"), ENDS, ids=range(len(ENDS)))
def test_the_last_poll_says_how_it_ended(
    url: str, status: int, reply: Any, wanted: dict[str, Any]
) -> None:
    call, ended = polled("7a4c", url, status, reply)
    assert ended
    assert {name: getattr(call, name) for name in wanted} == wanted


def test_units_stand_with_the_result() -> None:
    call, _ = polled("7a4c", FAL_JOB, 200, {"video": {}}, x_fal_billable_units="2.5")
    assert (call.units, call.unit_kind) == ("2.5", "fal_billable_unit")


def test_a_job_that_was_done_is_no_loss_when_nobody_fetches_it() -> None:
    call = answered(asked(FAL, {"prompt": "x"}), {})
    job = jobs.Job("7a4c")
    jobs.read_poll(call, job, jobs.Polled(f"{FAL_JOB}/status", 200, {}, b'{"status":"COMPLETED"}'))
    jobs.give_up(call, job)
    assert call.outcome == "ok"
    jobs.give_up(call, jobs.Job("7a4c"))
    assert call.outcome == "interrupted"


@given(st.text(max_size=60), st.integers(0, 999), st.binary(max_size=80))
def test_no_poll_raises(url: str, status: int, body: bytes) -> None:
    call = answered(asked(FAL, {"prompt": "x"}), {})
    list(jobs.ids_in(url))
    jobs.read_poll(call, jobs.Job("7"), jobs.Polled(url, status, {}, body))
    jobs.promised(call, body, None)
