"""`hf-ledger route explain`: the order, the reasons and how old what they rest on is."""

from __future__ import annotations

import csv
import io
import json
import time
import uuid
from typing import Any

import pytest
from factories_calls import spool
from factories_policies import MODEL, call_to, price, target

from hf_ledger.cli import main
from hf_ledger.cli.route_explain import COLUMNS
from hf_ledger.ingest.doors.gateway.state import State
from hf_ledger.ingest.doors.gateway.state_file import publish
from hf_ledger.ingest.doors.router.telling import told_now, write_told
from hf_ledger.ingest.doors.router.told import ENCODER
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect

SETTINGS = f"""
[targets.dear]
kind = "router"
provider = "dear"
model = "{MODEL}"

[targets.cheap]
kind = "router"
provider = "cheap"
model = "{MODEL}"
context_length = 4000

[targets.pictures]
kind = "router"
provider = "fal-ai"
model = "o/pictures"
tasks = ["text-to-image"]

[routes.night]
policy = "split"
weights = {{ dear = 100.0 }}
"""


@pytest.fixture(autouse=True)
def written(places: Places) -> Places:
    places.make()
    places.config.write_text(SETTINGS)
    return places


@pytest.fixture
def published(written: Places) -> Places:
    publish(written, State(prices=(price("dear", "9", "9"), price("cheap", "1", "2"))))
    return written


def explained(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["route", "explain", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(explained(capsys, *arguments, "--format", "json"))
    return found


def names(found: dict[str, Any]) -> list[str]:
    return [row["target"] for row in found["ranked"]]


def test_the_order_with_costs_and_who_is_left_out(
    capsys: pytest.CaptureFixture[str], published: Places
) -> None:
    found = answer(capsys, "--input-tokens", "1000", "--output-tokens", "500")
    assert [(row["place"], row["target"], row["usd"]) for row in found["ranked"]] == [
        (1, "cheap", "0.002000000"),
        (2, "dear", "0.013500000"),
    ]
    assert tuple(found["ranked"][0]) == COLUMNS
    assert found["ranked"][0]["why"] == "$0.002 at the list, no calls yet"
    assert found["excluded"] == [{"target": "pictures", "why": "it does not do chat-completion"}]
    assert found["wanted"]["policy"] == "cheapest"
    assert found["prices"]["published_at"].endswith("+00:00")


@pytest.mark.parametrize(
    ("arguments", "ranked"),
    [
        (["--target", "d*"], ["dear"]),
        (["--model", "maker/*"], ["cheap", "dear"]),
        (["--model", "maker/*, x"], ["cheap", "dear"]),
        (["--task", "text-to-image"], ["pictures"]),
        (["--input-tokens", "5000"], ["dear"]),
        (["--route", "night"], ["dear", "cheap"]),
        (["--route", "night", "--policy", "cheapest"], ["cheap", "dear"]),
        (["--data-class", "restricted"], ["cheap", "dear"]),
    ],
)
def test_what_is_said_is_wanted(
    capsys: pytest.CaptureFixture[str], published: Places, arguments: list[str], ranked: list[str]
) -> None:
    assert names(answer(capsys, *arguments)) == ranked


def test_compliance_of_the_settings_counts(
    capsys: pytest.CaptureFixture[str], published: Places
) -> None:
    published.config.write_text(SETTINGS + '[compliance.restricted]\nproviders = ["dear"]\n')
    found = answer(capsys, "--data-class", "restricted")
    assert names(found) == ["dear"]
    assert {row["target"] for row in found["excluded"]} == {"cheap", "pictures"}


def test_the_same_key_goes_to_the_same_target(
    capsys: pytest.CaptureFixture[str], published: Places
) -> None:
    def homes() -> list[str]:
        keys = [["--policy", "sticky", "--sticky", key] for key in "abcdefghijklmnop"]
        return [names(answer(capsys, *key))[0] for key in keys]

    firsts = homes()
    assert homes() == firsts
    assert set(firsts) == {"cheap", "dear"}


def test_for_people_with_the_age_of_prices_and_figures(
    capsys: pytest.CaptureFixture[str], published: Places
) -> None:
    shown = explained(capsys)
    assert "chat-completion, cheapest, internal data:" in shown
    assert shown.index("cheap ") < shown.index("dear ") < shown.index("Left out:")
    assert "pictures  it does not do chat-completion" in shown
    assert "Prices as published at 20" in shown
    assert "No price list in this ledger" in shown
    assert "No figures of the last minutes" in shown
    assert "Reckoned with 1,000 tokens of input and 250 tokens of output." in shown
    assert "drawn anew" not in shown
    assert "drawn anew" in explained(capsys, "--route", "night")


def test_without_prices_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    shown = explained(capsys)
    assert "No prices were published here yet" in shown
    assert "price unknown" in shown and "$" not in shown


def test_figures_and_list_of_a_ledger_without_a_running_server(
    capsys: pytest.CaptureFixture[str], published: Places
) -> None:
    ended = time.time() - 60
    spool(
        published,
        [
            call_to(target("cheap"), ended, call_id=str(uuid.uuid4()), latency_ms=640.0)
            for _ in range(3)
        ],
    )
    with Ledger.open(published) as ledger:
        collect(ledger, published)
        write_told(published, ENCODER.encode(told_now(ledger, time.time())))
    found = answer(capsys)
    cheap = next(row for row in found["ranked"] if row["target"] == "cheap")
    assert (cheap["calls"], cheap["success"]) == (3, 1.0)
    assert cheap["latency_ms"] == pytest.approx(640, rel=0.05)
    assert 0 <= found["metrics"]["age_s"] < 300
    assert found["prices"]["list_days"] > 0
    shown = explained(capsys)
    assert "100 % of 3 calls ok" in shown
    assert "Figures are of calls up to" in shown and "over 10 minutes" in shown
    assert "days old" in shown


def test_csv_holds_both(capsys: pytest.CaptureFixture[str], published: Places) -> None:
    rows = list(csv.DictReader(io.StringIO(explained(capsys, "--format", "csv"))))
    assert [(row["place"], row["target"]) for row in rows] == [
        ("1", "cheap"),
        ("2", "dear"),
        ("", "pictures"),
    ]
    assert rows[2]["usd"] == "" and rows[2]["why"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--policy", "best"], "There is no policy 'best'"),
        (["--route", "day"], "There is no route 'day'"),
        (["--task", "chatting"], "There is no task 'chatting'"),
        (["--policy", "split"], "needs weights"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    said = explained(capsys, *arguments, code=2)
    assert sentence in said and said.count("\n") == 1
