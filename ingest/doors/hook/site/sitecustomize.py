"""Python runs this before a program started by `hf-ledger record -- COMMAND`.

It switches recording on, takes itself off the path and lets the program's own sitecustomize run.
Where the program's environment lacks hf-ledger it borrows exactly two modules, hf_ledger and
msgspec, from the environment of the command; nothing else becomes importable.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

HERE = str(Path(__file__).resolve().parent)
HOMES = "HF_LEDGER_HOMES"

NOT_RECORDING = (
    "hf-ledger: not recording: Python {version} ({executable}) cannot load {missing}; "
    "install hf-ledger there."
)


class Lent:
    """Finds the lent modules in their own folders, and nothing besides."""

    def __init__(self, homes: dict[str, str]) -> None:
        self.homes = homes

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        home = self.homes.get(fullname)
        return PathFinder.find_spec(fullname, [home]) if home else None


def lend() -> None:
    """Make what this environment lacks importable, last of all ways."""
    said = os.environ.get(HOMES, "").split(os.pathsep)
    homes = {name: home for name, _, home in (each.partition("=") for each in said)}
    missing = {name: home for name, home in homes.items() if name and find_spec(name) is None}
    if missing:
        sys.meta_path.append(Lent(missing))


def switch_on() -> None:
    try:
        lend()
        from hf_ledger import record
    except ImportError as error:
        version = ".".join(map(str, sys.version_info[:2]))
        said = {"version": version, "executable": sys.executable, "missing": error.name}
        sys.stderr.write(NOT_RECORDING.format(**said) + "\n")
        return
    record()


def make_way() -> None:
    """Let the sitecustomize run that would have run without us."""
    sys.path[:] = [entry for entry in sys.path if str(Path(entry).resolve()) != HERE]
    ours = sys.modules.pop(__name__)
    try:
        __import__(__name__)
    except ModuleNotFoundError as error:
        if error.name != __name__:
            raise
    finally:
        sys.modules.setdefault(__name__, ours)


try:
    switch_on()
finally:
    make_way()
