"""The budgets' journal: whole lines, one file a start, private, and honest about damage."""

from __future__ import annotations

import logging
import os
import stat
from contextlib import closing

import pytest

from hf_ledger.ingest.doors.gateway.limits.journal import Entry, Journal, Share, files, read_entries
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places


def entry(gateway: str = "one", spent: int = 1) -> Entry:
    return Entry(gateway, "host", 7, "boot:1", shares=[Share("b", "2026-11", 10, spent, 2)])


def test_what_is_written_is_read_back_in_order(places: Places) -> None:
    past = [entry("", 5)]
    with closing(Journal(places, past)) as journal:
        journal.write(entry(spent=1))
        journal.write(entry(spent=2))
        # There at once, for a reader and after a kill; the disk has it a little later.
        assert list(read_entries(places)) == [*past, entry(spent=1), entry(spent=2)]


def test_it_is_its_users_alone(places: Places) -> None:
    with closing(Journal(places, [])) as journal:
        assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(journal.path.parent.stat().st_mode) == 0o700


def test_a_start_leaves_one_file_with_the_past_in_it(places: Places) -> None:
    with closing(Journal(places, [])) as first:
        first.write(entry(spent=1))
    with closing(Journal(places, list(read_entries(places)))) as second:
        assert files(places) == [second.path]
        assert list(read_entries(places)) == [entry(spent=1)]


def test_a_file_that_a_start_left_behind_counts_no_second_time(places: Places) -> None:
    with closing(Journal(places, [])) as first:
        first.write(entry(spent=1))
        left = first.path.read_bytes()
        with closing(Journal(places, list(read_entries(places)))):
            first.path.write_bytes(left)  # as if the power went before it was removed
            assert len(files(places)) == 2
            assert list(read_entries(places)) == [entry(spent=1)]


def test_a_draft_of_a_start_cut_short_is_not_read(places: Places) -> None:
    with closing(Journal(places, [entry()])) as journal:
        journal.path.with_name("budgets-99999999999999999999.draft").write_bytes(b"half")
        assert list(read_entries(places)) == [entry()]


@pytest.mark.parametrize("damage", [b'{"gateway":"one"', b'{"gateway":"two"}\n', b"\x00\xff\n"])
def test_a_damaged_line_is_left_out_and_said(
    places: Places, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    with closing(Journal(places, [entry()])) as journal:
        with journal.path.open("ab") as file:
            file.write(damage)
        with caplog.at_level(logging.WARNING, "hf_ledger"):
            assert list(read_entries(places)) == [entry()]
    assert "left out" in caplog.text
    assert "two" not in caplog.text  # the position, never the content


def test_a_flipped_bit_does_not_become_money(places: Places) -> None:
    with closing(Journal(places, [entry()])) as journal:
        whole = journal.path.read_bytes()
        journal.path.write_bytes(whole.replace(b'"2026-11",10', b'"2026-11",90'))
        assert list(read_entries(places)) == []


def test_a_full_disk_is_said_and_leaves_the_lines_whole(places: Places) -> None:
    journal = Journal(places, [entry()])
    held = journal._file
    journal._file = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(Unusable, match="No space left"):
        journal.write(entry(spent=2))
    os.close(journal._file)
    journal._file = held
    journal.write(entry(spent=3))
    journal.close()
    assert list(read_entries(places)) == [entry(), entry(spent=3)]


def test_half_a_line_is_taken_back(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with closing(Journal(places, [entry()])) as journal:
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", lambda file, line: write(file, line[:10]))
            with pytest.raises(Unusable, match="no space left"):
                journal.write(entry(spent=2))
        journal.write(entry(spent=3))
        assert list(read_entries(places)) == [entry(), entry(spent=3)]


def test_a_folder_that_can_not_be_written_is_said(places: Places) -> None:
    places.make()
    (places.root / "gateway").write_text("in the way")
    with pytest.raises((Unusable, FileExistsError)):
        Journal(places, [])
