"""The small parts: ids, the host filter, decoding of copies, attempts."""

from __future__ import annotations

import ast
import asyncio
import gzip
import inspect
import os
import subprocess
import sys
import time
import uuid
import zlib
from pathlib import Path

import aiohttp
import httpx2
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest import fingerprint as fingerprints
from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.hook import decoding
from hf_ledger.ingest.doors.hook.decoding import decoder
from hf_ledger.ingest.doors.hook.flight import ending_of, is_given_up, kind_of
from hf_ledger.ingest.doors.hook.hook import READ
from hf_ledger.ingest.doors.hook.hosts import Blind, Watch, named_hosts, netloc_of, settings_of
from hf_ledger.ingest.doors.hook.ids import uuid7
from hf_ledger.ingest.doors.hook.retries import REMEMBERED, WINDOW_US, Retries, key_of
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.wire import forms
from hf_ledger.ingest.wire import request as request_reader
from hf_ledger.ingest.wire.exchange import WireSettings


@given(st.integers(0, 2**48 * 10**6 - 1))
def test_ids_are_version_seven_and_tell_their_millisecond(time_ns: int) -> None:
    made = uuid.UUID(uuid7(time_ns))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == time_ns // 10**6


@given(st.integers(0, 10**18), st.integers(1000, 10**12))
def test_ids_sort_by_time_down_to_the_microsecond(time_ns: int, later: int) -> None:
    assert uuid7(time_ns) < uuid7(time_ns + later)


def test_ids_of_one_moment_differ() -> None:
    assert len({uuid7(1) for _ in range(10_000)}) == 10_000


HOST = "127.0.0.1:8790"


def watch(hosts: dict[str, str] | None = None) -> Watch:
    return Watch(WireSettings(extra_hosts=hosts or {}))


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("https://router.huggingface.co/v1/chat/completions", True),
        ("https://ROUTER.huggingface.co/v1", True),
        ("https://abc.us-east-1.aws.endpoints.huggingface.cloud/", True),
        ("https://api.together.xyz/v1/chat/completions", True),
        ("https://huggingface.co/api/models/a/b", True),
        ("https://example.org/huggingface.co", False),
        ("https://huggingface.co.evil.org/", False),
        ("http://127.0.0.1:8790/v1", True),
        ("http://127.0.0.1:8791/v1", False),
        ("http://[::1]:9000/v1", True),
        ("http://[::1]:9001/v1", False),
    ],
)
def test_the_filter_sees_ours_and_no_others(url: str, seen: bool) -> None:
    watching = watch({HOST: "router", "[::1]:9000": "self_hosted"})
    for _ in range(2):
        assert watching.sees(httpx2.URL(url)) is seen


def test_a_host_without_a_port_is_seen_on_every_port() -> None:
    watching = watch({"models.internal": "self_hosted"})
    assert watching.sees(httpx2.URL("http://models.internal/v1"))
    assert watching.sees(httpx2.URL("http://models.internal:8000/v1"))


def test_the_filter_forgets_before_it_grows_without_bound() -> None:
    watching = watch()
    for number in range(5000):
        watching.sees(httpx2.URL(f"https://host{number}.example.org/"))
    assert len(watching._known) <= 4096
    assert watching.sees(httpx2.URL("https://router.huggingface.co/"))


def test_blind_sees_nothing() -> None:
    assert not Blind(WireSettings()).sees(httpx2.URL("https://router.huggingface.co/"))


def test_a_request_of_others_costs_next_to_nothing() -> None:
    """Once known, a host is one dictionary look-up: far below 2 µs, allowing for a busy machine."""
    watching, url = watch({HOST: "router"}), httpx2.URL("https://example.org/")
    best = min(_seconds(watching, url) for _ in range(20))
    assert best < 2e-6


def _seconds(watching: Watch, url: httpx2.URL) -> float:
    began = time.perf_counter()
    for _ in range(1000):
        watching.sees(url)
    return (time.perf_counter() - began) / 1000


