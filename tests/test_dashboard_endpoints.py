"""Endpoint hours on the Overview: beside usage, idle on its own line, no card without any."""

from __future__ import annotations

from datetime import timedelta

from factories_dashboard import LAST_WEEK, lay, ledger_of, page, priced, said, sampled, unpriced

from hf_ledger.ingest.catalogue.endpoints import State, keep_states
from hf_ledger.ingest.ledger.ledger import Ledger

HOST = "abc.us-east-1.aws.endpoints.huggingface.cloud"


def running(ledger: Ledger, minutes: int = 120) -> Ledger:
    """An endpoint at $1 an hour last week."""
    rate = {"vendor": "aws", "instance_type": "a10g", "instance_size": "x1", "host": HOST}
    for step, (state, ready) in enumerate((("running", 1), ("paused", 0))):
        at = LAST_WEEK + timedelta(minutes=minutes * step)
        keep_states(ledger, [State("summaries", at, state, ready, **rate)], "test", None)
    return ledger


def overview(ledger: Ledger) -> str:
    lay({"yours": ledger})
    return said(page(None, {"period": "Last week"})).replace("\\$", "$")


def test_usage_and_hours_make_the_total() -> None:
    ledger = ledger_of([priced("1.25")])
    text = overview(running(ledger))
    assert "Endpoint hours: $2.00, with calls or without." in text
    assert "Idle: $2.00 of it, 2.0 hours without a call; estimated." in text
    assert "Usage + endpoint hours: $3.25" in text
    assert "Dedicated endpoint hours not included." in text  # in the headline, which is usage


def test_hours_without_a_rate_are_unknown_and_said() -> None:
    ledger = ledger_of([priced("1.25"), unpriced()])
    ledger.cursor().execute("delete from hardware_prices")
    text = overview(running(ledger))
    assert "No rate is known for 2.0 hours; not in it." in text
    assert "Usage + endpoint hours: at least $1.25" in text


def test_without_endpoints_there_is_no_card() -> None:
    assert "Usage + endpoint hours" not in overview(ledger_of([priced("1.25")]))


def test_sample_calls_have_no_hours_of_yours() -> None:
    lay({"sample": running(ledger_of(sampled([priced("1")])))})
    assert "Usage + endpoint hours" not in said(page(None, {"period": "Last week"}))
