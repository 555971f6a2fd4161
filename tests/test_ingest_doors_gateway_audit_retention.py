"""Files past their days go, with a signed note that keeps the rest green, and only them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from hf_ledger.ingest.doors.gateway.audit.checkpoints import Keeper
from hf_ledger.ingest.doors.gateway.audit.head import CHECKPOINTS, files_in, folder_of
from hf_ledger.ingest.doors.gateway.audit.trail import Trail
from hf_ledger.ingest.doors.gateway.audit.verifying import verify
from hf_ledger.ingest.places import Places
from tests.factories_audit import write

DAY_NS = 86_400 * 10**9
NOW = time.time_ns()


def aged(places: Places, *days: int) -> list[Path]:
    """A file that was ended so many days ago each, oldest first."""
    for age in days:
        trail = Trail(places, lambda age=age: NOW - age * DAY_NS)  # type: ignore[misc]
        write(trail, 3)
        trail.close()
    return files_in(folder_of(places))


def swept(places: Places, days: int = 400) -> list[Path]:
    Keeper(places, days, lambda: NOW).checkpoint()
    return files_in(folder_of(places))


def test_files_past_their_days_are_removed_and_signed_off(places: Places) -> None:
    old, older, young = aged(places, 500, 401, 399)
    assert swept(places) == [young]
    assert verify(places) == []
    noted = json.loads((folder_of(places) / CHECKPOINTS).read_text().splitlines()[-1])
    assert sorted(noted["removed"]) == [old.name, older.name]
    assert noted["removed"][old.name]["records"] == 8


def test_the_days_are_a_setting(places: Places) -> None:
    paths = aged(places, 90, 20)
    assert swept(places, 400) == paths
    assert swept(places, 30) == paths[1:]
    assert verify(places) == []


def test_a_younger_file_removed_by_hand_is_still_missed(places: Places) -> None:
    aged(places, 500, 10)
    [young] = swept(places)
    young.unlink()
    [broken] = verify(places)
    assert (broken.file, broken.why) == (young.name, "the file is missing")


def test_a_removal_that_a_crash_cut_short_is_green(places: Places) -> None:
    [old, _] = aged(places, 500, 10)
    content = old.read_bytes()
    swept(places)
    old.write_bytes(content)
    assert verify(places) == []
    old.write_bytes(content.replace(b'"ok"', b'"no"', 1))
    assert [broken.file for broken in verify(places)] == [old.name]


def test_a_changed_file_stays_as_evidence(places: Places) -> None:
    [old, _] = aged(places, 500, 10)
    with old.open("ab") as file:
        file.write(b"more\n")
    assert old in swept(places)
    os.truncate(old, 300)
    assert old in swept(places)


def test_an_idle_process_whose_file_is_removed_goes_on_in_another(places: Places) -> None:
    moments = [NOW - 450 * DAY_NS]
    trail = Trail(places, lambda: moments[0])
    write(trail, 2)
    assert swept(places) == []
    moments[0] = NOW
    trail._look_around()
    write(trail, 2)
    trail.close()
    assert verify(places) == []
    assert len(files_in(folder_of(places))) == 1
