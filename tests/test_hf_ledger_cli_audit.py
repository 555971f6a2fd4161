"""`hf-ledger audit`: exit codes, the shapes for programs, the words for people."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from hf_ledger.cli import main
from hf_ledger.ingest.doors.gateway.audit.head import files_in, folder_of
from hf_ledger.ingest.places import Places
from tests.factories_audit import files, stopped


def run(*arguments: str) -> int:
    return main(["audit", *arguments])


def test_a_whole_audit_verifies_with_exit_0(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped(places)
    assert run("verify") == 0
    said = capsys.readouterr().out
    assert "127 records in 3 files, 7 checkpoints: as they were written." in said


def test_a_broken_one_exits_1_and_names_the_record(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped(places)
    path = files(places)[0]
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"request_id":"r-3"', b'"request_id":"r-4"', 1))
    assert run("verify") == 1
    said, warned = capsys.readouterr()
    assert f"tampered  {path.name}: record 8 (byte" in said
    assert "1 file of it is broken" in warned
    assert run("verify", "--format", "json") == 1
    answer = json.loads(capsys.readouterr().out)
    [broken] = answer["broken"]
    assert broken["file"] == path.name
    assert (broken["record"], broken["kind"]) == (8, "tampered")
    assert run("verify", "--format", "csv") == 1
    assert capsys.readouterr().out.splitlines()[1].startswith(f"{path.name},8,")


def test_no_audit_is_no_fault(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify") == 0
    assert run("status") == 0
    assert run("export") == 0
    assert "0 records in 0 files" in capsys.readouterr().out


def test_status_shows_what_to_note_elsewhere_and_verify_takes_it(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped(places)
    assert run("status", "--format", "json") == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["files"], status["records"], status["checkpoints"]) == (3, 127, 7)
    assert status["bytes"] == sum(path.stat().st_size for path in files(places)[:-1])
    noted = f"{status['newest']['number']}:{status['newest']['chain']}"
    assert run("status") == 0
    assert noted in capsys.readouterr().out
    assert run("status", "--format", "csv") == 0
    assert noted in capsys.readouterr().out.splitlines()[1]
    assert run("verify", "--known", noted) == 0
    assert run("verify", "--known", f"8:{status['newest']['chain']}") == 1
    assert "that you know of" in capsys.readouterr().out


def test_a_third_party_needs_the_public_key_alone(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped(places)
    run("status", "--format", "json")
    public = json.loads(capsys.readouterr().out)["public_key"]
    for secret in places.keys.iterdir():
        secret.unlink()
    assert run("verify") == 1
    assert run("verify", "--public-key", public) == 0
    assert run("verify", "--public-key", "0" * 64) == 1


def test_a_checkpoint_in_another_form_is_wrong_usage(places: Places) -> None:
    assert run("verify", "--known", "newest") == 2


def test_export_gives_each_record_as_it_was_written(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped(places)
    assert run("export") == 0
    said = capsys.readouterr().out
    assert said == "".join(path.read_text() for path in files_in(folder_of(places)))


def test_export_takes_a_period(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    stopped(places)
    assert run("export", "--since", "2000-01-01", "--until", "2000-01-31") == 0
    assert capsys.readouterr().out == ""
    assert run("export", "--since", "2000-01-01", "--until", "2999-12-31") == 0
    assert len(capsys.readouterr().out.splitlines()) == 127
    ts = json.loads(files(places)[0].read_text().splitlines()[0])["ts"]
    began = datetime.fromtimestamp(ts / 10**6, UTC)
    assert run("export", "--until", began.isoformat()) == 0
    assert capsys.readouterr().out == ""


def test_export_of_a_broken_file_gives_what_holds_and_exits_1(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped(places, processes=1)
    path = files(places)[0]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:5], *lines[6:]]))
    assert run("export") == 1
    said, warned = capsys.readouterr()
    assert len(said.splitlines()) == 5
    assert path.name in warned
