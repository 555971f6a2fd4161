"""The router over a practice server: answers, streams, and what the ledger has of all attempts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from factories_practice import CHAT_MODEL, Practice, calls, practice_server
from factories_router import GOOD, INPUTS, MARKER, OTHER, routes, wished

import hf_ledger
from hf_ledger.ingest.doors.gateway.publishing import gateway_state
from hf_ledger.ingest.doors.gateway.state_file import publish
from hf_ledger.ingest.doors.hook import attribute, operation
from hf_ledger.ingest.doors.hook.recording import stop
from hf_ledger.ingest.doors.router.routed import RouteFailed
from hf_ledger.ingest.doors.router.router import AsyncRouter
from hf_ledger.ingest.doors.router.wanted import Wanted
from hf_ledger.ingest.errors import Unusable, Usage
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.fixture
def practice(server: Practice, monkeypatch: pytest.MonkeyPatch) -> Iterator[Practice]:
    monkeypatch.setenv("HF_TOKEN", "hf_SECRET")
    yield server
    stop()


ROUTE = '[routes.say]\npolicy = "fastest"\n'


def in_order(*names: str) -> Wanted:
    """Of targets that nobody has called yet, the fastest is the first by the alphabet."""
    assert list(names) == sorted(names)
    return Wanted(policy="fastest", targets=names)


ROWS = """
select
    call_id::varchar as call_id,
    cost,
    attempt,
    fallback_of::varchar as fallback_of,
    operation_id::varchar as operation_id,
    operation,
    source,
    app
