"""National ids that are recognised: form, checksum, and the words near them where those are needed.

Of numbers of the right form at random, fewer than 3 in 1,000 pass as an id that needs no word. The
others have weak checksums or none, and count only with one of their words nearby.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import NamedTuple

#: Characters before and after in which one of its words must stand.
NEAR = 48

_DATE = r"(?:0[1-9]|[12][0-9]|3[01])(?:0[1-9]|1[0-2])"  # ddmm
_DATED = r"[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"  # yymmdd
_ELEVEN = r"[0-9]{11}"


class NationalId(NamedTuple):
    """`words` empty: the checksum and the form are enough."""

    country: str
    called: str
    form: str
    module: str | None  # of python-stdnum; None: the form alone
    words: tuple[str, ...] = ()


IDS: tuple[NationalId, ...] = (
    NationalId("Germany", "tax id", r"[1-9][0-9]{10}|[1-9][0-9](?: [0-9]{3}){3}", "de.idnr"),
    NationalId(
        "France",
        "NIR",
        r"[12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]) ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}",
        "fr.nir",
    ),
    NationalId(
        "Italy",
        "codice fiscale",
        r"[A-Za-z]{6}[0-9]{2}[A-Za-z][0-9]{2}[A-Za-z][0-9]{3}[A-Za-z]",
        "it.codicefiscale",
    ),
    NationalId("Switzerland", "AHV number", r"756(?:\.?[0-9]{4}){2}\.?[0-9]{2}", "ch.ssn"),
    NationalId(
        "Belgium",
        "national number",
        r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}|" + _ELEVEN,
        "be.nn",
    ),
    NationalId("Finland", "HETU", _DATE + r"[0-9]{2}[-+A-FU-Y][0-9]{3}[0-9A-Y]", "fi.hetu"),
    NationalId("Norway", "fødselsnummer", _DATE + r"[0-9]{2} ?[0-9]{5}", "no.fodselsnummer"),
    NationalId("Brazil", "CPF", r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", "br.cpf"),
    NationalId("Brazil", "CPF", _ELEVEN, "br.cpf", ("cpf",)),
    NationalId(
        "Sweden",
        "personnummer",
        r"(?:19|20)?" + _DATED + r"[-+]?[0-9]{4}",
        "se.personnummer",
        ("personnummer", "personnr", "födelsenummer"),
    ),
    NationalId(
        "Spain", "DNI", r"[0-9]{8}[ -]?[A-Za-z]", "es.dni", ("dni", "nif", "documento nacional")
    ),
    NationalId(
        "Spain", "NIE", r"[XYZxyz][ -]?[0-9]{7}[ -]?[A-Za-z]", "es.nie", ("nie", "extranjer")
    ),
    NationalId(
        "Netherlands",
        "BSN",
        r"[0-9]{9}|[0-9]{4}\.[0-9]{2}\.[0-9]{3}",
        "nl.bsn",
        ("bsn", "burgerservicenummer", "sofinummer"),
    ),
    NationalId("Poland", "PESEL", _ELEVEN, "pl.pesel", ("pesel",)),
    NationalId(
        "United Kingdom",
        "NHS number",
        r"[0-9]{3}(?P<gap>[ -]?)[0-9]{3}(?P=gap)[0-9]{4}",
        "gb.nhs",
        ("nhs",),
    ),
    NationalId(
        "United Kingdom",
        "national insurance number",
        r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]",
        None,
        ("nino", "national insurance", "ni number"),
    ),
    NationalId(
        "United States",
        "SSN",
        r"[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}|[0-8][0-9]{2} [0-9]{2} [0-9]{4}|[0-8][0-9]{8}",
        "us.ssn",
        ("ssn", "social security"),
    ),
    NationalId(
        "Canada",
        "SIN",
        r"[0-9]{3}(?P<gap>[ -]?)[0-9]{3}(?P=gap)[0-9]{3}",
        "ca.sin",
        ("social insurance", "sin number", "sin:"),
    ),
    NationalId("Portugal", "NIF", r"[0-9]{9}", "pt.nif", ("nif", "contribuinte")),
    NationalId(
        "Austria",
        "insurance number",
        r"[0-9]{4} ?[0-9]{6}",
        "at.vnr",
        ("svnr", "versicherungsnummer", "sv-nummer"),
    ),
    NationalId("Denmark", "CPR", _DATE + r"[0-9]{2}-?[0-9]{4}", "dk.cpr", ("cpr",)),
    NationalId("Romania", "CNP", r"[1-9]" + _DATED + r"[0-9]{6}", "ro.cnp", ("cnp",)),
    NationalId("Czechia", "rodné číslo", r"[0-9]{6}/?[0-9]{3,4}", "cz.rc", ("rodné", "rodne")),
    NationalId("Turkey", "kimlik", _ELEVEN, "tr.tckimlik", ("kimlik", "tckn")),
    NationalId(
        "India",
        "Aadhaar",
        r"[2-9][0-9]{3}(?P<gap>[ -]?)[0-9]{4}(?P=gap)[0-9]{4}",
        "in_.aadhaar",
        ("aadhaar",),
    ),
    NationalId("Australia", "TFN", r"[0-9]{3} ?[0-9]{3} ?[0-9]{3}", "au.tfn", ("tfn", "tax file")),
)


class Recogniser:
    """Finds all of `IDS` in a text; what it needs of python-stdnum is loaded when it is made."""

    def __init__(self) -> None:
        self._known = [_Known(each) for each in IDS]
        free = "|".join(each.form for each in IDS if not each.words)
        self._free = re.compile(rf"(?<!\w)(?:{free})(?!\w)")
        self._words = sorted({word for each in IDS for word in each.words})

    def spans(self, text: str, name: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Where between `start` and `end` ids stand; they may overlap."""
        near = " ".join((name, text[max(0, start - NEAR) : end + NEAR]))
        worded = any(map(near.lower().__contains__, self._words))
        if not worded and not self._free.search(text, start, end):
            return
        for known in self._known:
            if worded or known.words is None:
                yield from known.spans(text, name, start, end)


class _Known:
    """One of `IDS`, ready to be looked for."""

    def __init__(self, known: NationalId) -> None:
        self.form = re.compile(rf"(?<!\w)(?<![0-9][.,-])(?=({known.form})(?!\w)(?![.,-][0-9]))")
        words = "|".join(map(re.escape, known.words))
        self.words = re.compile(rf"(?<![^\W_])(?:{words})", re.IGNORECASE) if words else None
        self.valid = import_module(f"stdnum.{known.module}").is_valid if known.module else None

    def spans(self, text: str, name: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        for found in self.form.finditer(text, start, end):
            said = found.group(1)
            if self._near(text, name, *found.span(1)) and (not self.valid or self.valid(said)):
                yield found.span(1)

    def _near(self, text: str, name: str, start: int, end: int) -> bool:
        """Whether one of the words stands shortly before, shortly after, or in the value's name."""
        if self.words is None:
            return True
        nearby = (name, text[max(0, start - NEAR) : start], text[end : end + NEAR])
        return any(self.words.search(each) for each in nearby)
