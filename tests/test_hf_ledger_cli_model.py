"""`hf-ledger model`: sizes offline, from arguments or standard input."""

from __future__ import annotations

import io
import json
import subprocess
import sys

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


def test_comments_duplicates_and_garbage_are_answered_in_order(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["# of last week", "gpt2", "gpt2", "", "https://hf.co/BAAI/bge-m3", "{}[]", "a" * 5000]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    assert main(["model", "--format", "json"]) == 0
    found = objects(capsys.readouterr().out)
    assert [each["model"] for each in found] == [lines[1], lines[2], *lines[4:]]
    assert found[0] == found[1]
    assert found[2]["size_class"] == "large"


def test_bytes_that_are_no_text_do_not_stop_the_rest() -> None:
    """A real pipe, whose bytes Python decodes: one answer a line."""
    done = subprocess.run(
        [sys.executable, "-m", "hf_ledger.cli", "model", "--format", "json"],
        input=b"acme/\xff\xfe-7b\nopenai-community/gpt2\n",
        capture_output=True,
        timeout=60,
        check=True,
    )
    found = objects(done.stdout.decode())
    assert [each["size_class"] for each in found] == ["medium", "small"]


def test_json_needs_no_arrow_and_no_database() -> None:
    """Ids by the thousand start as fast as the interpreter does."""
    script = (
        "import sys; from hf_ledger.cli import main; main(['model', 'gpt2', '--format', 'json']);"
        "sys.exit(int(bool({'pyarrow', 'duckdb', 'rich.console'} & set(sys.modules))))"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0


def test_nothing_asked_nothing_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["model"]) == 0
    assert capsys.readouterr().out == ""


def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    ids = ["meta-llama/Llama-3.3-70B-Instruct", "acme/mystery"]
    assert main(["model", *ids, "--format", "table"]) == 0
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
    assert "--format takes screen, table or json, not 'xml'" in capsys.readouterr().err


def test_many_models_are_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "gpt2", "BAAI/bge-m3", "acme/x-7b", "acme/x-70b"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5


@pytest.mark.parametrize("form", [[], ["--format", "json"], ["--format", "table"]])
def test_no_ledger_is_made(places: Places, form: list[str]) -> None:
    assert main(["model", "gpt2", *form]) == 0
    assert not places.root.exists()
