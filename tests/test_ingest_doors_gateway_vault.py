"""The token in its vault: encrypted at rest and in memory, given for one use, rotated under way."""

from __future__ import annotations

import copy
import gc
import logging
import pickle
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.gateway.sources import KEY_VARIABLE, TOKEN_VARIABLE, Given, PrivateFile
from hf_ledger.ingest.doors.gateway.vault import (
    Vault,
    ciphers_of,
    encrypted,
    new_key,
    open_vault,
    opens,
    rotated,
)
from hf_ledger.ingest.errors import Unusable, Usage
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.private_files import replace_private
from hf_ledger.settings import Settings

TOKEN = "hf_" + "MARKER" * 5
TOKENS = st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=8)


def vault_of(token: str = TOKEN, keys: str | None = None) -> Vault:
    source = Given(keys or new_key())
    return Vault(encrypted(token, source), source)


@given(TOKENS.filter(lambda text: len(text) <= 1000))
def test_the_token_comes_out_as_it_went_in(token: str) -> None:
    assert vault_of(token).token() == token


@pytest.mark.parametrize("token", ["", "short", "with a space", "two\nlines", "é" * 20, "x" * 1001])
def test_what_is_no_token_is_not_encrypted(token: str) -> None:
    with pytest.raises(Usage, match="that is no token"):
        encrypted(token, Given(new_key()))


def test_the_same_token_never_looks_the_same() -> None:
    source = Given(new_key())
    assert encrypted(TOKEN, source) != encrypted(TOKEN, source)


# -- keys --------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", ["", "MARKER", ",", "MARKER" * 8, "é" * 44])
def test_what_is_no_key_is_one_sentence_without_it(keys: str) -> None:
    with pytest.raises(Unusable, match="is none") as caught:
        Vault("x", Given(keys, KEY_VARIABLE))
    said = "".join(traceback.format_exception(caught.value))
    assert "MARKER" not in said.split("Unusable:")[-1]
    assert caught.value.__cause__ is None
    assert KEY_VARIABLE in str(caught.value)


def test_one_bad_key_among_good_ones_is_said() -> None:
    with pytest.raises(Unusable, match="is none"):
        ciphers_of(Given(f"{new_key()},nonsense"))


def test_another_key_does_not_open_it() -> None:
    held = encrypted(TOKEN, Given(new_key()))
    with pytest.raises(Unusable, match="can't be decrypted"):
        Vault(held, Given(new_key()))


@pytest.mark.parametrize("place", range(0, 140, 7))
def test_a_changed_letter_does_not_open(place: int) -> None:
    source = Given(new_key())
    held = encrypted(TOKEN, source)
    changed = held[:place] + ("A" if held[place] != "A" else "B") + held[place + 1 :]
    with pytest.raises(Unusable):
        Vault(changed, source)


def test_keys_may_stand_with_spaces_between() -> None:
    newest, older = new_key(), new_key()
    held = encrypted(TOKEN, Given(older))
    assert Vault(held, Given(f" {newest} , {older}\n")).token() == TOKEN


# -- rotation ----------------------------------------------------------------------------------


@given(count=st.integers(1, 4))
def test_rotated_again_and_again_it_is_the_same_token(count: int) -> None:
    keys = [new_key()]
    held = encrypted(TOKEN, Given(keys[0]))
    for _ in range(count):
        keys.insert(0, new_key())
        source = Given(",".join(keys))
        assert Vault(held, source).token() == TOKEN  # before
        held = rotated(held, source)
        assert Vault(held, source).token() == TOKEN  # after
    assert Vault(held, Given(keys[0])).token() == TOKEN  # older keys gone
    assert not opens(Fernet(keys[-1]), held.encode())


def test_rotation_needs_the_key_it_was_encrypted_with() -> None:
    with pytest.raises(Unusable, match="can't be decrypted"):
        rotated(encrypted(TOKEN, Given(new_key())), Given(new_key()))


def test_status_says_whether_to_rotate() -> None:
    older = new_key()
    held = encrypted(TOKEN, Given(older))
    keys = Given(f"{new_key()},{older}")
    assert (Vault(held, keys).status().newest, Vault(held, keys).status().keys) == (False, 2)
    status = Vault(rotated(held, keys), keys).status()
    assert status.newest
    assert abs(status.since.timestamp() - time.time()) < 60