from calls
order by attempt
"""


def rows(ledger: Ledger) -> list[dict[str, Any]]:
    with closing(ledger.cursor()) as cursor:
        return cursor.execute(ROWS).to_arrow_table().to_pylist()  # type: ignore[no-any-return]


async def test_all_attempts_stand_in_the_ledger_with_the_same_cost(
    practice: Practice, places: Places
) -> None:
    with Ledger.open(places) as ledger:
        with closing(ledger.cursor()) as cursor:
            publish(places, gateway_state(cursor, "UTC", datetime.now(UTC)))
        with routes(practice, places, {"bad": wished("500"), "good": GOOD}):
            async with AsyncRouter.open(places, app="shop") as router:
                routed = await router.run(in_order("bad", "good"), INPUTS, {"max_tokens": 4})
        collect(ledger, places)
        kept = rows(ledger)
    assert routed.value.usage.completion_tokens == 4
    assert [each.then for each in routed.attempts] == ["retry", "next", "done"]
    assert [row["attempt"] for row in kept] == [1, 2, 3]
    first, second, third = kept
    assert (first["fallback_of"], second["fallback_of"]) == (None, first["call_id"])
    assert third["fallback_of"] == second["call_id"]
    assert {row["operation_id"] for row in kept} == {routed.operation_id}
    assert {(row["operation"], row["source"], row["app"]) for row in kept} == {
        ("chat-completion", "client", "shop")
    }
    for row, attempt in zip(kept, routed.attempts, strict=True):
        assert attempt.call is not None and attempt.call.call_id == row["call_id"]
        assert attempt.cost == row["cost"]
    assert routed.cost == sum((row["cost"] for row in kept), Decimal(0))
    assert routed.cost > 0


async def test_without_prices_the_cost_is_unknown_and_never_zero(
    practice: Practice, places: Places
) -> None:
    with routes(practice, places, {"good": GOOD}):
        async with AsyncRouter.open(places) as router:
            routed = await router.run(None, INPUTS)
    assert (routed.cost, routed.attempts[0].cost) == (None, None)


async def test_a_route_by_name_and_wishes_on_top(practice: Practice, places: Places) -> None:
    with routes(practice, places, {"bad": wished("401"), "good": GOOD}, ROUTE):
        async with AsyncRouter.open(places) as router:
            routed = await router.chat(INPUTS["messages"], "say", max_tokens=3, targets=("good",))
            with pytest.raises(Usage, match="known: say"):
                await router.run("sing", INPUTS)
            with pytest.raises(Usage, match="A request has no max_tokens"):
                await router.run("say", INPUTS, max_tokens=3)
            with pytest.raises(Usage, match="missing or unknown: messages, text"):
                await router.run("say", {"text": "x"})
    assert routed.target.name == "good"
    assert routed.excluded == (("bad", "its name is not among those wanted (good)"),)
    (call,) = calls(places)
    assert call.operation == "say"


async def test_what_the_program_calls_an_operation_stays_one(
    practice: Practice, places: Places
) -> None:
    with routes(practice, places, {"bad": wished("401"), "good": GOOD}):
        async with AsyncRouter.open(places, team="ours") as router:
            with operation("a document"), attribute(project="p"):
                one = await router.run(in_order("bad", "good"), INPUTS)
                two = await router.run(in_order("good"), INPUTS)
    assert one.operation_id == two.operation_id
    made = calls(places)
    assert {(each.operation_id, each.operation) for each in made} == {
        (one.operation_id, "a document")
    }
    assert {(each.team, each.project) for each in made} == {("ours", "p")}


async def test_any_task_is_routed(practice: Practice, places: Places) -> None:
    model = "facebook/bart-large-cnn"
    facts = {"model": model, "provider": "hf-inference", "tasks": ["summarization"]}
    with routes(practice, places, {"good": GOOD}):
        places.config.write_text(
            places.config.read_text()
            + f'[targets.sums]\nkind = "router"\nurl = "{practice.url}"\nmodel = "{model}"\n'
            f'provider = "hf-inference"\ntasks = {facts["tasks"]}\n'
        )
        async with AsyncRouter.open(places) as router:
            routed = await router.run(task="summarization", inputs={"text": "long"})
    assert (routed.target.name, bool(routed.value.summary_text)) == ("sums", True)
    assert routed.excluded == (("good", "it does not do summarization"),)


async def test_secrets_and_texts_stand_in_no_error_and_no_attempt(
    practice: Practice, places: Places
) -> None:
    wishes = ("400", "401", "429", "500", "cut", "plain-text")
    for wish in wishes:
        with routes(practice, places, {"bad": wished(wish)}):
            async with AsyncRouter.open(places) as router:
                with pytest.raises(RouteFailed) as caught:
                    await router.run(None, INPUTS, total_s=5, attempts=1)
        told = repr((str(caught.value), caught.value.attempts))
        assert MARKER not in told and "hf_SECRET" not in told
    for file in places.root.rglob("*"):
        if file.is_file():
            assert MARKER.encode() not in file.read_bytes()
            assert b"hf_SECRET" not in file.read_bytes()


async def test_a_target_without_its_token_is_passed_over(
    practice: Practice, places: Places
) -> None:
    facts = {**OTHER, "token_variable": "NOT_SET_ANYWHERE"}
    with routes(practice, places, {"another": facts, "good": GOOD}):
        async with AsyncRouter.open(places) as router:
            routed = await router.run(in_order("another", "good"), INPUTS)
    assert [(each.target.name, each.call is None) for each in routed.attempts] == [
        ("another", True),
        ("good", False),
    ]


async def test_hedged_over_the_wire(practice: Practice, places: Places) -> None:
    with routes(practice, places, {"busy": wished("hang"), "good": GOOD}):
        async with AsyncRouter.open(places) as router:
            routed = await router.run(in_order("busy", "good"), INPUTS, hedge_after_s=0.2)
    assert [each.then for each in routed.attempts] == ["cancelled", "done"]
    slow, hedge = calls(places)
    assert (slow.outcome, slow.purpose, slow.attempt) == ("cancelled", "work", 1)
    assert (hedge.outcome, hedge.purpose, hedge.attempt) == ("ok", "hedge", 2)
    assert hedge.fallback_of == slow.call_id
    assert {each.operation_id for each in (slow, hedge)} == {routed.operation_id}


# -- streams ---------------------------------------------------------------------------------------


async def test_a_stream_falls_back_until_its_first_piece(
    practice: Practice, places: Places
) -> None:
    with routes(practice, places, {"bad": wished("402"), "good": GOOD}):
        router = AsyncRouter.open(places)
        async with router, router.stream(in_order("bad", "good"), INPUTS) as answer:
            with pytest.raises(Usage, match="has not ended yet"):
                _ = answer.routed
            pieces = [piece async for piece in answer]
    assert len(pieces) > 3
    assert (answer.routed.value, answer.routed.target.name) == ("".join(pieces), "good")
    assert [each.then for each in answer.routed.attempts] == ["next", "done"]
    assert [(each.stream, each.attempt, each.outcome) for each in calls(places)] == [
        (True, 1, "error"),
        (True, 2, "ok"),
    ]


@pytest.mark.parametrize("wish", ["cut", "error-in-stream"])
async def test_a_failure_in_mid_stream_is_told_and_hidden_by_nobody(
    practice: Practice, places: Places, wish: str
) -> None:
    with routes(practice, places, {"bad": wished(f"{wish},words=40"), "good": GOOD}):
        async with AsyncRouter.open(places) as router:
            with pytest.raises(RouteFailed, match=r"broke off after \d+ characters") as caught:
                async with router.stream(in_order("bad", "good"), INPUTS) as answer:
                    async for _ in answer:
                        pass
    assert answer.text and f"after {len(answer.text)} characters" in str(caught.value)
    assert [each.then for each in caught.value.attempts] == ["give_up"]
    assert len(calls(places)) == 1  # the good target was not asked
    assert answer.text not in str(caught.value)


async def test_leaving_a_stream_early_closes_it(practice: Practice, places: Places) -> None:
    with routes(practice, places, {"slow": wished("words=300,slow=30")}):
        async with AsyncRouter.open(places) as router:
            async with router.stream(None, INPUTS) as answer:
                async for _ in answer:
                    break
            assert [each.why for each in answer.routed.attempts] == ["left by its reader"]
            (call,) = calls(places)
            assert (call.outcome, call.stream) == ("interrupted", True)
            assert not [piece async for piece in answer]


async def test_a_stream_has_a_deadline(practice: Practice, places: Places) -> None:
    with routes(practice, places, {"slow": wished("words=300,slow=30")}):
        async with AsyncRouter.open(places) as router:
            began = time.monotonic()
            with pytest.raises(RouteFailed, match=r"broke off after .* characters .*timeout"):
                async with router.stream(None, INPUTS, total_s=1.0) as answer:
                    async for _ in answer:
                        pass
    assert time.monotonic() - began < 10
    assert calls(places)[0].outcome in ("cancelled", "interrupted")


async def test_streams_of_text_generation_and_of_nothing_else(
    practice: Practice, places: Places
) -> None:
    facts = {"model": "HuggingFaceTB/SmolLM3-3B", "provider": "hf-inference"}
    with routes(practice, places, {}):
        places.config.write_text(
            f'[targets.t]\nkind = "router"\nurl = "{practice.url}"\nmodel = "{facts["model"]}"\n'
            'tasks = ["text-generation"]\n'
        )
        async with AsyncRouter.open(places) as router:
            async with router.stream(task="text-generation", inputs={"prompt": "once"}) as answer:
                assert len([piece async for piece in answer]) > 3
            with pytest.raises(Usage, match="fill-mask can't be streamed"):
                async with router.stream(task="fill-mask", inputs={"text": "x"}):
                    pass


# -- an installation -------------------------------------------------------------------------------


async def test_two_hundred_at_once_over_one_limited_target(
    practice: Practice, places: Places
) -> None:
    with routes(practice, places, {"good": {**GOOD, "most_at_once": 8}}):
        async with AsyncRouter.open(places) as router:
            answers = await asyncio.gather(
                *(router.run(None, INPUTS, {"max_tokens": 1}) for _ in range(200))
            )
    assert len({each.operation_id for each in answers}) == 200
    assert len(calls(places)) == 200


async def test_settings_are_read_anew_and_mistakes_are_one_sentence(
    practice: Practice, places: Places
) -> None:
    with routes(practice, places, {"good": GOOD}):
        async with AsyncRouter.open(places) as router:
            assert (await router.run(None, INPUTS)).target.name == "good"
            places.config.write_text(places.config.read_text().replace("targets.good", "targets.g"))
            assert (await router.run(None, INPUTS)).target.name == "g"
        places.config.write_text("[targets.x]\nkind = 3\n")
        with pytest.raises(Unusable, match=r"Setting targets.x.kind is wrong"):
            AsyncRouter.open(places)
        places.config.write_text('[compliance.internal]\nproviders = "novita"\n')
        with pytest.raises(Unusable, match="Setting compliance is wrong"):
            AsyncRouter.open(places)


async def test_data_goes_only_where_compliance_lets_it(practice: Practice, places: Places) -> None:
    rules = '[compliance.confidential]\nproviders = ["cerebras"]\n'
    with routes(practice, places, {"good": GOOD, "other": OTHER}, rules):
        async with AsyncRouter.open(places) as router:
            routed = await router.run(None, INPUTS, data_class="confidential")
    assert routed.target.name == "other"
    assert [name for name, _ in routed.excluded] == ["good"]


def test_the_same_router_in_one_loop_after_another(practice: Practice, places: Places) -> None:
    with routes(practice, places, {"good": GOOD}):
        router = AsyncRouter.open(places)

        async def once() -> str:
            try:
                return (await router.run(None, INPUTS)).target.name
            finally:
                await router.close()

        assert [asyncio.run(once()) for _ in range(2)] == ["good", "good"]


def test_it_is_named_in_the_package() -> None:
    assert hf_ledger.AsyncRouter is AsyncRouter
    assert CHAT_MODEL
