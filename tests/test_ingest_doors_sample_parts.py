"""The sample's parts: how calls end, when they come, what repeats, and what a file may say."""

from __future__ import annotations

from collections import Counter
from datetime import date

import msgspec
import numpy as np
import pytest

from hf_ledger.cli.sample import Progress
from hf_ledger.ingest.doors.sample.calls import (
    cache_reads,
    drawn,
    falling,
    repeats,
    service_calls,
    times,
)
from hf_ledger.ingest.doors.sample.company import (
    Compute,
    Route,
    Service,
    Spike,
    Team,
    company,
)
from hf_ledger.ingest.doors.sample.fates import (
    FAILURES,
    FATES,
    FIRST_FAILURE,
    INTERRUPTED,
    LOADING,
    OK,
    OVERLOADED,
    Fate,
    fates,
)
from hf_ledger.ingest.doors.sample.traffic import Period, events, weights

PERIOD = Period(date(2026, 11, 22), 30)
MANY = 40_000

CHAT = Service(
    name="answers",
    kind="chat",
    task="chat-completion",
    share=1.0,
    routes=(Route("maker/model", "groq"), Route("maker/model", "novita")),
    tokens=((100, 200), (10, 20)),
)
TEAM = Team(
    name="team",
    zone="Europe/Berlin",
    hours="office",
    weekend=0.1,
    growth=0.0,
    projects=("one", "two"),
    users=("mira",),
    services=(CHAT,),
)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def service(**changes: object) -> Service:
    return msgspec.structs.replace(CHAT, **changes)


def ends(
    which: Service, starts: np.ndarray, *, provider: str = "novita", stream: bool = False
) -> Counter[Fate]:
    size = len(starts)
    found = fates(
        rng(),
        which,
        PERIOD,
        starts=starts,
        providers=np.full(size, provider),
        streams=np.full(size, stream),
    )
    return Counter(FATES[index] for index in found)


# -- how calls end ------------------------------------------------------------------------------


def test_failures_make_a_whole() -> None:
    assert sum(weight for _, weight in FAILURES) == pytest.approx(1)
    assert FATES[FIRST_FAILURE] == FAILURES[0][0]


def test_few_calls_fail_and_all_kinds_occur() -> None:
    found = ends(CHAT, np.full(MANY, PERIOD.start))
    assert 0.985 < found[OK] / MANY < 0.99
    assert set(found) == {OK, *(fate for fate, _ in FAILURES)}


def test_only_streams_are_cut() -> None:
    plain = ends(CHAT, np.full(MANY, PERIOD.start))
    streamed = ends(CHAT, np.full(MANY, PERIOD.start), stream=True)
    assert plain[INTERRUPTED] == 0
    assert 0.002 < streamed[INTERRUPTED] / MANY < 0.006


def test_only_hf_inference_loads_models() -> None:
    hosted = service(routes=(Route("facebook/bart-large-cnn", "hf-inference"),))
    starts = np.full(MANY, PERIOD.start)
    assert ends(CHAT, starts)[LOADING] == 0
    assert 0.004 < ends(hosted, starts)[LOADING] / MANY < 0.008


def test_the_bad_morning_hits_one_provider_for_some_hours() -> None:
    begin, end = PERIOD.outage
    assert (end - begin) // 3_600_000_000 == company().outage.hours
    during, after = np.full(4_000, begin), np.full(4_000, end)
    assert ends(CHAT, during, provider="groq")[OVERLOADED] > 0.6 * 4_000
    assert ends(CHAT, after, provider="groq")[OVERLOADED] < 0.02 * 4_000
    assert ends(CHAT, during, provider="novita")[OVERLOADED] < 0.02 * 4_000


def test_a_wrong_request_is_not_tried_again() -> None:
    again = {fate.error_kind for fate in FATES if fate.worth_another_try}
    assert again == {"rate_limited", "overloaded", "server_error", "timeout"}


# -- when calls come ----------------------------------------------------------------------------


def test_hours_off_hold_little() -> None:
    shape = weights(rng(), TEAM, CHAT, PERIOD).reshape(-1, 24)
    weekdays = [day for day in range(30) if (PERIOD.since.weekday() + day) % 7 < 5]
    weekends = [day for day in range(30) if day not in weekdays]
    assert shape[weekends].mean() < 0.2 * shape[weekdays].mean()
    assert shape[weekdays][:, 0:4].mean() < 0.1 * shape[weekdays][:, 9:16].mean()