@pytest.mark.parametrize(
    ("address", "netloc"),
    [
        ("http://127.0.0.1:8790/v1", HOST),
        ("127.0.0.1:8790", HOST),
        ("https://user:secret@Models.Internal/v1", "models.internal"),
        ("https://models.internal:443/v1", "models.internal"),
        ("http://models.internal:443/v1", "models.internal:443"),
        ("[::1]:9000", "[::1]:9000"),
    ],
)
def test_addresses_are_known_by_host_and_port(address: str, netloc: str) -> None:
    assert netloc_of(address) == netloc


def test_hosts_are_named_in_three_ways() -> None:
    expected = {HOST: "router", "gpu.internal": "self_hosted"}
    assert named_hosts(f"{HOST}=router, gpu.internal,") == expected
    assert named_hosts([f"http://{HOST}/v1=router", "http://gpu.internal"]) == expected
    assert named_hosts(expected) == expected
    with pytest.raises(Usage, match="'gpu' is no kind"):
        named_hosts({HOST: "gpu"})


def test_settings_come_from_file_environment_and_call(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.config.write_text(
        'own_key_providers = ["groq"]\n[targets.gpu]\nurl = "http://gpu:8000/v1"\n'
        'kind = "self_hosted"\n[targets.broken]\nurl = 3\n'
    )
    environment = {"HF_LEDGER_HOSTS": "b:1", "HF_ENDPOINT": "http://hub:9", "HF_TOKEN": "hf_no"}
    found = settings_of(["c:1=router"], places, environment)
    assert found.extra_hosts == {
        "gpu:8000": "self_hosted",
        "b:1": "self_hosted",
        "c:1": "router",
        "hub:9": "hub",
    }
    assert found.own_key_providers == {"groq"}


@pytest.mark.parametrize("said", ['["together", "groq"]', "together,groq", " together , groq "])
def test_own_key_providers_from_the_environment(tmp_path: Path, said: str) -> None:
    environment = {"HF_LEDGER_OWN_KEY_PROVIDERS": said}
    found = settings_of((), Places(tmp_path), environment)
    assert found.own_key_providers == {"together", "groq"}


def test_a_broken_settings_file_is_no_reason_not_to_record(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.config.write_text("this is = = no toml")
    assert settings_of((), places, {}) == WireSettings(extra_hosts={})


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS = {"gzip": gzip.compress, "deflate": zlib.compress, "Deflate": raw_deflate}


@given(st.binary(max_size=5000), st.integers(1, 700), st.sampled_from(sorted(PACKERS)))
def test_a_copy_reads_the_same_in_any_pieces(data: bytes, size: int, coding: str) -> None:
    packed = PACKERS[coding](data)
    read = decoder(coding)
    assert read is not None
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert b"".join(map(read, pieces)) == data


@pytest.mark.parametrize("coding", [None, "", "identity"])
def test_plain_bodies_need_no_decoder(coding: str | None) -> None:
    assert decoder(coding) is None


@pytest.mark.parametrize("coding", ["gzip", "rot13", "gzip, br"])
def test_bytes_nobody_can_read_give_nothing_and_never_wrong_ones(coding: str) -> None:
    read = decoder(coding)
    assert read is not None
    assert [read(b"{not compressed}"), read(b"nor this")] == [b"", b""]


def test_a_bomb_is_read_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "BOUND", 10_000)
    packed = gzip.compress(b"0" * 5_000_000)
    read = decoder("gzip")
    assert read is not None
    pieces = [read(packed[at : at + 500]) for at in range(0, len(packed), 500)]
    assert sum(map(len, pieces)) == 10_000


@pytest.mark.parametrize("coding", ["br", "zstd"])
def test_other_codings_are_read_where_their_library_is(coding: str) -> None:
    """Without the library a client can't have asked for it, and nothing is read."""
    read = decoder(coding)
    assert read is not None
    if coding == "br" and "brotli" in sys.modules:
        import brotli

        assert read(brotli.compress(b"text")) == b"text"
    else:
        assert read(b"\x00\x01") == b""


def call(ts: int = 0, **more: str) -> Call:
    return Call(call_id=f"id-{ts}", ts=ts, **more)  # type: ignore[arg-type]


def test_attempts_count_up_only_after_failures() -> None:
    retries = Retries()
    first, second, third = call(0), call(1), call(2)
    retries.failed(first, 7)
    retries.number(second, 7)
    assert (second.attempt, second.operation_id) == (2, "id-0")
    retries.number(third, 7)
    assert (third.attempt, third.operation_id) == (1, None)
    assert not retries


def test_a_failure_is_forgotten_in_time() -> None:
    retries = Retries()
    retries.failed(call(0), 7)
    late = call(WINDOW_US + 1)
    retries.number(late, 7)
    assert late.attempt == 1


def test_only_so_many_failures_are_remembered() -> None:
    retries = Retries()
    for key in range(REMEMBERED + 10):
        retries.failed(call(key), key)
    oldest, newest = call(REMEMBERED + 11), call(REMEMBERED + 11)
    retries.number(oldest, 0)
    retries.number(newest, REMEMBERED + 9)
    assert (oldest.attempt, newest.attempt) == (1, 2)


@pytest.mark.parametrize("first", [b"3", b"10"])
def test_a_counter_of_retries_in_the_body_tells_no_attempts_apart(first: bytes) -> None:
    """LiteLLM sends it; what else differs makes another request."""
    body = b'{"messages": [' + b"1, " * 100 + b'1], "max_retries": %b}'
    url = "http://h/v1"
    assert key_of("op", url, body % first) == key_of("op", url, body % b"0")
    assert key_of("op", url, body % b"0") != key_of("op", url, body.replace(b"[1", b"[2") % b"0")
    assert key_of("op", url, None) != key_of(None, url, None)
    assert key_of("op", url, b"") == key_of("op", url, b"")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx2.ReadTimeout("x"), "timeout"),
        (httpx2.PoolTimeout("x"), "timeout"),
        (TimeoutError(), "timeout"),
        (requests.exceptions.ConnectTimeout("x"), "timeout"),
        (requests.exceptions.ReadTimeout("x"), "timeout"),
        (requests.exceptions.SSLError("x"), "connection"),
        (aiohttp.ServerTimeoutError("x"), "timeout"),
        (aiohttp.ServerDisconnectedError("x"), "connection"),
        (httpx2.ConnectError("x"), "connection"),
        (httpx2.RemoteProtocolError("x"), "connection"),
        (ConnectionResetError(), "connection"),
        (RuntimeError("closed"), "other"),
    ],
)
def test_errors_by_kind(error: Exception, kind: str) -> None:
    assert kind_of(error) == kind
    assert ending_of(error) == "error"


