"""Endpoint hours: billed minutes by state and replica, gaps unknown, idle apart, polled or read."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from factories_calls import insert_rows, make_row
from factories_stub import listing, stubbed, usd
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.analytics.endpoint_hours import summed, with_usage
from hf_ledger.analytics.questions import answer
from hf_ledger.analytics.scope import Scope
from hf_ledger.cli import main
from hf_ledger.ingest.catalogue.daily import Errands, poll, refresh
from hf_ledger.ingest.catalogue.endpoints import STATES, State, keep_states, read_states, states_of
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places

HOST = "abc.us-east-1.aws.endpoints.huggingface.cloud"
TEN = datetime(2026, 11, 2, 10, tzinfo=UTC)
DAY = Scope(datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC))


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger.memory(reference=True) as opened:
        yield opened


def state(minute: float, name: str, ready: int | None = 1, **given: Any) -> State:
    usual = {"vendor": "aws", "instance_type": "a10g", "instance_size": "x1", "host": HOST}
    moment = TEN + timedelta(minutes=minute)
    return State("summaries", moment, name, ready, **{**usual, **given})


def hours(ledger: Ledger) -> list[tuple[Any, ...]]:
    return ledger.cursor().execute(
        "select hour, billed_minutes, replica_minutes, gap_minutes, unpriced_minutes, cost"
        " from endpoint_hours order by hour"
    ).fetchall()  # fmt: skip


def naive(hour: int) -> datetime:
    return datetime(2026, 11, 2, hour)  # noqa: DTZ001 - as the ledger keeps times


def asked(ledger: Ledger, scope: Scope = DAY) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = answer(ledger.cursor(), "endpoint_hours", scope).to_pylist()
    return rows


def test_a_day_of_an_endpoint(ledger: Ledger) -> None:
    """6 minutes initializing and 114 running at $1 an hour, then scaled to zero."""
    states = [state(0, "initializing", 0, target_replicas=1), state(6, "running")]
    states += [state(120, "scaledToZero", 0), state(240, "running")]
    assert keep_states(ledger, states, "test", None) == 4
    assert hours(ledger) == [
        (naive(10), 60, 60, 0, 0, Decimal("1")),
        (naive(11), 60, 60, 0, 0, Decimal("1")),
        (naive(12), 0, 0, 0, 0, Decimal("0")),
        (naive(13), 0, 0, 0, 0, Decimal("0")),
    ]


@pytest.mark.parametrize(
    ("name", "ready", "target", "replicas"),
    [
        ("running", 3, 3, 3),
        ("running", 0, 1, 0),
        ("running", None, 1, None),
        ("initializing", 0, 2, 2),
        ("initializing", 0, None, 1),
        ("updating", 1, 1, None),
        ("updateFailed", 1, 1, None),
        ("somethingNew", 1, 1, None),
        ("paused", 1, 1, 0),
        ("pending", 0, 1, 0),
        ("failed", 0, 1, 0),
        ("scaledToZero", 0, 0, 0),
    ],
)
def test_which_states_are_billed(
    ledger: Ledger, name: str, ready: int | None, target: int | None, replicas: int | None
) -> None:
    looks = [state(0, name, ready, target_replicas=target), state(30, "paused", 0)]
    keep_states(ledger, looks, "test", None)
    ((_, billed, minutes, gap, _, cost),) = hours(ledger)
    assert minutes == 30 * (replicas or 0)
    assert (billed, gap) == (30 if replicas else 0, 30 if replicas is None else 0)
    assert cost == (None if replicas is None else Decimal(replicas) / 2)


def test_a_look_is_trusted_as_long_as_it_says(ledger: Ledger) -> None:
    keep_states(ledger, [state(0, "running"), state(50, "running")], "poll", 15)
    assert hours(ledger) == [(naive(10), 15, 15, 35, 0, Decimal("0.25"))]


def test_a_minute_counts_in_the_state_it_began_in(ledger: Ledger) -> None:
    keep_states(ledger, [state(0.5, "running"), state(2.5, "paused", 0)], "test", None)
    assert hours(ledger)[0][1] == 2


def test_an_unknown_rate_is_no_rate_of_nothing(ledger: Ledger) -> None:
    states = [state(0, "running", instance_type="z9"), state(60, "paused", 0)]
    keep_states(ledger, states, "test", None)
    assert hours(ledger) == [(naive(10), 60, 60, 0, 60, None)]
    assert asked(ledger)[0]["cost"] is None


def test_a_stated_rate_outranks_the_table(ledger: Ledger) -> None:
    states = [state(0, "running", usd_per_hour=Decimal("0.77")), state(20, "paused", 0)]
    keep_states(ledger, states, "test", None)
    assert hours(ledger)[0][5] == Decimal("0.256666667")


def test_the_same_states_again_add_nothing(ledger: Ledger) -> None:
    states = [state(0, "running"), state(90, "paused", 0)]
    keep_states(ledger, states, "test", None)
    before = hours(ledger)
    assert keep_states(ledger, states, "test", None) == 0
    assert hours(ledger) == before


looks = st.lists(
    st.tuples(st.integers(0, 600), st.sampled_from(STATES), st.integers(0, 3)),
    min_size=2, max_size=12, unique_by=lambda each: each[0],
)  # fmt: skip


@settings(max_examples=5, deadline=None)
@given(looks, st.integers(1, 11), st.sampled_from([None, 15]))
def test_in_pieces_or_at_once_every_minute_is_counted_once(
    found: list[tuple[int, str, int]], cut: int, holds: int | None
) -> None:
    states = sorted((state(*each) for each in found), key=lambda each: each.seen_at)
    answers = []
    for parts in ([states], [states[:cut], states[cut:]], [states[cut:], states[:cut]]):
        with Ledger.memory(reference=True) as ledger:
            for part in parts:
                keep_states(ledger, part, "test", holds)
            answers.append(hours(ledger))
    assert answers[0] == answers[1] == answers[2]
    minutes = (states[-1].seen_at - states[0].seen_at) // timedelta(minutes=1)
    assert sum(row[1] + row[3] for row in answers[0]) <= minutes


def test_idle_minutes_are_those_without_a_call(ledger: Ledger) -> None:
    keep_states(ledger, [state(0, "running"), state(60, "paused", 0)], "test", None)
    call = {"host_kind": "endpoint", "endpoint": HOST, "cost_basis": "endpoint_hours"}
    insert_rows(
        ledger,
        [
            make_row(ts=TEN, latency_ms=500.0, **call),
            make_row(ts=TEN + timedelta(seconds=20), latency_ms=500.0, **call),
            make_row(ts=TEN + timedelta(minutes=10), latency_ms=130_000.0, **call),
            make_row(ts=TEN, **{**call, "endpoint": "other.endpoints.huggingface.cloud"}),
            make_row(ts=TEN + timedelta(minutes=30), origin="sample", **call),
        ],
    )
    (row,) = asked(ledger)
    busy = 1 + 3
    assert (row["idle_minutes"], row["calls"]) == (60 - busy, 3)
    assert row["idle_cost"] == (Decimal(56) / 60).quantize(Decimal("1e-9"))
    words = " ".join(summed([row]).words())
    assert "Endpoint hours: $1.00" in words and "Idle: $0.93 of it, 56 minutes" in words


def test_without_a_host_idle_is_unknown(ledger: Ledger) -> None:
    states = [state(0, "running", host=None), state(60, "paused", 0, host=None)]
    keep_states(ledger, states, "test", None)
    assert (asked(ledger)[0]["idle_minutes"], asked(ledger)[0]["idle_cost"]) == (None, None)


def test_hours_belong_to_no_team(ledger: Ledger) -> None:
    keep_states(ledger, [state(0, "running"), state(60, "paused", 0)], "test", None)

    def rows(**where: tuple[str, ...]) -> int:
        return len(asked(ledger, Scope(DAY.since, DAY.until, where=where)))

    assert (rows(), rows(endpoint=(HOST,)), rows(endpoint=("summaries",))) == (1, 1, 1)
    assert (rows(endpoint=("other",)), rows(team=("search",))) == (0, 0)
    assert asked(ledger, Scope(DAY.since, DAY.until, origins=("sample",))) == []


def test_days_are_the_zones(ledger: Ledger) -> None:
    keep_states(ledger, [state(12 * 60, "running"), state(15 * 60, "paused", 0)], "test", None)
    zoned = Scope(DAY.since, DAY.until + timedelta(days=1), "Europe/Berlin")
    assert [(f"{row['day']}", row["cost"]) for row in asked(ledger, zoned)] == [
        ("2026-11-02", 1),
        ("2026-11-03", 2),
    ]


@pytest.mark.parametrize(
    ("usage", "hours_cost", "total"),
    [(Decimal(2), Decimal(3), Decimal(5)), (None, Decimal(3), Decimal(3)), (None, None, None)],
)
def test_usage_and_hours_are_the_total(usage: Any, hours_cost: Any, total: Any) -> None:
    assert with_usage(usage, hours_cost) == total


def test_a_file_from_the_shell(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "states.csv"
    path.write_text(
        "endpoint,time,state,ready_replicas,vendor,instance_type,instance_size,url\n"
        f"e,2026-11-02T10:00:00Z,running,2,aws,nvidia-a10g,x1,https://{HOST}/v1\n"
        "e,2026-11-02T10:30:00Z,asleep,0,aws,a10g,x1,\n"
        "e,never,running,1,aws,a10g,x1,\n"
        "e,2026-11-02T12:30:00+01:00,paused,0,aws,a10g,x1,\n"
    )
    assert main(["endpoints", "import", str(path)]) == 1
    said = capsys.readouterr()
    assert "2 states read, 2 of them new" in said.out
    assert "states.csv, row 2: unknown state 'asleep'" in said.err and "row 3" in said.err
    asked_hours = ["endpoints", "hours", "--period", "2026-11-02"]
    assert main([*asked_hours, "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["replica_minutes"], Decimal(row["cost"])) == (180, 3)
    assert main(asked_hours) == 0
    assert "Endpoint hours: $3.00" in capsys.readouterr().out


def test_json_says_the_same(tmp_path: Path) -> None:
    rows = [{"endpoint": "e", "time": "2026-11-02T10:00:00Z", "state": "running",
             "ready_replicas": 1, "usd_per_hour": 0.8}]  # fmt: skip
    (tmp_path / "s.json").write_text(json.dumps([*rows, 3, {"endpoint": "e"}]))
    reading = read_states(tmp_path / "s.json")
    assert [each.usd_per_hour for each in reading.states] == [Decimal("0.8")]
    assert len(reading.rejected) == 2


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "[{", ""])
def test_a_file_of_another_kind_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(Usage, match=r"s\.csv"):
        read_states(tmp_path / "s.csv")


ENDPOINT = {
    "name": "summaries",
    "provider": {"vendor": "aws", "region": "us-east-1"},
    "compute": {"instanceType": "nvidia-a10g", "instanceSize": "x1"},
    "model": {"repository": "acme/wonder"},
    "status": {"state": "running", "readyReplica": 1, "targetReplica": 1, "url": f"https://{HOST}"},
}


def test_the_apis_list_is_read_and_strange_entries_left_out() -> None:
    answer_ = {"items": [ENDPOINT, {"name": "x"}, {"name": 1, "status": {"state": "running"}}, 3]}
    (found,) = states_of(answer_, TEN)
    assert found == State("summaries", TEN, "running", 1, 1, "aws", "a10g", "x1", None, HOST,
                          "acme/wonder")  # fmt: skip


def test_polling_with_a_token(
    places: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["endpoints", "poll"]) == 2
    monkeypatch.setenv("HF_LEDGER_ENDPOINT_NAMESPACE", "me")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert main(["endpoints", "poll"]) == 2
    assert "no token in HF_TOKEN" in capsys.readouterr().err
    monkeypatch.setenv("HF_TOKEN", "hf_marker")
    with stubbed() as stub:
        monkeypatch.setenv("HF_LEDGER_ENDPOINTS_URL", stub.url)
        stub.answer("/v2/endpoint/me", {"items": [ENDPOINT]})
        assert main(["endpoints", "poll"]) == 0
        assert stub.asked == [("/v2/endpoint/me", "Bearer hf_marker")]
    assert "1 endpoints looked at, 1 states kept" in capsys.readouterr().out
    assert b"hf_marker" not in places.ledger.read_bytes()


def test_errands_run_only_where_asked_and_outlive_failures(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    with stubbed() as stub:
        none = Errands(ledger, stub.addresses(), prices=False)
        assert none.errands == []
        both = Errands(
            ledger, stub.addresses(namespace="me", token="hf_marker"), prices=True,
            chance=lambda: 0.0,
        )  # fmt: skip
        assert [each.name for each in both.errands] == ["refresh prices", "poll endpoints"]
        with caplog.at_level(logging.ERROR, "hf_ledger"):
            for errand in both.errands:
                due = errand.due
                both.attend(errand)
                assert errand.due > due + 0.8 * errand.every
    assert len(caplog.records) == 2
    assert all("answered 404" in record.message for record in caplog.records)
    assert "hf_marker" not in caplog.text


def test_the_thread_polls_until_it_is_stopped(ledger: Ledger) -> None:
    with stubbed() as stub:
        stub.answer("/v2/endpoint/me", {"items": [ENDPOINT]})
        addresses = stub.addresses(namespace="me", token="hf_marker")
        errands = Errands(ledger, addresses, prices=False, first=0.0)
        errands.start()
        for _ in range(200):
            if ledger.changes:
                break
            errands.join(0.02)
        errands.stop()
        assert not errands.is_alive() and ledger.changes == 1
        assert poll(ledger, addresses) == 1


def test_a_daily_refresh_keeps_prices_and_routes() -> None:
    with Ledger.memory() as ledger, stubbed() as stub:
        stub.answer("/v1/models", listing(("acme/m", "novita", usd(1, 2))))
        mapping = [{"provider": "novita", "providerId": "m", "task": "conversational"}]
        stub.answer("/api/models", [{"id": "acme/m", "inferenceProviderMapping": mapping}])
        done = refresh(ledger, stub.addresses())
        assert (done.new, done.routes, ledger.changes) == (1, 1, 1)
