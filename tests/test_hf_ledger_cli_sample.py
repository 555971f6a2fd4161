"""`hf-ledger sample`: what it makes and what it says of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest

from hf_ledger.cli import main
from hf_ledger.cli.sample import last_day
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places

FEW = ["sample", "--calls", "200", "--days", "7"]


def days_of(places: Places) -> tuple[date, date, int]:
    connection = duckdb.connect(str(places.sample.ledger), read_only=True)
    try:
        found = connection.execute("select min(ts)::date, max(ts)::date, count(*) from calls")
        first, last, count = found.fetchall()[0]
    finally:
        connection.close()
    return first, last, count


def test_it_ends_yesterday(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert main(FEW) == 0
    first, last, count = days_of(places)
    assert count == 200
    assert yesterday - timedelta(days=6) <= first <= last == yesterday
    said = capsys.readouterr().out
    assert said.startswith("Sample data: made-up calls")
    assert "200 calls of 6 teams" in said and str(places.sample.ledger) in said


def test_it_ends_when_told_to(places: Places) -> None:
    assert main([*FEW, "--until", "2026-11-22", "--seed", "7"]) == 0
    assert days_of(places)[1] == date(2026, 11, 22)


def test_again_replaces_it(places: Places) -> None:
    assert main(FEW) == 0
    assert main(["sample", "--calls", "30", "--days", "2"]) == 0
    assert days_of(places)[2] == 30


def test_one_in_use_gets_a_sentence(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(FEW) == 0
    with Ledger.open(places.sample):
        assert main(FEW) == 2
    said = capsys.readouterr().err
    assert "stop it, then run hf-ledger sample again" in said
    assert "Traceback" not in said and len(said.splitlines()) == 1


@pytest.mark.parametrize("until", ["yesterday", "2026-13-01", "22.11.2026", ""])
def test_a_day_that_is_none_is_named(until: str) -> None:
    with pytest.raises(Usage, match="--until takes a day like 2026-11-22"):
        last_day(until, date(2026, 11, 23))


def test_the_last_day() -> None:
    assert last_day(None, date(2026, 3, 1)) == date(2026, 2, 28)
    assert last_day("2026-02-03", date(2026, 3, 1)) == date(2026, 2, 3)


@pytest.mark.parametrize("wrong", [["--days", "0"], ["--calls", "-1"], ["--seed", "x"]])
def test_wrong_numbers_are_usage_errors(wrong: list[str], places: Places) -> None:
    assert main(["sample", *wrong]) == 2
    assert not places.root.exists()


def test_a_sample_that_is_there_can_be_left_as_it_is(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*FEW, "--if-missing", "--until", "2026-03-08"]) == 0
    made = days_of(places)
    assert made[1:] == (date(2026, 3, 8), 200)
    capsys.readouterr()
    assert main([*FEW, "--if-missing", "--until", "2026-04-08"]) == 0
    assert days_of(places) == made
    assert capsys.readouterr().out == ""
