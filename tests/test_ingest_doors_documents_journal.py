"""Answers on disk: found again, never wrong, never in the clear, gone when they expire."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from factories_echo import BOOK, Echo, job
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.doors.documents import journal as journals
from hf_ledger.ingest.doors.documents.caching import Cache, derived, open_cache
from hf_ledger.ingest.doors.documents.journal import Journal, Segment, folder_of, purge, tidy
from hf_ledger.ingest.doors.documents.processing import process
from hf_ledger.ingest.doors.documents.records import ANSWERED, Sealer, records_in
from hf_ledger.ingest.errors import Unusable, Usage
from hf_ledger.ingest.hashing import HashKey
from hf_ledger.ingest.keyring import rotate
from hf_ledger.ingest.places import Places

SECRET = b"s" * 32
MARKER = "MARKER-of-a-secret-sentence"
DAY = 24 * 3600.0


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def opened(folder: Path, **said: Any) -> Journal:
    return Journal(folder, SECRET, **said)


def filled(folder: Path, count: int = 3, **said: Any) -> Path:
    """The segment of a process that kept so many answers and is gone."""
    journal = opened(folder, **said)
    for number in range(count):
        journal.put(key(number), f"answer {number}".encode())()
    journal.shut()
    [segment] = journals.segments_of(folder)
    return segment


# -- found again -----------------------------------------------------------------------------------


def test_another_process_finds_what_was_kept(tmp_path: Path) -> None:
    filled(tmp_path)
    later = opened(tmp_path)
    assert [later.get(key(number)) for number in range(4)] == [
        b"answer 0",
        b"answer 1",
        b"answer 2",
        None,
    ]


async def test_a_document_is_paid_for_once(tmp_path: Path) -> None:
    echo = Echo()
    for _ in range(2):
        cache = open_cache("disk", Places(tmp_path))
        assert cache is not None
        done = await process(BOOK, job(), echo, cache=cache)
        cache.close()
    assert len(echo.asked) == len(done.parts) == done.from_cache
    assert done.value == BOOK.upper()


async def test_a_new_key_of_the_ledger_makes_old_answers_unreadable(tmp_path: Path) -> None:
    echo, places = Echo(), Places(tmp_path)
    await process("One.", job(), echo, cache=open_cache("disk", places))
    rotate(places.keys)
    await process("One.", job(), echo, cache=open_cache("disk", places))
    assert len(echo.asked) == 2


def test_the_last_of_two_answers_counts(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.put(key(1), b"old")()
    journal.put(key(1), b"new")()
    assert (journal.get(key(1)), opened(tmp_path).get(key(1))) == (b"new", b"new")


# -- what a dead process had under way -------------------------------------------------------------


def test_what_was_under_way_is_begun_again_under_its_name(tmp_path: Path) -> None:
    dead = opened(tmp_path)
    first = dead.begin(key(1))
    dead.shut()
    again = opened(tmp_path).begin(key(1))
    assert (first.again, again.again) == (False, True)
    assert again.once == first.once


def test_what_ended_is_not_under_way(tmp_path: Path) -> None:
    dead = opened(tmp_path)
    for number in (1, 2):
        dead.begin(key(number))
    dead.close(key(1))
    dead.put(key(2), b"answer")()
    dead.shut()
    later = opened(tmp_path)
    assert [later.begin(key(number)).again for number in (1, 2)] == [False, False]


def test_what_a_living_process_has_under_way_is_its_own(tmp_path: Path) -> None:
    living = opened(tmp_path)
    first = living.begin(key(1))
    other = opened(tmp_path).begin(key(1))
    assert not other.again
    assert other.once != first.once


def test_killed_twice_it_is_still_the_same_piece_of_work(tmp_path: Path) -> None:
    names = set()
    for _ in range(3):
        journal = opened(tmp_path)
        names.add(journal.begin(key(1)).once)
        journal.shut()
    assert len(names) == 1


# -- never wrong -----------------------------------------------------------------------------------


@given(st.data())
def test_whatever_befalls_a_segment_an_answer_is_right_or_missing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    segment = filled(folder)
    content = bytearray(segment.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content = content[:at]
    else:
        content[at] ^= 1 << data.draw(st.integers(0, 7))
    segment.write_bytes(content)
    later = opened(folder)
    found = [later.get(key(number)) for number in range(3)]
    assert all(got in (None, f"answer {number}".encode()) for number, got in enumerate(found))
    assert found != [b"answer 0", b"answer 1", b"answer 2"]


def test_an_answer_under_another_key_is_no_answer(tmp_path: Path) -> None:
    """Two records whose keys were swapped do not open."""
    segment = filled(tmp_path, 2)
    content = segment.read_bytes()
    first, second = records_in(content)
    swapped = content.replace(key(0), b"x" * 16).replace(key(1), key(0)).replace(b"x" * 16, key(1))
    segment.write_bytes(swapped)
    assert first.size == second.size
    assert [opened(tmp_path).get(key(number)) for number in (0, 1)] == [None, None]


def test_what_was_sealed_with_another_secret_does_not_open() -> None:
    sealed = Sealer(SECRET).sealed(ANSWERED, key(1), 1, b"answer")
    assert Sealer(SECRET).opened(sealed) == b"answer"
    assert Sealer(b"t" * 32).opened(sealed) is None


def test_after_a_write_that_failed_the_next_answers_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, write = opened(tmp_path), os.write
    journal.put(key(0), b"answer 0")()
    monkeypatch.setattr(os, "write", lambda where, data: write(where, data[: len(data) // 2]))
    with pytest.raises(OSError, match="were written"):
        journal.put(key(1), b"answer 1")
    monkeypatch.undo()
    journal.put(key(2), b"answer 2")()
    later = opened(tmp_path)
    assert [later.get(key(number)) for number in range(3)] == [b"answer 0", None, b"answer 2"]


async def test_a_full_disk_costs_no_answer_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = open_cache("disk", Places(tmp_path))

    def full(self: Segment, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Segment, "append", full)
    done = await process("One.", job(), Echo(), cache=cache)
    assert done.value == "ONE."
    assert "did not keep" in done.notes[0]


# -- never in the clear ----------------------------------------------------------------------------


async def test_no_file_holds_a_word_of_what_was_asked_or_answered(tmp_path: Path) -> None:
    cache = open_cache("disk", Places(tmp_path))
    seen: set[Path] = set()

    async def watching(task: str, inputs: Any, parameters: Any) -> str:
        seen.update(path for path in tmp_path.rglob("*") if path.is_file())
        check(seen)
        return f"{inputs['text']} answered {MARKER}"

    def check(paths: set[Path]) -> None:
        for path in paths:
            content = path.read_bytes()
            assert MARKER.encode() not in content
            assert b"answered" not in content
            assert stat.S_IMODE(path.stat().st_mode) == 0o600

    asked = job(parameters={"note": MARKER}, instruction=None)
    await process(f"{MARKER} one. {MARKER} two.", asked, watching, cache=cache)
    seen.update(path for path in tmp_path.rglob("*") if path.is_file())
    check(seen)
    assert any(path.suffix == journals.SUFFIX for path in seen)
    assert stat.S_IMODE(folder_of(Places(tmp_path)).stat().st_mode) == 0o700


def test_hash_and_encryption_have_keys_of_their_own() -> None:
    assert len({SECRET, derived(SECRET, b"content"), derived(SECRET, b"encryption")}) == 3


# -- bounded ---------------------------------------------------------------------------------------


def test_what_is_old_is_no_answer_and_its_file_goes(tmp_path: Path) -> None:
    now = [1_000_000_000.0]
    segment = filled(tmp_path, clock=lambda: now[0])
    os.utime(segment, (now[0], now[0]))
    now[0] += 6.9 * DAY
    assert opened(tmp_path, clock=lambda: now[0]).get(key(0)) == b"answer 0"
    os.utime(segment, (now[0], now[0]))  # written to since: the record itself says how old it is
    now[0] += 0.2 * DAY
    assert opened(tmp_path, clock=lambda: now[0]).get(key(0)) is None
    assert segment.exists()
    now[0] += 7 * DAY
    opened(tmp_path, clock=lambda: now[0])
    assert not segment.exists()


def test_it_stays_within_its_size_the_oldest_first(tmp_path: Path) -> None:
    journal = opened(tmp_path, most_bytes=20_000, segment_bytes=2_000)
    for number in range(60):
        journal.put(key(number), bytes(1_000))()
    sizes = [path.stat().st_size for path in journals.segments_of(tmp_path)]
    assert 15_000 < sum(sizes) <= 20_000 + 2 * 3_100
    assert journal.get(key(0)) is None
    assert journal.get(key(59)) == bytes(1_000)


def test_a_segment_that_is_written_to_is_not_removed(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.put(key(1), b"answer")()
    assert tidy(tmp_path, before_ms=1 << 62) == 0
    journal.shut()
    assert tidy(tmp_path, before_ms=1 << 62) == 1


def test_all_can_be_removed(tmp_path: Path) -> None:
    cache = open_cache("disk", Places(tmp_path))
    assert cache is not None
    cache.store.put(key(1), b"answer")
    cache.close()
    assert purge(Places(tmp_path)) == 1
    assert not list(folder_of(Places(tmp_path)).iterdir())
    assert purge(Places(tmp_path / "nowhere")) == 0


@settings(max_examples=5)
@given(st.lists(st.binary(max_size=50), max_size=5))
def test_what_goes_in_comes_out(answers: list[bytes]) -> None:
    sealer = Sealer(SECRET)
    segment = b"".join(
        sealer.sealed(ANSWERED, key(number), 7, answer) for number, answer in enumerate(answers)
    )
    records = list(records_in(segment))
    assert [record.key for record in records] == [key(number) for number in range(len(answers))]
    spans = [segment[each.start : each.start + each.size] for each in records]
    assert [sealer.opened(span) for span in spans] == answers


def test_many_threads_may_write(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=4_000)

    def write(first: int) -> None:
        for number in range(first, first + 50):
            journal.put(key(number), str(number).encode())()

    threads = [threading.Thread(target=write, args=(at * 50,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    later = opened(tmp_path)
    assert [later.get(key(number)) for number in range(200)] == [
        str(number).encode() for number in range(200)
    ]


# -- what is in the way ----------------------------------------------------------------------------


def test_without_the_library_it_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from pathlib import Path\n"
        "from hf_ledger.ingest.doors.documents.caching import open_cache\n"
        "from hf_ledger.ingest.errors import Unusable\n"
        "from hf_ledger.ingest.places import Places\n"
        "try: open_cache('disk', Places(Path(sys.argv[1])))\n"
        "except Unusable as error: print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "pip install 'hf-ledger[server]'" in ran.stdout


def test_without_a_key_nothing_is_kept_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HashKey, "load", lambda folder: None)
    with pytest.raises(Unusable, match="key"):
        open_cache("disk", Places(tmp_path))


def test_there_are_three_kinds(tmp_path: Path) -> None:
    assert isinstance(open_cache("memory"), Cache)
    assert open_cache("off") is None
    with pytest.raises(Usage):
        open_cache("tape")  # type: ignore[arg-type]
