"""Architectures known by name: sizes that a name implies without stating them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from hf_ledger.ingest.catalogue.names import SAME_WITHIN, NamedSize, is_part

Family = Literal["llm", "encoder", "other"]
#: A giant's name on a fraction of it: fewer experts or layers, or a toy of the same structure.
CUT_DOWN = re.compile(r"reap|ream(?![a-z])|prun|\dlayers?|toy|tiny|nano|sparse|dense|slice|random")
GIANT_B = 20.0
#: No word is shorter.
BEGINNING = 3
#: Patterns that name the owner too ("klue/bert-base"); the others look at the name behind it.
NAMES_OWNER = re.compile(r"[a-z]/")
PUBLISHED = "published size of the architecture named"


@dataclass(frozen=True)
class Architecture:
    """A size that a name implies without stating it: all-MiniLM-L6 has 23 M parameters.

    `words` are a quick look before the pattern: a name it fits has one of them.
    """

    words: tuple[str, ...]
    pattern: str
    family: Family
    size: NamedSize
    name_misleads: bool

    def fits(self, plain: str) -> bool:
        text = plain if NAMES_OWNER.search(self.pattern) else "/" + plain.rpartition("/")[2]
        return bool(compiled(self.pattern).search(text))

    def cut_down(self, name: str) -> bool:
        """Whether the name says that it is only a part of this large model."""
        told = CUT_DOWN.search(name)
        return bool(told) and self.family == "llm" and (self.size.total_b or 0) > GIANT_B

    def agrees(self, named: NamedSize) -> bool:
        """Whether a number in the name, if there is one, leaves room for this size."""
        if self.name_misleads or named.total_b is None or self.size.total_b is None:
            return True
        low, high = sorted([self.size.total_b, named.total_b])
        return high <= low * SAME_WITHIN


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Compiled when first needed: most of a thousand patterns never are."""
    return re.compile(pattern)


def rows_of(name: str) -> Iterator[dict[str, str]]:
    path = resources.files("hf_ledger") / "data" / name
    with path.open(encoding="utf-8") as file:
        yield from csv.DictReader(file)


@cache
def architectures() -> tuple[Architecture, ...]:
    return tuple(architecture_in(row) for row in rows_of("architectures.csv"))


def architecture_in(row: dict[str, str]) -> Architecture:
    return Architecture(
        tuple(row["words"].split()),
        row["pattern"],
        family_in(row["family"]),
        NamedSize(
            float(row["params_total_b"]),
            float(row["params_active_b"]) if row["params_active_b"] else None,
            PUBLISHED,
        ),
        row["name_misleads"] == "yes",
    )


def family_in(text: str) -> Family:
    families: dict[str, Family] = {"llm": "llm", "encoder": "encoder", "other": "other"}
    return families[text]


def architecture_of(plain: str) -> Architecture | None:
    """The first architecture in the table whose pattern fits the id; none for parts of models."""
    if is_part(plain):
        return None
    name = plain.lower().replace("_", "-")
    found = next((each for each in likely(name) if each.fits(name)), None)
    return None if found and found.cut_down(name) else found


def likely(name: str) -> Iterator[Architecture]:
    """Those of the table one of whose words is in the name, in the table's order."""
    table = words_by_beginning()
    places = {
        place
        for at in range(len(name))
        for word, place in table.get(name[at : at + BEGINNING], ())
        if name.startswith(word, at)
    }
    return (architectures()[place] for place in sorted(places))


@cache
def words_by_beginning() -> Mapping[str, Sequence[tuple[str, int]]]:
    """Words and their row in the table, by their first letters."""
    table: dict[str, list[tuple[str, int]]] = {}
    for place, architecture in enumerate(architectures()):
        for word in architecture.words:
            table.setdefault(word[:BEGINNING], []).append((word, place))
    return table
