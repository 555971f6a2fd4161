"""The audit as a check: what it writes of a request, what it never writes, and what it costs."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hf_ledger.ingest.doors.gateway.asking import Check, Outcome
from hf_ledger.ingest.doors.gateway.audit.head import files_in, folder_of
from hf_ledger.ingest.doors.gateway.audit.trail import Trail
from hf_ledger.ingest.doors.gateway.checks.audit import Audit
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.places import Places
from tests.factories_audit import MODEL, asking, call, outcome

TOKEN = "hf" + "_" + "x" * 34
TEXT = "the patient's name is Erika Mustermann"


def records(places: Places) -> list[dict[str, Any]]:
    [path] = files_in(folder_of(places))
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def without(record: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names}


def test_a_request_leaves_what_was_decided_and_how_it_ended(places: Places) -> None:
    trail = Trail(places)
    audit: Check = Audit(trail)
    request = asking(7)
    audit.check(request)
    _, decided = records(places)
    audit.finish(request, outcome(7))
    _, _, finished = records(places)
    trail.close()
    assert without(decided, "ts", "chain") == {
        "kind": "decided",
        "request_id": "r-7",
        "call_id": call(7).call_id,
        "key_id": "k-1",
        "user": "ada",
        "model": MODEL,
        "provider": "together",
        "input_hash": f"{7:032x}",
        "hash_key_id": "abcd1234",
        "verdicts": {"key": "k-1", "limits": "ok", "budget": "ok"},
    }
    assert without(finished, "ts", "chain") == {
        "kind": "finished",
        "request_id": "r-7",
        "call_id": call(7).call_id,
        "outcome": "ok",
        "status": 200,
        "input_tokens": 1200,
        "output_tokens": 300,
        "cost": "0.00123",
    }
    assert abs(decided["ts"] / 10**6 - time.time()) < 60
    assert request.verdicts["audit"] == "written"


def test_a_refused_request_leaves_both_with_its_code_and_who_refused(places: Places) -> None:
    trail = Trail(places)
    request = asking()
    request.verdicts["budget"] = "budget_exceeded"
    Audit(trail).refused(request, Outcome(refused="budget_exceeded", status=402), by="budget")
    trail.close()
    _, decided, finished, _ = records(places)
    assert (decided["refused_by"], decided["code"]) == ("budget", "budget_exceeded")
    assert decided["verdicts"]["budget"] == "budget_exceeded"
    assert (finished["outcome"], finished["code"]) == ("refused", "budget_exceeded")
    assert finished["status"] == 402


def test_a_refusal_before_anything_is_known_is_written_too(places: Places) -> None:
    trail = Trail(places)
    request = asking()
    request.key = request.call = None
    request.verdicts = {}
    Audit(trail).refused(request, Outcome(refused="key_unknown", status=401), by="key")
    trail.close()
    _, decided, *_ = records(places)
    assert set(decided) == {"kind", "ts", "request_id", "refused_by", "code", "chain"}


def test_unknown_tokens_and_costs_are_left_out_and_zero_is_zero(places: Places) -> None:
    trail = Trail(places)
    audit, known = Audit(trail), call()
    known.uncached_input_tokens = known.output_tokens = None
    audit.finish(asking(), Outcome(call=known, status=200))
    known.output_tokens = 0
    audit.finish(asking(), Outcome(call=known, cost=Decimal("0E-9"), status=200))
    trail.close()
    _, unknown, zero, _ = records(places)
    assert {"input_tokens", "output_tokens", "cost"}.isdisjoint(unknown)
    assert (zero["output_tokens"], zero["cost"]) == (0, "0.000000000")


@pytest.mark.parametrize(
    ("ended", "word"),
    [
        (Outcome(status=200), "ok"),
        (Outcome(status=500), "error"),
        (Outcome(), "error"),
        (Outcome(status=429, refused="too_fast"), "refused"),
    ],
)
def test_what_is_no_call_has_an_outcome_by_its_status(
    places: Places, ended: Outcome, word: str
) -> None:
    trail = Trail(places)
    Audit(trail).finish(asking(), ended)
    trail.close()
    assert records(places)[1]["outcome"] == word


def test_no_text_no_token_and_no_key_reaches_the_file(places: Places) -> None:
    trail = Trail(places)
    audit = Audit(trail)
    request = asking(
        body=json.dumps({"messages": [{"role": "user", "content": TEXT}]}).encode(),
        headers={"authorization": f"Bearer {TOKEN}"},
    )
    request.asked = {"messages": [{"role": "user", "content": TEXT}]}
    request.answer = {"x-note": TEXT}
    audit.check(request)
    audit.finish(request, outcome())
    audit.refused(request, Outcome(refused="found", status=422), by="screening")
    trail.close()
    written = files_in(folder_of(places))[0].read_text()
    assert TEXT not in written
    assert TOKEN not in written
    assert request.key is not None
    assert request.key.key_hash not in written


def test_a_text_in_place_of_a_model_has_no_room(places: Places) -> None:
    trail = Trail(places)
    request = asking()
    assert request.call is not None
    request.call.requested_model = TEXT * 100
    Audit(trail).check(request)
    trail.close()
    assert len(records(places)[1]["model"]) == 200


@pytest.fixture
def unwritable(places: Places) -> Path:
    """A file where the audit's folder should be."""
    places.root.mkdir()
    path = places.root / "audit"
    path.write_text("in the way")
    return path


def test_no_request_goes_on_unwritten(places: Places, unwritable: Path) -> None:
    audit = Audit(Trail(places))
    with pytest.raises(Refused) as refused:
        audit.check(asking())
    assert (refused.value.status, refused.value.code) == (503, "audit_unwritable")
    audit.refused(asking(), Outcome(refused="audit_unwritable", status=503), by="audit")
    assert audit.lost == 3


def test_unless_it_is_set_to_go_on_and_count(places: Places, unwritable: Path) -> None:
    trail = Trail(places)
    audit = Audit(trail, "go_on")
    request = asking()
    audit.check(request)
    audit.finish(request, outcome())
    assert (request.verdicts["audit"], audit.lost) == ("lost", 2)
    unwritable.unlink()
    audit.check(request)
    trail.close()
    _, lost, decided, _ = records(places)
    assert (lost["kind"], lost["count"]) == ("lost", 2)
    assert decided["kind"] == "decided"
    assert request.verdicts["audit"] == "written"


def test_both_records_cost_some_microseconds(places: Places) -> None:
    trail = Trail(places)
    audit, spent = Audit(trail), []
    for number in range(3000):
        request, ended = asking(number), outcome(number)
        began = time.perf_counter_ns()
        audit.check(request)
        audit.finish(request, ended)
        spent.append(time.perf_counter_ns() - began)
    trail.close()
    assert sorted(spent)[1000] < 25_000 * 2, "twice the target: the machine may be busy"
