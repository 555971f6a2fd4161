"""A process's file: what is in it after each way in which a process, a file or a disk can end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hf_ledger.ingest.doors.gateway.audit import trail as trail_module
from hf_ledger.ingest.doors.gateway.audit.checkpoints import Keeper
from hf_ledger.ingest.doors.gateway.audit.head import files_in, folder_of
from hf_ledger.ingest.doors.gateway.audit.records import Decided
from hf_ledger.ingest.doors.gateway.audit.trail import Trail
from hf_ledger.ingest.doors.gateway.audit.verifying import examine, verify
from hf_ledger.ingest.places import Places
from tests.factories_audit import write

ROOT = Path(__file__).resolve().parent.parent


def program(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.audit_program", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def finished(*arguments: str) -> str:
    process = program(*arguments)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return said


def trail_files(places: Places) -> list[Path]:
    return files_in(folder_of(places))


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def kinds(path: Path) -> list[str]:
    return [record["kind"] for record in records(path)]


def test_nothing_is_made_before_the_first_record(places: Places) -> None:
    Trail(places).close()
    assert not places.root.exists()


def test_a_file_begins_with_who_writes_it_and_ends_with_its_end(places: Places) -> None:
    trail = Trail(places)
    write(trail, 1)
    trail.close()
    [path] = trail_files(places)
    assert kinds(path) == ["opened", "decided", "finished", "ended"]
    opened = records(path)[0]
    assert opened["file"] == path.name
    assert (opened["pid"], opened["algorithm"], opened["format"]) == (os.getpid(), "sha256", 1)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_record_is_in_the_file_before_the_caller_goes_on(places: Places) -> None:
    trail = Trail(places)
    trail.write(Decided(request_id="r-1"))
    assert b'"request_id":"r-1"' in trail_files(places)[0].read_bytes()
    trail.close()


def test_records_of_many_threads_stand_whole_in_one_chain(places: Places) -> None:
    trail = Trail(places)
    threads = [
        threading.Thread(target=write, args=(trail, 50, 100 * number)) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trail.close()
    assert examine(places).records == 1 + 8 * 50 * 2 + 1
    assert verify(places) == []


def test_a_full_file_names_its_successor_and_is_named_by_it(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail_module, "ROTATE_BYTES", 2000)
    trail = Trail(places)
    write(trail, 30)
    trail.close()
    paths = trail_files(places)
    assert len(paths) > 3
    for before, after in pairwise(paths):
        rotated, opened = records(before)[-1], records(after)[0]
        assert (rotated["kind"], rotated["successor"]) == ("rotated", after.name)
        assert opened["previous"] == {"file": before.name, "chain": rotated["chain"]}
    assert verify(places) == []


def test_a_missing_or_shortened_piece_of_a_rotated_row_is_found_without_a_checkpoint(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail_module, "ROTATE_BYTES", 2000)
    trail = Trail(places)
    write(trail, 30)
    paths = trail_files(places)
    assert verify(places) == []
    for before, path, after in zip(paths, paths[1:], paths[2:], strict=False):
        content = path.read_bytes()
        path.unlink()
        assert {broken.file for broken in verify(places)} == {before.name, after.name}
        path.write_bytes(b"".join(content.splitlines(keepends=True)[:-2]))
        assert after.name in {broken.file for broken in verify(places)}
        path.write_bytes(content)
    trail.close()


def test_a_day_is_a_file_and_so_is_a_clock_that_went_back(places: Places) -> None:
    hour = 3600 * 10**9
    moments = iter([100 * hour, 123 * hour, 124 * hour, 90 * hour, 91 * hour, 91 * hour])
    trail = Trail(places, lambda: next(moments))
    for _ in range(5):
        trail.write(Decided(request_id="r-1"))
    trail.close()
    assert sorted(len(records(path)) for path in trail_files(places)) == [3, 4, 4]
    assert verify(places) == []


def test_a_record_with_lone_surrogates_is_kept(places: Places) -> None:
    trail = Trail(places)
    trail.write(Decided(request_id="r-1", user="a\ud800b", verdicts={"key": "\udfff"}))
    trail.close()
    assert records(trail_files(places)[0])[1]["user"] == "a\ufffdb"
    assert verify(places) == []


def test_what_could_not_be_written_is_said_with_the_next_record(places: Places) -> None:
    trail = Trail(places)
    write(trail, 1)
    trail.lose()
    trail.lose()
    write(trail, 1)
    trail.close()
    [path] = trail_files(places)
    assert kinds(path)[3:5] == ["lost", "decided"]
    assert records(path)[3]["count"] == 2


def test_a_checkpoint_that_was_seen_stands_in_one_record(places: Places) -> None:
    trail = Trail(places)
    write(trail, 1)
    seen = Keeper(places).checkpoint()
    assert seen is not None
    trail._look_around()
    write(trail, 2)
    trail.close()
    told = [record.get("seen") for record in records(trail_files(places)[0])]
    expected = {"number": seen.number, "chain": seen.chain}
    assert told == [None, None, None, expected, None, None, None, None]


def test_its_own_thread_sees_checkpoints(places: Places) -> None:
    trail = Trail(places)
    write(trail, 1)
    Keeper(places).checkpoint()
    deadline = time.monotonic() + 5
    while not trail._unsaid and time.monotonic() < deadline:
        time.sleep(0.02)
    assert trail._unsaid
    trail.close()


def test_a_file_deleted_under_its_process_is_named_as_missing(places: Places) -> None:
    trail = Trail(places)
    write(trail, 2)
    [first] = trail_files(places)
    first.unlink()
    trail._look_around()
    write(trail, 2)
    trail.close()
    [second] = trail_files(places)
    [broken] = verify(places)
    assert broken.file == second.name
    assert first.name in broken.why


def test_two_processes_write_two_files(places: Places) -> None:
    processes = [program("write", "40") for _ in range(2)]
    for process in processes:
        process.communicate(timeout=60)
    paths = trail_files(places)
    assert [len(records(path)) for path in paths] == [82, 82]
    assert len({records(path)[0]["pid"] for path in paths}) == 2
    report = examine(places)
    assert (report.broken, report.uncovered) == ([], 0)


def test_a_forks_child_writes_a_file_of_its_own(places: Places) -> None:
    finished("fork")
    opened = {records(path)[0]["pid"]: len(records(path)) for path in trail_files(places)}
    assert sorted(opened.values()) == [1 + 7 * 2 + 1, 1 + 10 * 2 + 1]
    assert verify(places) == []


def killed(places: Places) -> Path:
    """The file of a process that was killed while it wrote."""
    process = program("forever")
    assert process.stdout is not None
    assert process.stdout.readline() == "under way\n"
    process.kill()
    process.wait(timeout=10)
    process.stdout.close()
    [path] = trail_files(places)
    return path


def test_a_killed_process_leaves_whole_records_that_the_next_owner_covers(places: Places) -> None:
    path = killed(places)
    assert len(records(path)) > 200
    report = examine(places)
    assert report.broken == []
    assert report.uncovered == report.records
    Keeper(places).checkpoint("start")
    assert examine(places).uncovered == 0
    assert verify(places) == []
    os.truncate(path, path.stat().st_size - len(path.read_bytes().splitlines()[-1]) - 1)
    [broken] = verify(places)
    assert "1 covered records are missing" in broken.why


def test_a_torn_last_record_is_torn_and_not_tampered(places: Places) -> None:
    path = killed(places)
    os.truncate(path, path.stat().st_size - 20)
    [broken] = verify(places)
    assert (broken.file, broken.kind) == (path.name, "torn")
    assert broken.record == len(path.read_bytes().splitlines())
    Keeper(places).checkpoint("start")  # which notes what was left behind
    assert verify(places) == []
    torn = path.read_bytes()
    for changed in (torn[:-1], torn + b"x", torn[: torn.rindex(b"\n") + 1]):
        path.write_bytes(changed)
        assert [each.kind for each in verify(places)] == ["tampered"]


def test_what_a_living_process_has_half_written_is_no_fault(places: Places) -> None:
    trail = Trail(places)
    write(trail, 1)
    [path] = trail_files(places)
    with path.open("ab") as file:
        file.write(b'{"kind":"dec')
    assert verify(places) == []
    os.truncate(path, path.stat().st_size - 12)
    trail.close()


@pytest.mark.parametrize(("lost", "said"), [("refuse", "503:audit_unwritable"), ("go_on", "lost")])
def test_a_full_disk_refuses_or_goes_on_as_set(places: Places, lost: str, said: str) -> None:
    first, then = finished("full", "4000", lost).splitlines()
    *decisions, count = first.split()
    assert set(decisions) == {"written", said}
    assert decisions[0] == "written"
    assert decisions[-1] == said
    assert int(count) >= decisions.count(said)
    assert then == "written"
    [path] = trail_files(places)
    told = [record["count"] for record in records(path) if record["kind"] == "lost"]
    assert sum(told) == int(count)
    assert verify(places) == []


def test_a_disk_that_takes_nothing_leaves_no_empty_file(places: Places) -> None:
    first, then = finished("full", "10", "refuse").splitlines()
    assert first.split()[0] == "503:audit_unwritable"
    assert then == "written"
    assert len(trail_files(places)) == 1


def test_a_gateway_that_ends_after_the_owner_covers_its_own_end(places: Places) -> None:
    trail = Trail(places)
    write(trail, 3)
    keeper = Keeper(places)
    keeper.checkpoint("end")
    write(trail, 3)
    trail.close()
    assert examine(places).uncovered == 0
    [path] = trail_files(places)
    content = path.read_bytes().splitlines(keepends=True)
    for kept in range(len(content)):
        path.write_bytes(b"".join(content[:kept]))
        assert verify(places)


def test_a_writer_loads_neither_the_ledger_nor_the_signatures() -> None:
    code = (
        "import sys, hf_ledger.ingest.doors.gateway.checks.audit as _;"
        "print({'duckdb', 'cryptography', 'pandas', 'pydantic'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"
