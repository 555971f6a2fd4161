"""What is recognised, what is not, and how long it takes."""

from __future__ import annotations

import gzip
import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.doors.gateway.compliance.detectors import (
    Detectors,
    TooMany,
    folded,
    suspicious,
)
from hf_ledger.ingest.doors.gateway.compliance.findings import Kind
from tests.factories_compliance import PROSE, VALID, WORDED, near_miss, plain_text

DETECTORS = Detectors()
SHARED = Path(__file__).resolve().parents[2] / "shared"


def kinds(text: str, name: str = "", region: str | None = None) -> list[str]:
    detectors = Detectors(region) if region else DETECTORS
    return [found.kind for found in detectors.find(text, name)]


@pytest.mark.parametrize(("kind", "value"), VALID)
def test_what_is_valid_is_found_where_it_stands(kind: Kind, value: str) -> None:
    text = f"Please note {value}, thank you."
    (found,) = DETECTORS.find(text)
    assert found.kind == kind
    assert text[found.start : found.end] == value
    assert suspicious(text)


CHECKED = [(kind, value) for kind, value in VALID if kind in ("card", "iban", "national_id")]


@pytest.mark.parametrize(
    "value", [near_miss(value) for _, value in CHECKED] + ["RCCMNL83S18D969A", "311280-888X"]
)
def test_one_digit_off_is_nothing(value: str) -> None:
    if value == near_miss("RCCMNL83S18D969H"):
        assert kinds(value) == []
    assert kinds(f"Please note {value}, thank you.") == []


@pytest.mark.parametrize(("word", "value"), WORDED)
def test_weakly_checked_ids_need_their_word(word: str, value: str) -> None:
    assert kinds(f"{word}: {value}") == ["national_id"]
    assert kinds(f"it is {value} ({word.lower()})") == ["national_id"]
    assert kinds(value, name=word.lower()) == ["national_id"]
    assert kinds(f"number: {value}") == []
    assert kinds(f"{word} " + "and so on " * 8 + value) == []


UNCHECKED = ("SSN", "National Insurance", "CPR")


@pytest.mark.parametrize(("word", "value"), [(w, v) for w, v in WORDED if w not in UNCHECKED])
def test_their_checksum_counts_too(word: str, value: str) -> None:
    assert kinds(f"{word}: {near_miss(value)}") == []


def test_social_security_numbers_of_no_area_are_none() -> None:
    assert kinds("SSN 666-12-3456") == kinds("SSN 900-12-3456") == kinds("SSN 078-05-1120") == []


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        "0.4111111111111111",
        "4111111111111111.50",
        "x4111111111111111",
        "41111111111111111111111",
        "9111111111111111",
        "1234567890123456",
        "DE89 3704 0044 0532 0130 00X",
        "XX89370400440532013000",
        "+49 30",
        "+1 234 567 8901 234",
        "hf_hub_download_and_more_things_in_a_row",
        "sk-loading-indicator-for-the-whole-page",
        "AKIAIOSFODNN7",
        "a@b",
        "user@localhost",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
    ],
)
def test_what_only_looks_like_it(text: str) -> None:
    assert kinds(text) == []


def test_national_telephone_numbers_count_where_a_country_is_set() -> None:
    assert kinds("Tel. 030 901820") == []
    assert kinds("Tel. 030 901820", region="DE") == ["phone"]
    assert kinds("(650) 253-0000", region="US") == ["phone"]
    assert kinds("Tel. +1 650 253 0000", region="DE") == ["phone"]
    assert kinds("30 901820 is dialled with a zero", region="DE") == []
    for region in ("DE", "US"):
        assert kinds("on 2024-05-01 12:30 at 1715000000", region=region) == []


def test_digits_and_spaces_of_other_scripts() -> None:
    assert kinds("４１１１ １１１１ １１１１ １１１１") == ["card"]
    assert kinds("4111\u00a01111\u00a01111\u00a01111") == ["card"]
    assert kinds("4111‑1111‑1111‑1111") == ["card"]
    assert kinds("مرحبا ٤١١١١١١١١١١١١١١١ شكرا") == ["card"]
    assert kinds("post＠example.org") == ["email"]


@given(st.text())
def test_folding_keeps_every_place(text: str) -> None:
    assert len(folded(text)) == len(text)


def test_several_in_a_text_come_in_its_order_without_overlap() -> None:
    text = "a@example.org 4111111111111111 +49 30 901820 DE89370400440532013000"
    assert kinds(text) == ["email", "card", "phone", "iban"]
    years = "in 2024 4111 1111 1111 1111, 2025"
    (found,) = DETECTORS.find(years)
    assert years[found.start : found.end] == "4111 1111 1111 1111"


