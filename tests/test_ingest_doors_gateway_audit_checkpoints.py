"""Checkpoints: what each covers, who may add one, and what they say of what was taken away."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hf_ledger.ingest.doors.gateway.audit import checkpoints
from hf_ledger.ingest.doors.gateway.audit.chain import START, link
from hf_ledger.ingest.doors.gateway.audit.checkpoints import Keeper
from hf_ledger.ingest.doors.gateway.audit.head import (
    CHECKPOINTS,
    HEAD_FILE,
    files_in,
    folder_of,
    newest,
    note,
)
from hf_ledger.ingest.doors.gateway.audit.records import Seen
from hf_ledger.ingest.doors.gateway.audit.signing import KEY_FILE, public_key
from hf_ledger.ingest.doors.gateway.audit.trail import Trail
from hf_ledger.ingest.doors.gateway.audit.verifying import examine, verify
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places
from tests.factories_audit import stopped, write


def path_of(places: Places) -> Path:
    return folder_of(places) / CHECKPOINTS


def told(places: Places) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path_of(places).read_text().splitlines()]


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def cut(path: Path, kept: int) -> None:
    path.write_bytes(b"".join(lines(path)[:kept]))


def test_a_checkpoint_says_how_far_each_moved_file_goes(places: Places) -> None:
    one, other, keeper = Trail(places), Trail(places), Keeper(places)
    write(one, 3)
    write(other, 1)
    keeper.checkpoint()
    write(other, 1)
    keeper.checkpoint()
    first, second = told(places)
    assert sorted(head["records"] for head in first["heads"].values()) == [3, 7]
    [(name, head)] = second["heads"].items()
    content = (folder_of(places) / name).read_bytes()
    assert head["bytes"] == len(content)
    assert head["records"] == 5
    assert content.endswith(f'"chain":"{head["chain"]}"}}\n'.encode())
    one.close()
    other.close()


def test_a_beat_without_anything_new_writes_nothing(places: Places) -> None:
    trail, keeper = Trail(places), Keeper(places)
    write(trail, 1)
    seen = keeper.checkpoint()
    assert keeper.checkpoint() == seen
    assert keeper.checkpoint("start") != seen
    assert len(told(places)) == 2
    trail.close()


def test_key_and_note_are_for_their_owner_only(places: Places) -> None:
    Keeper(places).checkpoint("start")
    for name in (KEY_FILE, HEAD_FILE):
        assert (places.keys / name).stat().st_mode & 0o777 == 0o600
    assert path_of(places).stat().st_mode & 0o777 == 0o600
    assert {path.name for path in places.keys.iterdir()} == {KEY_FILE, HEAD_FILE}
    assert told(places)[0]["public_key"] == public_key(places.keys)


def test_several_keepers_make_one_chain(places: Places) -> None:
    trail = Trail(places)

    def work() -> None:
        keeper = Keeper(places)
        for _ in range(10):
            write(trail, 1)
            keeper.checkpoint("start")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trail.close()
    assert [each["number"] for each in told(places)] == list(range(1, 42))
    assert verify(places) == []


def test_a_started_keeper_covers_at_start_on_the_way_and_at_the_end(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "BEAT_SECONDS", 0.02)
    trail, keeper = Trail(places), Keeper(places)
    write(trail, 1)
    keeper.start()
    deadline = time.monotonic() + 5
    while not (newest(places)) and time.monotonic() < deadline:
        time.sleep(0.01)
    write(trail, 1)
    while len(told(places)) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    keeper.close()
    assert [each["why"] for each in told(places)] == ["start", "beat", "end"]
    trail.close()


def test_a_cut_tail_of_checkpoints_stays_known_after_the_next_one(places: Places) -> None:
    stopped(places)
    cut(path_of(places), 5)
    Keeper(places).checkpoint("start")
    assert told(places)[-1]["cut"]["number"] == 7
    [broken] = verify(places)
    assert (broken.record, broken.file) == (6, CHECKPOINTS)
    assert "checkpoint 7 was taken away" in broken.why


def forged(places: Places, key: str) -> None:
    """All history anew without the signing key, while nothing runs; the note is made to fit."""
    [path, *_] = files_in(folder_of(places))
    kept = lines(path)[:10]
    path.write_bytes(b"".join(kept))
    head = {"records": 10, "bytes": path.stat().st_size, "chain": kept[-1][-67:-3].decode()}
    chain, written = START, b""
    for line in lines(path_of(places)):
        told = json.loads(line)
        del told["chain"]
        told["public_key"] = key or told["public_key"]
        told["heads"] = {
            name: head if name == path.name else each
            for name, each in told.get("heads", {}).items()
        }
        made, chain = link(chain, json.dumps(told, separators=(",", ":")).encode()[:-1])
        written += made
    path_of(places).write_bytes(written)
    note(places, Seen(len(written.splitlines()), chain.decode()))


@pytest.mark.parametrize("key", ["", "0" * 64])
def test_an_owner_never_signs_a_forged_history_off(places: Places, key: str) -> None:
    stopped(places)
    forged(places, key)
    assert [broken.file for broken in verify(places)] == [CHECKPOINTS]
    keeper = Keeper(places)
    keeper.checkpoint("start")
    keeper.checkpoint("end")
    [broken] = verify(places)
    assert broken.file == CHECKPOINTS
    assert [each.get("unsigned") for each in told(places)] == [*[None] * 7, 7, None]


def test_so_does_a_missing_note(places: Places) -> None:
    stopped(places)
    cut(path_of(places), 5)
    (places.keys / HEAD_FILE).unlink()
    Keeper(places).checkpoint("start")
    assert "taken away" in verify(places)[0].why


def test_a_note_one_behind_is_what_a_crash_leaves(places: Places) -> None:
    stopped(places)
    line = lines(path_of(places))[-2]
    (places.keys / HEAD_FILE).write_bytes(b'{"number":6,"chain":"%b"}' % line[-67:-3])
    assert verify(places) == []
    Keeper(places).checkpoint("start")
    assert verify(places) == []


def test_a_torn_checkpoint_of_a_crash_gives_way_to_the_next(places: Places) -> None:
    stopped(places)
    with path_of(places).open("ab") as file:
        file.write(b'{"kind":"checkpoint","ts":1')
    assert [broken.kind for broken in verify(places)] == ["torn"]
    Keeper(places).checkpoint("start")
    assert verify(places) == []


def test_a_checkpoint_torn_on_purpose_does_not(places: Places) -> None:
    stopped(places)
    os.truncate(path_of(places), path_of(places).stat().st_size - 30)
    Keeper(places).checkpoint("start")
    assert "checkpoint 7 was taken away" in verify(places)[0].why


def test_what_was_changed_is_never_covered_anew(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    trail, keeper = Trail(places), Keeper(places)
    write(trail, 4)
    keeper.checkpoint()
    [path] = files_in(folder_of(places))
    cut(path, 5)
    write(trail, 4)
    with caplog.at_level(logging.WARNING):
        keeper.checkpoint()
        keeper.checkpoint("end")
    assert caplog.text.count(f"{path.name} is not what was written") == 1
    trail.close()
    [broken] = verify(places)
    assert (broken.file, broken.record) == (path.name, 6)


def test_a_rewritten_file_that_grew_is_never_covered_anew(places: Places) -> None:
    trail, keeper = Trail(places), Keeper(places)
    write(trail, 4)
    keeper.checkpoint()
    trail.close()
    [path] = files_in(folder_of(places))
    chain, written = START, b""
    for line in lines(path):
        content = line.rpartition(b',"chain":"')[0].replace(b'"ada"', b'"somebody else"')
        made, chain = link(chain, content)
        written += made
    path.write_bytes(written)
    for why in ("start", "end"):
        Keeper(places).checkpoint(why)
    assert [broken.file for broken in verify(places)] == [path.name]


def test_a_missing_file_stays_missing(places: Places, caplog: pytest.LogCaptureFixture) -> None:
    stopped(places)
    [path, *_] = files_in(folder_of(places))
    path.unlink()
    with caplog.at_level(logging.WARNING):
        Keeper(places).checkpoint("start")
    assert [broken.file for broken in verify(places)] == [path.name]
    assert f"{path.name} is missing" in caplog.text


def test_another_signing_key_is_found(places: Places) -> None:
    stopped(places)
    (places.keys / KEY_FILE).unlink()
    assert [broken.file for broken in verify(places)] == [KEY_FILE]
    Keeper(places).checkpoint("start")
    [broken] = verify(places)
    assert (broken.file, broken.record) == (CHECKPOINTS, 1)
    assert broken.why == "is signed with another key"


def test_a_damaged_signing_key_is_named_and_never_replaced(places: Places) -> None:
    stopped(places)
    (places.keys / KEY_FILE).write_bytes(b"short")
    with pytest.raises(Unusable, match="backup"):
        Keeper(places).checkpoint("start")
    assert [broken.file for broken in verify(places)] == [KEY_FILE]
    assert (places.keys / KEY_FILE).read_bytes() == b"short"


def test_a_keeper_that_cannot_write_says_so_once(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    places.root.mkdir()
    (places.root / "audit").write_text("in the way")
    keeper = Keeper(places)
    with caplog.at_level(logging.WARNING):
        keeper.start()
        keeper.close()
    assert caplog.text.count("no checkpoint can be written") == 1


def test_damage_that_no_line_is_left_of_does_not_stop_the_keeper(places: Places) -> None:
    stopped(places)
    path_of(places).write_bytes(b"\x00\xff garbage\n" * 3)
    keeper = Keeper(places)
    for _ in range(3):
        keeper.checkpoint("start")
    report = examine(places)
    assert (report.broken[0].file, report.broken[0].record) == (CHECKPOINTS, 1)
