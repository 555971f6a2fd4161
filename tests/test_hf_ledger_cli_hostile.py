"""Every question with hostile input: one sentence and exit code 2, or an answer; no traceback."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from factories_questions import Row, at, insert, priced, unpriced

from hf_ledger.cli import main
from hf_ledger.cli.options import filters, spanned
from hf_ledger.cli.output import cell
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places

QUESTIONS = ("spend", "peaks", "sizes", "overkill", "savings", "recommend", "calls", "coverage")
BREAKABLE = ("spend", "sizes")
WEEK = ("--since", "2026-08-10", "--until", "2026-08-16")
GROUPS = ("report", "month", "key", "prices", "endpoints", "import")

HOSTILE = (
    "'; drop table calls; --",
    '" or 1=1',
    "{{7*7}} ${HOME} $(id)",
    "[link=file:///etc/passwd]x[/link]",
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "a,b;c\td",
    'say "hi"',
    "naïve – 日本語 🦊",
    "\u202egnp.exe",
    "x" * 300,
    "%s %d {0} \\n",
)

Outcome = tuple[int, str, str]
Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def ran(*arguments: str) -> Outcome:
        code = main(list(arguments))
        written = capsys.readouterr()
        assert "Traceback" not in written.err
        return code, written.out, written.err

    return ran


def fill(places: Places, rows: list[Row]) -> None:
    with Ledger.open(places) as ledger:
        insert(ledger.cursor(), "calls", rows)


def one_sentence(outcome: Outcome) -> str:
    """What a refused command says: nothing on standard output, one line of error, exit code 2."""
    code, out, err = outcome
    assert (code, out) == (2, "")
    assert err.startswith("hf-ledger: ")
    assert err.count("\n") == 1
    return err


# Periods that are none -------------------------------------------------------------------------

OUTSIDE = [
    ("--period", "9999-12-31"),
    ("--period", "9999-12"),
    ("--period", "0001-01-01"),
    ("--period", "0001-01-01..0001-01-02"),
    ("--period", "0000-05"),
    ("--period", "2026-W00"),
    ("--period", "2025-W53"),
    ("--period", "2025-02-29"),
    ("--period", "0d"),
    ("--since", "9999-12-31", "--until", "9999-12-31"),
    ("--since", "0001-01-01", "--zone", "Asia/Tokyo"),
    ("--since", "0001-01-01T00:00", "--until", "2026-01-01", "--zone", "Asia/Tokyo"),
    ("--since", "2026-01-01T00:00", "--until", "9999-12-31"),
    ("--since", "2026-01-01", "--until", "9999-12-31T23:00-05:00"),
    ("--since", "2026-02-30"),
    ("--since", "2026-08-10T25:00"),
    ("--since", "2026-08-10", "--until", "2026-08-09"),
]


@pytest.mark.parametrize("period", OUTSIDE, ids=" ".join)
def test_a_period_outside_the_calendar_is_wrong_use(period: tuple[str, ...], run: Run) -> None:
    said = one_sentence(run("spend", *period))
    assert any(word in said for word in ("calendar", "no time", "before it begins")), said


@pytest.mark.parametrize("command", QUESTIONS)
def test_every_question_reads_the_period_alike(command: str, places: Places, run: Run) -> None:
    fill(places, [priced("1")])
    said = {
        one_sentence(run(command, "--period", "9999-12-31")),
        one_sentence(run("spend", "--period", "9999-12-31")),
    }
    assert len(said) == 1


@pytest.mark.parametrize(
    ("since", "until"), [("0001-01-02", "9999-12-30"), ("1969-12-31", "1970-01-01")]
)
def test_the_ends_of_the_calendar_can_be_asked_about(
    since: str, until: str, places: Places, run: Run
) -> None:
    fill(places, [priced("1")])
    if since == "0001-01-02":
        # A period so long has none before it; said, not raised.
        said = one_sentence(run("spend", "--since", since, "--until", until))
        assert "calendar" in said
    else:
        code, out, err = run("calls", "--since", since, "--until", until)
        assert (code, err) == (0, "")
        assert "No calls match." in out


def test_the_days_of_a_clock_change_hold_23_and_25_hours() -> None:
    for day, hours in (("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)):
        span = spanned(None, day, day, at("2026-11-23"), "Europe/Berlin")
        assert span.until - span.since == timedelta(hours=hours)


def test_calls_in_the_hour_that_comes_twice_are_two(places: Places, run: Run) -> None:
    # 00:30 and 01:30 UTC are both 02:30 in Berlin on 25 October 2026.
    twice = [at("2026-10-25T00:30:00"), at("2026-10-25T01:30:00")]
    fill(places, [priced("1", ts=ts) for ts in twice])
    asked = ("--period", "2026-10-25", "--zone", "Europe/Berlin", "--format", "json")
    _, out, _ = run("spend", "--grain", "hour", *asked)
    rows = json.loads(out)["rows"]
    assert sum(row["calls"] for row in rows) == 2
    assert {row["period"] for row in rows} == {
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:00:00+01:00",
    }
    _, out, _ = run("peaks", *asked)
    (busiest,) = json.loads(out)["rows"]
    assert (busiest["hour"], busiest["calls"]) == (2, 2)


def test_a_call_at_midnight_belongs_to_the_day_that_begins(places: Places, run: Run) -> None:
    midnight = at("2026-08-10T22:00:00")  # 11 August, 00:00 in Berlin
    before = midnight - timedelta(microseconds=1)
    fill(places, [priced("1", ts=midnight), priced("2", ts=before)])
    for day, cost in (("2026-08-11", "1.000000000"), ("2026-08-10", "2.000000000")):
        options = ("--period", day, "--zone", "Europe/Berlin", "--format", "json")
        _, out, _ = run("spend", *options)
        assert json.loads(out)["totals"]["cost"] == cost


# Wrong options ---------------------------------------------------------------------------------

WRONG = [
    ("peaks", "--top", "0"),
    ("peaks", "--top", "25"),
    ("peaks", "--top", "many"),
    ("recommend", "--top", "-1"),
    ("calls", "--limit", "-1"),
    ("calls", "--limit", "100001"),
    ("calls", "--offset", "-1"),
    ("calls", "--order", "cost; drop table calls"),
    ("calls", "--order", ""),
    ("calls", "nope"),
    ("calls", "'; drop table calls; --"),
    ("spend", "--grain", ""),
    ("spend", "--grain", "day; drop table calls"),
    ("spend", "--by", "day"),
    ("spend", "--by", "team,'"),
    ("spend", "--where", "=1"),
    ("spend", "--where", "cost=1"),
    ("spend", "--where", "team;=1"),
    ("spend", "--origin", "moon"),
    ("spend", "--origin", ""),
    ("spend", "--zone", "../../etc/passwd"),
    ("spend", "--format", "xml"),
    ("savings", "--price-book", "cheap"),
    ("spend", "unasked"),
]


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_wrong_options_are_one_sentence_and_change_nothing(
    arguments: tuple[str, ...], places: Places, run: Run
) -> None:
    fill(places, [priced("1")])
    one_sentence(run(*arguments))
    code, out, _ = run("spend", *WEEK, "--format", "json")
    assert (code, json.loads(out)["totals"]["calls"]) == (0, 1)


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_without_a_command_shows_its_help_and_is_used_wrongly(group: str, run: Run) -> None:
    code, out, err = run(group)
    assert code == 2
    assert f"hf-ledger {group}" in out + err
    assert "No such command" in one_sentence(run(group, "nonsense"))


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(Usage, match=r"no text of UTF-8: 'team=\\udcff'"):
        filters(["team=\udcff"])
    assert filters(["team=日本"]) == {"team": ("日本",)}


# Labels that others wrote -----------------------------------------------------------------------


@pytest.mark.parametrize("label", HOSTILE)
def test_any_label_is_grouped_filtered_and_written_as_it_is(
    label: str, places: Places, run: Run
) -> None:
    fill(places, [priced("1.5", team=label), unpriced(team="other")])
    options = (*WEEK, "--by", "team", "--where", f"team={label}")
    _, out, _ = run("spend", *options, "--format", "json")
    found = json.loads(out)
    assert [(r["team"], r["cost"]) for r in found["rows"]] == [(label, "1.500000000")]
    assert found["where"] == {"team": [label]}
    _, out, _ = run("spend", *options, "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(out))
    assert (row["team"], Decimal(row["cost"])) == (label, Decimal("1.5"))
    code, out, _ = run("spend", *options)
    assert code == 0
    assert "$1.50 for 1 call." in out


@pytest.mark.parametrize("control", ["\x1b[2J", "\x1b]0;owned\x07", "\r", "\n", "\x9b31m", "\x08"])
def test_no_label_moves_the_terminals_cursor(control: str, places: Places, run: Run) -> None:
    call_id = "01900000-0000-7000-8000-000000000001"
    fill(places, [priced("1", call_id=call_id, team=f"a{control}b")])
    for arguments in (("spend", *WEEK, "--by", "team"), ("calls", *WEEK), ("calls", call_id)):
        code, out, _ = run(*arguments)
        assert code == 0
        assert f"a{control}b" not in out
        assert "\x1b" not in out
        assert f"\\x{ord(control[0]):02x}" in out
    _, out, _ = run("calls", *WEEK, "--format", "json")
    assert json.loads(out)["rows"][0]["team"] == f"a{control}b"


def test_letters_of_all_languages_stay_as_they_are() -> None:
    for text in ("naïve", "日本語", "\u00a0", "👩\u200d💻", "[b]x[/b]"):
        assert cell("team", text) == text


# Empty ledgers, and none ------------------------------------------------------------------------


@pytest.mark.parametrize("command", QUESTIONS)
def test_an_empty_ledger_has_the_shapes_of_a_full_one(
    command: str, places: Places, run: Run
) -> None:
    written = {}
    for state in ("empty", "full"):
        fill(places, [priced("1")] if state == "full" else [])
        code, out, err = run(command, *WEEK, "--format", "json")
        assert (code, err) == (0, "")
        found = json.loads(out)
        _, header, _ = run(command, *WEEK, "--format", "csv")
        written[state] = (list(found), header.splitlines()[0])
        assert (found["rows"] == []) or state == "full"
    assert written["empty"] == written["full"]


@pytest.mark.parametrize("command", QUESTIONS)
def test_no_question_makes_a_ledger(command: str, places: Places, run: Run) -> None:
    assert "there is no ledger in" in one_sentence(run(command))
    assert "there is no sample ledger" in one_sentence(run(command, "--sample"))
    assert not places.ledger.exists()


@pytest.mark.parametrize("command", BREAKABLE)
def test_a_dimension_named_twice_counts_once(command: str, places: Places, run: Run) -> None:
    fill(places, [priced("1", team="a"), priced("2", team="b")])
    once, twice = (
        run(command, *WEEK, "--by", by, "--format", "json") for by in ("team", "team,,team")
    )
    assert once == twice


@pytest.mark.parametrize("value", ["abc", "200.5", "99999999999", "-1", "٢٠٠", "1e2"])
def test_a_status_that_is_none_matches_nothing(value: str, places: Places, run: Run) -> None:
    fill(places, [priced("1")])
    options = ("--where", f"status={value}", *WEEK, "--format", "json")
    code, out, _ = run("spend", *options)
    assert (code, json.loads(out)["totals"]["calls"]) == (0, 0)


# Months -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "month",
    ["2026-13", "2026-00", "9999-12", "0000-01", "2026-1", "x", "", "٢٠٢٦-١٠", "2026-10-01"],
)
def test_what_is_no_month_is_not_closed(month: str, run: Run) -> None:
    said = one_sentence(run("month", "close", month))
    assert "is no month; write it as 2026-10." in said or "is not over yet" in said


def test_a_month_is_closed_in_a_zone_that_exists(run: Run) -> None:
    for zone in ("Nowhere", "../UTC", "a\0b"):
        said = one_sentence(run("month", "close", "2026-10", "--zone", zone))
        assert "unknown time zone" in said


def test_a_month_without_calls_is_closed_with_plain_zeros(run: Run) -> None:
    code, out, _ = run("month", "close", "2026-10")
    assert (code, out) == (0, "2026-10 is closed: 0 calls, $0.000000000.\n")
    _, out, _ = run("month", "list")
    assert "E-" not in out
    assert out.endswith("now $0.000000000.\n")
