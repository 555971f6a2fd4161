"""Questions over the owner's socket: frames, errors, privacy of the socket, stale owners."""

from __future__ import annotations

import os
import socket
import stat
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.errors import Incomplete, LedgerError, Owned, Unusable, Usage
from hf_ledger.ingest.ledger import socket as module
from hf_ledger.ingest.ledger.owner import announce, read_owner
from hf_ledger.ingest.ledger.socket import (
    LARGEST_REQUEST,
    LONGEST_PATH,
    Caller,
    Listener,
    call_owner,
    runtime_folder,
    socket_path,
)
from hf_ledger.ingest.places import Places


def echo(name: str, payload: bytes) -> bytes:
    """Says what it was asked; some names fail in their own way."""
    failures: dict[str, LedgerError] = {
        "usage": Usage("ask differently."),
        "unusable": Unusable("make room."),
        "owned": Owned("somebody has it."),
        "incomplete": Incomplete("two lines are left out."),
    }
    if name in failures:
        raise failures[name]
    return name.encode() + b"|" + payload


@pytest.fixture
def listener(places: Places) -> Iterator[Listener]:
    with Listener(places, echo, "http://127.0.0.1:8501") as listening:
        yield listening


@pytest.fixture
def caller(places: Places, listener: Listener) -> Iterator[Caller]:
    found = call_owner(places)
    assert found
    yield found
    found.close()


def raw(listener: Listener) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(5)
    connection.connect(str(listener.path))
    return connection


def hung_up(connection: socket.socket) -> bool:
    try:
        return connection.recv(100) == b""
    except ConnectionResetError:
        return True  # they closed with bytes of ours unread


# -- asking ----------------------------------------------------------------------------------------


def test_a_question_gets_its_answer(caller: Caller) -> None:
    assert caller.ask("hello", b'{"a":1}') == b'hello|{"a":1}'
    assert caller.ask("again") == b"again|null"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=st.text(max_size=40), value=st.recursive(st.text() | st.integers(-5, 5), st.lists))
def test_anything_said_arrives(caller: Caller, name: str, value: object) -> None:
    payload = msgspec.json.encode(value)
    if name not in ("usage", "unusable", "owned", "incomplete"):
        assert caller.ask(name, payload) == name.encode() + b"|" + payload


def test_a_large_answer_arrives_whole(places: Places) -> None:
    body = os.urandom(8 * 2**20)
    with Listener(places, lambda _name, _payload: body):
        caller = call_owner(places)
        assert caller
        assert caller.ask("big") == body
        caller.close()


def test_an_empty_answer_is_an_answer(places: Places) -> None:
    with Listener(places, lambda _name, _payload: b""):
        caller = call_owner(places)
        assert caller
        assert caller.ask("nothing") == b""
        caller.close()


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("usage", Usage, 2),
        ("unusable", Unusable, 2),
        ("owned", Owned, 2),
        ("incomplete", Incomplete, 1),
    ],
)
def test_errors_cross_with_their_sentence_and_exit_code(
    caller: Caller, name: str, kind: type[LedgerError], code: int
) -> None:
    with pytest.raises(kind) as caught:
        caller.ask(name)
    assert type(caught.value) is kind
    assert str(caught.value).endswith(".")
    assert caught.value.exit_code == code
    assert caller.ask("still here") == b"still here|null"


def test_an_error_of_a_later_version_is_still_one_sentence(
    places: Places,
) -> None:
    class FromTheFuture(Usage):
        pass

    def fail(_name: str, _payload: bytes) -> bytes:
        raise FromTheFuture("upgrade.")

    with Listener(places, fail):
        caller = call_owner(places)
        assert caller
        with pytest.raises(Unusable, match=r"upgrade\."):
            caller.ask("x")
        caller.close()


