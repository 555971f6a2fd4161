"""Wrap what is in a module now, or when the program imports it: loading it for that costs more."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

Hooking = Callable[[ModuleType], object]


def now_or_later(names: Sequence[str], hooking: Hooking) -> None:
    """Hook the modules that are here, and the others when they come."""
    for name in names:
        if name in sys.modules:
            hooking(sys.modules[name])
    if not any(isinstance(finder, Later) and finder.names == names for finder in sys.meta_path):
        sys.meta_path.insert(0, Later(names, hooking))


def never(names: Sequence[str]) -> None:
    """Wait for these modules no more."""
    sys.meta_path[:] = [
        finder
        for finder in sys.meta_path
        if not (isinstance(finder, Later) and finder.names == names)
    ]


class Later:
    """Hooks modules the moment a program imports them; it finds nothing by itself."""

    def __init__(self, names: Sequence[str], hooking: Hooking) -> None:
        self.names = names
        self._hooking = hooking
        self._looking = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self.names or self._looking:
            return None
        self._looking = True
        try:
            spec = find_spec(fullname)
        finally:
            self._looking = False
        if spec is not None and spec.loader is not None:
            self._hook_after(spec.loader)
        return spec

    def _hook_after(self, loader: Any) -> None:
        """Let the loader run the module first; the loader itself stays what it is."""
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            vars(loader).pop("exec_module", None)
            execute(module)
            self._hooking(module)

        loader.exec_module = exec_module
