"""One replay over real HTTP: what is asked of whom, what is kept, and what is not."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from aiohttp import web
from factories_calls import make_call
from factories_practice import calls
from factories_replays import (
    CANDIDATE,
    EMBEDDER,
    JUDGE,
    STRONG,
    Models,
    chat_reply,
    make_asking,
    make_key,
    make_outcome,
    models,
    raw_reply,
    says,
)

from hf_ledger.ingest.call import Replayed
from hf_ledger.ingest.doors.gateway.state import Screening
from hf_ledger.ingest.doors.replays.answers import LEAST_LIMIT
from hf_ledger.ingest.doors.replays.replaying import Judging, Skipped
from hf_ledger.ingest.doors.replays.sampling import Draw, Sampled, sampled_of
from hf_ledger.ingest.places import Places

FREE_TEXT = "It rained all day, and nobody went out before the late evening."
OTHER_TEXT = "The sun was out from morning on, so everybody went to the beach."


def sampled(answer: str = "yes", itself: bool = False, **asking: Any) -> Sampled:
    outcome = make_outcome(call=asking.pop("call", None))
    reply = asking.pop("reply", None) or chat_reply(answer)
    return sampled_of(make_asking(**asking), outcome, reply, Draw(itself, 0.05))


async def replayed(models: Models, which: Sampled, **given: Any) -> Replayed:
    return await models.replayer(**given).replay(which)


async def test_a_replay_asks_the_candidate_and_keeps_both_sides(places: Places) -> None:
    call = make_call(key_id="k1", uncached_input_tokens=12, output_tokens=1)
    async with models(places, candidate=says("Yes.")) as served:
        row = await replayed(served, sampled(call=call))
    assert (row.call_id, row.key_id, row.model) == (call.call_id, "k1", STRONG)
    assert (row.candidate, row.judge, row.verdict) == (CANDIDATE, "label/1", "same")
    assert (row.model_input_tokens, row.model_output_tokens) == (12, 1)
    assert (row.candidate_input_tokens, row.candidate_output_tokens) == (10, 1)
    assert (row.model_cost, row.candidate_cost, row.judge_cost) == ("0.0001", "0.001", "0")
    assert (row.sampling_probability, row.outcome) == (0.05, "ok")


async def test_the_request_is_repeated_for_one_whole_answer_nobody_stores(places: Places) -> None:
    more = {
        "stream": True,
        "stream_options": {},
        "n": 3,
        "best_of": 3,
        "store": True,
        "temperature": 0.3,
    }
    async with models(places, candidate=says("yes")) as served:
        await replayed(served, sampled(asked={**more, "max_tokens": 7}))
    ((path, body),) = served.asked
    assert path == "/v1/chat/completions"
    assert body == {
        "model": CANDIDATE,
        "messages": [{"role": "user", "content": "Is it raining?"}],
        "temperature": 0.3,
        "max_tokens": 7,
    }


async def test_a_limit_of_null_is_none(places: Places) -> None:
    async with models(places, candidate=says("yes")) as served:
        await replayed(served, sampled(asked={"max_tokens": None}))
    ((_, body),) = served.asked
    assert body["max_tokens"] == LEAST_LIMIT


async def test_a_request_without_a_limit_gets_one_and_a_cut_answer_proves_nothing(
    places: Places,
) -> None:
    long = make_call(output_tokens=2_000)
    async with models(places, candidate=says("ye", finish_reason="length")) as served:
        row = await replayed(served, sampled(call=long))
        limited = await replayed(served, sampled(asked={"max_tokens": 1}))
    assert served.asked[0][1]["max_tokens"] == 4 * 2_000
    assert (row.verdict, row.judge, row.outcome) == ("unsure", None, "ok")
    assert limited.verdict == "different"


async def test_a_stream_is_compared_by_its_joined_text(places: Places) -> None:
    streamed = sampled(call=make_call(stream=True), reply=b"yes")
    async with models(places, candidate=says("Yes")) as served:
        assert (await replayed(served, streamed)).verdict == "same"


async def test_calls_of_tools_are_data_to_compare(places: Places) -> None:
    def using(call_id: str, arguments: str) -> dict[str, Any]:
        function = {"name": "weather", "arguments": arguments}
        return {"tool_calls": [{"id": call_id, "type": "function", "function": function}]}

    first = chat_reply("", **using("a1", '{"city": "Bern", "days": 2}'))
    for arguments, verdict in (('{"days":2,"city":"Bern"}', "same"), ('{"days":3}', "different")):
        async with models(places, candidate=says("", **using("b2", arguments))) as served:
            row = await replayed(served, sampled(reply=first))
        assert (row.judge, row.verdict) == ("json/1", verdict)


async def test_against_itself_asks_the_same_model_as_an_evaluation(places: Places) -> None:
    async with models(places, strong=says("no")) as served:
        row = await replayed(served, sampled(itself=True))
    assert (row.model, row.candidate, row.verdict) == (STRONG, STRONG, "different")
    assert [errand.purpose for errand in served.errands] == ["evaluation"]


async def test_each_request_is_a_row_of_its_own_purpose_and_source_replay(places: Places) -> None:
    async with models(places, candidate=says(OTHER_TEXT), judge=says("TIE")) as served:
        row = await replayed(served, sampled(FREE_TEXT), judging=Judging(llm_model=JUDGE))
    found = sorted((call.purpose, call.requested_model, call.source) for call in calls(places))
    assert found == [
        ("judge", JUDGE, "replay"),
        ("judge", JUDGE, "replay"),
        ("replay", CANDIDATE, "replay"),
    ]
    assert row.judge_cost == "0.002"


# -- judges that are models ------------------------------------------------------------------------


def picking(text: str) -> Any:
    """A judge that prefers the answer in which this text stands."""

    def answer(body: dict[str, Any]) -> web.Response:
        prompt = body["messages"][0]["content"]
        first = prompt.partition("<answer-A>")[2].partition("</answer-A>")[0]
        return raw_reply(chat_reply("A" if text in first else "B"))

    return answer


@pytest.mark.parametrize(
    ("judge", "verdict", "score"),
    [
        (picking(FREE_TEXT), "worse", -1.0),
        (picking(OTHER_TEXT), "better", 1.0),
        (says("TIE."), "same", 0.0),
        (says("A"), "unsure", None),
        (says("B"), "unsure", None),
        (says("Answer A is better"), "unsure", None),
        (says(""), "unsure", None),
    ],
)
async def test_the_judge_model_is_believed_only_where_both_orders_agree(
    places: Places, judge: Any, verdict: str, score: float | None
) -> None:
    async with models(places, candidate=says(OTHER_TEXT), judge=judge) as served:
        row = await replayed(served, sampled(FREE_TEXT), judging=Judging(llm_model=JUDGE))
    assert (row.verdict, row.score, row.order_swapped) == (verdict, score, True)
    assert row.judge == f"llm/1:{JUDGE}"
    first, second = (body["messages"][0]["content"] for _, body in served.asked[1:])
    assert first.index(FREE_TEXT) < first.index(OTHER_TEXT)
    assert second.index(OTHER_TEXT) < second.index(FREE_TEXT)


def embedding(*vectors: list[float]) -> Any:
    """A model of embeddings that gives these, the last text's first."""
    data = [{"index": place, "embedding": vector} for place, vector in enumerate(vectors)]
    body = json.dumps({"data": data[::-1], "usage": {"prompt_tokens": 9}}).encode()
    return lambda _: raw_reply(body)