def test_thirteen_digits_are_a_card_where_it_is_said() -> None:
    assert kinds("article 4222222222222 in stock") == []
    assert kinds("my Visa: 4222222222222") == ["card"]
    assert kinds("4222222222222", name="credit_card") == ["card"]
    assert kinds("Kreditkarte 4222222222222") == ["card"]


def test_a_row_of_numbers_is_no_card() -> None:
    assert kinds("1999 4111 1111 1111 1111 2025") == []
    assert kinds("4111 1111 1111 1111 2025 2026") == []
    assert kinds("4111 1111 1111 1111 0326") == ["card"]


def test_a_key_that_is_cut_off_reaches_to_the_end() -> None:
    text = "see -----BEGIN PRIVATE KEY-----\nMIIB" + "x" * 100
    (found,) = DETECTORS.find(text)
    assert (found.kind, found.end) == ("private_key", len(text))


def test_a_finding_shows_no_value() -> None:
    (found,) = DETECTORS.find("4111111111111111")
    assert "4111" not in repr(found)


def test_ordinary_text_has_next_to_no_false_findings() -> None:
    text = plain_text(seed=7, lines=6_000)
    found = kinds(text)
    assert len(found) <= 6, found  # in rows of six numbers, 0.7 % of which hold a "card"


EXCHANGES = SHARED / "data" / "exchanges" / "hub_cassettes.jsonl.gz"


@pytest.mark.skipif(not EXCHANGES.exists(), reason="recorded exchanges are not beside the checkout")
def test_recorded_exchanges_have_only_the_addresses_that_they_hold() -> None:
    with gzip.open(EXCHANGES, "rt", encoding="utf-8") as file:
        found = {line[each.start : each.end] for line in file for each in DETECTORS.find(line)}
    assert {each.rpartition("@")[2] for each in found} <= {"meta.com"}


def random_digits(length: int, count: int) -> list[str]:
    rng = random.Random(length)
    return [str(rng.randrange(10 ** (length - 1), 10**length)) for _ in range(count)]


@pytest.mark.parametrize("length", range(9, 20))
def test_random_numbers_rarely_pass(length: int) -> None:
    wrong = sum(bool(kinds(number)) for number in random_digits(length, 1_000))
    assert wrong <= (45 if length in (16, 19) else 15), wrong


HOSTILE = {
    "digits": "1" * 50_000,
    "spaced": "1 " * 25_000,
    "at": "@" * 50_000,
    "ats": "a@a." * 12_500,
    "domains": "a@" + "a." * 25_000,
    "local": "a" * 25_000 + "@" + "b" * 25_000,
    "keys": "-----BEGIN PRIVATE KEY-----" * 1_800,
    "jwt": "eyJaaaaaaaa." * 4_000,
    "jwts": "eyJ" * 16_000,
    "sk": "sk-" * 16_000,
    "sk1": "sk-" + "a-" * 25_000 + "1",
    "ibans": "DE89 " * 10_000,
    "capitals": "AB12C" * 10_000,
    "fiscale": "aaaaaa11a11a111" * 3_300,
    "cards": "4111 " * 10_000,
    "ssn": "ssn 536904399 " * 3_500,
    "brackets": "(((1)))--" * 5_500,
    "foreign": "１２ " * 16_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_grows_with_the_text_and_no_faster(name: str) -> None:
    text = HOSTILE[name]
    DETECTORS.find(text[:100])
    small, large = (timed(text[: len(text) // part]) for part in (8, 1))
    assert large < max(40 * small, 0.3), (small, large)


def timed(text: str) -> float:
    began = time.process_time()
    DETECTORS.find(text)
    return time.process_time() - began


def test_more_telephone_numbers_than_can_be_parsed() -> None:
    with pytest.raises(TooMany):
        DETECTORS.find("+12345678, " * 5_001)


@settings(max_examples=150, deadline=500)
@given(st.text(alphabet="0123456789 -.+@()aADE_sk\n１é", max_size=400))
def test_nothing_in_a_text_is_an_error(text: str) -> None:
    found = DETECTORS.find(text)
    ends = [0, *(each.end for each in found)]
    assert all(each.start >= end for each, end in zip(found, ends, strict=False))
    assert not found or suspicious(text)


def test_clean_text_is_let_pass_quickly() -> None:
    clean = "The quick brown fox jumps over the lazy dog at 12:30, version 3.14. " * 1_500
    began = time.process_time()
    assert not any(suspicious(clean) for _ in range(10))
    assert (time.process_time() - began) / 10 < 0.012  # 100 kB; measured: 2 ms
