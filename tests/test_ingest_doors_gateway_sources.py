"""Where key and token come from: environment, then file, then keyring; each mistake a sentence."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from hf_ledger.ingest.doors.gateway.sources import (
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    TOKEN_VARIABLE,
    Given,
    Keyring,
    PrivateFile,
    key_source,
    token_file,
    token_source,
)
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.private_files import replace_private


class Ring(ModuleType):
    """A keyring in memory under the names of the package `keyring`."""

    def __init__(self) -> None:
        super().__init__("keyring")
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False
        self.errors = ModuleType("keyring.errors")
        self.errors.KeyringError = type("KeyringError", (Exception,), {})  # type: ignore[attr-defined]

    def get_password(self, service: str, name: str) -> str | None:
        if self.locked:
            raise self.errors.KeyringError("secret details")
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, text: str) -> None:
        self.kept[service, name] = text


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Ring:
    made = Ring()
    monkeypatch.setitem(sys.modules, "keyring", made)
    monkeypatch.setitem(sys.modules, "keyring.errors", made.errors)
    return made


def written(path: Path, text: str) -> Path:
    replace_private(path, text.encode())
    return path


def test_the_environment_comes_first_then_its_file_then_the_setting(
    tmp_path: Path, ring: Ring
) -> None:
    named, setting = written(tmp_path / "a", "of the file\n"), written(tmp_path / "b", "setting")
    ring.kept["hf-ledger", "encryption-key"] = "of the ring"
    environ = {KEY_VARIABLE: "of the environment", KEY_FILE_VARIABLE: str(named)}
    assert key_source(environ, str(setting), keyring=True).read() == "of the environment"
    del environ[KEY_VARIABLE]
    assert key_source(environ, str(setting), keyring=True).read() == "of the file"
    assert key_source({}, str(setting), keyring=True).read() == "setting"
    assert key_source({}, keyring=True).read() == "of the ring"
    with pytest.raises(Unusable, match="no encryption key"):
        key_source({})


def test_a_source_says_where_it_is_and_not_what_it_holds(tmp_path: Path) -> None:
    given = Given("the secret", KEY_VARIABLE)
    assert "the secret" not in repr(given)
    assert given.name == KEY_VARIABLE
    path = written(tmp_path / "a", "the secret")
    assert PrivateFile(path).name == str(path)


def test_a_file_tells_when_it_became_another(tmp_path: Path) -> None:
    source = PrivateFile(written(tmp_path / "a", "one"))
    before = source.stamp()
    assert source.stamp() == before
    written(source.path, "two")
    assert source.stamp() != before
    source.path.unlink()
    assert source.stamp() is None


def test_the_token_of_the_environment_comes_before_the_folders(places: Places) -> None:
    with pytest.raises(Unusable, match="hf-ledger token encrypt --save"):
        token_source({}, places)
    places.make(places.keys)
    written(token_file(places), "of the folder")
    assert token_source({}, places).read() == "of the folder"
    environ = {TOKEN_VARIABLE: "of the environment"}
    assert token_source(environ, places).read() == "of the environment"


def test_without_the_package_the_keyring_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(Unusable, match="pip install keyring"):
        Keyring().read()


def test_an_empty_keyring_says_how_to_fill_it(ring: Ring) -> None:
    assert not Keyring().holds()
    with pytest.raises(Unusable, match="new-key --keyring"):
        Keyring().read()
    Keyring().keep("a key")
    assert Keyring().holds()
    assert Keyring().read() == "a key"


def test_a_locked_keyring_is_one_sentence_without_its_details(ring: Ring) -> None:
    ring.locked = True
    with pytest.raises(Unusable, match="can't be used") as caught:
        Keyring().read()
    assert "secret details" not in str(caught.value)
    assert caught.value.__cause__ is None
