"""The sample: a believable company, the same for the same seed, never in the user's own ledger."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.catalogue.prices import shipped_prices
from hf_ledger.ingest.catalogue.sizes import size_of
from hf_ledger.ingest.doors.sample.calls import apportioned, sample_calls, uuid7
from hf_ledger.ingest.doors.sample.company import Company, company
from hf_ledger.ingest.doors.sample.making import Sample, make_sample
from hf_ledger.ingest.doors.sample.shapes import curves, draw
from hf_ledger.ingest.doors.sample.traffic import Period, arrivals
from hf_ledger.ingest.errors import Owned, Usage
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places

LAST = date(2026, 11, 22)
PERIOD = Period(LAST, 90)
CALLS = 20_000


@pytest.fixture(scope="module")
def calls() -> list[Call]:
    return list(sample_calls(1, CALLS, PERIOD))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    places = Places(tmp_path_factory.mktemp("sample") / "ledger")
    return make_sample(places, seed=1, calls=CALLS, days=90, last=LAST)


def ask(places: Places, query: str) -> list[tuple[object, ...]]:
    connection = duckdb.connect(str(places.ledger), read_only=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def local(call: Call, zone: str) -> datetime:
    return datetime.fromtimestamp(call.ts / 1e6, UTC).astimezone(ZoneInfo(zone))


def of(calls: Iterable[Call], **wanted: object) -> list[Call]:
    return [c for c in calls if all(getattr(c, name) == value for name, value in wanted.items())]


# -- the calls ----------------------------------------------------------------------------------


def test_there_are_exactly_as_many_as_asked_for(calls: list[Call]) -> None:
    assert len(calls) == CALLS
    assert len({call.call_id for call in calls}) == CALLS


@pytest.mark.parametrize("number", [0, 1, 2, 17, 331])
def test_also_when_few_are_asked_for(number: int) -> None:
    assert len(list(sample_calls(3, number, Period(LAST, 2)))) == number


def test_the_same_seed_gives_the_same_calls(calls: list[Call]) -> None:
    again = list(sample_calls(1, CALLS, PERIOD))
    assert msgspec.json.encode(again) == msgspec.json.encode(calls)


def test_another_seed_or_end_gives_others() -> None:
    one = [call.call_id for call in sample_calls(1, 50, PERIOD)]
    assert one != [call.call_id for call in sample_calls(2, 50, PERIOD)]
    assert one != [call.call_id for call in sample_calls(1, 50, Period(date(2026, 11, 21), 90))]


def test_every_call_is_marked_as_sample(calls: list[Call]) -> None:
    assert {call.origin for call in calls} == {"sample"}


def test_calls_fill_the_period_and_end_with_its_last_day(calls: list[Call]) -> None:
    first = min(call.ts for call in calls)
    last = max(call.ts for call in calls)
    day = 86_400_000_000
    assert PERIOD.start <= first < PERIOD.start + day
    assert PERIOD.start + 89 * day <= last < PERIOD.start + 90 * day
    assert datetime.fromtimestamp(last / 1e6, UTC).date() == LAST


def test_ids_tell_the_time(calls: list[Call]) -> None:
    for call in calls[::997]:
        parsed = uuid.UUID(call.call_id)
        assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
        assert parsed.int >> 80 == call.ts // 1000


def test_six_teams_in_six_zones(calls: list[Call]) -> None:
    assert len({call.team for call in calls}) == 6
    assert len({team.zone for team in company().teams}) == 6
    per_team = Counter(call.team for call in calls)
    assert min(per_team.values()) > CALLS / 50


def test_office_teams_rest_at_night_and_at_weekends(calls: list[Call]) -> None:
    completions = of(calls, operation="code-completion")
    hours = Counter(local(call, "America/Los_Angeles").hour for call in completions)
    assert sum(hours[h] for h in range(9, 18)) > 10 * sum(hours[h] for h in range(5))
    weekend = [c for c in completions if local(c, "America/Los_Angeles").isoweekday() > 5]
    assert len(weekend) / len(completions) < 0.08


def test_moderation_never_sleeps(calls: list[Call]) -> None:
    hours = Counter(
        local(call, "Asia/Kolkata").hour for call in of(calls, operation="policy-check")
    )
    assert len(hours) == 24
    assert max(hours.values()) < 4 * min(hours.values())


def test_a_spike_stands_out(calls: list[Call]) -> None:
    days = Counter(call.ts // 86_400_000_000 for call in of(calls, operation="label-comments"))
    (_, top), (_, next_) = days.most_common(2)
    assert top > 4 * next_ or top > 5 * float(np.median(list(days.values())))


def test_traffic_grows_and_a_service_begins_late(calls: list[Call]) -> None:
    middle = PERIOD.start + 45 * 86_400_000_000
    editor = of(calls, operation="code-completion")
    late = [call for call in editor if call.ts >= middle]
    assert 0.5 < len(late) / len(editor) < 0.65
    reviews = of(calls, operation="review-agent")
    assert min(call.ts for call in reviews) > PERIOD.start + 30 * 86_400_000_000


def test_some_inputs_come_again(calls: list[Call]) -> None:
    hashes = Counter(call.input_hash for call in calls)
    again = sum(count for count in hashes.values() if count > 1)
    assert 0.02 < again / CALLS < 0.2
    twice = next(h for h, count in hashes.items() if count > 1)
    tokens = {call.input_tokens for call in calls if call.input_hash == twice and call.input_tokens}
    assert len(tokens) <= 1


def test_some_work_is_done_by_models_far_too_large(calls: list[Call]) -> None:
    labels = [c for c in of(calls, operation="label-comments") if c.output_tokens]
    assert {size_of(c.requested_model or "").size_class for c in labels} == {"xl"}
    assert max(call.output_tokens or 0 for call in labels) <= 8


def test_errors_of_several_kinds(calls: list[Call]) -> None:
    errors = of(calls, outcome="error")
    kinds = Counter(call.error_kind for call in errors)
    assert 0.005 < len(errors) / CALLS < 0.03
    assert len(kinds) >= 8
    assert all(call.uncached_input_tokens is None for call in errors)
    assert {call.status for call in of(errors, error_kind="rate_limited")} == {429}


def test_one_providers_bad_morning(calls: list[Call]) -> None:
    begin, end = PERIOD.outage
    bad = [c for c in of(calls, provider="groq") if begin <= c.ts < end]
    assert len(of(bad, outcome="error")) > 0.4 * len(bad) > 0


def test_a_fallback_follows_the_call_that_failed(calls: list[Call]) -> None:
    by_id = {call.call_id: call for call in calls}
    seconds = [call for call in calls if call.fallback_of]
    assert len(seconds) > 10
    for second in seconds:
        first = by_id[str(second.fallback_of)]
        assert first.outcome == "error" and second.outcome == "ok"
        assert (first.attempt, second.attempt) == (1, 2)
        assert first.operation_id == second.operation_id is not None
        assert second.ts > first.ts and second.provider != first.provider
        assert second.input_hash == first.input_hash


def test_streams_have_a_first_token_before_their_end(calls: list[Call]) -> None:
    streams = [call for call in calls if call.stream and call.outcome == "ok"]
    assert len(streams) > CALLS / 10
    assert all(0 < (c.ttft_ms or 0) <= (c.latency_ms or 0) for c in streams)
    assert not [call for call in calls if call.ttft_ms is not None and not call.stream]


def test_cut_streams_cost_what_came(calls: list[Call]) -> None:
    outcomes = Counter(call.outcome for call in calls)
    assert outcomes["interrupted"] and outcomes["cancelled"]
    assert {c.tokens_source for c in of(calls, outcome="interrupted")} <= {"estimated", "none"}
    assert {c.output_tokens for c in of(calls, outcome="cancelled")} == {None}


def test_token_counts_add_up(calls: list[Call]) -> None:
    counted = [call for call in calls if call.uncached_input_tokens is not None]
    assert len(counted) > 0.8 * CALLS
    for call in counted:
        assert (call.uncached_input_tokens or 0) >= 0 and (call.cache_read_tokens or 0) >= 0
        assert (call.reasoning_tokens or 0) <= (call.output_tokens or 0)
    assert sum(call.cache_read_tokens or 0 for call in counted) > 1_000_000


def test_every_kind_of_work_occurs(calls: list[Call]) -> None:
    assert {call.task for call in calls} == {
        "chat-completion",
        "feature-extraction",
        "summarization",
        "text-classification",
        "token-classification",
        "translation",
        "text-to-image",
    }
    endpoint = of(calls, host_kind="endpoint")
    assert endpoint and {call.provider for call in endpoint} == {None}
    assert all(call.endpoint for call in endpoint)
    assert of(calls, cached_reply=True)


# -- the company --------------------------------------------------------------------------------


def test_shares_of_the_services_make_a_whole() -> None:
    shares = [service.share for team in company().teams for service in team.services]
    assert 0.95 < sum(shares) < 1.1
    names = [service.name for team in company().teams for service in team.services]
    assert len(set(names)) == len(names)


def test_hours_exist_and_are_24() -> None:
    known = company().hours
    assert {len(profile) for profile in known.values()} == {24}
    for team in company().teams:
        assert team.hours in known and ZoneInfo(team.zone)
        assert all(service.hours in {None, *known} for service in team.services)


def test_all_chat_routes_but_one_have_a_price_on_the_sample_s_days() -> None:
    """What is unpriced there is so on purpose: featherless-ai publishes no price by the token."""
    held = {(p.provider, p.model) for p in shipped_prices() if p.valid_to is None}
    routes = [
        (route.provider, route.model)
        for team in company().teams
        for service in team.services
        if service.kind == "chat"
        for route in service.routes
    ]
    assert [route for route in routes if route not in held] == [
        ("featherless-ai", "Qwen/Qwen3-32B")
    ]


def test_a_misspelt_key_in_the_file_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"hours": {}, "outages": {}, "teams": []}, Company)


# -- shapes and traffic -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "mean_input", "mean_output"),
    [("chat", 1155, 211), ("code", 2048, 28), ("long", 12035, 343)],
)
def test_token_counts_follow_the_traces(shape: str, mean_input: int, mean_output: int) -> None:
    """Means of the public traces themselves; the quantiles give them back within a fifth."""
    inputs, outputs = draw(np.random.default_rng(5), shape, 40_000)
    assert inputs.mean() == pytest.approx(mean_input, rel=0.2)
    assert outputs.mean() == pytest.approx(mean_output, rel=0.3)


def test_drawn_quantiles_are_the_curves() -> None:
    levels, inputs, _ = curves()["chat"]
    drawn, _ = draw(np.random.default_rng(6), "chat", 60_000)
    median = np.exp(inputs[levels.index(0.5)])
    assert np.median(drawn) == pytest.approx(median, rel=0.03)
    assert drawn.min() >= np.exp(inputs[0]) - 1 and drawn.max() <= np.exp(inputs[-1]) + 1


@given(st.integers(0, 5_000), st.lists(st.floats(0.001, 1), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_apportioned_parts_make_the_whole(calls: int, shares: list[float]) -> None:
    sizes = apportioned(calls, shares)
    assert sum(sizes) == calls
    exact = [calls * share / sum(shares) for share in shares]
    assert all(abs(size - each) < 1 + 1e-6 for size, each in zip(sizes, exact, strict=True))


@given(st.integers(0, 2**50), st.text("0123456789abcdef", min_size=32, max_size=32))
def test_any_noise_makes_a_valid_id(micros: int, noise: str) -> None:
    assert uuid.UUID(uuid7(micros, noise)).version == 7


@pytest.mark.parametrize("days", [1, 2, 7, 400])
def test_arrivals_stay_in_the_period_however_short(days: int) -> None:
    period = Period(LAST, days)
    for team in company().teams:
        for service in team.services:
            starts = arrivals(np.random.default_rng(1), team, service, period, 50)
            assert len(starts) == 50
            assert starts.min() >= period.start
            assert starts.max() < period.start + days * 86_400_000_000


def test_hours_follow_the_clock_through_the_change_of_summer_time() -> None:
    """On 25 October 2026 Berlin's clocks go back: the same local hour is another UTC hour."""
    search = next(team for team in company().teams if team.name == "search")
    rewrite = search.services[0]
    starts = arrivals(
        np.random.default_rng(2), search, rewrite, Period(date(2026, 11, 8), 28), 20_000
    )
    change = datetime(2026, 10, 25, 1, tzinfo=UTC).timestamp() * 1e6
    peaks = []
    for half in (starts[starts < change], starts[starts >= change]):
        hours = Counter((half // 3_600_000_000 % 24).tolist())
        peaks.append(sum(hours[h] for h in range(17, 20)) / len(half))
    local_hours = [datetime.fromtimestamp(s / 1e6, ZoneInfo(search.zone)).hour for s in starts]
    assert Counter(local_hours).most_common(1)[0][0] in (18, 19, 20)
    assert peaks[0] != pytest.approx(peaks[1], rel=0.01)


# -- the ledger ---------------------------------------------------------------------------------


def test_the_ledger_holds_every_call_once(made: Sample) -> None:
    rows = ask(made.places, "select count(*), count(distinct call_id) from calls")
    assert rows == [(CALLS, CALLS)]
    assert (made.calls, made.teams) == (CALLS, 6)


def test_calls_took_the_way_of_real_ones(made: Sample) -> None:
    """Sized, priced, binned: what only the collector does."""
    rows = ask(
        made.places,
        "select count(*) filter (cost is not null), count(*) filter (size_class is not null),"
        " count(*) filter (lat_bin is not null) from calls",
    )[0]
    priced, sized, binned = map(int, map(str, rows))
    assert priced > 0.85 * CALLS and sized > 0.95 * CALLS and binned == CALLS


def test_bases_are_of_every_kind(made: Sample) -> None:
    bases = dict(ask(made.places, "select cost_basis, count(*) from calls group by all"))
    assert set(bases) == {
        "list_price_tokens",
        "compute_time_estimate",
        "endpoint_hours",
        "free",
        "unknown",
    }
    assert 0.03 < made.unpriced / CALLS < 0.12
    assert bases["unknown"] == made.unpriced and bases["endpoint_hours"] == made.endpoint_calls


def test_what_it_says_is_what_the_ledger_says(made: Sample) -> None:
    rows = ask(
        made.places,
        "select sum(cost), count(distinct model), count(*) filter (outcome = 'error') from calls",
    )
    assert rows == [(made.cost, made.models, made.errors)]


def test_only_the_ledger_is_left(made: Sample) -> None:
    """The segments are not needed again: a sample is made anew, not restored."""
    assert [path.name for path in made.places.root.iterdir()] == ["ledger.duckdb"]
    assert made.places.ledger.stat().st_mode & 0o777 == 0o600


def test_the_users_own_ledger_is_not_touched(places: Places) -> None:
    with Ledger.open(places) as own:
        own.cursor().execute("create table mine as select 42 as answer")
    places.make(places.spool).joinpath("waiting.ndjson").write_text("not ours\n")
    make_sample(places, seed=1, calls=50, days=3, last=LAST)
    make_sample(places, seed=2, calls=60, days=3, last=LAST)
    assert ask(places, "select answer from mine") == [(42,)]
    assert places.spool.joinpath("waiting.ndjson").read_text() == "not ours\n"
    assert ask(places.sample, "select count(*) from calls") == [(60,)]


def test_a_sample_in_use_is_left_alone(places: Places) -> None:
    make_sample(places, seed=1, calls=40, days=2, last=LAST)
    with (
        Ledger.open(places.sample),
        pytest.raises(Owned, match="stop it, then run hf-ledger sample again"),
    ):
        make_sample(places, seed=2, calls=50, days=2, last=LAST)
    assert ask(places.sample, "select count(*) from calls") == [(40,)]


def test_a_damaged_sample_is_replaced(places: Places) -> None:
    places.make(places.sample.root)
    places.sample.ledger.write_bytes(b"this is no ledger" * 1000)
    make_sample(places, seed=1, calls=30, days=2, last=LAST)
    assert ask(places.sample, "select count(*) from calls") == [(30,)]


@pytest.mark.parametrize("wrong", [{"days": 0}, {"days": 100_000}, {"calls": -1}])
def test_impossible_samples_are_refused(places: Places, wrong: dict[str, int]) -> None:
    given = {"seed": 1, "calls": 10, "days": 2, **wrong}
    with pytest.raises(Usage, match="a sample has"):
        make_sample(places, last=LAST, **given)
    assert not places.sample.ledger.exists()


def test_an_empty_sample_is_a_ledger_without_calls(places: Places) -> None:
    made = make_sample(places, seed=1, calls=0, days=2, last=LAST)
    assert (made.calls, made.cost) == (0, 0)
    assert ask(places.sample, "select count(*) from price_lists") == [(11,)]


def test_progress_is_told(places: Places) -> None:
    told: dict[str, list[int]] = defaultdict(list)
    make_sample(
        places,
        seed=1,
        calls=10_500,
        days=5,
        last=LAST,
        progress=lambda step, done: told[step].append(done),
    )
    assert told == {"written": [10_000], "collecting": [0], "collected": [10_500]}


def test_no_name_of_a_person_is_longer_than_a_first_name() -> None:
    """Fictional first names and service accounts only."""
    users = [user for team in company().teams for user in team.users]
    assert all(user.isidentifier() or user.startswith("svc-") for user in users)


def test_the_period_is_whole_days() -> None:
    assert PERIOD.since == datetime(2026, 8, 25, tzinfo=UTC)
    assert PERIOD.hours == 90 * 24
    assert datetime.fromtimestamp(PERIOD.start / 1e6, UTC) + timedelta(days=90) == datetime(
        2026, 11, 23, tzinfo=UTC
    )


def test_the_company_file_ships_beside_the_code() -> None:
    folder = Path(make_sample.__code__.co_filename).parent
    assert (folder / "company.toml").is_file()
