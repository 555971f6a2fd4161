"""The gateways' benchmark: the load generator and the stub upstream measured against each other."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import gateway, gateway_contenders, gateway_load, gateway_upstream
from benchmarks.gateway_contenders import CONTENDERS, Started
from benchmarks.gateway_load import Address, closed_loop, open_loop, poisson
from benchmarks.gateway_processes import (
    NotMeasured,
    Running,
    chats_asked,
    cpu_of,
    free_port,
    resident_of,
    tree,
)
from benchmarks.gateway_upstream import CHUNKS, PACE_S, PLAIN, REPLY_BYTES


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    """The stub in a process of its own."""
    port = free_port()
    with ExitStack() as stack:
        command = (sys.executable, "-m", "benchmarks.gateway_upstream", str(port))
        stub = Running(command, {}, None, stack)
        stub.until_answering(port, Address(port).request())
        yield port


def test_the_reply_is_of_the_size_that_is_told() -> None:
    body = PLAIN.partition(b"\r\n\r\n")[2]
    assert len(body) == REPLY_BYTES == 602
    assert json.loads(body)["usage"]["completion_tokens"] == CHUNKS
    assert b"x-inference-provider: novita\r\n" in PLAIN


def test_a_stream_has_its_content_then_the_usage_then_the_end() -> None:
    events = list(gateway_upstream.events())
    assert sum(b'"content"' in each for each in events) == CHUNKS == 20
    assert json.loads(events[-2][6:])["usage"] == gateway_upstream.USAGE
    assert events[-1] == b"data: [DONE]\n\n"


async def test_every_good_reply_was_a_request_that_the_stub_had(upstream: int) -> None:
    before, address = chats_asked(upstream), Address(upstream)
    measured = await closed_loop(address, address.request(), connections=8, seconds=0.2)
    assert len(measured.latency_s) == chats_asked(upstream) - before > 100
    assert (measured.failed, measured.first_s) == (0, [])
    assert sum(measured.latency_s) <= 8 * measured.took_s


async def test_a_stream_counts_once_and_has_its_first_content_before_its_end(upstream: int) -> None:
    before, address = chats_asked(upstream), Address(upstream)
    measured = await closed_loop(address, address.request(stream=True), 2, 0.2)
    assert len(measured.first_s) == len(measured.latency_s) == chats_asked(upstream) - before > 10
    both = zip(measured.first_s, measured.latency_s, strict=True)
    assert all(0 < first < whole for first, whole in both)


async def test_a_paced_stream_takes_its_time_between_first_and_last(upstream: int) -> None:
    address = Address(upstream)
    request = address.request(stream=True, mode="paced")
    measured = await closed_loop(address, request, connections=20, seconds=0.1)
    assert len(measured.latency_s) == 20
    assert max(measured.first_s) < CHUNKS * PACE_S < min(measured.latency_s)


@pytest.mark.parametrize(("mode", "stream"), [("fail", False), ("fail", True), ("cut", True)])
async def test_a_500_and_a_cut_stream_are_never_successes(
    upstream: int, mode: str, stream: bool
) -> None:
    before, address = chats_asked(upstream), Address(upstream)
    measured = await closed_loop(address, address.request(stream=stream, mode=mode), 2, 0.1)
    assert measured.failed == chats_asked(upstream) - before > 2
    assert (measured.latency_s, measured.first_s) == ([], [])


async def test_failures_are_counted_in_an_open_loop_too(upstream: int) -> None:
    address = Address(upstream)
    offsets = poisson(100, 0.2, seed=1)
    measured = await open_loop(address, address.request(mode="fail"), offsets)
    assert (measured.failed, measured.latency_s) == (len(offsets), [])


async def test_nobody_listening_is_a_failure() -> None:
    address = Address(free_port())
    measured = await open_loop(address, address.request(), [0.0, 0.01])
    assert (measured.failed, measured.latency_s) == (2, [])


async def test_an_open_loop_asks_at_its_times_whatever_becomes_of_the_requests(
    upstream: int,
) -> None:
    address, offsets = Address(upstream), poisson(200, 1.0, seed=7)
    measured = await open_loop(address, address.request(), offsets)
    assert len(measured.latency_s) == len(measured.late_s) == len(offsets)
    assert measured.failed == 0
    assert sorted(measured.late_s)[len(offsets) // 2] < 0.005
    assert measured.took_s >= offsets[-1]


@asynccontextmanager
async def answering(*pieces: bytes, after_s: float = 0.0) -> AsyncIterator[int]:
    """A server that answers whatever it is sent with these pieces, each in a write of its own."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1 << 16):
            for piece in pieces:
                await asyncio.sleep(after_s)
                writer.write(piece)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def streamed(*events: bytes) -> list[bytes]:
    whole = b"".join(gateway_upstream.chunk(each) for each in (*events, b""))
    assert whole.endswith(b"0\r\n\r\n")
    return [gateway_upstream.OPENING, *map(gateway_upstream.chunk, (*events, b""))]


