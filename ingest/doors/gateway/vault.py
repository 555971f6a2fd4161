"""The Hugging Face token, held encrypted: it is decrypted for each use and kept nowhere.

What is read from its source is encrypted anew, with a key that only this process ever has: that
takes 1 µs to decrypt for a request instead of 10, and no decrypted token is kept for the next one.
What Python has made a text of stays in its memory until that is used
again: nobody can promise more than that we hold no name to it.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn, SupportsIndex

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hf_ledger.ingest.doors.gateway.sources import (
    KEY_VARIABLE,
    Given,
    Source,
    key_source,
    token_source,
)
from hf_ledger.ingest.errors import Unusable, Usage
from hf_ledger.ingest.places import Places

NOT_A_KEY = (
    "the encryption key in {name} is none (32 bytes in URL-safe base64; several with commas, the "
    "newest first): hf-ledger token new-key makes one."
)
NOT_OURS = (
    "the token in {token} can't be decrypted with the key in {keys}: set the key it was encrypted "
    "with, or encrypt it again (hf-ledger token encrypt)."
)
NO_TOKEN = "that is no token: it is one line of 8 to 1,000 characters without spaces."
STAYS = "the token can't leave its vault"

_TOKEN = re.compile(r"[!-~]{8,1000}", re.ASCII)
_log = logging.getLogger("hf_ledger")


@dataclass(frozen=True)
class Status:
    """How a token is kept: since when, under how many keys, and whether under the newest."""

    since: datetime
    keys: int
    newest: bool


class Sealed:
    """A secret under a random key of this process; each opening gives a text for one use."""

    __slots__ = ("_cipher", "_nonce", "_text")

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(AESGCM.generate_key(128))
        self._nonce = os.urandom(12)
        self._text = self._cipher.encrypt(self._nonce, secret, None)

    def opened(self) -> str:
        return self._cipher.decrypt(self._nonce, self._text, None).decode()


class Vault:
    """Gives the token for one use. It follows its sources: files may be replaced under way.

    Raises `Unusable` at the start where key or token are missing or don't fit. Later, what can't
    be read or decrypted any more is said once and changes nothing.
    """

    __slots__ = ("_cipher", "_encrypted", "_held", "_keys", "_sealed", "_seen")

    def __init__(self, encrypted: str | Source, keys: Source) -> None:
        self._encrypted = Given(encrypted) if isinstance(encrypted, str) else encrypted
        self._keys = keys
        self._seen = self._stamps()
        self._cipher, self._held = self._read()
        self._sealed = Sealed(self._cipher.decrypt(self._held))

    def token(self) -> str:
        """The token itself: for the header of one request, and for nothing else."""
        seen = self._stamps()
        if seen != self._seen:
            self._seen = seen
            self._follow()
        return self._sealed.opened()

    def status(self) -> Status:
        """What may be told of it."""
        ciphers = ciphers_of(self._keys)
        since = self._cipher.extract_timestamp(self._held)
        return Status(
            datetime.fromtimestamp(since, UTC), len(ciphers), opens(ciphers[0], self._held)
        )

    def __repr__(self) -> str:
        return "Vault(encrypted)"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(STAYS)

    def _stamps(self) -> tuple[object, object]:
        return (self._keys.stamp(), self._encrypted.stamp())

    def _read(self) -> tuple[MultiFernet, bytes]:
        """Cipher and encrypted token as they are now, which fit."""
        cipher = MultiFernet(ciphers_of(self._keys))
        held = self._encrypted.read().encode("ascii", "replace")
        if not opens(cipher, held):
            raise Unusable(NOT_OURS.format(token=self._encrypted.name, keys=self._keys.name))
        return cipher, held

    def _follow(self) -> None:
        try:
            self._cipher, self._held = self._read()
            self._sealed = Sealed(self._cipher.decrypt(self._held))
        except Unusable as error:
            _log.error("hf-ledger keeps to the token that it had: %s", error)


def open_vault(
    places: Places,
    environ: MutableMapping[str, str],
    *,
    key_file: str = "",
    keyring: bool = False,
) -> Vault:
    """The vault as environment, settings and the ledger's folder say.

    The encryption key leaves the environment: programs started from here don't get it, and no page
    of errors shows it. `/proc/PID/environ` keeps showing it to its own user and to root, as it is
    the memory the process began with; a file or the keyring doesn't.
    """
    vault = Vault(token_source(environ, places), key_source(environ, key_file, keyring=keyring))
    environ.pop(KEY_VARIABLE, None)
    return vault


def new_key() -> str:
    """A new encryption key."""
    return Fernet.generate_key().decode()


def encrypted(token: str, keys: Source) -> str:
    """The token encrypted with the newest key; `Usage` where it is none."""
    if not _TOKEN.fullmatch(token):
        raise Usage(NO_TOKEN)
    return ciphers_of(keys)[0].encrypt(token.encode()).decode()


def rotated(held: str, keys: Source) -> str:
    """The encrypted token under the newest key; whoever has all the keys can read either."""
    cipher = MultiFernet(ciphers_of(keys))
    try:
        return cipher.rotate(held.encode("ascii", "replace")).decode()
    except InvalidToken:
        raise Unusable(NOT_OURS.format(token="there", keys=keys.name)) from None


def ciphers_of(keys: Source) -> list[Fernet]:
    """One for each key, the newest first; `Unusable` where one of them is no key."""
    try:
        return [Fernet(each.strip()) for each in keys.read().split(",")]
    except ValueError:  # its text may hold a part of the key
        raise Unusable(NOT_A_KEY.format(name=keys.name)) from None


def opens(cipher: Fernet | MultiFernet, held: bytes) -> bool:
    try:
        cipher.decrypt(held)
    except InvalidToken:
        return False
    return True