class Files:
    """A key and a token in files, as a gateway under way has them."""

    def __init__(self, folder: Path) -> None:
        self.keys, self.token = PrivateFile(folder / "keys"), PrivateFile(folder / "token")
        self.write_keys(new_key())
        self.write_token(encrypted(TOKEN, self.keys))

    def write_keys(self, text: str) -> None:
        replace_private(self.keys.path, text.encode())

    def write_token(self, text: str) -> None:
        replace_private(self.token.path, text.encode())


def test_a_vault_under_way_follows_a_rotation_step_by_step(tmp_path: Path) -> None:
    files = Files(tmp_path)
    vault = Vault(files.token, files.keys)
    for _ in range(3):
        newest = new_key()
        files.write_keys(f"{newest},{files.keys.read()}")
        assert vault.token() == TOKEN
        files.write_token(rotated(files.token.read(), files.keys))
        assert vault.token() == TOKEN
        files.write_keys(newest)
        assert vault.token() == TOKEN
        assert vault.status().newest


def test_another_token_is_taken_at_once(tmp_path: Path) -> None:
    files = Files(tmp_path)
    vault = Vault(files.token, files.keys)
    files.write_token(encrypted("hf_another_one", files.keys))
    assert vault.token() == "hf_another_one"


@pytest.mark.parametrize("harm", ["unlink", "open", "other", "empty"])
def test_a_source_that_breaks_under_way_is_said_once_and_changes_nothing(
    tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    files = Files(tmp_path)
    vault = Vault(files.token, files.keys)
    match harm:
        case "unlink":
            files.keys.path.unlink()
        case "open":
            files.token.path.write_text("x")
            files.token.path.chmod(0o644)
        case "other":
            files.write_keys(new_key())
        case "empty":
            files.write_token("")
    with caplog.at_level(logging.ERROR, "hf_ledger"):
        assert [vault.token() for _ in range(3)] == [TOKEN] * 3
    assert len(caplog.records) == 1
    assert "MARKER" not in caplog.text


# -- nothing holds it --------------------------------------------------------------------------


def test_no_repr_no_copy_no_pickle() -> None:
    key = new_key()
    vault = vault_of(keys=key)
    vault.token()
    for said in (repr(vault), str(vault), f"{vault}", f"{vault!r}"):
        assert said == "Vault(encrypted)"
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="can't leave its vault"):
            copied(vault)  # type: ignore[operator]
    assert not hasattr(vault, "__dict__")


def test_after_a_use_no_object_of_the_vault_holds_the_token() -> None:
    vault = vault_of()
    assert len(vault.token()) == len(TOKEN)
    assert not [each for each in reachable(vault) if holds(each, TOKEN)]


def reachable(start: object) -> list[object]:
    """Every object the vault leads to, modules and classes left out."""
    found, waiting = {id(start): start}, [start]
    while waiting:
        for each in gc.get_referents(waiting.pop()):
            if id(each) not in found and not isinstance(each, type | type(sys) | type(holds)):
                found[id(each)] = each
                waiting.append(each)
    return list(found.values())


def holds(value: Any, secret: str) -> bool:
    if isinstance(value, str):
        return secret in value
    return isinstance(value, bytes | bytearray) and secret.encode() in value


def test_decrypting_for_each_use_is_cheap() -> None:
    """10 µs on the machine it was made for; ten times that fails here."""
    vault = vault_of()
    runs = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(300):
            vault.token()
        runs.append((time.perf_counter() - start) / 300 * 1e6)
    assert min(runs) < 100


# -- from the environment ----------------------------------------------------------------------


def test_the_key_leaves_the_environment(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    key = new_key()
    monkeypatch.setenv(KEY_VARIABLE, key)
    monkeypatch.setenv(TOKEN_VARIABLE, encrypted(TOKEN, Given(key)))
    vault = Settings.load(places).vault(places)
    assert vault.token() == TOKEN
    import os

    assert KEY_VARIABLE not in os.environ


def test_a_vault_that_does_not_open_leaves_the_environment(places: Places) -> None:
    environ = {KEY_VARIABLE: new_key(), TOKEN_VARIABLE: "nonsense"}
    with pytest.raises(Unusable, match=TOKEN_VARIABLE):
        open_vault(places, environ)
    assert KEY_VARIABLE in environ


def test_settings_name_the_key_file(places: Places, tmp_path: Path) -> None:
    files = Files(tmp_path)
    places.make(places.keys)
    replace_private(places.keys / "hf-token", files.token.read().encode())
    places.config.write_text(f'encryption_key_file = "{files.keys.path}"\n')
    assert Settings.load(places).vault(places).token() == TOKEN