async def test_the_first_content_is_no_role_and_no_empty_word() -> None:
    pieces = streamed(
        b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n',
        b"data: [DONE]\n\n",
    )
    async with answering(*pieces, after_s=0.03) as port:
        address = Address(port)
        measured = await closed_loop(address, address.request(stream=True), 1, 0.01)
    [first], [whole] = measured.first_s, measured.latency_s
    assert first > 2.9 * 0.03  # head, role, content
    assert whole > first + 1.9 * 0.03  # [DONE], the last chunk


@pytest.mark.parametrize(
    "events",
    [
        (b'data: {"error":{"message":"no"}}\n\n', b"data: [DONE]\n\n"),
        (b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n',),
    ],
    ids=["an error in a 200", "no end"],
)
async def test_a_stream_without_content_or_end_is_a_failure(events: tuple[bytes, ...]) -> None:
    async with answering(*streamed(*events)) as port:
        address = Address(port)
        measured = await closed_loop(address, address.request(stream=True), 1, 0.05)
    assert measured.failed > 0
    assert measured.latency_s == []


@pytest.mark.parametrize(
    "reply",
    [
        gateway_upstream.whole(b'{"choices": []}'),
        PLAIN.replace(b"200 OK", b"500 Internal Server Error"),
        b"no HTTP at all\r\n\r\n",
    ],
    ids=["no usage", "a 500 that looks well", "not HTTP"],
)
async def test_a_reply_that_is_not_whole_or_not_200_is_a_failure(reply: bytes) -> None:
    async with answering(reply) as port:
        address = Address(port)
        measured = await closed_loop(address, address.request(), 1, 0.05)
    assert measured.failed > 0
    assert measured.latency_s == []


async def test_waiting_for_a_slow_server_counts_from_when_a_request_was_due() -> None:
    async with answering(PLAIN, after_s=0.05) as port:
        address = Address(port)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gateway_load, "OPEN_LOOP_CONNECTIONS", 1)
            measured = await open_loop(address, address.request(), [0.0, 0.0, 0.0])
    assert len(measured.latency_s) == 3
    assert all(its > n * 0.049 for n, its in enumerate(sorted(measured.latency_s), start=1))


async def test_replies_that_never_come_are_failures_and_end() -> None:
    begun = time.perf_counter()
    async with answering() as port:
        address = Address(port)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gateway_load, "DRAIN_S", 0.1)
            measured = await closed_loop(address, address.request(), 3, 0.05)
            measured.failed += (await open_loop(address, address.request(), [0.0, 0.01])).failed
    assert (measured.failed, measured.latency_s) == (5, [])
    assert time.perf_counter() - begun < 2


@given(st.integers(1, 500), st.floats(0.1, 5), st.integers(0, 2**32))
def test_a_schedule_is_the_same_for_its_seed_and_within_its_time(
    rate: int, seconds: float, seed: int
) -> None:
    offsets = poisson(rate, seconds, seed)
    assert offsets == poisson(rate, seconds, seed) == sorted(offsets)
    assert all(0 < each < seconds for each in offsets)


def test_a_schedule_has_about_its_rate() -> None:
    assert len(poisson(200, 100, seed=3)) == pytest.approx(20_000, rel=0.05)