def test_endings() -> None:
    assert ending_of(None) == "complete"
    assert ending_of(GeneratorExit()) == "closed"
    assert ending_of(KeyboardInterrupt()) == "cancelled"


def test_readers_of_requests_get_every_header_they_ask_for() -> None:
    """The hook hands over named headers only, so a reader that wants another one must say so."""
    asked = set()
    for module in (request_reader, forms, fingerprints):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "headers.get":
                asked.add(ast.literal_eval(node.args[0]))
    assert asked == set(READ.values())
    assert b"authorization" not in READ


class Cancelled(BaseException):
    """As trio names it."""


@pytest.mark.parametrize(
    ("error", "given_up"),
    [
        (asyncio.CancelledError(), True),
        (Cancelled(), True),
        (KeyboardInterrupt(), True),
        (SystemExit(), True),
        (GeneratorExit(), False),
        (httpx2.ReadError("x"), False),
        (None, False),
    ],
)
def test_giving_up_is_told_by_name(error: BaseException | None, given_up: bool) -> None:
    assert is_given_up(error) is given_up
    if error is not None:
        assert (ending_of(error) == "cancelled") is given_up


def test_ids_of_a_forks_child_are_its_own() -> None:
    """Both draw from one generator, so the child has to seed it anew."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, uuid7(1).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 36).decode() != uuid7(1)
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    "module", ["asyncio", "tomllib", "importlib.resources", "importlib.metadata"]
)
def test_recording_loads_nothing_slow_that_it_may_not_need(module: str, tmp_path: Path) -> None:
    code = f"import sys, hf_ledger; hf_ledger.record(); sys.exit({module!r} in sys.modules)"
    environment = {**os.environ, "HF_LEDGER_DIR": str(tmp_path)}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    )
