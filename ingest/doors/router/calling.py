"""One call of any task to one target, through hub's own asynchronous client.

hub's client sends each request once: it neither repeats one after 429, 500 or 503 nor waits for a
model to load. The one exception (a text generation refused for its parameters is sent again with
less) is switched off here, so that an attempt is one request.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import cache
from typing import Any

from hf_ledger.ingest.doors.client import EXTRA_MISSING, NO_TOKEN, token_of
from hf_ledger.ingest.doors.hook import recording
from hf_ledger.ingest.doors.hook.hosts import netloc_of
from hf_ledger.ingest.doors.hook.labels import Labelled, current, given
from hf_ledger.ingest.doors.hook.witness import seen_by
from hf_ledger.ingest.doors.router.failing import failed, foreign_errors
from hf_ledger.ingest.doors.router.fitting import fitted, where_of
from hf_ledger.ingest.doors.router.pools import Pools
from hf_ledger.ingest.doors.router.seen import Seen
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.tasks import arguments, task_named
from hf_ledger.ingest.doors.router.wanted import CHAT
from hf_ledger.ingest.errors import Unusable, Usage
from hf_ledger.ingest.places import Places

#: The last tenth of a call's time, at most: silence is ended by the client, which calls it a
#: timeout in the call's row, before whoever waits for the whole ends it by cancelling.
EARLIER_S = 0.25

#: Connections of whoever brings none; `close()` ends them.
SHARED = Pools()


def client_of(
    target: Target, token: str | None, timeout_s: float, *, task: str = CHAT, pools: Pools = SHARED
) -> Any:
    """hub's client for one call; its connections are the pool's. Raises Unusable without hub."""
    if target.kind == "self_hosted" and token is None:
        token = NO_TOKEN
    where = where_of(target, task, token)
    silent_s = timeout_s - min(EARLIER_S, timeout_s / 10)
    made = _one_call()(**where.client, token=token, timeout=silent_s)
    made.connections = pools.client(target)
    return made


async def answer(
    target: Target,
    task: str,
    inputs: Mapping[str, Any],
    parameters: Mapping[str, Any] | None = None,
    *,
    seen: Seen,
    timeout_s: float,
    pools: Pools = SHARED,
) -> Any:
    """hub's own answer object. `timeout_s` is for silence: the whole is the caller's to bound.

    Raises CallFailed (one sentence) for a call that failed, Usage for one that makes no sense.
    """
    async with _client(target, task, timeout_s, pools) as client:
        said = _said(client, target, task, inputs, parameters or {})
        return await _asked(client, target, task, said, seen)


async def stream(
    target: Target,
    task: str,
    inputs: Mapping[str, Any],
    parameters: Mapping[str, Any] | None = None,
    *,
    seen: Seen,
    timeout_s: float,
    pools: Pools = SHARED,
) -> AsyncGenerator[str, None]:
    """The answer's text piece by piece; leaving early closes the connection. Raises as `answer`."""
    if not task_named(task).streams:
        raise Usage(f"The task {task} can't be streamed.")
    async with _client(target, task, timeout_s, pools) as client:
        said = _said(client, target, task, inputs, parameters or {})
        if task == CHAT:
            said.setdefault("stream_options", {"include_usage": True})
        pieces = await _asked(client, target, task, {**said, "stream": True}, seen)
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    if text := text_of(piece):
                        seen.token()
                        yield text
        except foreign_errors() as error:
            raise failed(error, target, task, seen) from error


async def close() -> None:
    """Close the connections that were made without pools of one's own, in this event loop."""
    await SHARED.close()


def text_of(piece: Any) -> str:
    """The text in a piece of a stream."""
    if isinstance(piece, str):
        return piece
    if hasattr(piece, "token"):
        return str(piece.token.text)
    return "".join(each.delta.content or "" for each in piece.choices)


def watched(target: Target | None, places: Places | None = None) -> None:
    """Record from now on, this target's host included."""
    if recording.active.hook is None:
        recording.record(places=places)
    hook = recording.active.hook
    if hook is None or target is None or target.url is None:
        return
    host = netloc_of(target.url)
    if host not in hook.watch.settings.extra_hosts:
        recording.watch({host: target.kind})


def _client(target: Target, task: str, timeout_s: float, pools: Pools) -> Any:
    watched(target)
    token = token_of(target.name, target.token_variable)
    return client_of(target, token, timeout_s, task=task, pools=pools)


def _said(
    client: Any, target: Target, task: str, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """The method's arguments. Raises Usage."""
    asked = task_named(task)
    said = arguments(task, inputs)
    said.update(fitted(getattr(client, asked.method), task, asked, parameters))
    if task == CHAT and target.url:
        # To an address hub would send the model name "dummy".
        said["model"] = where_of(target, task, client.token).chat_model
    elif task != CHAT:
        # hub remembers by this name which parameters a server does not take.
        said["model"] = client.model
    return said


async def _asked(client: Any, target: Target, task: str, said: dict[str, Any], seen: Seen) -> Any:
    method = getattr(client, task_named(task).method)
    source = current.get().source or "client"
    try:
        with Labelled(given(source=source)), seen_by(seen):
            return await method(**said)
    except foreign_errors() as error:
        raise failed(error, target, task, seen) from error


@cache
def _one_call() -> Any:
    """hub's client, made to send one request over connections that are not its own."""
    try:
        from huggingface_hub import AsyncInferenceClient
        from huggingface_hub.errors import BadRequestError, HfHubHTTPError
    except ImportError as error:
        raise Unusable(EXTRA_MISSING) from error

    class OneCall(AsyncInferenceClient):
        connections: Any = None

        async def _get_async_client(self) -> Any:
            return self.connections

        async def _inner_post(self, *args: Any, **kwargs: Any) -> Any:
            try:
                return await super()._inner_post(*args, **kwargs)
            except BadRequestError as error:
                # Of another class: by this one hub sends a text generation again, with less.
                raise HfHubHTTPError(str(error), response=error.response) from error

    return OneCall