def test_a_service_that_begins_late_has_nothing_before() -> None:
    flat = np.ones(PERIOD.hours)
    passed = np.arange(PERIOD.hours) / PERIOD.hours
    shape = events(flat, service(begins=0.5), passed, PERIOD)
    assert shape[: PERIOD.hours // 2].sum() == 0
    assert 0 < shape[PERIOD.hours // 2 + 24] < shape[-1] == 1


def test_a_spike_lasts_one_day() -> None:
    flat = np.ones(PERIOD.hours)
    passed = np.arange(PERIOD.hours) / PERIOD.hours
    days = events(flat, service(spike=Spike(0.5, 9)), passed, PERIOD).reshape(-1, 24).sum(axis=1)
    assert Counter(days.tolist()) == {24.0: 29, 216.0: 1}
    assert int(np.argmax(days)) == 15
    assert flat.sum() == PERIOD.hours  # the caller's own is untouched


# -- what repeats, what is read from a cache -----------------------------------------------------


def test_repeats_come_back_with_the_same_tokens() -> None:
    inputs = np.arange(1, MANY + 1)
    hashes, repeated = repeats(rng(), service(repeats=0.2), inputs)
    assert 0.17 < repeated.mean() < 0.21
    by_hash: dict[str, set[int]] = {}
    for each, tokens in zip(hashes, inputs.tolist(), strict=True):
        by_hash.setdefault(each, set()).add(tokens)
    assert all(len(tokens) == 1 for tokens in by_hash.values())
    assert len(by_hash) == MANY - repeated.sum()


def test_without_repeats_all_inputs_differ() -> None:
    hashes, repeated = repeats(rng(), CHAT, np.full(1_000, 5))
    assert len(set(hashes)) == 1_000 and not repeated.any()
    assert {len(each) for each in hashes} == {32}


def test_cache_reads_are_whole_blocks_within_the_input() -> None:
    inputs = rng().integers(0, 5_000, MANY)
    reads = cache_reads(rng(), service(cached=0.5), inputs)
    assert (reads % 64 == 0).all() and (reads <= inputs).all()
    assert 0.3 < (reads > 0).mean() < 0.5
    assert not cache_reads(rng(), CHAT, inputs).any()


def test_speeds_follow_the_route() -> None:
    fast = Route("m", "groq", first_ms=100, tokens_per_second=1_000)
    slow = Route("m", "novita", first_ms=1_000, tokens_per_second=10)
    both = service(routes=(fast, slow))
    route = np.repeat([0, 1], 5_000)
    tokens = np.full(10_000, 100)
    first, whole, compute = times(rng(), both, route, tokens, tokens)
    assert np.median(first[:5_000]) == pytest.approx(100, rel=0.1)
    assert np.median(whole[5_000:]) == pytest.approx(1_000 + 10_000, rel=0.1)
    assert (whole >= first).all() and not compute.any()


def test_pipelines_take_their_compute_time_and_the_network() -> None:
    hosted = service(kind="pipeline", compute=Compute("cpu", 0.5))
    zeros = np.zeros(5_000, dtype=np.int64)
    first, whole, compute = times(rng(), hosted, zeros, zeros, zeros)
    assert np.median(compute) == pytest.approx(0.5, rel=0.05)
    assert (whole > compute * 1_000).all() and not first.any()


def test_falling_shares_make_a_whole() -> None:
    assert falling(4).sum() == pytest.approx(1)
    assert falling(2).tolist() == pytest.approx([2 / 3, 1 / 3])


@pytest.mark.parametrize("size", [1, 2, 50, 3_000])
def test_a_service_has_as_many_calls_as_wanted(size: int) -> None:
    """A second try takes the place of another first call."""
    falls = service(falls_back=True)
    found = list(service_calls(rng(), TEAM, falls, PERIOD, size))
    assert len(found) == size
    ids = {call.call_id for call in found}
    assert {call.fallback_of for call in found if call.fallback_of} <= ids


def test_no_calls_no_work() -> None:
    assert list(service_calls(rng(), TEAM, CHAT, PERIOD, 0)) == []


def test_columns_are_of_one_length() -> None:
    columns = drawn(rng(), TEAM, CHAT, PERIOD, 17)
    arrays = [value for value in vars(columns).values() if isinstance(value, np.ndarray)]
    assert {len(array) for array in arrays} == {17}
    assert len(columns.noise) == 96 * 17


# -- the file, the progress line ------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "telepathy"},
        {"share": "much"},
        {"routes": [{"provider": "groq"}]},
        {"tokens": [[1, 2]]},
        {"colour": "blue"},
    ],
)
def test_a_service_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    good: dict[str, object] = {
        "name": "x",
        "kind": "chat",
        "task": "chat-completion",
        "share": 0.5,
        "routes": [{"model": "a/b"}],
    }
    assert msgspec.convert(good, Service).tokens == "chat"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**good, **wrong}, Service)


def test_progress_is_one_line_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    progress = Progress(20_000)
    progress("written", 10_000)
    progress("collecting", 0)
    progress("collected", 20_000)
    said = capsys.readouterr().err
    assert "written 10,000 of 20,000 calls" in said and "collecting …" in said
    assert said.count("\n") == 1 and said.endswith("\n")


def test_progress_is_silent_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    Progress(10)("written", 10)
    assert capsys.readouterr().err == ""
