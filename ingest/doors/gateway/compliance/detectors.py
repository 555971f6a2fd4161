"""What is recognised in a text, how, and how quickly one without any of it is let pass.

A text is first looked over for digits in a row, `@`, and beginnings of tokens and keys; only around
those is anything checked. Each pattern is bounded, or begins where it can't begin again further on
in the same run, so that the time grows with the text and no faster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from hf_ledger.ingest.doors.gateway.compliance.cards import Span, cards
from hf_ledger.ingest.doors.gateway.compliance.findings import Finding, without_overlaps
from hf_ledger.ingest.doors.gateway.compliance.national_ids import Recogniser

#: How much more than the digits that are found may belong to a number: letters of an Italian code
#: before, the rest of an IBAN behind.
BEFORE, AFTER = 8, 34
#: Telephone numbers that are parsed in one text at the most; each takes about 60 µs.
MOST_PHONES = 5_000

_RUN = r"(?:[ .\-/()\\]{0,2}[0-9]){5,40}"
_IBAN_START = r"(?<=[A-Za-z]{2}[0-9])[0-9](?:[ .-]?[A-Za-z0-9]){11}"
_FISCAL = r"(?<=[A-Za-z]{6}[0-9])[0-9][A-Za-z][0-9]{2}[A-Za-z][0-9]{3}[A-Za-z]"
#: At least six digits with at most two separators between each two, or the start of an IBAN, or an
#: Italian codice fiscale. All begin with a digit: that is what makes the search quick.
_DIGITS = re.compile(
    rf"[0-9](?:{_RUN}"
    rf"|(?<![A-Za-z0-9][A-Za-z]{{2}}[0-9]){_IBAN_START}"
    rf"|(?<!\w[A-Za-z]{{6}}[0-9]){_FISCAL})"
)
#: The same in JSON, where the letter of an escape may stand before a word.
_DIGITS_ESCAPED = re.compile(rf"[0-9](?:{_RUN}|{_IBAN_START}|{_FISCAL})")
_BEGINNINGS = (
    "-----BEGIN",
    "hf_",
    "hfl_",
    "sk-",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "AKIA",
    "ASIA",
    "xox",
    "AIza",
    "eyJ",
)
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"hf_[A-Za-z0-9]{30,}"
    r"|hfl_[0-9a-f]{8}_[A-Za-z0-9_-]{43}"
    r"|sk-(?=[A-Za-z_-]*[0-9])(?=[A-Za-z0-9_-]*[A-Za-z0-9]{20})[A-Za-z0-9_-]{20,}"
    r"|gh[pousr]_[A-Za-z0-9]{36,}"
    r"|github_pat_[A-Za-z0-9_]{40,}"
    r"|glpat-[A-Za-z0-9_-]{20,}"
    r"|A[KS]IA[0-9A-Z]{16}(?![0-9A-Za-z])"
    r"|xox[abeprs]-[A-Za-z0-9-]{10,}"
    r"|AIza[A-Za-z0-9_-]{35}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"
    r")"
)
_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----")

_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,62}\.)){1,8}[^\W\d_]{2,24}(?![^\W_])")
_LOCAL = frozenset("._%+-'")
_FILES = frozenset({"png", "jpg", "jpeg", "gif", "svg", "webp", "pdf", "css", "js"})

_SEPARATORS = str.maketrans("", "", " .-/()\\")

_IBAN = re.compile(r"(?<![A-Za-z0-9])(?=([A-Za-z]{2}[0-9]{2}(?:[ .-]?[A-Za-z0-9]){11,30}))")
_PHONE = re.compile(r"(?<!\w)\+[0-9](?:[ ().\-/]{0,2}[0-9]){6,15}(?!\w)")
_PHONE_AT_HOME = re.compile(
    r"(?<!\w)(?<![0-9][.,-])(?!(?:19|20)[0-9]{2}-)[+(]?[0-9](?:[ ().\-/]{0,2}[0-9]){6,15}(?!\w)"
)

#: Digits and separators of other scripts: each is one character, so that places stay the same.
_FOREIGN = re.compile(r"[^\D0-9]|[\u00a0\u2000-\u2015\u202f\u2212\uff0b\uff0d\uff20\u3000]")


class TooMany(Exception):  # noqa: N818
    """More of what must be looked at closely than a request may have."""


def suspicious(text: str) -> bool:
    """Whether a text must be looked at more closely; without, there is nothing in it."""
    return _suspicious(text, _DIGITS)


def suspicious_json(body: str) -> bool:
    """The same of a JSON text as it is written: false only where no string of it is suspicious."""
    return "\\u" in body or _suspicious(body, _DIGITS_ESCAPED)


def _suspicious(text: str, digits: re.Pattern[str]) -> bool:
    return (
        "@" in text
        or any(beginning in text for beginning in _BEGINNINGS)
        or digits.search(text) is not None
        or (not text.isascii() and _FOREIGN.search(text) is not None)
    )


class Detectors:
    """All detectors; made when the first request is screened, as they load much.

    `region` is the country (DE, US, …) whose national form of telephone numbers counts; without one
    only numbers with a plus do.
    """

    def __init__(self, region: str | None = None) -> None:
        self._region = region
        self._ids = Recogniser()

    def find(self, text: str, name: str = "") -> list[Finding]:
        """What stands in a text, in its order, without overlaps; `name` is what it is called.

        Raises `TooMany`.
        """
        plain = text if text.isascii() else folded(text)
        return without_overlaps(
            [*_keys(plain), *_tokens(plain), *_emails(plain), *self._numbers(plain, name)]
        )

    def _numbers(self, text: str, name: str) -> Iterator[Finding]:
        tried = 0
        for start, end in _around_digits(text):
            yield from self._ibans(text, start, end)
            for span in cards(text, name, start, end):
                yield Finding("card", *span, bare(text, span))
            for span in self._ids.spans(text, name, start, end):
                yield Finding("national_id", *span, bare(text, span))
            phones = list(self._phone_like(text, start, end))
            tried += len(phones)
            if tried > MOST_PHONES:
                raise TooMany
            yield from (found for span in phones for found in self._phone(text, span))

    def _ibans(self, text: str, start: int, end: int) -> Iterator[Finding]:
        for found in _IBAN.finditer(text, start, end):
            length = self._iban_lengths.get(found.group(1)[:2].upper())
            stop = _after(text, found.start(), length) if length else None
            if stop is None:
                continue
            value = bare(text, (found.start(), stop)).upper()
            if self._iban.is_valid(value):
                yield Finding("iban", found.start(), stop, value)

    def _phone_like(self, text: str, start: int, end: int) -> Iterator[Span]:
        """What is written as a number may be: abroad with a plus, at home as one dials there."""
        if self._region is None:
            yield from (found.span() for found in _PHONE.finditer(text, start, end))
            return
        for found in _PHONE_AT_HOME.finditer(text, start, end):
            if found.group().lstrip("(").startswith(self._dialled):
                yield found.span()

    def _phone(self, text: str, span: Span) -> Iterator[Finding]:
        from phonenumbers import Leniency, PhoneNumberMatcher

        said = text[slice(*span)]
        for found in PhoneNumberMatcher(said, self._region, Leniency.VALID):
            start, end = span[0] + found.start, span[0] + found.end
            value = f"{found.number.country_code} {found.number.national_number}"
            yield Finding("phone", start, end, value)

    @cached_property
    def _dialled(self) -> tuple[str, ...]:
        """How numbers begin: with a zero where all of a country do, else anyhow."""
        from phonenumbers import PhoneMetadata

        home = PhoneMetadata.metadata_for_region(self._region or "")
        return ("+", "0") if home is not None and home.national_prefix == "0" else ("",)

    @cached_property
    def _iban(self) -> Any:
        from stdnum import iban

        return iban

    @cached_property
    def _iban_lengths(self) -> dict[str, int]:
        """Country → how many characters its IBANs have, of the registry that stdnum carries."""
        from stdnum import numdb

        registry, lengths = numdb.get("iban"), {}
        for country in (a + b for a in _CAPITALS for b in _CAPITALS):
            form = registry.info(country)[0][1].get("bban", "")
            if form:
                lengths[country] = 4 + sum(int(n) for n in re.findall("[0-9]+", form))
        return lengths


_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def folded(text: str) -> str:
    """The text with other scripts' digits and separators as ASCII has them, of the same length."""
    return _FOREIGN.sub(_fold, text)


