"""`hf-ledger record -- COMMAND`: record a program without changing it (base install)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from hf_ledger.ingest.doors.hook.hosts import named_hosts
from hf_ledger.ingest.doors.hook.recording import HOSTS_VARIABLE, LABEL_VARIABLES, TAGS_VARIABLE
from hf_ledger.ingest.errors import Usage

SITE = "ingest/doors/hook/site"
LENT = ("hf_ledger", "msgspec")
HOMES_VARIABLE = "HF_LEDGER_HOMES"

EPILOG = (
    "The command runs as it would alone and its exit code is returned. Python programs it starts "
    "are recorded too. A Python started with -I, -E or -S leaves recording out."
)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="hf-ledger record",
        description="Record the Hugging Face calls of a program that can't be changed.",
        usage="hf-ledger record [options] -- COMMAND …",
        epilog=EPILOG,
    )
    for label in LABEL_VARIABLES:
        made.add_argument(f"--{label}", metavar="NAME", help=f"{label} that its calls belong to")
    made.add_argument(
        "--tag",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="tag on each call, repeatable",
    )
    made.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="HOST:PORT[=KIND]",
        help="another server to record, repeatable; KIND is self_hosted (default) or router",
    )
    made.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="what to run")
    return made


def main(arguments: Sequence[str]) -> int:
    """Become the command, with recording switched on in its environment."""
    given = parser().parse_args(arguments)
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    if not command:
        raise Usage("Say which program to record: hf-ledger record --app NAME -- python app.py")
    environment = recorded(os.environ, vars(given))
    sys.stdout.flush()
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        raise Usage(f"{command[0]!r} cannot be run: {error.strerror}.") from error


def recorded(environment: Mapping[str, str], given: Mapping[str, object]) -> dict[str, str]:
    """The environment in which every Python records, with the labels given."""
    package = Path(sys.modules["hf_ledger"].__file__ or "").parent
    paths = [str(package / SITE), *filter(None, [environment.get("PYTHONPATH")])]
    said = {
        **environment,
        "PYTHONPATH": os.pathsep.join(paths),
        HOMES_VARIABLE: os.pathsep.join(f"{name}={home_of(name)}" for name in LENT),
    }
    labels = {
        LABEL_VARIABLES[name]: value for name, value in given.items() if name in LABEL_VARIABLES
    }
    said |= {variable: str(value) for variable, value in labels.items() if value}
    return said | lists(environment, given)


def lists(environment: Mapping[str, str], given: Mapping[str, object]) -> dict[str, str]:
    """Tags and hosts beside those that the environment names already."""
    said = {}
    for variable, name in ((TAGS_VARIABLE, "tag"), (HOSTS_VARIABLE, "host")):
        added = given[name]
        assert isinstance(added, list)
        if name == "host":
            named_hosts(added)
        if added:
            said[variable] = ",".join(filter(None, [environment.get(variable), *added]))
    return said


def home_of(module: str) -> Path:
    """The folder in which a module is found."""
    spec = find_spec(module)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent.parent
