"""A text that is longer than a model takes: offered in chunks, with their number and price first.

Only where a target's context length is known can a text be too long for it; else it is sent, and
the provider says what it takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import streamlit as st

from hf_ledger.analytics.words import dollars
from hf_ledger.dashboard.console.column import Column, Question
from hf_ledger.dashboard.format import full, plain
from hf_ledger.ingest.doors.documents.estimating import Estimate, estimate
from hf_ledger.ingest.doors.documents.job import CHUNK_INPUT, Answer, Job
from hf_ledger.ingest.doors.documents.parts import Processed
from hf_ledger.ingest.doors.documents.processing import process
from hf_ledger.ingest.doors.documents.tokens import counter_of_model, estimated
from hf_ledger.ingest.doors.gateway.limits.pricing import Prices
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.wanted import CHAT
from hf_ledger.ingest.errors import LedgerError, Usage
from hf_ledger.ingest.wire.estimate import limit_of

#: A chunk is half of what the model takes: the rest is for what stands around it and the answer.
SHARE = 2
TIMEOUT_SECONDS = 120.0
AT_ONCE = 4

TOO_LONG = "{who} takes {most} tokens, and this is about {tokens}."
NO_CHUNKS = "The task {task} takes no text in chunks: shorten it."
ONE_MESSAGE = "Only a message of its own goes in chunks: leave out earlier turns and the picture."


class Asked(NamedTuple):
    """A column, and where its calls go."""

    column: Column
    target: Target


class Priced(NamedTuple):
    """The ledger's prices, and the moment they are asked for, in seconds since 1970."""

    prices: Prices
    now_s: float


class Plan(NamedTuple):
    """How a text goes through one column, and what that would cost."""

    text: str
    job: Job
    estimate: Estimate


class Sent(NamedTuple):
    """What the person decided to send."""

    inputs: Mapping[str, Any]
    in_chunks: bool = False


# -- pure --------------------------------------------------------------------------------------


def texts_in(value: object) -> Iterator[str]:
    """All texts but the addresses of pictures."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            if name != "url":
                yield from texts_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts_in(each)


def tokens_in(inputs: Mapping[str, Any]) -> int:
    """As estimated from the text, with something to spare."""
    return estimated("\n".join(texts_in(dict(inputs))))


def why_long(asked: Asked, inputs: Mapping[str, Any]) -> str | None:
    """One sentence where the text and its answer are more than the target is known to take."""
    most = asked.target.context_length
    tokens = tokens_in(inputs)
    if most is None or tokens + (limit_of(dict(asked.column.parameters)) or 0) <= most:
        return None
    who = asked.column.model or asked.target.name
    return TOO_LONG.format(who=who, most=full(most), tokens=full(tokens))


def plan_of(asked: Asked, question: Question, priced: Priced) -> Plan:
    """Raises Usage where it can't be sent in chunks."""
    text, instruction, others = parted(question)
    counter = counter_of_model(asked.column.model)
    job = Job(
        task=question.task,
        inputs=others,
        parameters=asked.column.parameters,
        instruction=instruction,
        size=max((asked.target.context_length or 0) // SHARE, 1),
        unit="tokens",
        count=counter.count,
        at_once=AT_ONCE,
        timeout_s=TIMEOUT_SECONDS,
        target=asked.target.name,
        model=asked.column.model,
        provider=asked.target.provider,
    )
    return Plan(text, job, estimate(text, job, priced.prices, [asked.target], priced.now_s))


def parted(question: Question) -> tuple[str, str | None, dict[str, Any]]:
    """The text to be cut, what is told beside it, and the other inputs. Raises Usage."""
    if question.task not in CHUNK_INPUT:
        raise Usage(NO_CHUNKS.format(task=question.task))
    name = CHUNK_INPUT[question.task]
    others = {key: value for key, value in question.inputs.items() if key != name}
    given = question.inputs[name]
    if question.task != CHAT:
        return str(given), None, others
    *before, last = given
    told = [each["content"] for each in before if each["role"] == "system"]
    if len(told) != len(before) or not isinstance(last["content"], str):
        raise Usage(ONE_MESSAGE)
    return last["content"], told[0] if told else None, others


async def answered(plan: Plan, answer: Answer) -> Processed:
    """All chunks through `answer`, put together as the task wants it. Raises as `process`."""
    return await process(plan.text, plan.job, answer)


# -- on the page -------------------------------------------------------------------------------


def gate(
    task: str,
    inputs: Mapping[str, Any] | None,
    columns: Sequence[Asked],
    priced: Priced,
    key: str,
) -> Sent | None:
    """What is to be sent just now: at once where it fits, else when the person agrees to chunks."""
    held = f"{key}-long"
    if inputs is not None:
        st.session_state.pop(held, None)
        if not any(why_long(each, inputs) for each in columns):
            return Sent(inputs)
        st.session_state[held] = inputs
    waiting: Mapping[str, Any] | None = st.session_state.get(held)
    if waiting is None:
        return None
    question = Question(task=task, inputs=waiting)
    agreed = offer(question, columns, priced, key)
    if agreed is None:
        return None
    st.session_state.pop(held)
    return Sent(waiting, in_chunks=True) if agreed else None


def offer(question: Question, columns: Sequence[Asked], priced: Priced, key: str) -> bool | None:
    """Whether the person agrees; None while nothing was said."""
    with st.container(border=True):
        possible = [described(each, question, priced) for each in columns]
        with st.container(horizontal=True):
            yes = st.button(
                "Send in chunks", key=f"{key}-chunks", type="primary", disabled=not all(possible)
            )
            no = st.button("Cancel", key=f"{key}-whole")
    return yes if yes or no else None


def described(asked: Asked, question: Question, priced: Priced) -> bool:
    """Say of one column how it would go there; whether it can."""
    why = why_long(asked, question.inputs)
    if why is None:
        st.caption(plain(f"{asked.column.model or asked.target.name}: sent whole, it fits."))
        return True
    try:
        said = line(plan_of(asked, question, priced).estimate)
    except LedgerError as error:
        st.warning(plain(f"{why} {error}"))
        return False
    st.markdown(plain(f"{why} {said}"))
    return True


def line(found: Estimate) -> str:
    """Number, price and what the price stands on."""
    calls = f"In {full(found.chunks)} chunks it is {full(found.calls)} calls"
    if found.cost is None:
        return f"{calls}; their price is unknown ({found.basis})."
    most = f", at most {dollars(found.high)}" if found.high is not None else ""
    return f"{calls}, about {dollars(found.cost)}{most} ({found.basis})."
