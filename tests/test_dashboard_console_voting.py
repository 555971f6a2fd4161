"""The tab Vote: nobody knows whose answer it is before the choice, and the choice is evidence."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from factories_evaluation import (
    BIG,
    JUDGE,
    SMALL,
    Reciting,
    bench_of,
    column,
    drawn,
    tab,
    texts,
    until,
)
from factories_replays import replay_rows
from streamlit.testing.v1 import AppTest

from hf_ledger.dashboard.console import voting
from hf_ledger.dashboard.console.asking import Bench
from hf_ledger.dashboard.console.voting import KEY, Ballot, Box
from hf_ledger.ingest.doors.evaluation.ballots import Vote, counted
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect

MARK = "Sesame, opened"
NAMES = ("70B", "8B", "novita", BIG, SMALL)


@pytest.fixture
def sender() -> Reciting:
    said = {BIG: f"{MARK} by the first", SMALL: f"{MARK} by the second"}
    return Reciting(lambda model, _: said.get(model))


@pytest.fixture
def bench(places: Places, sender: Reciting) -> Iterator[Bench]:
    with bench_of(places, sender) as made:
        yield made


def box(at: AppTest) -> Box:
    found: Box = at.session_state[KEY]
    return found


def ballot(at: AppTest) -> Ballot:
    found = box(at).open
    assert found is not None
    return found


def asked(bench: Bench) -> AppTest:
    """A question was sent, and both have answered."""
    at = tab(bench, "voting")
    at.text_area(key="vote-messages").set_value(f"{MARK}?")
    at.button[0].click()
    drawn(at)
    until(lambda: ballot(at).settled)
    return drawn(at)


def choose(at: AppTest, choice: str) -> AppTest:
    at.button(key=f"vote-{choice}").click()
    return drawn(at)


def rows(places: Places) -> list[dict[str, Any]]:
    with Ledger.open(places) as ledger:
        collect(ledger, places)
        return replay_rows(ledger)


def test_answers_are_shown_without_names_until_somebody_has_chosen(bench: Bench) -> None:
    at = asked(bench)
    said = texts(at)
    assert "by the first" in said
    assert "by the second" in said
    assert [each.value for each in at.subheader] == ["A", "B"]
    assert [name for name in NAMES if name in said] == []
    choose(at, "A")
    said = texts(at)
    assert "1 · 70B · novita" in said
    assert "2 · 8B · novita" in said
    assert not any(each.key == "vote-A" for each in at.button)


def test_each_side_is_the_answer_that_stands_there(bench: Bench) -> None:
    at = asked(bench)
    paper = ballot(at)
    first, second = (each.value for each in at.text if MARK in each.value)
    stood = (
        ("by the second", "by the first") if paper.swapped else ("by the first", "by the second")
    )
    assert first.endswith(stood[0])
    assert second.endswith(stood[1])


@pytest.mark.parametrize("choice", ["A", "B", "same", "unsure"])
def test_a_vote_is_a_row_value_by_value(bench: Bench, places: Places, choice: str) -> None:
    at = choose(asked(bench), choice)
    paper = ballot(at)
    (row,) = rows(places)
    won = {"A": paper.second if paper.swapped else paper.first}
    won["B"] = paper.first if paper.swapped else paper.second
    preferred = won.get(choice)
    verdict = choice if preferred is None else "better" if preferred is paper.second else "worse"
    assert (row["verdict"], row["judge"], row["evidence"], row["origin"]) == (
        verdict,
        "human/1",
        "vote",
        "live",
    )
    assert (row["order_swapped"], str(row["call_id"])) == (paper.swapped, paper.first.call_id)
    assert (row["model"], row["candidate"]) == (f"{BIG}:novita", f"{SMALL}:novita")
    assert (row["model_input_tokens"], row["candidate_output_tokens"]) == (10, 5)
    assert row["model_cost"] == row["candidate_cost"] == paper.first.cost
    assert (row["sampling_probability"], row["judge_cost"]) == (None, 0)


def test_a_ballot_counts_once_however_often_it_is_cast(bench: Bench, places: Places) -> None:
    at = choose(asked(bench), "B")
    paper = ballot(at)
    voting.cast(bench, box(at), paper, "A")
    assert paper.vote is not None
    assert paper.vote.choice == "B"
    assert len(rows(places)) == 1
    assert sum(map(len, box(at).votes.values())) == 1


def test_the_buttons_are_reached_by_keys_of_their_own(bench: Bench) -> None:
    at = asked(bench)
    shortcuts = [at.button(key=f"vote-{each}").proto.shortcut for each, *_ in voting.CHOICES]
    assert all(shortcuts)
    assert len(set(shortcuts)) == 4


def test_nothing_is_shown_before_both_are_whole(bench: Bench, sender: Reciting) -> None:
    sender.held = True
    at = tab(bench, "voting")
    at.text_area(key="vote-messages").set_value("Hi?")
    at.button[0].click()
    drawn(at)
    ballot(at).first.text = "half an answ"
    drawn(at)
    assert "Both are answering" in texts(at)
    assert "half an answ" not in texts(at)
    at.button(key="vote-stop").click()
    drawn(at)
    until(lambda: ballot(at).settled)
    drawn(at)
    assert voting.NO_ANSWER in texts(at)


def test_an_answer_that_failed_is_nothing_to_choose_from(places: Places) -> None:
    failing = Reciting(lambda model, _: "ok" if model == BIG else None)
    with bench_of(places, failing) as bench:
        at = asked(bench)
    assert voting.NO_ANSWER in texts(at)
    assert "overloaded" in texts(at)
    assert not any(str(each.key).startswith("vote-A") for each in at.button)
    assert rows(places) == []


def test_a_vote_needs_two_columns(places: Places, sender: Reciting) -> None:
    with bench_of(places, sender, [column(BIG)]) as bench:
        at = tab(bench, "voting")
    assert voting.TOO_FEW in texts(at)
    assert not at.button


def test_two_ways_to_ask_one_model_are_no_evidence(places: Places, sender: Reciting) -> None:
    other = column(BIG, parameters={"max_tokens": 100, "temperature": 1})
    with bench_of(places, sender, [column(BIG), other]) as bench:
        at = choose(asked(bench), "A")
    assert sum(map(len, box(at).votes.values())) == 1
    assert rows(places) == []


def test_practice_is_kept_apart(places: Places, sender: Reciting) -> None:
    sender.origin = "practice"
    with bench_of(places, sender) as bench:
        choose(asked(bench), "A")
    assert [row["origin"] for row in rows(places)] == ["practice"]


def test_the_price_is_said_before(bench: Bench, sender: Reciting) -> None:
    assert "A short question\\: About \\$" in texts(tab(bench, "voting"))
    assert sender.runs == []


def test_no_text_of_a_vote_is_in_any_file(bench: Bench, places: Places) -> None:
    choose(asked(bench), "A")
    rows(places)
    written = [path for path in places.root.rglob("*") if path.is_file()]
    assert written
    assert [path.name for path in written if b"Sesame" in path.read_bytes()] == []


# -- chance, and the session's votes ---------------------------------------------------------------


def test_sides_and_columns_are_drawn_by_chance(places: Places, sender: Reciting) -> None:
    three = [column(BIG), column(SMALL), column(JUDGE)]
    with bench_of(places, sender, three) as bench:
        chance = random.Random(4)
        papers = [voting.drawn(bench, {}, chance) for _ in range(400)]
    assert {paper.first.column.model for paper in papers} == {BIG}
    beside = [paper.second.column.model for paper in papers]
    assert 150 < beside.count(SMALL) < 250
    assert 150 < sum(paper.swapped for paper in papers) < 250


def test_the_sessions_votes_in_words() -> None:
    cast = [Vote("A", True), Vote("A", True), Vote("A", False), Vote("same", True)]
    told = voting.sentences(("1 · big", "2 · small"), counted(cast))
    assert told == [
        "2 · small beside 1 · big: 2 better, 1 worse, 1 equally good, 0 can't tell (4 votes).",
        "Preferred in 2 of 3 (67 %; 95 % interval 21 % to 94 %). "
        "n = 3: too few to say; at least 400 for a 95 % target.",
        "What stood as A was preferred in 3 of 3 (100 %; 95 % interval 44 % to 100 %).",
    ]
    assert len(voting.sentences(("1", "2"), counted([Vote("unsure", True)]))) == 1
