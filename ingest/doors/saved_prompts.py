"""Prompts that a person chose to keep: encrypted with the ledger's key, for a limited time.

Each is a file of its own in the folder `prompts` of the ledger, named by a keyed hash of its task
and name: tabs that save at the same time don't disturb each other, and a name saved again takes
the place of the one before. After the key was changed, the old one still opens what it closed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hf_ledger.ingest.errors import Unusable, Usage
from hf_ledger.ingest.hashing import HashKey
from hf_ledger.ingest.keyring import key_of
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.private_files import read_private, replace_private

KEPT_DAYS = 90
MOST_NAME = 80  # characters
MOST_BYTES = 500_000  # of one prompt, as JSON
MOST_SAVED = 500

SUFFIX = ".prompt"
_PURPOSE = b"hf-ledger saved prompts 1"
_HEAD = b"hf-ledger prompt 1 "

NO_KEY = "The ledger's key can't be read or made, so nothing can be saved: see hf-ledger doctor."
NOT_OURS = (
    "{count} saved under a key that is no longer here can't be opened; put the key back into the "
    "folder keys, or delete them."
)
UNUSABLE = "The folder {folder} can't be used ({why})."


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """What was saved, as it was. `text` may have places to fill in; times are UTC."""

    name: str
    task: str
    text: str
    system: str = ""
    parameters: dict[str, Any] = {}
    saved: datetime
    expires: datetime


class Shelf(NamedTuple):
    """Prompts by name, and how many can't be opened with the keys that are here."""

    prompts: list[Prompt]
    closed: int

    @property
    def complaint(self) -> str | None:
        if not self.closed:
            return None
        count = "1 prompt" if self.closed == 1 else f"{self.closed} prompts"
        return NOT_OURS.format(count=count)


_PROMPTS = msgspec.json.Decoder(Prompt)


def folder_of(places: Places) -> Path:
    return places.root / "prompts"


# -- what a person does ------------------------------------------------------------------------


def save(
    places: Places,
    *,
    name: str,
    task: str,
    text: str,
    system: str = "",
    parameters: dict[str, Any] | None = None,
    now: datetime | None = None,
    days: int = KEPT_DAYS,
) -> Prompt:
    """Keep it for so many days, in the place of one with the same task and name.

    Raises Usage for what can't be saved, Unusable where the ledger can't.
    """
    moment = now or datetime.now(UTC)
    prompt = Prompt(
        name=name.strip(),
        task=task,
        text=text,
        system=system,
        parameters=parameters or {},
        saved=moment,
        expires=moment + timedelta(days=days),
    )
    written = checked(prompt)
    key = ours(places)
    with usable(places):
        places.make(folder_of(places))
        if len(files(places)) >= MOST_SAVED:
            raise Usage(f"{MOST_SAVED} prompts are saved already; delete some first.")
        path = folder_of(places) / file_name(key, prompt)
        replace_private(path, closed(key, written, moment))
        forget(places, prompt, but=path)
    return prompt


def shelf(places: Places, now: datetime | None = None) -> Shelf:
    """All that is kept, by name; what has expired is deleted. Raises Unusable."""
    moment = now or datetime.now(UTC)
    found: list[Prompt] = []
    shut = 0
    with usable(places):
        for path in files(places):
            prompt = opened(places, path)
            if prompt is None:
                shut += path.exists()  # another tab may just have deleted it
            elif prompt.expires <= moment:
                path.unlink(missing_ok=True)
            else:
                found.append(prompt)
    return Shelf(sorted(found, key=lambda each: (each.name.casefold(), each.task)), shut)


def delete(places: Places, prompt: Prompt) -> None:
    """Delete it, under whatever key it was saved. Raises Unusable."""
    with usable(places):
        forget(places, prompt)


def delete_closed(places: Places) -> None:
    """Delete what no key here opens. Raises Unusable."""
    with usable(places):
        for path in files(places):
            if path.exists() and opened(places, path) is None:
                path.unlink(missing_ok=True)


# -- files -------------------------------------------------------------------------------------


def files(places: Places) -> list[Path]:
    return sorted(folder_of(places).glob(f"*{SUFFIX}"))


def forget(places: Places, prompt: Prompt, but: Path | None = None) -> None:
    """Delete every file with this task and name, but that one."""
    for path in files(places):
        found = opened(places, path) if path != but else None
        if found is not None and (found.task, found.name) == (prompt.task, prompt.name):
            path.unlink(missing_ok=True)


@contextmanager
def usable(places: Places) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise Unusable(UNUSABLE.format(folder=folder_of(places), why=why)) from error


def opened(places: Places, path: Path) -> Prompt | None:
    """What the file holds; None where no key here opens it, or somebody else could have read it."""
    try:
        head, _, token = read_private(path).partition(b"\n")
        key = key_of(places.keys, head.removeprefix(_HEAD).decode("ascii"))
        if key is None or not head.startswith(_HEAD):
            return None
        return _PROMPTS.decode(cipher(key).decrypt(token))
    except (Unusable, InvalidToken, UnicodeDecodeError, msgspec.MsgspecError):
        return None


def closed(key: HashKey, written: bytes, moment: datetime) -> bytes:
    token = cipher(key).encrypt_at_time(written, int(moment.timestamp()))
    return b"%s%s\n%s" % (_HEAD, key.id.encode(), token)


def checked(prompt: Prompt) -> bytes:
    """The prompt as JSON. Raises Usage for one that can't be kept."""
    if not prompt.name or len(prompt.name) > MOST_NAME or not prompt.name.isprintable():
        raise Usage(f"A name has 1 to {MOST_NAME} characters, on one line.")
    if not prompt.text.strip():
        raise Usage("There is no text to be saved.")
    try:
        written = msgspec.json.encode(prompt)
    except UnicodeEncodeError:
        raise Usage("The text has characters that are none, so it can't be saved.") from None
    if len(written) > MOST_BYTES:
        raise Usage(f"A prompt that is saved may have {MOST_BYTES:,} bytes.")
    return written


# -- keys --------------------------------------------------------------------------------------


def ours(places: Places) -> HashKey:
    """The ledger's key in force, made on first use. Raises Unusable."""
    key = HashKey.load(places.keys)
    if key is None:
        raise Unusable(NO_KEY)
    return key


def derived(key: HashKey, use: bytes) -> bytes:
    """A key for one use: who has it has neither the ledger's key nor that of another use."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE + use).derive(key.secret)


def cipher(key: HashKey) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(derived(key, b" text")))


def file_name(key: HashKey, prompt: Prompt) -> str:
    """The same for the same task and name, and telling neither."""
    named = f"{prompt.task}\0{prompt.name}".encode()
    return hmac.new(derived(key, b" name"), named, hashlib.sha256).hexdigest()[:32] + SUFFIX
