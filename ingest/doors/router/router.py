"""`AsyncRouter`: a program asks for a task, and the best target that is healthy answers it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import partial
from types import TracebackType
from typing import Any, Self

from hf_ledger.ingest.doors.hook.ids import uuid7
from hf_ledger.ingest.doors.hook.labels import Labels, current, given
from hf_ledger.ingest.doors.router import calling
from hf_ledger.ingest.doors.router.calling import watched
from hf_ledger.ingest.doors.router.course import Course
from hf_ledger.ingest.doors.router.parts import Parts
from hf_ledger.ingest.doors.router.pools import PerLoop, Pools
from hf_ledger.ingest.doors.router.refreshing import refresh
from hf_ledger.ingest.doors.router.routed import Routed
from hf_ledger.ingest.doors.router.running import Runner, now_s
from hf_ledger.ingest.doors.router.seen import Seen
from hf_ledger.ingest.doors.router.streaming import Pieces, Stream
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.tasks import arguments, task_named
from hf_ledger.ingest.doors.router.wanted import CHAT, Wanted
from hf_ledger.ingest.errors import LedgerError, Usage
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.wire.estimate import limit_of, read_tokens

Given = Mapping[str, Any]

_log = logging.getLogger("hf_ledger")

WISHES = tuple(each.name for each in fields(Wanted))


class AsyncRouter:
    """Routes requests over the targets of the settings and those that were discovered.

    What is wanted is a `Wanted`, the name of a `[routes.NAME]`, or nothing; wishes (`task=`,
    `policy=`, `models=`, `total_s=`, … as `Wanted` has them) go on top of it. Starts recording if
    nothing has. May be used in several event loops; `close` ends the connections of one.
    """

    def __init__(self, parts: Parts, labels: Labels) -> None:
        self._parts, self._labels = parts, labels
        self._pools = Pools()
        self._runners = PerLoop(self._runner)
        self._looks: PerLoop[set[asyncio.Task[Any]]] = PerLoop(set)

    @classmethod
    def open(cls, places: Places | None = None, **labels: Any) -> Self:
        """A router of these places; the labels (app, team, user, …) go on every call.

        Raises Unusable, with one sentence, for settings with a mistake.
        """
        where = places or Places.default()
        return cls(Parts.of(where), given(**labels))

    async def run(
        self,
        wanted: Wanted | str | None = None,
        inputs: Given | None = None,
        parameters: Given | None = None,
        **wishes: Any,
    ) -> Routed[Any]:
        """The first good answer, as hub's client gives it, and how it came about.

        Raises RouteFailed where no target answered, Usage for what makes no sense.
        """
        course = self._course(wanted, inputs, parameters, wishes)
        task, said, more = course.wanted.task, inputs or {}, parameters or {}

        async def ask(target: Target, seen: Seen, silent_s: float) -> Any:
            return await calling.answer(
                target, task, said, more, seen=seen, timeout_s=silent_s, pools=self._pools
            )

        return await self._here().run(course, ask)

    def stream(
        self,
        wanted: Wanted | str | None = None,
        inputs: Given | None = None,
        parameters: Given | None = None,
        **wishes: Any,
    ) -> Stream:
        """The answer's text in pieces: `async with router.stream(…) as answer`.

        Another target takes over only until the first piece is here. Entering raises as `run` does.
        """

        def begin(target: Target, seen: Seen, silent_s: float) -> Pieces:
            return calling.stream(
                target,
                course().wanted.task,
                inputs or {},
                parameters or {},
                seen=seen,
                timeout_s=silent_s,
                pools=self._pools,
            )

        def course() -> Course:
            return self._course(wanted, inputs, parameters, wishes, streamed=True)

        return Stream(self._here, course, begin)

    async def chat(
        self,
        messages: list[Any],
        wanted: Wanted | str | None = None,
        **parameters: Any,
    ) -> Routed[Any]:
        """A chat; keywords are the wishes that `Wanted` knows, the others are parameters."""
        wishes = {name: parameters.pop(name) for name in WISHES if name in parameters}
        return await self.run(wanted, {"messages": messages}, parameters, **wishes)

    async def close(self) -> None:
        """Close the connections of the running event loop; whoever asks again opens new ones."""
        for look in self._looks.drop():
            look.cancel()
        await self._pools.close()
        self._runners.drop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _here(self) -> Runner:
        """The running loop's runner; what is known of targets is brought up to date beside it."""
        registry, looks = self._parts.registry, self._looks.here()
        if not looks and registry.is_stale(time.time()):
            look = asyncio.create_task(refresh(registry, self._parts.places))
            looks.add(look)
            look.add_done_callback(partial(_looked, looks))
        return self._runners.here()

    def _runner(self) -> Runner:
        parts = self._parts
        return Runner(parts.ranker, parts.targets, parts.watch, random.random)

    def _course(
        self,
        wanted: Wanted | str | None,
        inputs: Given | None,
        parameters: Given | None,
        wishes: Given,
        *,
        streamed: bool = False,
    ) -> Course:
        """The operation that begins now. Raises Usage."""
        chosen = self._wanted(wanted, wishes)
        arguments(chosen.task, inputs or {})
        if streamed and not task_named(chosen.task).streams:
            raise Usage(f"The task {chosen.task} can't be streamed.")
        name = wanted if isinstance(wanted, str) else chosen.task
        measured = measured_by(chosen, inputs or {}, parameters or {})
        watched(None, self._parts.places)
        return Course(measured, now_s(), operation_labels(self._labels, name))

    def _wanted(self, wanted: Wanted | str | None, wishes: Given) -> Wanted:
        unknown = [name for name in wishes if name not in WISHES]
        if unknown:
            raise Usage(
                f"A request has no {unknown[0]}; it has {', '.join(WISHES)}. "
                "Parameters of the task go into parameters={…}."
            )
        if isinstance(wanted, str):
            wanted = self._parts.registry.route(wanted)
        return replace(wanted or Wanted(task=CHAT), **wishes)


def _looked(looks: set[asyncio.Task[Any]], look: asyncio.Task[Any]) -> None:
    """Requests go on with what is known, whatever became of the look."""
    looks.discard(look)
    error = None if look.cancelled() else look.exception()
    if error is not None:
        why = str(error) if isinstance(error, LedgerError) else type(error).__name__
        _log.warning("hf-ledger could not bring its targets up to date: %s", why)


def measured_by(wanted: Wanted, inputs: Given, parameters: Given) -> Wanted:
    """What inputs and parameters say of the request, where nobody has said it."""
    body = {**parameters, **inputs}
    return replace(
        wanted,
        input_tokens=read_tokens(body) if wanted.input_tokens is None else wanted.input_tokens,
        output_tokens=wanted.output_tokens or limit_of(dict(parameters)),
        tools=wanted.tools or bool(parameters.get("tools")),
        structured_output=wanted.structured_output or bool(parameters.get("response_format")),
    )


def operation_labels(labels: Labels, name: str) -> Labels:
    """One operation for all attempts: the caller's, where there is one."""
    outer = current.get()
    if outer.operation_id is not None:
        return labels._replace(operation=outer.operation, operation_id=outer.operation_id)
    return labels._replace(operation=name, operation_id=uuid7(time.time_ns()))
