"""Segments of one host reach the ledger of another: once, whole, and removed only then."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from factories_api import Api, api, posted
from factories_sending import abandoned, between, host, keep, many, target
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.call import Noticed, OpenCall, RouteSeen
from hf_ledger.ingest.doors.api import door
from hf_ledger.ingest.doors.api.keys import revoke_key
from hf_ledger.ingest.fingerprint import HashKey
from hf_ledger.ingest.keyring import key_of
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool import outbox as outboxes
from hf_ledger.ingest.spool import sending
from hf_ledger.ingest.spool.outbox import Outbox, State, is_waiting, whole_lines
from hf_ledger.ingest.spool.posting import Answer, Target
from hf_ledger.ingest.spool.sending import adopt_hash_key, pause_after, send

ROUTE = RouteSeen(ts=1_785_110_400_000_000, model="a/b", provider="novita", provider_model="b")


@pytest.fixture
def server(places: Places) -> Iterator[Api]:
    with api(places) as running:
        yield running


def noticed(server: Api) -> int:
    server.rows()
    with closing(server.ledger.cursor()) as cursor:
        (found,) = cursor.execute("select sum(count) from noticed").fetchone() or (None,)
    return int(found or 0)


def test_what_a_host_recorded_is_in_the_ledger_with_its_key(server: Api, tmp_path: Path) -> None:
    outbox = host(tmp_path)
    path = keep(outbox, *many(3), Noticed(ts=5, counts={"poll": 2}), ROUTE)
    sent = send(outbox, target(server))
    assert sent is not None
    assert (sent.stopped, sent.lines) == (None, 6)
    assert [row["key_id"] for row in server.rows("key_id")] == [server.key_id] * 3
    assert noticed(server) == 2
    assert (outbox.waiting(), outbox.load().last) == (0, "200: taken")
    assert path.exists(), "its process still writes to it"


def test_only_what_is_new_is_sent_and_a_torn_tail_waits(server: Api, tmp_path: Path) -> None:
    outbox = host(tmp_path)
    path = keep(outbox, *many(2))
    assert send(outbox, target(server)) == sending.Sent(lines=3)
    with path.open("ab") as file:
        whole = keep(host(tmp_path, "other"), posted(9)).read_bytes().splitlines(keepends=True)[1]
        file.write(whole[:50])
        file.flush()
        assert send(outbox, target(server)) == sending.Sent(lines=0)
        file.write(whole[50:])
        file.flush()
        assert send(outbox, target(server)) == sending.Sent(lines=1)
    assert len(server.rows("call_id")) == 3


def test_a_lost_answer_doubles_nothing(server: Api, tmp_path: Path) -> None:
    outbox = host(tmp_path)
    keep(outbox, *many(4), Noticed(ts=5, counts={"poll": 2, "mapping": 1}), ROUTE)
    with between(server.url, forgets=3) as way:
        for _ in range(3):
            sent = send(outbox, Target(way.url, server.key), eager=True)
            assert sent is not None
            assert sent.stopped is not None
            assert sent.stopped.status is None
            assert outbox.waiting() > 0
        assert len(server.rows("call_id")) == 4, "it was taken though the answer was lost"
        assert send(outbox, Target(way.url, server.key), eager=True) == sending.Sent(lines=7)
    assert len(server.rows("call_id")) == 4
    assert noticed(server) == 3


def test_the_same_notice_of_two_hosts_counts_twice(server: Api, tmp_path: Path) -> None:
    for name in ("one", "two"):
        outbox = host(tmp_path, name)
        keep(outbox, Noticed(ts=5, counts={"poll": 2}))
        send(outbox, target(server))
    assert noticed(server) == 4


def test_a_state_that_is_lost_or_broken_sends_again_and_doubles_nothing(
    server: Api, tmp_path: Path
) -> None:
    outbox = host(tmp_path)
    keep(outbox, *many(4), Noticed(ts=5, counts={"poll": 2}))
    for broken in (None, b"{", b'{"taken": 3}'):
        send(outbox, target(server))
        state = outbox.folder / "state.json"
        state.unlink() if broken is None else state.write_bytes(broken)
        assert outbox.load() == State()
    assert send(outbox, target(server)) == sending.Sent(lines=6)
    assert (len(server.rows("call_id")), noticed(server)) == (4, 2)


# -- the end of a segment ------------------------------------------------------------------------


def test_a_segment_goes_when_its_process_is_gone_and_all_of_it_is_there(
    server: Api, tmp_path: Path
) -> None:
    outbox = host(tmp_path)
    path = abandoned(outbox, *many(3))
    with between(says=(503, b"")) as busy:
        send(outbox, Target(busy.url, server.key))
        assert path.exists()
    send(outbox, target(server), eager=True)
    assert not path.exists()
    assert outbox.load().taken == {}
    assert len(server.rows("call_id")) == 3


def test_a_segment_that_its_process_has_left_goes_too(server: Api, tmp_path: Path) -> None:
    outbox = host(tmp_path)
    path = keep(outbox, *many(1))
    long_ago = time.time() - sending.LEFT_SECONDS - 1
    os.utime(path, (long_ago, long_ago))
    send(outbox, target(server))
    assert not path.exists()
    assert len(server.rows("call_id")) == 1


def test_a_torn_tail_is_kept_a_week(server: Api, tmp_path: Path) -> None:
    outbox = host(tmp_path)
    path = abandoned(outbox, *many(1))
    with path.open("ab") as file:
        file.write(b'{"kind":"call","torn')
    send(outbox, target(server))
    assert path.exists()
    assert outbox.waiting() == 0, "there is nothing to send in it"
    old = time.time() - sending.FORGET_SECONDS - 1
    os.utime(path, (old, old))
    send(outbox, target(server))
    assert not path.exists()


def test_calls_under_way_when_their_process_died_are_lost(server: Api, tmp_path: Path) -> None:
    outbox = host(tmp_path)
    marks = [OpenCall(call=posted(n, latency_ms=None)) for n in (1, 2)]
    path = abandoned(outbox, *marks, posted(2))
    send(outbox, target(server))
    assert not path.exists()
    assert [row["outcome"] for row in server.rows("outcome, ts, call_id")] == ["lost", "ok"]
    (mark,) = [row for row in server.rows() if row["outcome"] == "lost"]
    assert (mark["call_id"].hex, mark["key_id"]) == (
        posted(1).call_id.replace("-", ""),
        server.key_id,
    )


def test_a_living_process_keeps_no_segment_for_calls_that_ended(
    server: Api, tmp_path: Path
) -> None:
    outbox = host(tmp_path)
    path = keep(outbox, OpenCall(call=posted(1)), posted(1), OpenCall(call=posted(2)))
    later = keep(outbox, posted(2))
    old = time.time() - sending.LEFT_SECONDS - 1
    os.utime(path, (old, old))
    send(outbox, target(server))
    assert not path.exists()
    assert later.exists()
    assert [row["outcome"] for row in server.rows()] == ["ok", "ok"]


def test_a_call_under_way_in_a_living_process_is_not_lost(server: Api, tmp_path: Path) -> None:
    outbox = host(tmp_path)
    path = keep(outbox, OpenCall(call=posted(1)))
    old = time.time() - sending.LEFT_SECONDS - 1
    os.utime(path, (old, old))
    send(outbox, target(server))
    assert path.exists(), "its mark is still needed"
    assert server.rows() == []


def test_an_end_that_comes_after_all_replaces_the_lost_row(server: Api, tmp_path: Path) -> None:
    outbox = host(tmp_path)
    abandoned(outbox, OpenCall(call=posted(1)))
    send(outbox, target(server))
    assert [row["outcome"] for row in server.rows()] == ["lost"]
    abandoned(outbox, posted(1))
    send(outbox, target(server))
    assert [row["outcome"] for row in server.rows()] == ["ok"]


# -- a server that says no -----------------------------------------------------------------------


def test_a_revoked_key_keeps_every_segment(server: Api, tmp_path: Path) -> None:
    outbox = host(tmp_path)
    path = abandoned(outbox, *many(2))
    revoke_key(server.ledger.cursor(), server.key_id)
    sent = send(outbox, target(server))
    assert sent is not None
    assert sent.stopped is not None
    assert sent.stopped.said == "401: the key is unknown or revoked there"
    assert path.exists()
    assert (outbox.load().failures, server.rows()) == (1, [])


@pytest.mark.parametrize(
    "says",
    [
        (200, b""),
        (200, b"<html>"),
        (200, b'{"accepted": "x"}'),
        (204, b""),
        (400, b""),
        (422, b"{}"),
    ],
    ids=["nothing", "a page", "another API", "204", "400", "422"],
)
def test_a_server_that_is_no_ledger_acknowledges_nothing(
    tmp_path: Path, says: tuple[int, bytes]
) -> None:
    outbox = host(tmp_path)
    path = abandoned(outbox, *many(2))
    with between(says=says) as other:
        sent = send(outbox, Target(other.url, "k"))
    assert sent is not None
    assert sent.stopped is not None
    assert path.exists()
    assert outbox.waiting() == path.stat().st_size
    assert outbox.load().refused == 0


def test_the_time_that_the_server_names_is_waited(tmp_path: Path) -> None:
    outbox = host(tmp_path)
    keep(outbox, *many(1))
    with between(says=(429, b"")) as busy:
        busy.headers = {"retry-after": "60"}
        send(outbox, Target(busy.url, "k"))
        assert 59 < outbox.load().wait_until - time.time() < 62
        assert send(outbox, Target(busy.url, "k")) is None
        assert len(busy.seen) == 1
        assert send(outbox, Target(busy.url, "k"), eager=True) is not None


def test_a_ledger_that_is_behind_is_waited_for_and_loses_nothing(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "LOOK_EVERY_SECONDS", 0.0)
    outbox = host(tmp_path)
    for start in (1, 601, 1201):
        abandoned(outbox, *many(600, start))
    refused = 0
    with api(places, most_waiting=100_000) as server:
        while outbox.waiting():
            sent = send(outbox, target(server), eager=True)
            assert sent is not None
            if sent.stopped is not None:
                refused += 1
                assert (sent.stopped.status, sent.stopped.retry_after) == (429, 5.0)
                server.rows("call_id")
        assert refused > 0
        assert len(server.rows("call_id")) == 1800


@given(st.integers(1, 10**6), st.sampled_from([None, 401, 429, 500, 503]))
def test_pauses_grow_and_never_past_their_bound(failures: int, status: int | None) -> None:
    pause = pause_after(Answer(status, ""), failures)
    assert 0.5 <= pause <= 1.5 * sending.LONGEST_PAUSE
    assert 7 <= pause_after(Answer(429, "", 7.0), failures) <= 8


def test_a_clock_that_was_set_back_does_not_stop_sending_for_long() -> None:
    assert is_waiting(State(wait_until=1000.0), now=990.0)
    assert not is_waiting(State(wait_until=1000.0), now=1001.0)
    assert not is_waiting(State(wait_until=100_000.0), now=990.0)


def test_lines_that_the_server_names_as_bad_are_kept_aside(server: Api, tmp_path: Path) -> None:
    outbox = host(tmp_path)
    path = abandoned(outbox, posted(1), posted(2, ts=5), posted(3))
    send(outbox, target(server))
    assert not path.exists()
    assert len(server.rows("call_id")) == 2
    (line,) = outbox.refused.read_bytes().splitlines()
    assert json.loads(line)["call_id"] == posted(2).call_id
    assert outbox.load().refused == 1
    assert outbox.refused.stat().st_mode & 0o777 == 0o600


def test_a_batch_of_bad_lines_alone_is_kept_aside_too(server: Api, tmp_path: Path) -> None:
    outbox = host(tmp_path)
    path = keep(outbox, posted(1))
    send(outbox, target(server))
    with path.open("ab") as file:
        file.write(b"noise\nmore noise\n")
    assert send(outbox, target(server)) == sending.Sent(lines=2)
    assert outbox.refused.read_bytes() == b"noise\nmore noise\n"
    assert outbox.waiting() == 0


def test_a_batch_that_is_too_large_goes_in_parts(
    server: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hf_ledger.ingest.doors.api import routes

    outbox = host(tmp_path)
    keep(outbox, *many(50))
    monkeypatch.setattr(routes, "MOST_BYTES", 700)
    assert send(outbox, target(server)) == sending.Sent(lines=51)
    assert len(server.rows("call_id")) == 50


# -- batches and turns ---------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), max_size=20))
def test_batches_joined_give_the_whole_lines_back(lines: list[bytes]) -> None:
    import tempfile

    whole = b"".join(line + b"\n" for line in lines)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(outboxes, "BATCH_BYTES", 16)
        path = Path(folder) / "s"
        path.write_bytes(whole + b"torn")
        found = b""
        while batch := whole_lines(path, len(found)):
            assert batch.endswith(b"\n")
            found += batch
    assert found == whole


def test_segments_are_sent_oldest_first(tmp_path: Path) -> None:
    outbox = host(tmp_path)
    outbox.places.make(outbox.places.spool)
    for name in ("9-1-00000000.ndjson", "10-1-00000000.ndjson", "8-7-00000000.ndjson", "notes.txt"):
        (outbox.places.spool / name).touch()
    assert [name[:2] for name in outbox.segments()] == ["8-", "9-", "10"]


def test_one_process_sends_at_a_time(server: Api, tmp_path: Path) -> None:
    outbox = host(tmp_path)
    keep(outbox, *many(2))
    with outbox.turn() as ours:
        assert ours
        assert send(outbox, target(server)) is None
        child = os.fork()
        if child == 0:
            outboxes.restart_turns()
            with outbox.turn() as theirs:
                os._exit(7 if theirs else 0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "the parent has the turn"
    assert send(outbox, target(server)) == sending.Sent(lines=3)


def test_many_hosts_at_once(server: Api, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    hosts: list[Outbox] = [host(tmp_path, f"host-{n}") for n in range(6)]
    for n, outbox in enumerate(hosts):
        keep(outbox, *many(40, 1 + 30 * n))  # a quarter of them are known to the next host too

    def until_done(outbox: Outbox) -> None:
        while outbox.waiting():
            # One at a time in a process: others of this test have the turn now and then.
            if send(outbox, target(server), eager=True) is None:
                time.sleep(0.005)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(until_done, hosts))
    assert len(server.rows("call_id")) == 190


# -- the workspace's key -------------------------------------------------------------------------


def test_a_host_takes_over_the_key_of_the_ledger(server: Api, tmp_path: Path) -> None:
    outbox = host(tmp_path)
    own = HashKey.load(outbox.places.keys)
    assert adopt_hash_key(outbox, target(server))
    theirs, ours = HashKey.load(server.places.keys), HashKey.load(outbox.places.keys)
    assert theirs is not None
    assert ours is not None
    assert own is not None
    assert ours.id == theirs.id != own.id
    assert key_of(outbox.places.keys, own.id) == own, "earlier hashes stay comparable"
    files = list(outbox.places.keys.iterdir())
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert not adopt_hash_key(outbox, target(server)), "nothing changes the second time"


@pytest.mark.parametrize("body", [b"", b'{"key": 3}', b'{"key": "zz"}', b'{"key": "00"}'], ids=str)
def test_without_a_key_from_there_the_own_one_stays(tmp_path: Path, body: bytes) -> None:
    outbox = host(tmp_path)
    own = HashKey.load(outbox.places.keys)
    with between(says=(200, body)) as server:
        assert not adopt_hash_key(outbox, Target(server.url, "k"))
    again = HashKey.load(outbox.places.keys)
    assert again is not None
    assert own is not None
    assert again.id == own.id


def test_the_key_for_hashes_is_for_hosts_with_a_key(server: Api) -> None:
    import httpx

    url = f"{server.url}/api/fingerprint-key"
    assert httpx.get(url).status_code == 401
    reply = httpx.get(url, headers={"authorization": f"Bearer {server.key}"})
    assert (reply.status_code, reply.headers["cache-control"]) == (200, "no-store")
    key = HashKey.load(server.places.keys)
    assert key is not None
    assert reply.json() == {"key": key.secret.hex(), "id": key.id}
    revoke_key(server.ledger.cursor(), server.key_id)
    assert httpx.get(url, headers={"authorization": f"Bearer {server.key}"}).status_code == 401