def test_many_callers_at_once_get_their_own_answers(places: Places, listener: Listener) -> None:
    wrong: list[bytes] = []

    def ask(number: int) -> None:
        caller = call_owner(places)
        assert caller
        for turn in range(30):
            payload = str(number * 1000 + turn).encode()
            if caller.ask("n", payload) != b"n|" + payload:
                wrong.append(payload)
        caller.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_threads_may_share_a_caller(caller: Caller) -> None:
    answers: dict[int, bytes] = {}

    def ask(number: int) -> None:
        answers[number] = caller.ask("n", str(number).encode())

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: f"n|{number}".encode() for number in range(20)}


def test_a_slow_question_holds_nobody_up(places: Places) -> None:
    release = threading.Event()

    def handle(name: str, _payload: bytes) -> bytes:
        if name == "slow":
            release.wait(10)
        return name.encode()

    with Listener(places, handle):
        slow, quick = call_owner(places), call_owner(places)
        assert slow
        assert quick
        waiting = threading.Thread(target=slow.ask, args=("slow",))
        waiting.start()
        assert quick.ask("quick") == b"quick"
        assert waiting.is_alive()
        release.set()
        waiting.join()
        slow.close()
        quick.close()


def test_a_question_costs_far_less_than_opening_the_file(caller: Caller) -> None:
    costs = []
    for _ in range(200):
        start = time.perf_counter()
        caller.ask("ping")
        costs.append(time.perf_counter() - start)
    assert sorted(costs)[100] < 0.01


def test_a_handler_that_breaks_ends_that_connection_only(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[type[BaseException] | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda given: seen.append(given.exc_type))

    def handle(name: str, _payload: bytes) -> bytes:
        if name == "bug":
            raise KeyError("a defect of ours")
        return b"fine"

    with Listener(places, handle):
        first, second = call_owner(places), call_owner(places)
        assert first
        assert second
        with pytest.raises(Unusable, match=rf"pid {os.getpid()}.*see its log"):
            first.ask("bug")
        assert second.ask("x") == b"fine"
        assert seen == [KeyError]  # it reaches the owner's log
        first.close()
        second.close()


# -- odd callers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">I", LARGEST_REQUEST + 1),
        struct.pack(">I", 2) + b"{}",
        struct.pack(">I", 3) + b"abc",
        struct.pack(">I", 100) + b'{"name":"cut off',
        struct.pack(">I", 0),
    ],
)
def test_who_does_not_speak_our_frames_is_hung_up_on(
    listener: Listener, caller: Caller, sent: bytes
) -> None:
    with raw(listener) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        assert hung_up(connection)
    assert caller.ask("others") == b"others|null"


def test_a_caller_that_leaves_before_its_answer_harms_nobody(
    listener: Listener, caller: Caller
) -> None:
    for _ in range(5):
        with raw(listener) as connection:
            body = b'{"name":"x","payload":1}'
            connection.sendall(struct.pack(">I", len(body)) + body)
    assert caller.ask("others") == b"others|null"


# -- who may connect, and where --------------------------------------------------------------------


def test_only_the_user_reaches_the_socket(listener: Listener) -> None:
    state = listener.path.stat()
    assert stat.S_ISSOCK(state.st_mode)
    assert stat.S_IMODE(state.st_mode) == 0o700  # 0777 less the umask of 077
    assert stat.S_IMODE(listener.path.parent.stat().st_mode) == 0o700


def test_a_folder_open_to_others_is_closed_first(places: Places) -> None:
    folder = places.root / "run"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    with Listener(places, echo):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_umask_of_the_program_stays_as_it_was(places: Places) -> None:
    before = os.umask(0o027)
    try:
        with Listener(places, echo):
            assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


def test_a_folder_laid_out_by_somebody_else_is_refused(places: Places, tmp_path: Path) -> None:
    places.make()
    trap = tmp_path / "trap"
    trap.mkdir()
    (places.root / "run").symlink_to(trap)
    with pytest.raises(Unusable, match="another user"):
        Listener(places, echo)
    assert not places.owner.exists()


