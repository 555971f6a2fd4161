"""`hf-ledger`: recording commands need the base install only, all others the server extra."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from hf_ledger.cli.commands import BASE, COMMANDS
from hf_ledger.ingest.errors import LedgerError

SECRET = re.compile(r"hfl?_[A-Za-z0-9_-]{20,}", re.ASCII)
EXTRA_MISSING = (
    "hf-ledger {name} needs the server extra, which is not installed here: "
    "pip install 'hf-ledger[server]'. Recording works without it."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 done, 1 found something, 2 used wrongly."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return dispatch(given)
    except LedgerError as error:
        print(f"hf-ledger: {without_secrets(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`| head`); nothing is left to tell it.
        sys.stderr.close()
        return 0


def without_secrets(sentence: str) -> str:
    """What was typed in a wrong place comes back in errors; a token or a key must not."""
    return SECRET.sub("hf_…", sentence)


def dispatch(given: list[str]) -> int:
    name = given[0] if given else "--help"
    if name in BASE:
        module, _, attribute = COMMANDS[name].target.partition(":")
        return int(getattr(import_module(module), attribute)(given[1:]))
    if find_spec("typer") is None or find_spec("duckdb") is None:
        return without_server(name)
    from hf_ledger.cli.group import run

    return run(given)


def without_server(name: str) -> int:
    """What the base install can say: help, and which extra a command needs."""
    if name not in ("--help", "-h"):
        print(EXTRA_MISSING.format(name=name), file=sys.stderr)
        return 2
    for each in BASE:
        print(f"hf-ledger {each:8} {COMMANDS[each].help}")
    print("All other commands need the server extra: pip install 'hf-ledger[server]'")
    return 0
