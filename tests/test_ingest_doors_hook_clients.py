"""Where calls are seen: the private method is pinned here, and what happens without it."""

from __future__ import annotations

import functools
import inspect
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest
from factories_practice import Practice, calls, chat, only_call, practice_server, recording

from hf_ledger.ingest.doors.hook import clients
from hf_ledger.ingest.doors.hook.hook import Hook
from hf_ledger.ingest.doors.hook.hosts import settings_of
from hf_ledger.ingest.doors.hook.labels import NONE
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.segments import Segments


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda each: each.__name__)
@pytest.mark.parametrize("client", ["Client", "AsyncClient"])
def test_the_private_method_is_there_and_as_we_know_it(library: ModuleType, client: str) -> None:
    owner = getattr(library, client)
    method = owner._send_single_request
    assert clients.method_of(owner) == "_send_single_request"
    assert list(inspect.signature(method).parameters) == ["self", "request"]
    assert inspect.iscoroutinefunction(method) is (client == "AsyncClient")


@pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda each: each.__name__)
def test_all_that_we_use_of_a_library_is_there(library: ModuleType) -> None:
    request = library.Request("POST", "http://h:1/p", content=b"x", headers={"A": "b"})
    assert (request.url.host, request.url.netloc, str(request.url)) == ("h", b"h:1", "http://h:1/p")
    assert (b"A", b"b") in request.headers.raw
    assert request.content == b"x"
    unread = library.Request("POST", "http://h", content=iter([b"x"]))
    with pytest.raises(RuntimeError):
        _ = unread.content
    assert library.Response(200, content=b"x").is_closed
    streamed = library.Response(200, stream=library.Response(200, content=b"x").stream)
    assert b"".join(streamed.iter_raw()) == b"x"
    for stream in (library.SyncByteStream, library.AsyncByteStream):
        assert inspect.isclass(stream)


class NoPrivate(type):
    """Hides the private method from a look at the class."""

    def __getattribute__(cls, name: str) -> Any:
        if name == "_send_single_request":
            raise AttributeError(name)
        return super().__getattribute__(name)


def public_only(source: ModuleType) -> ModuleType:
    later = ModuleType("later")
    for name in ("SyncByteStream", "AsyncByteStream"):
        setattr(later, name, getattr(source, name))
    for name in ("Client", "AsyncClient"):
        setattr(later, name, NoPrivate(name, (getattr(source, name),), {}))
    return later


@pytest.fixture
def hook(server: Practice, places: Places) -> Iterator[Hook]:
    settings = settings_of([f"{server.host}=router"], places, {})
    made = Hook(Segments(places.spool), settings, NONE, places.keys)
    yield made
    made.finish()
    made.segments.close()


async def test_without_it_the_public_method_is_wrapped(
    server: Practice, places: Places, hook: Hook
) -> None:
    later = public_only(httpx2)
    assert clients.hook_library(later, clients.Door(hook.begin, hook.shield)) == "send"
    url = f"{server.v1}/chat/completions"
    with later.Client() as client:
        client.post(url, json=chat("one two"))
        with client.stream("POST", url, json=chat("one two", stream=True)) as reply:
            reply.read()
    async with later.AsyncClient() as client:
        await client.post(url, json=chat("one two"))
    found = calls(places)
    assert [call.outcome for call in found] == ["ok"] * 3
    assert [call.input_tokens for call in found] == [2] * 3
    assert hook.shield.failures == 0


def test_a_library_with_neither_is_reported_and_left_alone(hook: Hook) -> None:
    strange = ModuleType("strange")
    strange.Client = strange.AsyncClient = type("Client", (), {})  # type: ignore[attr-defined]
    strange.SyncByteStream = strange.AsyncByteStream = object  # type: ignore[attr-defined]
    assert clients.hook_library(strange, clients.Door(hook.begin, hook.shield)) is None


def run(code: str, practice: Practice) -> str:
    """A program of its own, with recording as a user would have it."""
    program = textwrap.dedent(code).replace("PRACTICE", practice.url)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


RECORD = 'import hf_ledger; hf_ledger.record(hosts=["PRACTICE=router"])\n'
POST = 'post("PRACTICE/v1/chat/completions", json={"model": "a/b", "messages": []})\n'


def test_libraries_imported_later_are_hooked_when_they_come(
    server: Practice, places: Places
) -> None:
    code = (
        RECORD
        + "import sys; assert 'httpx' not in sys.modules and 'httpx2' not in sys.modules\n"
        + f"import httpx2; httpx2.{POST}import httpx; httpx.{POST}"
        + "print(httpx2.__loader__.__class__.__name__, 'exec_module' in vars(httpx2.__loader__))"
    )
    assert run(code, server).split() == ["SourceFileLoader", "False"]
    assert len(calls(places)) == 2


@pytest.mark.parametrize("order", ["before", "after"])
def test_aliased_libraries_are_hooked_once(server: Practice, places: Places, order: str) -> None:
    alias = "import httpx2; httpx2.alias_httpx()\n"
    code = alias + RECORD if order == "before" else RECORD + alias
    run(code + f"import httpx; assert httpx is httpx2\nhttpx.{POST}", server)
    assert only_call(places).outcome == "ok"


def test_recording_loads_no_client_library_and_little_else(server: Practice) -> None:
    code = """
    import sys
    import msgspec
    before = set(sys.modules)
    import hf_ledger
    hf_ledger.record()
    new = {name.partition(".")[0] for name in set(sys.modules) - before}
    heavy = new & {"httpx", "httpx2", "huggingface_hub", "duckdb", "pydantic", "typer", "pyarrow"}
    print(sorted(heavy), len(set(sys.modules) - before))
    """
    heavy, count = run(code, server).rsplit(maxsplit=1)
    assert heavy == "[]"
    assert int(count) < 250


def test_a_missing_library_stays_missing(server: Practice, tmp_path: Any) -> None:
    code = (
        RECORD + "import sys; sys.path[:] = [p for p in sys.path if 'site-packages' not in p]\n"
        "try:\n    import httpx2\nexcept ImportError as error:\n    print(error.name)"
    )
    assert run(code, server).strip() == "httpx2"


@pytest.fixture
def wrapped_by_others() -> Iterator[Callable[[], list[str]]]:
    """Another tool's wrapper around whatever is there, which outlives ours."""
    original, seen = httpx2.Client._send_single_request, []

    def wrap() -> list[str]:
        inner = httpx2.Client._send_single_request

        @functools.wraps(inner)
        def theirs(self: Any, request: Any) -> Any:
            seen.append(request.url.path)
            return inner(self, request)

        httpx2.Client._send_single_request = theirs  # type: ignore[method-assign]
        return seen

    yield wrap
    httpx2.Client._send_single_request = original  # type: ignore[method-assign]


def test_somebody_elses_wrapper_survives_our_leaving(
    server: Practice, places: Places, wrapped_by_others: Callable[[], list[str]]
) -> None:
    url = f"{server.v1}/chat/completions"
    with recording(server):
        seen = wrapped_by_others()
        theirs = httpx2.Client._send_single_request
        httpx2.post(url, json=chat())
    assert httpx2.Client._send_single_request is theirs
    httpx2.post(url, json=chat())
    assert len(seen) == 2
    assert len(calls(places)) == 1


def test_recording_begins_anew_around_somebody_elses_wrapper(
    server: Practice, places: Places, wrapped_by_others: Callable[[], list[str]]
) -> None:
    with recording(server):
        wrapped_by_others()
    with recording(server):
        httpx2.post(f"{server.v1}/chat/completions", json=chat())
    assert only_call(places).outcome == "ok"