def test_the_socket_is_announced_and_gone_afterwards(places: Places) -> None:
    listener = Listener(places, echo)
    owner = read_owner(places)
    assert owner
    assert (owner.socket, owner.address) == (str(listener.path), None)
    listener.announce("http://127.0.0.1:8502")
    later = read_owner(places)
    assert later
    assert later.address == "http://127.0.0.1:8502"
    listener.close()
    assert not listener.path.exists()
    assert read_owner(places) is None
    assert call_owner(places) is None


def test_closing_ends_open_connections(places: Places) -> None:
    listener = Listener(places, echo)
    caller = call_owner(places)
    assert caller
    assert caller.ask("x") == b"x|null"
    listener.close()
    with pytest.raises(Unusable, match="without an answer"):
        caller.ask("x")
    caller.close()


def test_a_short_path_stays_beside_the_ledger(places: Places) -> None:
    if len(os.fsencode(places.root)) < LONGEST_PATH - 20:
        assert socket_path(places) == places.root / "run" / "owner.sock"
    assert socket_path(Places(Path("/l"))) == Path("/l/run/owner.sock")


def test_a_path_too_long_gets_a_short_name_and_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = tmp_path / "r"
    runtime.mkdir()
    if len(os.fsencode(runtime)) > LONGEST_PATH - 40:
        pytest.skip("the temporary folder itself is too deep here")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    deep = Places(tmp_path / ("d" * 60) / ("e" * 60))
    other = Places(tmp_path / ("d" * 60) / ("f" * 60))
    assert socket_path(deep) != socket_path(other)
    with Listener(deep, echo) as listener:
        assert listener.path.parent == runtime / "hf-ledger"
        assert stat.S_IMODE(listener.path.parent.stat().st_mode) == 0o700
        caller = call_owner(deep)
        assert caller
        assert caller.ask("deep") == b"deep|null"
        caller.close()


@pytest.mark.parametrize("length", [80, 88, 89, 90, 100, 400])
def test_every_path_fits_its_socket(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    path = socket_path(Places(Path("/" + "d" * (length - 1))))
    assert len(os.fsencode(path)) <= LONGEST_PATH


def test_a_session_folder_that_is_itself_too_long_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/" + "x" * 120)
    assert len(os.fsencode(runtime_folder())) < LONGEST_PATH - 22


# -- stale owners ----------------------------------------------------------------------------------


def leave_behind(path: Path) -> None:
    """A socket file whose process has gone."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda path: None,
        lambda path: path.write_text("a plain file"),
        leave_behind,
    ],
    ids=["missing", "plain file", "nobody listens"],
)
def test_a_stale_announcement_is_no_owner(places: Places, make: Callable[[Path], object]) -> None:
    path = places.make() / "s.sock"
    make(path)
    announce(places, path)
    assert call_owner(places) is None


def test_an_owner_without_a_socket_is_not_called(places: Places) -> None:
    announce(places, None, "http://127.0.0.1:1")
    assert call_owner(places) is None


def test_a_killed_owners_socket_is_taken_over(places: Places) -> None:
    code = """
        from hf_ledger.ingest.ledger.socket import Listener
        from hf_ledger.ingest.places import Places
        listener = Listener(Places.default(), lambda name, payload: b"old")
        print("up", flush=True)
        input()
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    assert child.stdout.readline() == "up\n"
    caller = call_owner(places)
    assert caller
    assert caller.ask("x") == b"old"
    child.kill()
    child.communicate()
    with pytest.raises(Unusable, match="without an answer"):
        caller.ask("x")
    caller.close()
    assert socket_path(places).exists()
    assert call_owner(places) is None
    with Listener(places, echo):
        again = call_owner(places)
        assert again
        assert again.ask("new") == b"new|null"
        again.close()


def test_an_owner_that_hangs_is_given_up_on(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.2)
    release = threading.Event()

    def hang(_name: str, _payload: bytes) -> bytes:
        release.wait(10)
        return b""

    with Listener(places, hang):
        caller = call_owner(places)
        assert caller
        for _ in range(2):  # a late answer must never pass for that of the next question
            with pytest.raises(Unusable, match="without an answer"):
                caller.ask("x")
            release.set()
        caller.close()
