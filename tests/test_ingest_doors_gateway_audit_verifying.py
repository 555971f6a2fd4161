"""Whatever is done to a stopped audit shows: bytes, records, tails, files, checkpoints."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.doors.gateway.audit.chain import Walk, link
from hf_ledger.ingest.doors.gateway.audit.checkpoints import Keeper
from hf_ledger.ingest.doors.gateway.audit.head import HEAD_FILE, files_in, folder_of
from hf_ledger.ingest.doors.gateway.audit.records import Decided
from hf_ledger.ingest.doors.gateway.audit.trail import Trail
from hf_ledger.ingest.doors.gateway.audit.verifying import examine, verify
from hf_ledger.ingest.places import Places
from tests.factories_audit import files, stopped


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Some 200 records of three processes, and their checkpoints."""
    return stopped(Places(tmp_path_factory.mktemp("audit")), requests=30)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Some 2,000 records of four processes, and a dozen checkpoints."""
    return stopped(Places(tmp_path_factory.mktemp("large")), processes=4, requests=250, pauses=10)


@contextmanager
def as_before(path: Path) -> Iterator[bytes]:
    """The file's bytes, put back afterwards."""
    content = path.read_bytes()
    try:
        yield content
    finally:
        path.write_bytes(content)


def lines(content: bytes) -> list[bytes]:
    return content.splitlines(keepends=True)


def every_file(audit: Places) -> list[Path]:
    return [*files(audit), audit.keys / HEAD_FILE]


def test_a_stopped_audit_is_green_and_covered_whole(audit: Places) -> None:
    report = examine(audit)
    assert report.broken == []
    assert report.files == 3
    assert report.records == 3 * (1 + 60 + 1) + 1  # opened, two a request, ended; administered
    assert report.uncovered == 0
    assert report.checkpoints == 1 + 2 + 3 + 1


def test_a_thousand_changed_bytes_are_all_found(large: Places) -> None:
    assert verify(large) == []
    chosen, paths = random.Random(6), files(large)
    sizes = [path.stat().st_size for path in paths]
    unseen = []
    for _ in range(1000):
        path = chosen.choices(paths, sizes)[0]
        at, flip = chosen.randrange(path.stat().st_size), chosen.randrange(1, 256)
        with changed(path, at, flip):
            if path.name not in {broken.file for broken in verify(large)}:
                unseen.append((path.name, at, flip))
    assert unseen == []


@contextmanager
def changed(path: Path, at: int, flip: int) -> Iterator[None]:
    """One byte of a file made another, and back."""
    with path.open("r+b", buffering=0) as file:
        for _ in range(2):
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ flip]))
            if _ == 0:
                file.flush()
                yield


def test_each_byte_of_the_newest_checkpoint_and_of_its_note_counts(audit: Places) -> None:
    path = files(audit)[-1]
    size, last = path.stat().st_size, len(lines(path.read_bytes())[-1])
    spots = [(path, at) for at in range(size - last, size)]
    note = audit.keys / HEAD_FILE
    spots += [(note, at) for at in range(note.stat().st_size)]
    for path, at in spots:
        for flip in (1, 32):  # 32 turns a letter's case: hex digits have two forms
            with changed(path, at, flip):
                assert verify(audit), (path.name, at, flip)


def test_the_first_changed_record_is_named(audit: Places) -> None:
    path = files(audit)[1]
    with as_before(path) as content:
        records = lines(content)
        offset = sum(map(len, records[:17]))
        with changed(path, offset + 40, 1), changed(path, offset + 4000, 1):
            [broken] = verify(audit)
    assert (broken.file, broken.record, broken.offset) == (path.name, 18, offset)
    assert "changed" in broken.why
    assert broken.kind == "tampered"


def edits(records: list[bytes], at: int) -> Iterator[list[bytes]]:
    """What can be done to the record at a place without touching its bytes."""
    before, record, after = records[:at], records[at], records[at + 1 :]
    yield [*before, *after]
    yield [*before, record, record, *after]
    yield [*before, *records[:1], record, *after]
    if after:
        yield [*before, after[0], record, *after[1:]]
    yield [*before, records[0][:40] + record[40:], *after]


def test_deleted_doubled_inserted_and_swapped_records_are_found(audit: Places) -> None:
    for path in files(audit):
        with as_before(path) as content:
            records = lines(content)
            for at in range(len(records)):
                for edited in edits(records, at):
                    if edited != records:
                        path.write_bytes(b"".join(edited))
                        assert path.name in {broken.file for broken in verify(audit)}, at


def test_tails_of_each_length_are_missed(audit: Places) -> None:
    for path in files(audit):
        with as_before(path) as content:
            records = lines(content)
            for kept in range(len(records)):
                path.write_bytes(b"".join(records[:kept]))
                found = {broken.file: broken for broken in verify(audit)}
                assert found[path.name].record == kept + 1, kept


def test_a_tail_cut_within_a_record_is_missed(audit: Places) -> None:
    for path in files(audit):
        with as_before(path) as content:
            for cut in (1, 2, 70, 150):
                path.write_bytes(content[:-cut])
                assert path.name in {broken.file for broken in verify(audit)}, cut


def test_each_whole_file_is_missed(audit: Places) -> None:
    for path in every_file(audit):
        with as_before(path):
            path.unlink()
            assert path.name in {broken.file for broken in verify(audit)}


