"""Who and what a call is for: labels that follow the program's own flow of control.

    with attribute(user="u-17", project="contracts"):
        with operation("summarise contract"):
            client.chat_completion(…)

Labels live in one context variable, so they follow tasks by themselves and threads by `carry`.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import NamedTuple, ParamSpec, Self, TypeVar, cast

from hf_ledger.ingest.call import Call, Purpose, Source
from hf_ledger.ingest.doors.hook.ids import uuid7
from hf_ledger.ingest.errors import Usage

P = ParamSpec("P")
R = TypeVar("R")

MAX_TAGS = 16
MAX_LENGTH = 256


class Labels(NamedTuple):
    """Columns of a call that only the program knows; None says nothing."""

    app: str | None = None
    environment: str | None = None
    team: str | None = None
    project: str | None = None
    user_id: str | None = None
    purpose: Purpose | None = None
    source: Source | None = None
    operation_id: str | None = None
    operation: str | None = None
    tags: Mapping[str, str] | None = None

    def over(self, below: Labels) -> Labels:
        """These labels where they say something, else the ones below; tags are joined."""
        if below is NONE:
            return self
        chosen = [mine if mine is not None else its for mine, its in zip(self, below, strict=True)]
        joined = Labels._make(chosen)
        if self.tags and below.tags:
            return joined._replace(tags=bounded({**below.tags, **self.tags}))
        return joined

    def write_on(self, call: Call) -> None:
        """Put them on a call."""
        (
            call.app,
            call.environment,
            call.team,
            call.project,
            call.user_id,
            purpose,
            source,
            call.operation_id,
            call.operation,
            tags,
        ) = self
        if source is not None:
            call.source = source
        if purpose is not None:
            call.purpose = purpose
        if tags:
            call.tags = dict(tags)


NONE = Labels()

current: ContextVar[Labels] = ContextVar("hf_ledger_labels", default=NONE)


def bounded(tags: Mapping[str, str]) -> dict[str, str] | None:
    """The newest sixteen tags; None where there are none."""
    kept = list(tags.items())[-MAX_TAGS:]
    return dict(kept) if kept else None


def text(value: object) -> str | None:
    """A label as it is stored: a short string, None for nothing."""
    return None if value is None or value == "" else str(value)[:MAX_LENGTH]


def given(
    *,
    app: object = None,
    environment: object = None,
    team: object = None,
    project: object = None,
    user: object = None,
    purpose: Purpose | None = None,
    source: Source | None = None,
    tags: Mapping[str, object] | None = None,
) -> Labels:
    """Labels as a program gives them; values become short strings."""
    named = {str(key)[:MAX_LENGTH]: str(value)[:MAX_LENGTH] for key, value in (tags or {}).items()}
    return Labels(
        app=text(app),
        environment=text(environment),
        team=text(team),
        project=text(project),
        user_id=text(user),
        purpose=purpose,
        source=source,
        tags=bounded(named),
    )


class Labelled:
    """Labels the calls made inside: a context manager, and a decorator of (async) functions."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._entered: list[tuple[Labels, Token[Labels]]] = []

    def labels(self) -> Labels:
        """What one entry puts on; an operation is a new one each time."""
        return self._labels

    def __enter__(self) -> Self:
        below = current.get()
        self._entered.append((below, current.set(self.labels().over(below))))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        below, token = self._entered.pop()
        try:
            current.reset(token)
        except ValueError:
            # Left in another context than entered, as async generators are when finalised.
            current.set(below)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            name = getattr(function, "__name__", "this generator")
            raise Usage(f"{name} is a generator; use `with` around the calls inside it instead.")
        if inspect.iscoroutinefunction(function):
            return cast("Callable[P, R]", self._around_coroutine(function))

        @functools.wraps(function)
        def labelled(*args: P.args, **kwargs: P.kwargs) -> R:
            with type(self)(self._labels):
                return function(*args, **kwargs)

        return labelled

    def _around_coroutine(self, function: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(function)
        async def labelled(*args: object, **kwargs: object) -> object:
            with type(self)(self._labels):
                return await function(*args, **kwargs)  # type: ignore[misc]

        return labelled


class Operation(Labelled):
    """One piece of the user's work, made of one or more calls: each entry gets an id of its own."""

    def labels(self) -> Labels:
        return self._labels._replace(operation_id=uuid7(time.time_ns()))


def attribute(
    *,
    user: object = None,
    project: object = None,
    team: object = None,
    app: object = None,
    environment: object = None,
    purpose: Purpose | None = None,
    source: Source | None = None,
    tags: Mapping[str, object] | None = None,
) -> Labelled:
    """Label the calls made inside; inner labels win, tags are joined (16, 256 characters each)."""
    return Labelled(
        given(
            app=app,
            environment=environment,
            team=team,
            project=project,
            user=user,
            purpose=purpose,
            source=source,
            tags=tags,
        )
    )


def operation(name: str) -> Operation:
    """Name the piece of work the calls inside belong to; retries inside it are numbered."""
    return Operation(Labels(operation=text(name)))


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """The function, to be run in another thread or queue with the labels of here and now."""
    labels = current.get()

    @functools.wraps(function)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        token = current.set(labels)
        try:
            return function(*args, **kwargs)
        finally:
            current.reset(token)

    return carried