def _fold(found: re.Match[str]) -> str:
    import unicodedata

    char = found.group()
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    if char.isspace():
        return " "
    plain = unicodedata.normalize("NFKC", char)
    if len(plain) == 1 and plain.isascii():
        return plain
    return "-" if unicodedata.category(char) in ("Pd", "Sm") else char


def bare(text: str, span: Span) -> str:
    """What stands there, without separators."""
    return text[slice(*span)].translate(_SEPARATORS)


def _around_digits(text: str) -> Iterator[Span]:
    """Where digits stand in a row, with some text around; close ones are one stretch."""
    start = end = -1
    for found in _DIGITS.finditer(text):
        if found.start() - BEFORE > end:
            if end >= 0:
                yield start, end
            start = max(0, found.start() - BEFORE)
        end = min(len(text), found.end() + AFTER)
    if end >= 0:
        yield start, end


def _after(text: str, start: int, length: int) -> int | None:
    """Where so many letters and digits end, or None where the word goes on or ends before."""
    place = start
    while length:
        if place >= len(text):
            return None
        length -= text[place].isalnum()
        place += 1
    return None if text[place : place + 1].isalnum() else place


def _emails(text: str) -> Iterator[Finding]:
    at = text.find("@")
    while at >= 0:
        start = _local_start(text, at)
        domain = _DOMAIN.match(text, at + 1)
        if domain and start < at and _is_address(text, start, at, domain):
            yield Finding("email", start, domain.end(), text[start : domain.end()].lower())
        at = text.find("@", at + 1)


def _local_start(text: str, at: int) -> int:
    """Where what stands before the @ begins, at most 64 characters before it."""
    start = at
    while start > max(0, at - 64) and (text[start - 1].isalnum() or text[start - 1] in _LOCAL):
        start -= 1
    while start < at and not (text[start].isalnum() or text[start] == "_"):
        start += 1
    return start


def _is_address(text: str, start: int, at: int, domain: re.Match[str]) -> bool:
    """Neither a picture for dense screens nor the address of a repository."""
    is_file = domain.group().rpartition(".")[2].lower() in _FILES
    return not is_file and text[start:at] != "git"


def _tokens(text: str) -> Iterator[Finding]:
    if any(beginning in text for beginning in _BEGINNINGS):
        for found in _TOKEN.finditer(text):
            yield Finding("token", *found.span(), found.group())


def _keys(text: str) -> Iterator[Finding]:
    begin = _KEY_BEGIN.search(text)
    while begin:
        end = _KEY_END.search(text, begin.end())
        stop = end.end() if end else len(text)  # cut off: all that follows may belong to it
        yield Finding("private_key", begin.start(), stop, text[begin.start() : stop])
        begin = _KEY_BEGIN.search(text, stop)
