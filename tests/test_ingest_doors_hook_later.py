"""Waiting for a client library to be imported without being in anybody's way."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from hf_ledger.ingest.doors.hook.later import Later, now_or_later

LIBRARIES = ("clientlike", "brokenlike", "nowhere_to_be_found")


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module on the path that counts as a client library."""
    (tmp_path / "clientlike.py").write_text("VALUE = 1\n")
    (tmp_path / "brokenlike.py").write_text("raise RuntimeError('its own')\n")
    (tmp_path / "otherlike.py").write_text("VALUE = 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "clientlike"
    for name in ("clientlike", "brokenlike", "otherlike"):
        sys.modules.pop(name, None)


@pytest.fixture
def hooked(monkeypatch: pytest.MonkeyPatch) -> list[ModuleType]:
    found: list[ModuleType] = []
    monkeypatch.setattr(sys, "meta_path", [Later(LIBRARIES, found.append), *sys.meta_path])
    return found


def test_the_module_runs_first_and_is_hooked_then(library: str, hooked: list[ModuleType]) -> None:
    module = importlib.import_module(library)
    assert hooked == [module]
    assert module.VALUE == 1


def test_its_loader_stays_what_it_was(library: str, hooked: list[ModuleType]) -> None:
    module = importlib.import_module(library)
    assert type(module.__loader__) is SourceFileLoader
    assert vars(module.__loader__).keys() == {"name", "path"}
    assert module.__spec__ is not None
    assert module.__spec__.loader is module.__loader__


def test_a_reload_hooks_again(library: str, hooked: list[ModuleType]) -> None:
    module = importlib.import_module(library)
    importlib.reload(module)
    assert hooked == [module, module]


def test_other_modules_are_none_of_our_business(library: str, hooked: list[ModuleType]) -> None:
    importlib.import_module("otherlike")
    assert hooked == []
    assert Later(LIBRARIES, hooked.append).find_spec("json") is None


def test_a_library_that_fails_fails_as_before(library: str, hooked: list[ModuleType]) -> None:
    with pytest.raises(RuntimeError, match="its own"):
        importlib.import_module("brokenlike")
    assert hooked == []


@pytest.mark.usefixtures("library")
def test_a_library_that_is_not_there(hooked: list[ModuleType]) -> None:
    with pytest.raises(ModuleNotFoundError, match="nowhere_to_be_found"):
        importlib.import_module("nowhere_to_be_found")
    assert hooked == []


def test_looking_for_a_library_does_not_hook_it(library: str, hooked: list[ModuleType]) -> None:
    assert importlib.util.find_spec(library) is not None
    assert hooked == []


def test_here_already_or_later(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    module = importlib.import_module(library)
    seen: list[ModuleType] = []
    now_or_later(LIBRARIES, seen.append)
    now_or_later(LIBRARIES, seen.append)
    assert seen == [module, module]
    ours = [each for each in sys.meta_path if isinstance(each, Later) and each.names == LIBRARIES]
    assert len(ours) == 1