@pytest.mark.parametrize(
    ("vectors", "verdict", "score"),
    [
        (([3.0, 0.0], [3.0, 4.0]), "different", 0.6),
        (([4.0, 3.0], [4.0, 3.0]), "same", 1.0),
        (([1.0, 0.0], [4.0, 3.0]), "unsure", 0.8),
    ],
)
async def test_the_embedding_judge_goes_by_the_cosine(
    places: Places, vectors: tuple[list[float], list[float]], verdict: str, score: float
) -> None:
    judging = Judging(embedding_model=EMBEDDER, llm_model=JUDGE)
    async with models(places, candidate=says(OTHER_TEXT), embedder=embedding(*vectors)) as served:
        row = await replayed(served, sampled(FREE_TEXT), judging=judging)
    assert (row.verdict, row.judge) == (verdict, f"embedding/1:{EMBEDDER}")
    assert row.score == pytest.approx(score)
    assert served.asked[1] == (
        "/v1/embeddings",
        {"model": EMBEDDER, "input": [FREE_TEXT, OTHER_TEXT]},
    )


@pytest.mark.parametrize(
    "broken",
    [
        embedding([1.0], [1.0, 2.0]),
        embedding([0.0], [0.0]),
        embedding([1.0]),
        lambda _: raw_reply(b"no", 503),
        lambda _: raw_reply(b'{"data": [{"embedding": "x"}, 1]}'),
    ],
)
async def test_a_judge_that_fails_judges_nothing(places: Places, broken: Any) -> None:
    judging = Judging(embedding_model=EMBEDDER)
    async with models(places, candidate=says(OTHER_TEXT), embedder=broken) as served:
        row = await replayed(served, sampled(FREE_TEXT), judging=judging)
    assert (row.verdict, row.outcome, row.judge) == ("failed", "judge_error", None)
    assert row.candidate_cost == "0.001"


# -- what does not go well -------------------------------------------------------------------------


async def test_a_candidate_that_gives_no_answer_is_no_judgement(places: Places) -> None:
    for answer in (lambda _: raw_reply(b"{}", 500), lambda _: raw_reply(b"<html>")):
        async with models(places, candidate=answer) as served:
            row = await replayed(served, sampled())
        assert (row.verdict, row.outcome, row.judge) == ("failed", "error", None)


