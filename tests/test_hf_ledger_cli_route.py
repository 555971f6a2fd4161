"""`hf-ledger route targets`: what the router knows, for people and in shapes that stay."""

from __future__ import annotations

import csv
import io
import json

import factories_engines as engines
import pytest
from factories_engines import serving

from hf_ledger.cli import main
from hf_ledger.ingest.places import Places

SETTINGS = """
[targets.own]
kind = "self_hosted"
url = "http://127.0.0.1:9"
model = "o/m"
context_length = 8192
data_classes = ["public", "internal"]
"""


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["route", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


@pytest.fixture
def written(places: Places) -> Places:
    places.make()
    places.config.write_text(SETTINGS)
    return places


def test_targets_as_json(capsys: pytest.CaptureFixture[str], written: Places) -> None:
    answer = json.loads(said(capsys, "targets", "--format", "json"))
    assert answer["targets"] == [
        {
            "name": "own",
            "kind": "self_hosted",
            "model": "o/m",
            "provider": None,
            "tasks": ["chat-completion"],
            "context_length": 8192,
            "max_output_tokens": None,
            "data_classes": ["internal", "public"],
            "most_at_once": None,
            "engine": None,
            "state": None,
            "known": "settings",
            "seen": None,
        }
    ]


def test_targets_as_csv(capsys: pytest.CaptureFixture[str], written: Places) -> None:
    (row,) = csv.DictReader(io.StringIO(said(capsys, "targets", "--format", "csv")))
    assert (row["name"], row["data_classes"], row["seen"]) == ("own", "internal public", "")


def test_targets_for_people(capsys: pytest.CaptureFixture[str], written: Places) -> None:
    shown = said(capsys, "targets")
    assert "own" in shown
    assert "8192" in shown
    assert "max_output_tokens" not in shown, "a column of which nothing is known"


def test_refresh_asks_and_says_what_failed(
    capsys: pytest.CaptureFixture[str], places: Places
) -> None:
    with serving(engines.vllm()) as engine:
        places.make()
        places.config.write_text(
            f'[targets.own]\nkind = "self_hosted"\nurl = "{engine.url}"\n'
            '[targets.gone]\nkind = "self_hosted"\nurl = "http://127.0.0.1:9"\n'
        )
        before = json.loads(said(capsys, "targets", "--format", "json"))
        assert (before["sources"], engine.asked) == ([], []), "nobody is asked unasked"
        capsys.readouterr()
        assert main(["route", "targets", "--refresh", "--format", "json"]) == 0
    shown, failed = capsys.readouterr()
    own, gone = json.loads(shown)["targets"]
    assert (own["context_length"], own["engine"], gone["engine"]) == (40_960, "vllm", None)
    assert own["seen"].endswith("+00:00")
    sources = {source["name"]: source for source in json.loads(shown)["sources"]}
    assert (sources[engine.url]["models"], sources[engine.url]["why"]) == (1, None)
    assert sources["http://127.0.0.1:9"]["why"] == "it can't be reached (ConnectError)"
    assert failed.startswith("http://127.0.0.1:9 has told nothing since 20")
    assert "Traceback" not in failed


def test_none_yet_says_what_to_write(capsys: pytest.CaptureFixture[str], places: Places) -> None:
    assert f"[targets.NAME] into {places.config}" in said(capsys, "targets")


def test_a_mistake_in_the_settings_is_one_sentence(
    capsys: pytest.CaptureFixture[str], places: Places
) -> None:
    places.make()
    places.config.write_text("[targets.a]\ncontext_length = -1\n")
    message = said(capsys, "targets", code=2)
    assert "Setting targets.a.context_length is wrong" in message
    assert "Traceback" not in message
