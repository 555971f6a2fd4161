"""Columns under one name, whatever a version of a tool or a database in between called them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hf_ledger.ingest.doors.imports.fields import absent

#: A table has some hundred columns at most; text keys of JSON objects may be any number.
REMEMBERED = 4096


class Names:
    """Our names of a tool's columns. `startTime`, `start_time` and `STARTTIME` are one column;
    `also` gives further names: theirs = ours. A column under our own name comes first."""

    def __init__(self, ours: str, also: Mapping[str, str] | None = None) -> None:
        self._ours = {plain(name): name for name in ours.split()}
        self._ours.update({plain(theirs): name for theirs, name in (also or {}).items()})
        self._known: dict[str, str | None] = {}

    def of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row's columns that have a name of ours, under it."""
        found: dict[str, Any] = {}
        for column, value in row.items():
            name = self._name(column)
            if name is None:
                continue
            better = name == column or absent(found.get(name))
            if name not in found or (better and not absent(value)):
                found[name] = value
        return found

    def _name(self, column: str) -> str | None:
        if column in self._known:
            return self._known[column]
        name = self._ours.get(plain(column))
        if len(self._known) < REMEMBERED:
            self._known[column] = name
        return name


def plain(column: str) -> str:
    """A column's name without what versions and databases change of it."""
    return column.strip().replace("_", "").replace(" ", "").lower()
