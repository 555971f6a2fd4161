"""Providers that answer later: fal's queue, replicate's predictions, wavespeed, Together's videos.

A job is done after `polls=N` polls (two where nobody says), or fails with `fail`.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hf_ledger.practice import answers
from hf_ledger.practice.asking import Asked, Json, base_headers, reply
from hf_ledger.practice.mishaps import number_of

Answering = Callable[[Asked], Awaitable[Response]]
Polling = Callable[[Request], Awaitable[Response]]

REMEMBERED = 10_000
POLLS = 2
PICTURE = "https://fal.media/files/practice/picture.png"
FILM = "https://fal.media/files/practice/film.mp4"


class Job(NamedTuple):
    polls_left: int
    fails: bool
    result: Json


class Queue:
    """Jobs under way, without anything of what was asked for."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def posts(self) -> dict[str, Answering]:
        """Addresses that start a job."""
        return {
            "/fal-ai/{model:path}": self.fal,
            "/replicate/v1/predictions": self.replicate,
            "/replicate/v1/models/{model:path}/predictions": self.replicate,
            "/wavespeed/api/v3/{model:path}": self.wavespeed,
            "/together/v2/videos": self.together,
        }

    def gets(self) -> dict[str, Polling]:
        """Addresses that ask how far it is."""
        return {
            "/fal-ai/{model:path}/requests/{job}/status": self.fal_status,
            "/fal-ai/{model:path}/requests/{job}": self.fal_result,
            "/replicate/v1/predictions/{job}": self.replicate_poll,
            "/wavespeed/api/v3/predictions/{job}/result": self.wavespeed_poll,
            "/together/v2/videos/{job}": self.together_poll,
        }

    def start(self, asked: Asked, result: Json) -> str:
        name = uuid.uuid4().hex
        polls = number_of(asked.wishes, "polls") or POLLS
        self._jobs[name] = Job(polls, "fail" in asked.wishes, result)
        if len(self._jobs) > REMEMBERED:
            self._jobs.pop(next(iter(self._jobs)))
        return name

    def asked_again(self, request: Request) -> tuple[str, Job] | None:
        """One poll fewer to wait; None for a job nobody knows."""
        name = request.path_params["job"]
        job = self._jobs.get(name)
        if job is None:
            return None
        job = self._jobs[name] = job._replace(polls_left=job.polls_left - 1)
        return name, job

    # -- fal ---------------------------------------------------------------------------------------

    async def fal(self, asked: Asked) -> Response:
        """At once, or through the queue where the address says so."""
        film = "video" in asked.model
        made = {"video": {"url": FILM}} if film else {"images": [picture()], "seed": 1}
        if asked.request.query_params.get("_subdomain") != "queue":
            return await started(asked, made, 200, {"x-fal-billable-units": "0.79"})
        name = self.start(asked, made)
        return await started(asked, fal_ticket(asked.model, name, "IN_QUEUE"), 200)

    async def fal_status(self, request: Request) -> Response:
        found = self.asked_again(request)
        if found is None:
            return unknown(request)
        name, job = found
        word = "IN_PROGRESS" if job.polls_left > 0 else "COMPLETED"
        said = fal_ticket(request.path_params["model"], name, word)
        return answered(request, said, 202 if job.polls_left > 0 else 200)

    async def fal_result(self, request: Request) -> Response:
        job = self._jobs.pop(request.path_params["job"], None)
        if job is None:
            return unknown(request)
        if job.fails:
            return answered(request, {"detail": [{"msg": "the job failed", "type": "value"}]}, 422)
        return answered(request, job.result, 200, {"x-fal-billable-units": "3"})

    # -- replicate ---------------------------------------------------------------------------------

    async def replicate(self, asked: Asked) -> Response:
        name = self.start(asked, {"output": [PICTURE]})
        return await started(asked, prediction(name, "starting", None), 201)

    async def replicate_poll(self, request: Request) -> Response:
        found = self.asked_again(request)
        if found is None:
            return unknown(request)
        name, job = found
        if job.polls_left > 0:
            return answered(request, prediction(name, "processing", None))
        word = "failed" if job.fails else "succeeded"
        said = prediction(name, word, None if job.fails else job.result["output"])
        return answered(request, {**said, "error": "out of memory" if job.fails else None})

    # -- wavespeed ---------------------------------------------------------------------------------

    async def wavespeed(self, asked: Asked) -> Response:
        name = self.start(asked, {"outputs": [FILM]})
        return await started(asked, task(name, "created", []), 200)

    async def wavespeed_poll(self, request: Request) -> Response:
        found = self.asked_again(request)
        if found is None:
            return unknown(request)
        name, job = found
        word = "processing" if job.polls_left > 0 else "failed" if job.fails else "completed"
        outputs = job.result["outputs"] if word == "completed" else []
        return answered(request, task(name, word, outputs))

    # -- together ----------------------------------------------------------------------------------

    async def together(self, asked: Asked) -> Response:
        name = self.start(asked, {"outputs": {"video_url": FILM, "cost": 0.5}})
        return await started(asked, {"id": name, "object": "video", "status": "queued"}, 200)

    async def together_poll(self, request: Request) -> Response:
        found = self.asked_again(request)
        if found is None:
            return unknown(request)
        name, job = found
        said: Json = {"id": name, "object": "video", "status": "in_progress"}
        if job.polls_left <= 0 and job.fails:
            said |= {"status": "failed", "error": {"message": "no film", "code": "server_error"}}
        elif job.polls_left <= 0:
            said |= {"status": "completed", **job.result}
        return answered(request, said)


async def started(
    asked: Asked, said: Json, status: int, headers: dict[str, str] | None = None
) -> Response:
    return await reply(asked, packed(said), headers=headers, status=status)


def packed(said: Json) -> bytes:
    return bytes(JSONResponse(said).body)


def answered(
    request: Request, said: Json, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return JSONResponse(said, status, {**base_headers(request), **(headers or {})})


def unknown(request: Request) -> Response:
    return answered(request, {"error": "No such job"}, 404)


def picture() -> Json:
    return {"url": PICTURE, "width": 1, "height": 1, "content_type": "image/png"}


def fal_ticket(model: str, name: str, status: str) -> Json:
    place = f"https://queue.fal.run/{model}/requests/{name}"
    return {
        "status": status,
        "request_id": name,
        "response_url": place,
        "status_url": f"{place}/status",
        "cancel_url": f"{place}/cancel",
    }


def prediction(name: str, status: str, output: list[str] | None) -> Json:
    place = f"https://api.replicate.com/v1/predictions/{name}"
    return {
        "id": name,
        "model": "practice/model",
        "version": "practice",
        "status": status,
        "output": output,
        "error": None,
        "logs": answers.TITLE,
        "urls": {"get": place, "cancel": f"{place}/cancel"},
    }


def task(name: str, status: str, outputs: list[str]) -> Json:
    place = f"https://api.wavespeed.ai/api/v3/predictions/{name}/result"
    data = {"id": name, "status": status, "outputs": outputs, "urls": {"get": place}}
    return {"code": 200, "message": "success", "data": data}
