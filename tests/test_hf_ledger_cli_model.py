"""`hf-ledger model`: sizes offline, from arguments or standard input."""

from __future__ import annotations

import io
import json

import pytest

from hf_ledger.cli import main
from hf_ledger.ingest.places import Places

FIELDS = [
    "model",
    "family",
    "size_class",
    "params_total_b",
    "params_active_b",
    "source",
    "confidence",
]


def objects(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "Qwen/Qwen3-30B-A3B", "acme/mystery", "--format", "json"]) == 0
    known, unknown = objects(capsys.readouterr().out)
    assert list(known) == list(unknown) == FIELDS
    assert known["size_class"] == "large" and known["params_active_b"] == 3
    assert unknown["size_class"] is None and unknown["params_total_b"] is None
    assert unknown["confidence"] == "unknown"


def test_ids_from_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("openai-community/gpt2\n\n  BAAI/bge-m3  \n"))
    assert main(["model", "--format", "json"]) == 0
    found = objects(capsys.readouterr().out)
    assert [each["model"] for each in found] == ["openai-community/gpt2", "BAAI/bge-m3"]
    assert [each["family"] for each in found] == ["llm", "encoder"]


def test_nothing_asked_nothing_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["model"]) == 0
    assert capsys.readouterr().out == ""


def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "meta-llama/Llama-3.3-70B-Instruct", "acme/mystery"]) == 0
    header, llama, mystery = capsys.readouterr().out.splitlines()
    assert header.split() == [
        "model",
        "family",
        "class",
        "parameters",
        "active",
        "source",
        "confidence",
    ]
    assert "70.55 B" in llama and "large" in llama
    assert mystery.count("unknown") == 5


def test_a_task_helps_where_the_name_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "acme/mystery", "--task", "fill-mask", "--format", "json"]) == 0
    assert objects(capsys.readouterr().out)[0]["family"] == "encoder"


def test_a_wrong_format_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "x", "--format", "xml"]) == 2
    assert "--format takes table or json, not 'xml'" in capsys.readouterr().err


def test_no_ledger_is_made(places: Places) -> None:
    assert main(["model", "gpt2"]) == 0
    assert not places.root.exists()
