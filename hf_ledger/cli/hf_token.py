"""`hf-ledger token`: encrypt the gateway's Hugging Face token, and change the encryption key."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hf_ledger.ingest.errors import Incomplete, Unusable, Usage

if TYPE_CHECKING:
    from hf_ledger.ingest.doors.gateway.sources import Source
    from hf_ledger.ingest.places import Places

HELP = "The gateway's Hugging Face token: encrypt it, check it, change its encryption key."
app = typer.Typer(add_completion=False, no_args_is_help=True, help=HELP)

NEVER_HERE = (
    "a token is never typed behind the command, where the shell keeps it and others can read it: "
    "pipe it in, or type it when asked. Take a new one; this one was shown."
)
OLDER = (
    "the token can be decrypted, with an older key than the newest of {keys}: hf-ledger token "
    "rotate encrypts it again."
)
AS_IT_IS = {"allow_extra_args": True, "ignore_unknown_options": True}
Save = Annotated[
    bool, typer.Option("--save", help="Keep it in the ledger's folder (keys/hf-token).")
]
File = Annotated[
    Path | None,
    typer.Option(help="Put it first in this file (0600, made where there is none), before others."),
]
IntoKeyring = Annotated[
    bool, typer.Option("--keyring", help="Put it first in the operating system's keyring.")
]


@app.callback()
def root() -> None:
    """The gateway's Hugging Face token: encrypt it, check it, change its encryption key."""


@app.command(context_settings=AS_IT_IS)
def encrypt(ctx: typer.Context, save: Save = False) -> None:
    """Encrypt a token that is piped in or typed, with the newest key; show it, or keep it."""
    from hf_ledger.ingest.doors.gateway.vault import encrypted

    if ctx.args:
        raise Usage(NEVER_HERE)
    places, keys = here()
    kept = encrypted(typed(), keys)
    noted(places, "encrypted")
    if not save:
        return typer.echo(kept)
    keep(places, kept)
    return typer.echo(f"The encrypted token is in {place_of(places)}.")


@app.command()
def rotate() -> None:
    """Encrypt the kept token again, with the newest key; gateways under way can read either."""
    from hf_ledger.ingest.doors.gateway.sources import PrivateFile, token_source
    from hf_ledger.ingest.doors.gateway.vault import rotated

    places, keys = here()
    source = token_source(os.environ, places)
    again = rotated(source.read(), keys)
    noted(places, "rotated")
    if isinstance(source, PrivateFile):
        keep(places, again)
        typer.echo("The token is encrypted with the newest key; older keys can go.")
    else:
        typer.echo(again)
        typer.echo(f"Set {source.name} to it; older keys can go after that.", err=True)


@app.command()
def check() -> None:
    """Whether the token can be decrypted, and with which key; nothing of it is shown."""
    from hf_ledger.ingest.doors.gateway.sources import token_source
    from hf_ledger.ingest.doors.gateway.vault import Vault

    places, keys = here()
    source = token_source(os.environ, places)
    status = Vault(source, keys).status()
    if not status.newest:
        raise Incomplete(OLDER.format(keys=status.keys))
    which = f"newest of {status.keys} keys" if status.keys > 1 else "key"
    typer.echo(
        f"The token in {source.name} can be decrypted with the {which} in {keys.name}; it was "
        f"encrypted {status.since:%Y-%m-%d}."
    )


@app.command("new-key")
def make_key(file: File = None, into_keyring: IntoKeyring = False) -> None:
    """Make an encryption key: show it, or put it before those that a file or the keyring holds."""
    from hf_ledger.ingest.doors.gateway.sources import Keyring, PrivateFile
    from hf_ledger.ingest.doors.gateway.vault import new_key

    if file and into_keyring:
        raise Usage("--file or --keyring, not both.")
    if file:
        source = PrivateFile(file.expanduser())
        write(source.path, before(new_key(), source if source.path.exists() else None))
        typer.echo(f"A new key is in {source.path}.")
    elif into_keyring:
        ring = Keyring()
        ring.keep(before(new_key(), ring if ring.holds() else None))
        typer.echo("A new key is in the operating system's keyring.")
    else:
        typer.echo(new_key())
        typer.echo("Keep it apart from the token: both together are the token.", err=True)


def noted(places: Places, what: str) -> None:
    """Tell the audit that there is another encrypted token."""
    from hf_ledger.ingest.doors.gateway.audit.administration import note

    note(places, "token_changed", json.dumps({"what": what}).encode(), {})


def before(key: str, older: Source | None) -> str:
    """The new key in front of those there are, so that both can be read."""
    from hf_ledger.ingest.doors.gateway.vault import ciphers_of

    if older is None:
        return key
    ciphers_of(older)  # raises where there is something else in it
    return f"{key},{older.read()}"


def here() -> tuple[Places, Source]:
    """The ledger's folder, and where the encryption key is."""
    from hf_ledger.ingest.places import Places
    from hf_ledger.settings import Settings

    places = Places.default()
    return places, Settings.load(places).key_source()


def typed() -> str:
    """The token: one line of standard input, or asked for without showing it."""
    if sys.stdin.isatty():
        return str(typer.prompt("Hugging Face token", hide_input=True, err=True)).strip()
    return sys.stdin.read(2000).strip()


def keep(places: Places, text: str) -> None:
    places.make(places.keys)
    write(place_of(places), text)


def place_of(places: Places) -> Path:
    from hf_ledger.ingest.doors.gateway.sources import token_file

    return token_file(places)


def write(path: Path, text: str) -> None:
    from hf_ledger.ingest.private_files import replace_private

    try:
        replace_private(path, f"{text}\n".encode())
    except OSError as error:
        raise Unusable(f"{path} can't be written: {error.strerror}.") from error
