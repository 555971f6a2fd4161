"""A text that is too long for a model: said, offered in chunks with a price, and sent only then."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from factories_console import drawn, model_of, run_of, shown
from factories_practice import CHAT_MODEL, Practice, calls, practice_server, recording
from streamlit.testing.v1 import AppTest

from hf_ledger.dashboard.console.column import Column, Question
from hf_ledger.dashboard.console.long_texts import (
    Asked,
    Priced,
    answered,
    parted,
    plan_of,
    texts_in,
    tokens_in,
    why_long,
)
from hf_ledger.ingest.doors.gateway.limits.pricing import Prices
from hf_ledger.ingest.doors.gateway.state import Price, State
from hf_ledger.ingest.doors.router.calling import answer
from hf_ledger.ingest.doors.router.pools import Pools
from hf_ledger.ingest.doors.router.seen import Seen
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.places import Places

NOW_S = 1_790_000_000.0
SENTENCE = "Ada met Eve in Rome. "
LONG = SENTENCE * 60  # some 400 tokens
CONTEXT = 200


def asked_of(task: str, url: str | None = None, **more: Any) -> Asked:
    model = CHAT_MODEL if task == "chat-completion" else model_of(task)
    given = {"name": "t", "url": url, "model": model, "context_length": CONTEXT, **more}
    return Asked(Column(target="t", model=model), Target(**given))


def priced(*prices: Price) -> Priced:
    return Priced(Prices(State(prices=prices)), NOW_S)


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


def test_a_text_is_long_only_where_the_context_is_known() -> None:
    inputs = {"text": LONG}
    assert tokens_in(inputs) > CONTEXT
    said = why_long(asked_of("summarization"), inputs)
    assert said is not None
    assert said.startswith(f"{model_of('summarization')} takes 200 tokens, and this is about ")
    assert why_long(asked_of("summarization", context_length=None), inputs) is None
    assert why_long(asked_of("summarization"), {"text": SENTENCE}) is None


def test_the_answers_limit_needs_room_too() -> None:
    asked = asked_of("chat-completion")
    column = Column(target="t", model=CHAT_MODEL, parameters={"max_tokens": CONTEXT})
    assert why_long(asked, chat(SENTENCE)) is None
    assert why_long(asked._replace(column=column), chat(SENTENCE)) is not None


def test_a_pictures_address_is_no_text() -> None:
    content = [{"type": "text", "text": "what"}, {"type": "image_url", "image_url": {"url": "x"}}]
    assert "x" not in set(texts_in({"messages": [{"role": "user", "content": content}]}))


def test_a_plan_has_chunks_that_fit() -> None:
    plan = plan_of(
        asked_of("translation"), Question(task="translation", inputs={"text": LONG}), priced()
    )
    assert plan.text == LONG
    assert plan.job.size == CONTEXT // 2
    assert plan.estimate.chunks >= tokens_in({"text": LONG}) // CONTEXT
    assert plan.estimate.cost is None


def test_the_system_prompt_goes_with_each_chunk_of_a_chat() -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": LONG}]
    question = Question(task="chat-completion", inputs={"messages": messages})
    assert parted(question) == (LONG, "Be brief.", {})
    sent = plan_of(asked_of("chat-completion"), question, priced()).job.inputs_of("part")
    assert sent["messages"] == [messages[0], {"role": "user", "content": "part"}]


@pytest.mark.parametrize(
    ("task", "inputs", "said"),
    [
        ("fill-mask", {"text": LONG}, "takes no text in chunks"),
        (
            "chat-completion",
            {"messages": [{"role": "user", "content": "x"}] * 2},
            "leave out earlier turns",
        ),
        (
            "chat-completion",
            {"messages": [{"role": "user", "content": [{"type": "text", "text": LONG}]}]},
            "and the picture",
        ),
    ],
)
def test_what_can_not_be_cut_says_why(task: str, inputs: Mapping[str, Any], said: str) -> None:
    with pytest.raises(Usage, match=said):
        parted(Question(task=task, inputs=inputs))


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.mark.parametrize(
    "task",
    [
        "summarization",
        "translation",
        "text-classification",
        "token-classification",
        "chat-completion",
        "feature-extraction",
    ],
)
def test_in_chunks_through_the_practice_server_and_shown_as_one(
    server: Practice, places: Places, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_SECRET")
    inputs = chat(LONG) if task == "chat-completion" else {"text": LONG}
    asked = asked_of(task, server.url)
    plan = plan_of(asked, Question(task=task, inputs=inputs), priced())
    assert plan.estimate.input_tokens >= 5 * 60  # words of the text

    async def whole() -> Any:
        pools = Pools()

        async def one(task: str, inputs: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
            wire: dict[str, Any] = {"seen": Seen(), "timeout_s": 20, "pools": pools}
            return await answer(asked.target, task, inputs, parameters, **wire)

        done = await answered(plan, one)
        await pools.close()
        return done

    with recording(server):
        done = asyncio.run(whole())
    rows = calls(places)
    assert len(rows) >= plan.estimate.chunks > 1
    assert {row.task for row in rows} == {task}
    assert len({row.operation_id for row in rows}) == 1
    page = shown(run_of(task, inputs, done.value))
    assert "no form of its own" not in "".join(each.value for each in page.caption)


# The page ---------------------------------------------------------------------------------------


def gated(task: str, inputs: Mapping[str, Any], asked: Asked, at_prices: Priced) -> AppTest:
    """A page on which the inputs were just sent; what it lets through stands as `sent`."""

    def script(task: str, inputs: object, asked: object, at_prices: object) -> None:
        import streamlit as st

        from hf_ledger.dashboard.console import long_texts

        fresh = None if "sent" in st.session_state else inputs
        st.session_state["sent"] = long_texts.gate(task, fresh, [asked], at_prices, "k")  # type: ignore[arg-type,list-item]

    given = {"task": task, "inputs": inputs, "asked": asked, "at_prices": at_prices}
    return drawn(AppTest.from_function(script, kwargs=given))


def said(at: AppTest) -> str:
    return "".join(each.value for kind in (at.markdown, at.warning, at.caption) for each in kind)


def test_what_fits_is_sent_at_once() -> None:
    at = gated("summarization", {"text": SENTENCE}, asked_of("summarization"), priced())
    assert at.session_state["sent"] == ({"text": SENTENCE}, False)
    assert not at.button


def test_what_is_too_long_is_not_sent_before_somebody_agrees() -> None:
    inputs = {"text": LONG}
    at = gated("translation", inputs, asked_of("translation"), priced())
    assert at.session_state["sent"] is None
    assert "chunks it is" in said(at)
    assert "price is unknown" in said(at)
    drawn(at)
    assert at.session_state["sent"] is None  # a rerun is no agreement
    at.button(key="k-chunks").click()
    assert drawn(at).session_state["sent"] == (inputs, True)
    drawn(at)
    assert at.session_state["sent"] is None  # nor is the next one
    assert not at.button


def test_cancelling_sends_nothing() -> None:
    at = gated("translation", {"text": LONG}, asked_of("translation"), priced())
    at.button(key="k-whole").click()
    assert drawn(at).session_state["sent"] is None
    drawn(at)
    assert not at.button


def test_the_price_stands_there_before() -> None:
    """About 400 tokens in and as many out, at a dollar a million for either."""
    price = Price(provider="novita", model=CHAT_MODEL, price_id="p", input="1", output="1")
    asked = asked_of("chat-completion", provider="novita")
    at = gated("chat-completion", chat(LONG), asked, priced(price))
    assert "chunks it is" in said(at)
    assert "about \\$0\\.00" in said(at) or "about \\$0.00" in said(at)
    assert "price is unknown" not in said(at)


def test_what_can_not_be_cut_can_not_be_agreed_to() -> None:
    at = gated("fill-mask", {"text": LONG}, asked_of("fill-mask"), priced())
    assert "takes no text in chunks: shorten it" in at.warning[0].value.replace("\\", "")
    assert at.button(key="k-chunks").disabled
