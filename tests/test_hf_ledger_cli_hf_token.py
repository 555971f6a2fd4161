"""`hf-ledger token`: from no key to a token that is rotated, without ever showing one."""

from __future__ import annotations

import io
import stat
import sys
from pathlib import Path

import pytest

from hf_ledger.cli import main
from hf_ledger.ingest.doors.gateway.sources import (
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    TOKEN_VARIABLE,
    Given,
)
from hf_ledger.ingest.doors.gateway.vault import Vault, encrypted, new_key
from hf_ledger.ingest.places import Places

TOKEN = "hf_" + "MARKER" * 5


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (KEY_VARIABLE, KEY_FILE_VARIABLE, TOKEN_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "encryption-key"
    assert main(["token", "new-key", "--file", str(path)]) == 0
    monkeypatch.setenv(KEY_FILE_VARIABLE, str(path))
    return path


def piped(monkeypatch: pytest.MonkeyPatch, text: str = TOKEN + "\n") -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["token", *arguments]) == code
    captured = capsys.readouterr()
    assert "MARKER" not in captured.out + captured.err
    assert "Traceback" not in captured.err
    return captured.out if code == 0 else captured.err


def test_the_whole_way(
    places: Places,
    key_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    piped(monkeypatch)
    said(capsys, "encrypt", "--save")
    path = places.keys / "hf-token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "with the key" in said(capsys, "check")
    first = key_file.read_text().strip()
    said(capsys, "new-key", "--file", str(key_file))
    assert key_file.read_text().strip().split(",")[1] == first
    assert "hf-ledger token rotate" in said(capsys, "check", code=1)
    assert "newest key" in said(capsys, "rotate")
    assert "newest of 2 keys" in said(capsys, "check")
    key_file.write_text(key_file.read_text().split(",")[0])
    assert "with the key" in said(capsys, "check")


def test_a_key_is_shown_once_and_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    key = said(capsys, "new-key").strip()
    assert Vault(encrypted(TOKEN, Given(key)), Given(key)).token() == TOKEN
    assert said(capsys, "new-key").strip() != key


def test_a_key_file_is_private(key_file: Path) -> None:
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600


def test_a_new_key_never_takes_the_place_of_something_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notes"
    path.write_text("no key")
    path.chmod(0o600)
    assert "is none" in said(capsys, "new-key", "--file", str(path), code=2)
    assert path.read_text() == "no key"


def test_the_environments_token_is_shown_for_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    older, newest = new_key(), new_key()
    monkeypatch.setenv(KEY_VARIABLE, older)
    piped(monkeypatch)
    monkeypatch.setenv(TOKEN_VARIABLE, said(capsys, "encrypt").strip())
    monkeypatch.setenv(KEY_VARIABLE, f"{newest},{older}")
    again = said(capsys, "rotate").strip()
    assert Vault(again, Given(newest)).token() == TOKEN


def test_a_token_behind_the_command_is_refused_and_not_repeated(
    key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in ([TOKEN], ["--save", TOKEN], ["--token", TOKEN], [f"--token={TOKEN}"]):
        assert "never typed behind" in said(capsys, "encrypt", *arguments, code=2)


def test_typed_at_a_terminal_it_is_asked_for_without_an_echo(
    key_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import typer

    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdin", terminal)
    asked = []

    def prompt(text: str, **options: object) -> str:
        asked.append(options)
        return TOKEN

    monkeypatch.setattr(typer, "prompt", prompt)
    held = said(capsys, "encrypt").strip()
    assert asked == [{"hide_input": True, "err": True}]
    assert Vault(held, Given(key_file.read_text())).token() == TOKEN


@pytest.mark.parametrize("text", ["", "\n", "two words", "short"])
def test_what_is_piped_in_must_be_a_token(
    key_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
) -> None:
    piped(monkeypatch, text)
    assert "that is no token" in said(capsys, "encrypt", code=2)


@pytest.mark.parametrize("command", ["check", "rotate", "encrypt"])
def test_without_a_key_the_way_to_one_is_said(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "hf-ledger token new-key" in said(capsys, command, code=2)


def test_without_a_token_the_way_to_one_is_said(
    key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "hf-ledger token encrypt --save" in said(capsys, "check", code=2)


def test_a_file_or_the_keyring(capsys: pytest.CaptureFixture[str]) -> None:
    assert "not both" in said(capsys, "new-key", "--file", "x", "--keyring", code=2)


def test_the_keyring_holds_keys_too(
    monkeypatch: pytest.MonkeyPatch, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    from test_ingest_doors_gateway_sources import Ring

    ring = Ring()
    monkeypatch.setitem(sys.modules, "keyring", ring)
    monkeypatch.setitem(sys.modules, "keyring.errors", ring.errors)
    monkeypatch.setenv("HF_LEDGER_ENCRYPTION_KEYRING", "true")
    said(capsys, "new-key", "--keyring")
    piped(monkeypatch)
    said(capsys, "encrypt", "--save")
    said(capsys, "new-key", "--keyring")
    said(capsys, "rotate")
    assert "newest of 2 keys in the keyring" in said(capsys, "check")
