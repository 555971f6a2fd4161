"""Where the encryption key and the encrypted token come from: environment, file, keyring."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.private_files import read_private

KEY_VARIABLE = "ENCRYPTION_KEY"
KEY_FILE_VARIABLE = "ENCRYPTION_KEY_FILE"
TOKEN_VARIABLE = "HF_API_TOKEN_ENCRYPTED"
TOKEN_FILE = "hf-token"
KEYRING_SERVICE, KEYRING_ENTRY = "hf-ledger", "encryption-key"

NO_KEY = (
    f"there is no encryption key: make one with hf-ledger token new-key --file PATH and set "
    f"{KEY_FILE_VARIABLE} to that path."
)
NO_TOKEN = (
    "there is no encrypted token: hf-ledger token encrypt --save keeps one in {path}, or set "
    f"{TOKEN_VARIABLE}."
)
NO_KEYRING = (
    "the operating system's keyring needs the package keyring: pip install keyring, or keep the "
    f"encryption key in a file ({KEY_FILE_VARIABLE})."
)
NOT_IN_KEYRING = "the keyring holds no encryption key: hf-ledger token new-key --keyring makes one."


class Source(Protocol):
    """A text that may be another one tomorrow."""

    @property
    def name(self) -> str:
        """Where it comes from, for people."""

    def stamp(self) -> object:
        """Changes whenever `read` may say something else."""

    def read(self) -> str:
        """The text now; `Unusable` where there is none."""


@dataclass(frozen=True)
class Given:
    """A text that stays as it is; it stands in no `repr`."""

    text: str = field(repr=False)
    name: str = "given"

    def stamp(self) -> object:
        return None

    def read(self) -> str:
        return self.text


@dataclass(frozen=True)
class PrivateFile:
    """The content of a file that is ours and that nobody else may read."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def stamp(self) -> object:
        try:
            found = os.stat(self.path)  # noqa: PTH116 - Path's own costs a microsecond more
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_ino, found.st_size)

    def read(self) -> str:
        return read_private(self.path).decode("ascii", "replace").strip()


@dataclass(frozen=True)
class Keyring:
    """The operating system's keyring."""

    name: str = "the keyring"

    def stamp(self) -> object:
        return None

    def holds(self) -> bool:
        return bool(_keyring("get_password", KEYRING_SERVICE, KEYRING_ENTRY))

    def read(self) -> str:
        found = _keyring("get_password", KEYRING_SERVICE, KEYRING_ENTRY)
        if not found:
            raise Unusable(NOT_IN_KEYRING)
        return str(found)

    def keep(self, text: str) -> None:
        _keyring("set_password", KEYRING_SERVICE, KEYRING_ENTRY, text)


def key_source(
    environ: MutableMapping[str, str], key_file: str = "", *, keyring: bool = False
) -> Source:
    """The environment's key, else its file, else the setting's, else the keyring."""
    if text := environ.get(KEY_VARIABLE):
        return Given(text, KEY_VARIABLE)
    if named := environ.get(KEY_FILE_VARIABLE) or key_file:
        return PrivateFile(Path(named).expanduser())
    if keyring:
        return Keyring()
    raise Unusable(NO_KEY)


def token_source(environ: MutableMapping[str, str], places: Places) -> Source:
    """The environment's encrypted token, else the file in the ledger's folder."""
    if text := environ.get(TOKEN_VARIABLE):
        return Given(text, TOKEN_VARIABLE)
    path = token_file(places)
    if not path.exists():
        raise Unusable(NO_TOKEN.format(path=path))
    return PrivateFile(path)


def token_file(places: Places) -> Path:
    return places.keys / TOKEN_FILE


def _keyring(action: str, *values: str) -> Any:
    """Only here is the package needed, and only where someone asks for it."""
    try:
        library = import_module("keyring")
        errors = import_module("keyring.errors")
    except ImportError as error:
        raise Unusable(NO_KEYRING) from error
    try:
        return getattr(library, action)(*values)
    except errors.KeyringError as error:
        said = type(error).__name__
        raise Unusable(f"the operating system's keyring can't be used ({said}).") from None
