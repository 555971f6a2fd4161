"""owner.json: who owns the ledger just now, and whether that is still true."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from hf_ledger.ingest.ledger.owner import Owner, announce, living_owner, read_owner, withdraw
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.process import process_start


def write(places: Places, owner: Owner) -> None:
    places.make()
    places.owner.write_bytes(msgspec.json.encode(owner))


def test_an_announcement_can_be_read(places: Places) -> None:
    told = announce(places, Path("/run/x.sock"), "http://127.0.0.1:8501")
    assert read_owner(places) == told == living_owner(places)
    assert (told.pid, told.process_start) == (os.getpid(), process_start())
    assert (told.socket, told.address) == ("/run/x.sock", "http://127.0.0.1:8501")
    assert stat.S_IMODE(places.owner.stat().st_mode) == 0o600


def test_a_later_announcement_replaces_the_first_and_leaves_no_draft(places: Places) -> None:
    announce(places, None)
    announce(places, None, "http://127.0.0.1:9")
    found = read_owner(places)
    assert found
    assert found.address == "http://127.0.0.1:9"
    assert [path.name for path in places.root.iterdir()] == ["owner.json"]


def test_without_an_announcement_there_is_no_owner(places: Places) -> None:
    assert read_owner(places) is None
    assert living_owner(places) is None
    withdraw(places)  # and nothing to take back


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"pid":"x"}', b"\xff\xfe", b'{"socket":1}']
)
def test_a_file_that_says_nothing_names_no_owner(places: Places, content: bytes) -> None:
    places.make()
    places.owner.write_bytes(content)
    assert read_owner(places) is None


def test_fields_of_a_later_version_are_ignored(places: Places) -> None:
    places.make()
    places.owner.write_bytes(b'{"pid":1,"socket":"/s","colour":"red"}')
    assert read_owner(places) == Owner(pid=1, socket="/s")


def test_a_process_that_is_gone_owns_nothing(places: Places) -> None:
    code = (
        "from hf_ledger.ingest.ledger.owner import announce; "
        "from hf_ledger.ingest.places import Places; announce(Places.default(), None)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert read_owner(places) is not None
    assert living_owner(places) is None


def test_a_reused_pid_owns_nothing(places: Places) -> None:
    write(places, Owner(pid=os.getpid(), process_start="an:earlier:one"))
    assert living_owner(places) is None


def test_withdrawing_leaves_another_owners_announcement(places: Places) -> None:
    other = Owner(pid=os.getpid() + 1, process_start="x")
    write(places, other)
    withdraw(places)
    assert read_owner(places) == other
    announce(places, None)
    withdraw(places)
    assert not places.owner.exists()
