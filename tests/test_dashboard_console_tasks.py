"""Every task from its form through a call to its answer on the page, and the row it became."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from factories_console import (
    fill_all,
    form_of,
    model_of,
    run_of,
    send,
    shown,
)
from factories_practice import Practice, only_call, practice_server, recording

from hf_ledger.dashboard.console.parameters import PARAMETERS, nested
from hf_ledger.ingest.doors.hook.labels import attribute
from hf_ledger.ingest.doors.router.calling import answer
from hf_ledger.ingest.doors.router.failing import CallFailed
from hf_ledger.ingest.doors.router.pools import Pools
from hf_ledger.ingest.doors.router.seen import Seen
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.tasks import TASKS
from hf_ledger.ingest.places import Places

#: hub asks for films at providers alone, never at an address.
NOT_AT_AN_ADDRESS = {"text-to-video"}
UNKNOWN = "no form of its own"


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.fixture
def practice(
    server: Practice, places: Places, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Practice]:
    monkeypatch.setenv("HF_TOKEN", "hf_SECRET")
    with recording(server):
        yield server


def asked(
    practice: Practice,
    task: str,
    inputs: dict[str, Any],
    seen: Seen | None = None,
    **parameters: Any,
) -> Any:
    target = Target(name="t", url=practice.url, model=model_of(task))

    async def once() -> Any:
        pools = Pools()
        try:
            with attribute(source="console"):
                return await answer(
                    target, task, inputs, parameters, seen=seen or Seen(), timeout_s=20, pools=pools
                )
        finally:
            await pools.close()

    return asyncio.run(once())


@pytest.mark.parametrize("task", sorted(set(TASKS) - NOT_AT_AN_ADDRESS))
def test_from_form_to_answer(practice: Practice, places: Places, task: str) -> None:
    at = form_of(task)
    fill_all(at, task)
    inputs = send(at)
    assert inputs
    value = asked(practice, task, inputs)
    page = shown(run_of(task, inputs, value))
    assert UNKNOWN not in "".join(each.value for each in page.caption)
    call = only_call(places)
    assert (call.task, call.outcome, call.source) == (task, "ok", "console")


SET = {"whole": 70, "number": 0.5, "switch": True, "text": "en"}


@pytest.mark.parametrize("task", sorted(set(PARAMETERS) - NOT_AT_AN_ADDRESS))
def test_every_parameter_is_taken_and_the_task_stays(
    practice: Practice, places: Places, task: str
) -> None:
    at = form_of(task)
    fill_all(at, task)
    inputs = send(at)
    assert inputs
    given = {
        each.name: each.choices[0] if each.choices else SET[each.sort] for each in PARAMETERS[task]
    }
    page = shown(run_of(task, inputs, asked(practice, task, inputs, **nested(given))))
    assert UNKNOWN not in "".join(each.value for each in page.caption)
    assert only_call(places).task == task


@pytest.mark.parametrize(
    ("task", "kind"), [("image-to-text", "image/png"), ("audio-classification", "audio/wav")]
)
def test_a_file_goes_along_with_its_media_type(practice: Practice, task: str, kind: str) -> None:
    """Without it hub's client would call the bytes JSON, and Hugging Face would refuse them."""
    at = form_of(task)
    fill_all(at, task)
    inputs, seen = send(at), Seen()
    assert inputs
    asked(practice, task, inputs, seen)
    assert seen.headers["content-type"] == kind


def test_a_film_is_asked_at_a_provider_alone(practice: Practice) -> None:
    target = Target(name="t", url=practice.url, model="a/b")

    async def once() -> None:
        await answer(target, "text-to-video", {"prompt": "x"}, seen=Seen(), timeout_s=5)

    with pytest.raises(CallFailed, match="can't be asked for text-to-video"):
        asyncio.run(once())
