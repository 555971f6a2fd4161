"""A run becomes a call, and its figures are those of the call's row."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from factories_console_runs import MODEL, begin, desk_of, run_of, sent, until

from hf_ledger.dashboard.books import Shelf
from hf_ledger.dashboard.console import running
from hf_ledger.ingest.places import Places

FIGURES = ("provider", "input_tokens", "output_tokens", "ttft_ms", "latency_ms", "cost_basis")
ANSWER = "Practice server, no model ran. You wrote: Hello there"


@pytest.fixture
def desk(places: Places) -> Iterator[Shelf]:
    with desk_of(places) as laid:
        yield laid


def test_a_question_is_streamed_and_has_a_row(desk: Shelf) -> None:
    run = run_of(team="search")
    sent(run)
    assert (run.state, run.text, run.value) == ("done", ANSWER, ANSWER)
    row = run.row
    assert row is not None
    assert row["call_id"] == run.call_id
    assert (row["source"], row["app"], row["team"]) == ("console", "console", "search")
    assert (row["origin"], row["outcome"], row["stream"]) == ("practice", "ok", True)


def test_figures_are_there_at_once_and_equal_the_row(desk: Shelf) -> None:
    run = run_of(provider="together", max_tokens=3)
    begin(run)
    until(lambda: run.state == "done")
    live = [getattr(run, name) for name in FIGURES[:-1]]
    until(lambda: run.settled)
    assert run.row is not None
    assert live == [run.row[name] for name in FIGURES[:-1]]
    assert [getattr(run, name) for name in FIGURES] == [run.row[name] for name in FIGURES]
    assert run.cost == run.row["cost"] is not None
    assert (run.output_tokens, run.finish_reason) == (3, "length")


def test_three_columns_are_under_way_at_the_same_time(desk: Shelf) -> None:
    runs = [run_of(model=f"practice/slow=1,words={10 + number}") for number in range(3)]
    sent(*runs)
    rows = [run.row for run in runs]
    assert all(row is not None and row["outcome"] == "ok" for row in rows)
    begun = [row["ts"].timestamp() for row in rows if row]
    ended = [row["ts"].timestamp() + row["latency_ms"] / 1000 for row in rows if row]
    assert max(begun) < min(ended)


def test_stopped_means_that_the_row_says_so(desk: Shelf) -> None:
    run = run_of(model="practice/slow=30,words=60")
    begin(run)
    until(lambda: run.text != "")
    running.engine().stop(run)
    until(lambda: run.settled)
    assert run.state == "stopped"
    assert run.row is not None
    assert run.row["outcome"] in ("cancelled", "interrupted")


def test_a_failed_call_is_one_sentence_and_still_a_row(desk: Shelf) -> None:
    run = run_of(model="practice/402")
    sent(run)
    assert run.state == "failed"
    assert run.failure is not None
    assert run.failure.startswith("The included credits are used up (402)")
    assert run.row is not None
    assert (run.row["outcome"], run.row["status"]) == ("error", 402)


def test_a_task_without_a_stream_has_its_value(desk: Shelf) -> None:
    run = run_of(
        task="text-classification",
        inputs={"text": "good"},
        model="practice/task=text-classification",
    )
    sent(run)
    assert run.state == "done", run.failure
    assert run.value is not None
    assert run.row is not None
    assert run.row["task"] == "text-classification"


def test_request_and_reply_are_shown_without_the_token(
    desk: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_the_marker_token")
    run = run_of("What is raw?")
    sent(run)
    assert run.sent is not None
    assert run.received is not None
    assert "What is raw?" in run.sent
    assert "authorization: …" in run.sent
    assert "hf_the_marker_token" not in run.sent + run.received
    assert run.received.startswith("200\n")
    assert '"finish_reason"' in run.received


def test_a_target_that_went_away_is_refused(desk: Shelf) -> None:
    run = run_of(target="gone")
    sent(run)
    assert run.failure is not None
    assert "choose another target" in run.failure
    assert run.row is None


def test_prompt_and_answer_are_nowhere_on_disk(desk: Shelf, places: Places) -> None:
    marker = "the-marker-prompt-4711"
    sent(run_of(marker), run_of(marker, model=MODEL, provider="together"))
    files = [path for path in places.root.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if marker.encode() in path.read_bytes()]