def test_files_that_change_places_are_found(audit: Places) -> None:
    one, other, _ = files_in(folder_of(audit))
    with as_before(one) as first, as_before(other) as second:
        one.write_bytes(second)
        other.write_bytes(first)
        assert {broken.file for broken in verify(audit)} >= {one.name, other.name}


def test_a_copy_under_another_name_is_found(audit: Places) -> None:
    path = files(audit)[0]
    copy = path.with_name(path.name.replace(".ndjson", "0.ndjson"))
    copy.write_bytes(path.read_bytes())
    try:
        [broken] = verify(audit)
    finally:
        copy.unlink()
    assert (broken.file, broken.why) == (copy.name, "does not introduce this file")


def test_a_note_with_a_space_more_is_not_the_note(audit: Places) -> None:
    note = audit.keys / HEAD_FILE
    with as_before(note) as content:
        note.write_bytes(b" " + content)
        assert [broken.file for broken in verify(audit)] == [HEAD_FILE]


@pytest.mark.parametrize("user", ["bob", "al", "a much longer name"])
def test_a_file_rewritten_with_a_chain_that_holds_is_found(audit: Places, user: str) -> None:
    path, new = files(audit)[0], f'"user":"{user}"'.encode()
    with as_before(path) as content:
        path.write_bytes(b"".join(rechained(lines(content), b'"user":"ada"', new)))
        [broken] = verify(audit)
    assert broken.file == path.name
    assert "rewritten" in broken.why or "missing" in broken.why


def test_checkpoints_rewritten_with_a_chain_that_holds_are_not_signed(audit: Places) -> None:
    path = files(audit)[-1]
    with as_before(path) as content:
        path.write_bytes(b"".join(rechained(lines(content), b'"why":"beat"', b'"why":"kept"')))
        [broken] = verify(audit)
    assert (broken.record, broken.why) == (2, "its signature does not hold")


def rechained(records: list[bytes], old: bytes, new: bytes) -> Iterator[bytes]:
    """What an attacker without the signing key can do: all hashes anew."""
    chain = Walk().chain
    for record in records:
        line, chain = link(chain, record.rpartition(b',"chain":"')[0].replace(old, new))
        yield line


def test_a_record_behind_the_end_is_found(audit: Places) -> None:
    path = files(audit)[0]
    with as_before(path) as content:
        records = lines(content)
        before = records[-1][-67:-3]
        path.write_bytes(content + link(before, records[3].rpartition(b',"chain":"')[0])[0])
        [broken] = verify(audit)
    assert (broken.record, broken.offset) == (len(records) + 1, len(content))
    assert broken.why == "stands behind the end of the file"


def test_all_files_and_checkpoints_gone_is_found_by_the_note(audit: Places) -> None:
    gone = [(path, path.read_bytes()) for path in files(audit)]
    for path, _ in gone:
        path.unlink()
    try:
        assert [broken.file for broken in verify(audit)] == ["checkpoints.ndjson"]
    finally:
        for path, content in gone:
            path.write_bytes(content)


def test_all_that_proves_it_gone_is_found_by_the_records_that_ended(places: Places) -> None:
    trail = Trail(places)
    trail.write(Decided(request_id="r-1"))
    trail.close()
    assert verify(places) == []
    for path in (*places.keys.iterdir(), files(places)[-1]):
        path.unlink()
    assert [broken.file for broken in verify(places)] == ["checkpoints.ndjson"]


def test_checkpoints_and_their_note_put_back_contradict_the_records(audit: Places) -> None:
    """The newest checkpoints go, and the note with them; the records have seen a later one."""
    path, note = files(audit)[-1], audit.keys / HEAD_FILE
    with as_before(path) as content, as_before(note):
        first = lines(content)[0]
        path.write_bytes(first)
        note.write_bytes(b'{"number":1,"chain":"%b"}' % first[-67:-3])
        found = [broken for broken in verify(audit) if broken.file == path.name]
    assert "saw" in found[0].why


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_edit_leaves_it_green(audit: Places, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(every_file(audit)))
    with as_before(path) as content:
        start = data.draw(st.integers(0, len(content)))
        length = data.draw(st.integers(0, min(600, len(content) - start)))
        piece = data.draw(st.binary(max_size=60) | st.sampled_from(lines(content)))
        edited = content[:start] + piece + content[start + length :]
        path.write_bytes(edited)
        assert edited == content or verify(audit) != []


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_what_was_taken_or_changed_stays_found_when_an_owner_starts(
    audit: Places, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    places = Places(tmp_path_factory.mktemp("attacked") / "ledger")
    shutil.copytree(audit.root, places.root)
    path = data.draw(st.sampled_from(every_file(places)))
    content = path.read_bytes()
    start = data.draw(st.integers(0, len(content) - 1))
    length = data.draw(st.integers(1, len(content) - start))
    path.write_bytes(content[:start] + content[start + length :])
    assert verify(places) != []
    trail, keeper = Trail(places), Keeper(places)
    keeper.checkpoint("start")
    trail.write(Decided(request_id="r-1"))
    trail.close()
    keeper.checkpoint("end")
    assert verify(places) != []


def test_nothing_at_all_is_green(places: Places) -> None:
    assert verify(places) == []
    assert examine(places).files == 0
