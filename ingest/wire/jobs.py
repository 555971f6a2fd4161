"""Asynchronous work: one POST starts a job, polls ask how far it is, one reply ends it.

A job is one call. Ids are given by the provider's queue and stand in the poll's address, so no
provider's grammar is needed to bring the two together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from hf_ledger.ingest.call import Call, ErrorKind
from hf_ledger.ingest.wire import bodies, errors, media, raw, tasks
from hf_ledger.ingest.wire.headers import set_units
from hf_ledger.ingest.wire.paths import segments_of, split_url
from hf_ledger.ingest.wire.raw import NOTHING, Raw

Stage = Literal["running", "ready", "done", "failed", "cancelled"]

#: A promise and a poll's reply are small; a result that holds its pictures may be large.
LONGEST_PROMISE = 1 << 20

_STAGES: dict[str, Stage] = {
    **dict.fromkeys(
        (
            "in_queue",
            "in_progress",
            "queued",
            "starting",
            "processing",
            "created",
            "pending",
            "running",
            "submitted",
            "waiting",
            "task_status_queued",
            "task_status_processing",
        ),
        "running",
    ),
    **dict.fromkeys(
        (
            "completed",
            "succeeded",
            "succeed",
            "success",
            "ready",
            "finished",
            "incomplete",
            "task_status_succeed",
        ),
        "done",
    ),
    **dict.fromkeys(
        (
            "failed",
            "fail",
            "error",
            "expired",
            "content moderated",
            "request moderated",
            "task not found",
            "task_status_failed",
        ),
        "failed",
    ),
    **dict.fromkeys(("canceled", "cancelled", "aborted"), "cancelled"),
}


class _Said(msgspec.Struct, gc=False):
    """Where queues say which job it is and how far it has come."""

    id: Raw = NOTHING
    request_id: Raw = NOTHING
    task_id: Raw = NOTHING
    status: Raw = NOTHING
    task_status: Raw = NOTHING
    data: Raw = NOTHING
    task: Raw = NOTHING
    error: Raw = NOTHING
    response_url: Raw = NOTHING
    polling_url: Raw = NOTHING
    output: Raw = NOTHING
    outputs: Raw = NOTHING
    images: Raw = NOTHING
    image_result: Raw = NOTHING
    video_result: Raw = NOTHING
    videos: Raw = NOTHING
    video: Raw = NOTHING
    result: Raw = NOTHING


_SAID = msgspec.json.Decoder(_Said)


class Job(msgspec.Struct):
    """Work that was promised: the id it is asked for by, and what its request was about."""

    id: str
    form: str | None = None
    ready: bool = False  # done, says the queue, though nobody has fetched the result yet


class Polled(NamedTuple):
    """One poll: the address asked and what it answered; header names in lower case."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


def promised(call: Call, body: bytes, form: str | None) -> Job | None:
    """The job that the reply to a POST promises; None where the reply is the result itself."""
    if len(body) > LONGEST_PROMISE:
        return None
    said = raw.decode(_SAID, body)
    if said is None:
        return None
    inner = raw.decode(_SAID, said.data) or _Said()
    stage = _stage_of(said) or _stage_of(inner)
    promise = stage == "running" or (stage is None and _promises(call, said))
    name = _name_of(said) or _name_of(inner)
    return Job(name, form) if promise and name else None


def _promises(call: Call, said: _Said) -> bool:
    """Some queues say no word of status at first; Together's videos may leave it out."""
    if said.response_url or said.polling_url or said.task_id:
        return True
    video = (call.task or "").endswith("to-video")
    return video and bool(said.id) and not (said.video or said.videos or said.output)


def _name_of(said: _Said) -> str | None:
    return raw.text(said.request_id) or raw.text(said.task_id) or raw.text(said.id)


def ids_in(url: str) -> Iterator[str]:
    """What in an address may be the id of a job; the last parts first."""
    split = split_url(url)
    yield from (value for _, value in parse_qsl(split.query))
    yield from reversed(segments_of(split.path))


def read_poll(call: Call, job: Job, poll: Polled) -> bool:
    """Take over what a poll's reply says of the job's call; whether this is its end."""
    said = raw.decode(_SAID, poll.body) or _Said()
    stage = _stage_of_poll(said, poll.status, _last_segment(poll.url), job)
    if stage == "ready":
        job.ready = True
    if stage in ("running", "ready"):
        return False
    set_units(call, poll.headers)
    if stage == "done":
        _take_result(call, job, said, poll.body)
    else:
        call.outcome = "cancelled" if stage == "cancelled" else "error"
        call.error_kind = None if stage == "cancelled" else _error_kind(said, poll)
    return True


def give_up(call: Call, job: Job) -> None:
    """Nobody asks for the job any more: the call stays as it stands."""
    if not job.ready:
        call.outcome, call.error_kind = "interrupted", None


def _last_segment(url: str) -> str:
    segments = segments_of(split_url(url).path)
    return segments[-1] if segments else ""


def _stage_of(said: _Said) -> Stage | None:
    word = raw.text(said.status) or raw.text(said.task_status)
    return _STAGES.get(word.lower()) if word else None


def _stage_of_poll(said: _Said, status: int, asked_for: str, job: Job) -> Stage:
    """A client may ask again after a refusal or a failing gateway, but not for a failed result."""
    fetched = asked_for == job.id
    if status >= 400:
        passing = status in (408, 425, 429) or status >= 500
        return "running" if passing and not fetched else "failed"
    stage = _stage_of(said)
    for part in (said.data, said.task):
        stage = stage or _stage_of(raw.decode(_SAID, part) or _Said())
    if stage is None:
        return "done" if fetched and status == 200 else "running"
    if stage == "done" and raw.stated(said.error):
        return "failed"
    # fal's queue says so at one address and keeps the result, with its units, at another.
    return "ready" if stage == "done" and asked_for == "status" else stage


def _error_kind(said: _Said, poll: Polled) -> ErrorKind:
    if poll.status >= 400:
        return errors.error_kind(poll.status, poll.body)
    moderated = (raw.text(said.status) or "").lower().endswith("moderated")
    return "bad_request" if moderated else errors.kind_of_body(poll.body) or "other"


def _take_result(call: Call, job: Job, said: _Said, body: bytes) -> None:
    """The result's own figures, and its task where the request left it open."""
    inner = raw.decode(_SAID, said.data) or raw.decode(_SAID, said.result) or _Said()
    if call.task is None:
        call.task = _task_of(said, job.form) or _task_of(inner, job.form)
        call.task = call.task or tasks.task_of_body(body, job.form)[0]
    bodies.read_body(call, body, whole=True)
    call.images = call.images or _pictures(call, said) or _pictures(call, inner)


def _task_of(said: _Said, form: str | None) -> str | None:
    """By the ending of the first result's address."""
    for listed in (said.outputs, said.output):
        parts = raw.items(listed)
        address = raw.text(parts[0] if parts else listed)
        kind = media.kind_of_url(address) if address else None
        if kind is not None:
            return tasks.task_of_file(kind, form)
    return None


def _pictures(call: Call, said: _Said) -> int | None:
    if call.task not in bodies.IMAGE_TASKS:
        return None
    listed = (said.images, said.image_result, said.outputs, said.output)
    return next((len(found) for each in listed if (found := raw.items(each))), None)
