"""`hf-ledger import` for exports, as a person meets it: what it prints, leaves out, ends with."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from factories_calls import make_call, spool
from factories_imports import (
    MARKER,
    csv_table,
    export,
    helicone,
    in_ledger,
    json_lines,
    json_page,
    langfuse,
    ledger_rows,
    litellm,
    openrouter,
    run,
    span,
    zipped,
)

from hf_ledger.analytics.connect import connect
from hf_ledger.ingest.doors.imports.formats import FORMATS
from hf_ledger.ingest.places import Places

#: Of each kind: a good row, and one that is broken.
ROWS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "litellm": (litellm(), litellm(request_id="2", prompt_tokens=-1)),
    "langfuse": (langfuse(), langfuse(id="2", startTime="soon")),
    "openrouter": (openrouter(), openrouter(generation_id="2", tokens_prompt="many")),
    "helicone": (helicone(), helicone(request_id="2", prompt_tokens=-1)),
    "otlp": (export(span(1)), export(span(2, gen_ai__usage__output_tokens=-1))),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_broken_row_is_named_and_the_rest_kept(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    good, broken = ROWS[kind]
    path = json_lines(tmp_path / "a.jsonl", [broken, "{" + MARKER, good])
    assert run(kind, path) == 1
    said = capsys.readouterr()
    assert "1 new in the ledger, 0 were there already." in said.out
    assert f"{path}: 2 records were left out, the rest is imported." in said.err
    assert "record 1: " in said.err
    assert "record 2: not JSON, or cut off" in said.err
    assert MARKER not in said.err + said.out
    assert in_ledger(places) == 1


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_of_another_kind_gets_one_sentence(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    path = json_lines(tmp_path / "a.jsonl", [{"colour": "red"}] * 300)
    assert run(kind, path) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"hf-ledger: {path} is a file of another kind")
    assert said.err.count("\n") == 1
    assert FORMATS[kind].known_by in said.err
    assert in_ledger(places) == 0


@pytest.mark.parametrize("kind", FORMATS)
def test_another_kinds_export_is_not_mistaken(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    for other in FORMATS:
        if other != kind:
            assert run(kind, json_lines(tmp_path / other, [ROWS[other][0]])) == 1
            assert "is a file of another kind" in capsys.readouterr().err
    assert in_ledger(places) == 0


@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_said_is_anywhere_on_disk(tmp_path: Path, places: Places, kind: str) -> None:
    path = json_lines(tmp_path / "a.jsonl", [ROWS[kind][0]])
    assert run(kind, path) == 0
    files = [each for each in places.root.rglob("*") if each.is_file()]
    assert len(files) >= 2
    assert not [each for each in files if MARKER.encode() in each.read_bytes()]


def test_forms_of_the_same_export_are_the_same_calls(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [litellm(request_id=str(n)) for n in range(3)]
    paths = [
        json_lines(tmp_path / "a.jsonl", rows),
        json_page(tmp_path / "a.json", rows),
        csv_table(tmp_path / "a.csv", rows),
        zipped(csv_table(tmp_path / "b.csv", rows)),
    ]
    assert run("litellm", *paths) == 0
    assert "3 new in the ledger, 9 were there already." in capsys.readouterr().out
    assert len(ledger_rows(places)) == 3


def test_an_overlapping_export_adds_what_is_new(tmp_path: Path, places: Places) -> None:
    rows = [helicone(request_id=str(n)) for n in range(5)]
    assert run("helicone", json_page(tmp_path / "1", rows[:3])) == 0
    assert run("helicone", json_page(tmp_path / "2", rows[2:])) == 0
    assert sorted(row["external_id"] for row in ledger_rows(places)) == list("01234")


def test_the_same_id_in_two_kinds_of_export_is_two_calls(tmp_path: Path, places: Places) -> None:
    assert run("litellm", json_lines(tmp_path / "1", [litellm(request_id="x")])) == 0
    assert run("helicone", json_lines(tmp_path / "2", [helicone(request_id="x")])) == 0
    assert len({row["call_id"] for row in ledger_rows(places)}) == 2


def test_unpriced_is_not_free(tmp_path: Path, places: Places) -> None:
    """Three ledgers say 0 for a price they don't know; a failure is free, and says so."""
    unpriced = {"model": "huggingface/cohere/nobody/unpriced", "spend": 0}
    failed = {"status": "failure", "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    rows = [litellm(request_id="1", **unpriced), litellm(request_id="2", **unpriced, **failed)]
    assert run("litellm", json_lines(tmp_path / "a", rows)) == 0
    found = {row["external_id"]: (row["cost"], row["cost_basis"]) for row in ledger_rows(places)}
    assert found == {"1": (None, "unknown"), "2": (0, "free")}


def test_what_was_recorded_live_as_well_is_reported(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    row = litellm(request_id="chatcmpl-7")
    path = json_lines(tmp_path / "a", [row, litellm(request_id="chatcmpl-8")])
    live = make_call(provider_request_id="chatcmpl-7", ts=1_785_110_400_100_000)
    spool(places, [live])
    assert run("litellm", path) == 0
    said = capsys.readouterr().out
    assert "1 of them carry the request id of a call that was also recorded live" in said
    with connect(places) as session:
        assert session.ask("extent").num_rows == 2


def test_other_records_are_counted_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [langfuse(), langfuse(id="2", type="SPAN"), langfuse(id="3", type="TOOL")]
    assert run("langfuse", json_lines(tmp_path / "a", rows)) == 0
    said = capsys.readouterr().out
    assert "3 records, 1 calls from 2026-07-27 to 2026-07-27 (UTC)." in said
    assert "2 were not calls: 2 observations that call no model." in said


def test_no_such_file_and_no_file_at_all(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("litellm", tmp_path / "none.csv") == 2
    assert "There is no file" in capsys.readouterr().err
    assert run("litellm", tmp_path) == 2
    assert run("litellm") == 2
    assert not places.ledger.exists()


def test_an_empty_file_gets_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.touch()
    assert run("openrouter", path) == 1
    said = capsys.readouterr().err
    assert f"{path} is empty: OpenRouter's activity has generation_id and created_at." in said


def test_a_spool_that_can_not_be_written_is_said(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    path = json_lines(tmp_path / "a", [litellm()])
    assert run("litellm", path) == 0
    shutil.rmtree(places.spool)
    places.spool.write_text("a file where the folder should be")
    assert run("litellm", json_lines(tmp_path / "b", [litellm(request_id="2")])) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert said.count("\n") <= 2
