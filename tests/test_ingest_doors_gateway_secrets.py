"""Neither key, token nor encryption key stands in any file, log, error or `repr`."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import traceback
from collections.abc import Iterator

import pytest
from factories_gateway_keys import asking_of, call_of

from hf_ledger.analytics.connect import connect
from hf_ledger.cli import main
from hf_ledger.ingest.doors.gateway.checks.authentication import Authentication
from hf_ledger.ingest.doors.gateway.checks.scope import Scope
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.sources import KEY_VARIABLE, TOKEN_VARIABLE, Given
from hf_ledger.ingest.doors.gateway.state_file import Watched
from hf_ledger.ingest.doors.gateway.vault import Vault, new_key
from hf_ledger.ingest.errors import LedgerError
from hf_ledger.ingest.places import Places
from hf_ledger.settings import Settings

TOKEN = "hf_" + "MARKER" * 5


class Said:
    """Everything that anybody could read while a key and a token are in use."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    @contextlib.contextmanager
    def refusing(self, *kinds: type[BaseException]) -> Iterator[None]:
        """An error is awaited; its words, its attributes and its traceback are kept."""
        with pytest.raises(kinds) as caught:
            yield
        error = caught.value
        self.texts += [str(error), repr(error), repr(vars(error))]
        self.texts += traceback.format_exception_only(error)
        if isinstance(error, Refused):
            self.texts += [error.body("r").decode(), repr(error.headers)]


@pytest.fixture
def secrets(
    places: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, str]:
    """A key, a token and an encryption key, made by the commands as a user makes them."""
    assert main(["token", "new-key"]) == 0
    encryption_key = capsys.readouterr().out.strip()
    monkeypatch.setenv(KEY_VARIABLE, encryption_key)
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO(TOKEN))
    assert main(["token", "encrypt", "--save"]) == 0
    assert main(["key", "create", "--name", "a", "--user", "alice", "--models", "o/*"]) == 0
    key = capsys.readouterr().out.strip().splitlines()[-1]
    return {"token": TOKEN, "encryption key": encryption_key, "key": key[13:]}


def found_in(secrets: dict[str, str], text: str) -> list[str]:
    return [name for name, secret in secrets.items() if secret in text]


def test_no_file_holds_one(secrets: dict[str, str], places: Places) -> None:
    assert main(["token", "rotate"]) == 0
    with connect(places):
        pass
    files = [each for each in places.root.rglob("*") if each.is_file()]
    names = {each.name for each in files}
    assert {"gateway.json", "ledger.duckdb", "hf-token"} <= names
    for each in files:
        content = each.read_bytes().decode("latin-1")
        assert found_in(secrets, content) == [], each.name


def test_no_error_log_or_repr_holds_one(
    secrets: dict[str, str],
    places: Places,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = Said()
    with caplog.at_level(logging.DEBUG):
        use_all(secrets, places, said)
    shown = capsys.readouterr()
    said.texts += [caplog.text, shown.out, shown.err]
    assert [found_in(secrets, text) for text in said.texts if found_in(secrets, text)] == []


def use_all(secrets: dict[str, str], places: Places, said: Said) -> None:
    """A gateway at work: good and wrong keys, a token used, sources that break."""
    vault = Settings.load(places).vault(places)
    watched, check = Watched(places.gateway_state), Authentication()
    (known,) = watched.now().keys
    key = f"hfl_{known.key_id}_{secrets['key']}"
    asking = asking_of(state=watched.now(), call=call_of("o/m"))
    check.identify(key, asking)
    Scope().check(asking)
    assert vault.token() == TOKEN
    said.texts += [repr(each) for each in (vault, asking, check, watched, known)]
    for wrong in (f"{key}x", f" {key}", key.upper()):
        with said.refusing(Refused):
            check.identify(wrong, asking_of(state=watched.now()))
    with said.refusing(Refused):
        Scope().check(asking_of(key=known, call=call_of("other/model")))
    with said.refusing(LedgerError):
        Vault((places.keys / "hf-token").read_text(), Given(new_key()))
    with said.refusing(LedgerError):
        Vault("x", Given(f"{secrets['encryption key']},{secrets['encryption key'][1:]}"))
    (places.keys / "hf-token").write_text(TOKEN)  # someone puts the plain token there
    assert vault.token() == TOKEN
    assert main(["token", "check"]) == 2
    places.gateway_state.write_text(f'{{"keys": [{{"key_id": "{key}"}}]')
    watched.now()


def test_what_is_typed_in_a_wrong_place_is_not_repeated(
    secrets: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    whole = f"hfl_00000000_{secrets['key']}"
    for arguments in (
        ["token", "encrypt", TOKEN],
        ["token", "rotate", TOKEN],
        ["token", TOKEN],
        [TOKEN],
        ["key", "revoke", whole],
        ["key", "list", whole],
        ["key", "create", "--name", "b", "--expires", TOKEN],
    ):
        assert main(arguments) == 2
        captured = capsys.readouterr()
        assert captured.err
        assert found_in(secrets, captured.out + captured.err) == [], arguments