def test_cpu_and_memory_of_a_whole_tree_are_seen() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True); time.sleep(9)"
    spawn = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    with subprocess.Popen([sys.executable, "-c", spawn], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        parent.stdout.readline()
        mine = tree(parent.pid)
        used, resident = sum(map(cpu_of, mine)), [resident_of(each) for each in mine]
        for each in reversed(mine):
            os.kill(each, 9)
    assert len(mine) == 2
    assert 0.3 <= used < 3
    assert all(3 < each < 100 for each in resident)


def test_what_ends_before_it_answers_is_not_measured_and_says_why() -> None:
    complaint = ("-c", "print('no such thing'); raise SystemExit(2)")
    with ExitStack() as stack:
        running = Running((sys.executable, *complaint), {}, None, stack)
        port = free_port()
        with pytest.raises(NotMeasured, match="no such thing"):
            running.until_answering(port, Address(port).request())


def test_what_is_waited_for_is_said_or_the_reason_is_told() -> None:
    with ExitStack() as stack:
        talker = Running((sys.executable, "-c", "print('at http://here')"), {}, None, stack)
        talker.until_saying("http://")
        with pytest.raises(NotMeasured, match="at http://here"):
            talker.until_saying("something else")
        with pytest.raises(NotMeasured, match="no-such-gateway can't be started"):
            Running(("no-such-gateway",), {}, None, stack)


async def test_each_floor_passes_everything_on_and_the_recorded_one_keeps_a_line_a_reply(
    upstream: int, tmp_path: Path
) -> None:
    floors = [each for each in CONTENDERS if each.group == "floor"]
    with ExitStack() as stack:
        for number, floor in enumerate(floors):
            started = floor.started(upstream, tmp_path / str(number), stack, core=None)
            await passes_on(started, upstream)
    lines = (tmp_path / "2" / "record.ndjson").read_text().splitlines()
    tokens = gateway_upstream.USAGE["completion_tokens"]
    assert len(lines) > 4
    assert {json.loads(line)["output_tokens"] for line in lines} == {tokens}


async def passes_on(started: Started, upstream: int) -> None:
    address, running = started.address, started.running
    assert running
    assert 0 < running.until_answering(address.port, address.request()) < 20
    before = chats_asked(upstream)
    plain = await closed_loop(address, address.request(), 2, 0.05)
    stream = await closed_loop(address, address.request(stream=True), 2, 0.05)
    assert (plain.failed, stream.failed) == (0, 0)
    both = len(plain.latency_s) + len(stream.first_s)
    assert both == chats_asked(upstream) - before > 2


async def test_replies_that_the_upstream_was_not_asked_for_are_told() -> None:
    with ExitStack() as stack:
        bench = gateway.Bench(stack)
        honest = bench.enter(CONTENDERS[0])
        assert honest
        figures = await bench.measure(honest, gateway.closed(2), 0.05, 0)
        assert (figures.unasked, figures.good > 0, figures.cpu_s) == (0, True, 0)
        async with answering(PLAIN) as port:
            hoarder = gateway.Entrant(CONTENDERS[0], Started(Address(port)))
            figures = await bench.measure(hoarder, gateway.closed(2), 0.05, 0)
    assert figures.unasked == figures.good > 0


def test_a_gateway_that_is_not_installed_is_skipped_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LITELLM", "PORTKEY"):
        monkeypatch.setattr(gateway_contenders, name, tmp_path / "nowhere")
    others = [each for each in CONTENDERS if each.group in ("litellm", "portkey")]
    with ExitStack() as stack:
        bench = gateway.Bench(stack)
        assert [bench.enter(each) for each in others] == [None, None]
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "- LiteLLM's proxy: skipped, not installed: run `make .venv-proxy/stamp`"
    assert told[1].startswith("- Portkey's gateway: skipped, not installed: run `make .node-")


def test_a_short_run_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gateway, "WARM_UP_S", 0.05)
        patch.setattr(gateway, "OPEN_STREAMS", 30)
        patch.setattr(gateway, "RAMP_S", 0.05)
        assert gateway.main(["--only", "direct", "--seconds", "0.2", "--rounds", "1"]) == 0
    told = capsys.readouterr().out
    [cells] = [line.split(" | ") for line in told.splitlines() if line.startswith("| direct")]
    assert len(cells) == 10
    assert re.fullmatch(r"[\d,]+ \([\d,]+–[\d,]+\)", cells[4])
    assert "failed" not in told


def test_an_unknown_gateway_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        gateway.main(["--only", "direct,flor"])
    assert "no gateway flor; there are direct, floor, litellm" in capsys.readouterr().err