async def test_an_empty_answer_is_an_answer_and_differs(places: Places) -> None:
    async with models(places, candidate=says("")) as served:
        assert (await replayed(served, sampled())).verdict == "different"


async def test_a_candidate_that_never_answers_is_given_up_at_its_worst_cost(places: Places) -> None:
    async def sleeping(_: dict[str, Any]) -> web.Response:
        await asyncio.sleep(3)
        return raw_reply(b"{}")

    async with models(places, usd="0.015", candidate=sleeping) as served:
        row = await replayed(served, sampled(), seconds=0.05)
        assert (row.outcome, row.candidate_cost) == ("error", None)
        with pytest.raises(Skipped, match="over_cap"):
            await replayed(served, sampled(), seconds=0.05)


async def skipped(models: Models, which: Sampled, **given: Any) -> str:
    """Why it was skipped; nothing may have been sent."""
    with pytest.raises(Skipped) as reason:
        await replayed(models, which, **given)
    assert models.asked == []
    return str(reason.value)


PICTURE = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]


async def test_what_is_no_text_or_has_no_answer_is_not_sent(places: Places) -> None:
    async with models(places) as served:
        picture = sampled(asked={"messages": [{"role": "user", "content": PICTURE}]})
        assert await skipped(served, picture) == "not_text"
        sound = sampled(asked={"modalities": ["text", "audio"], "audio": {"voice": "a"}})
        assert await skipped(served, sound) == "not_text"
        assert await skipped(served, sampled(body=b'{"inputs": "x"}')) == "not_text"
        assert await skipped(served, sampled(body=b"no JSON")) == "not_text"
        several = b'{"model": "o/m", "prompt": ["one", "two"]}'
        assert await skipped(served, sampled(body=several)) == "not_text"
        assert await skipped(served, sampled(reply=b"{}")) == "no_answer"
        assert await skipped(served, sampled(" ")) == "no_answer"
        assert await skipped(served, sampled(asked={"model": CANDIDATE})) == "same_model"


SECRET = make_key(screening=Screening(data_class="confidential"))


async def test_a_secret_text_stays_where_it_was_for_candidate_and_judges_alike(
    places: Places,
) -> None:
    def elsewhere(model: str) -> str:
        return "http://other.test" if model in (JUDGE, EMBEDDER) else "http://models.test"

    judging = Judging(embedding_model=EMBEDDER, llm_model=JUDGE)
    own = make_call(host_kind="self_hosted", key_id="k1")
    async with models(places, candidate=says(OTHER_TEXT)) as served:
        routed = sampled(FREE_TEXT, key=SECRET)
        assert await skipped(served, routed, judging=judging) == "not_allowed"
        own_server = sampled(FREE_TEXT, key=SECRET, call=own)
        row = await replayed(served, own_server, host_of=elsewhere, judging=judging)
    assert row.judge == "normalised/1"
    assert [body["model"] for _, body in served.asked] == [CANDIDATE]


async def test_the_gateways_other_rules_are_asked_before_anything_is_sent(places: Places) -> None:
    async with models(places) as served:
        which = sampled()
        assert await skipped(served, which, may_go=lambda of, model: False) == "not_allowed"
    judging = Judging(llm_model=JUDGE)
    async with models(places, candidate=says(OTHER_TEXT)) as served:
        row = await replayed(
            served, sampled(FREE_TEXT), judging=judging, may_go=lambda of, model: model != JUDGE
        )
    assert row.judge == "normalised/1"


async def test_what_nobody_can_price_or_pay_is_not_sent(places: Places) -> None:
    async with models(places) as served:
        assert await skipped(served, sampled(), worst=lambda _: None) == "unpriced"
        assert await skipped(served, sampled(), worst=lambda _: Decimal("1.01")) == "over_cap"
        uncapped = sampled(key=msgspec.structs.replace(make_key(), key_id="k2"))
        assert await skipped(served, uncapped) == "over_cap"


async def test_a_replay_whose_judge_nobody_can_pay_is_kept_unjudged(places: Places) -> None:
    def worst(errand: Any) -> Decimal:
        return Decimal("0.9" if errand.purpose == "judge" else "0.2")

    async with models(places, candidate=says(OTHER_TEXT)) as served:
        served.prices[CANDIDATE] = Decimal("0.15")
        judging = Judging(llm_model=JUDGE)
        row = await replayed(served, sampled(FREE_TEXT), worst=worst, judging=judging)
    assert (row.outcome, row.verdict, row.candidate_cost) == ("over_cap", "failed", "0.15")


async def test_an_unknown_cost_of_a_judge_makes_the_sum_unknown(places: Places) -> None:
    async with models(places, candidate=says(OTHER_TEXT), judge=says("TIE")) as served:
        served.prices[JUDGE] = None
        row = await replayed(served, sampled(FREE_TEXT), judging=Judging(llm_model=JUDGE))
    assert (row.verdict, row.judge_cost) == ("same", None)
