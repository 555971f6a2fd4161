"""The key of hashes can be changed: old ones keep their period, and no hash is of two keys."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from hf_ledger.cli.key import app
from hf_ledger.ingest import keyring
from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.hook.hook import Hook
from hf_ledger.ingest.doors.hook.hosts import settings_of
from hf_ledger.ingest.doors.hook.labels import NONE
from hf_ledger.ingest.fingerprint import HashKey, fingerprint
from hf_ledger.ingest.keyring import key_of, old_key, periods, renewed, rotate
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.segments import Segments

MONDAY = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BODY = b'{"messages":[{"role":"user","content":"What is deep learning?"}]}'


@pytest.fixture
def keys(places: Places) -> Path:
    return places.make(places.keys)


def key_in(folder: Path) -> HashKey:
    key = HashKey.load(folder)
    assert key
    return key


def hashed(key: HashKey) -> Call:
    call = Call(call_id="", ts=0)
    fingerprint(call, BODY, "application/json", key)
    return call


def test_a_new_key_takes_over_and_the_old_one_stays_readable(keys: Path) -> None:
    old = key_in(keys)
    new = rotate(keys, MONDAY)
    assert new == key_in(keys)
    assert new != old
    assert (key_of(keys, old.id), key_of(keys, new.id if new else "")) == (old, new)
    assert key_of(keys, "00000000") is None


def test_periods_follow_each_other_without_a_gap(keys: Path) -> None:
    ids = [key_in(keys).id]
    for day in range(3):
        rotate(keys, MONDAY + timedelta(days=day))
        ids.append(key_in(keys).id)
    found = periods(keys)
    assert [each.key_id for each in found] == ids
    assert [each.until for each in found[:-1]] == [each.since for each in found[1:]]
    assert [each.since for each in found[1:]] == [MONDAY + timedelta(days=day) for day in range(3)]
    assert found[-1].until is None


def test_before_the_first_key_there_is_no_period(keys: Path) -> None:
    assert periods(keys) == []
    assert list(keys.iterdir()) == []


def test_files_are_readable_by_their_user_only(keys: Path) -> None:
    rotate(keys)
    rotate(keys)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in keys.iterdir()}
    assert len(modes) == 5  # the key, two old ones, their periods, the lock
    assert set(modes.values()) == {0o600}


def test_a_rotation_cut_short_leaves_the_old_key_in_force(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = key_in(keys)

    def killed(_folder: Path, _secret: bytes) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(keyring, "replace_key", killed)
        with pytest.raises(KeyboardInterrupt):
            rotate(keys, MONDAY)
    assert key_in(keys) == old
    assert [(each.key_id, each.until) for each in periods(keys)] == [(old.id, None)]
    rotate(keys, MONDAY + timedelta(days=1))
    assert [each.until for each in periods(keys)] == [MONDAY + timedelta(days=1), None]


def test_rotations_at_once_happen_one_after_the_other(keys: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from hf_ledger.ingest.keyring import rotate; "
        "rotate(Path(sys.argv[1]))"
    )
    at_once = [subprocess.Popen([sys.executable, "-c", code, str(keys)]) for _ in range(3)]
    assert [each.wait() for each in at_once] == [0, 0, 0]
    found = periods(keys)
    assert len(found) == len({each.key_id for each in found}) == 4
    assert all(key_of(keys, each.key_id) for each in found)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_key_that_cannot_be_read_is_not_rotated_away(keys: Path) -> None:
    key_in(keys)
    (keys / "fingerprint.key").chmod(0)
    assert rotate(keys) is None


def test_a_key_of_another_length_is_not_rotated_away(keys: Path) -> None:
    (keys / "fingerprint.key").write_bytes(b"short")
    assert rotate(keys) is None
    assert (keys / "fingerprint.key").read_bytes() == b"short"


def test_renewing_reads_and_never_makes(keys: Path) -> None:
    old = key_in(keys)
    assert renewed(keys, old) is old
    new = rotate(keys)
    assert renewed(keys, old) == new
    (keys / "fingerprint.key").write_bytes(b"short")
    assert renewed(keys, old) is old
    (keys / "fingerprint.key").unlink()
    assert renewed(keys, old) is old
    assert not (keys / "fingerprint.key").exists()


def test_one_prompt_has_another_hash_under_another_key_and_says_so(keys: Path) -> None:
    old = hashed(key_in(keys))
    rotate(keys)
    new = hashed(key_in(keys))
    assert old.input_hash != new.input_hash
    assert old.hash_key_id != new.hash_key_id
    assert hashed(HashKey(old_key(keys, str(old.hash_key_id)).read_bytes())) == old


def test_a_recorder_under_way_takes_the_new_key_with_its_next_beat(places: Places) -> None:
    segments = Segments(places.spool)
    hook = Hook(segments, settings_of((), places, {}), NONE, places.keys)
    hook.renew_key()
    assert hook.key is None  # made with the first call, not before
    hook.key = key_in(places.keys)
    new = rotate(places.keys)
    assert hook.key != new
    hook.beat()
    assert hook.key == new
    segments.close()


def test_the_commands_say_which_key_was_in_force_when(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_LEDGER_DIR", str(places.root))
    run = CliRunner().invoke
    assert "made with the first call" in run(app, ["list-hash"]).stdout
    old = key_in(places.keys)
    said = run(app, ["rotate-hash"])
    new = key_in(places.keys)
    assert said.exit_code == 0
    assert old.id in said.stdout
    assert new.id in said.stdout
    rows = json.loads(run(app, ["list-hash", "--format", "json"]).stdout)["keys"]
    assert [row["key_id"] for row in rows] == [old.id, new.id]
    assert rows[0]["until"] == rows[1]["since"]
    assert run(app, ["list-hash", "--format", "csv"]).stdout.startswith("key_id,since,until")
    secrets = [old.secret.hex(), new.secret.hex()]
    assert not any(secret in msgspec.json.encode(rows).decode() for secret in secrets)
