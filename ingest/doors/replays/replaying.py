"""Replay one sampled call: ask the candidate, have a judge compare, keep the figures alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hf_ledger.ingest.call import Call, Purpose, Replayed, ReplayOutcome
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.hook.ids import uuid7
from hf_ledger.ingest.doors.replays import answers
from hf_ledger.ingest.doors.replays.allowance import Allowance
from hf_ledger.ingest.doors.replays.errand import Errand, Reply, Send, Worst
from hf_ledger.ingest.doors.replays.judges import EMBEDDING, JUDGES, Judged, choose
from hf_ledger.ingest.doors.replays.preference import judge_body, preferred
from hf_ledger.ingest.doors.replays.sampling import HostOf, MayGo, Sampled, anywhere, leaves
from hf_ledger.ingest.doors.replays.similarity import embeddings_body, similar, vectors_of

CHAT, EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"
#: So long one request of ours may take.
MOST_SECONDS = 120.0

FAILED = Judged("", "failed")


class Skipped(Exception):  # noqa: N818 - no mistake
    """This call is not replayed, or its replay not judged; the reason is one word."""


@dataclass(frozen=True)
class Judging:
    """Which models judge free text; None: there is no such judge."""

    embedding_model: str | None = None
    llm_model: str | None = None


@dataclass
class _Pair:
    """Two answers to one request, and what comparing them has cost so far."""

    sampled: Sampled
    asked: dict[str, Any]
    given: str
    candidate: str = ""
    started: int = 0  # ns since 1970
    other: str = ""
    judge_costs: list[Decimal | None] = field(default_factory=list)


@dataclass
class Replayer:
    """Replays one call at a time; where requests go, what they cost and who may pay is given."""

    send: Send
    worst: Worst
    allowance: Allowance
    host_of: HostOf
    may_go: MayGo = anywhere
    judging: Judging = Judging()
    clock: Callable[[], int] = time.time_ns
    seconds: float = MOST_SECONDS

    async def replay(self, sampled: Sampled) -> Replayed:
        """The finished row; raises `Skipped` where nothing was sent."""
        pair = _pair_of(sampled)
        errand = self._errand(pair)
        pair.candidate, pair.started = errand.model, self.clock()
        reply = await self._paid(sampled, errand)
        other = answers.answer_of(reply.body) if reply.status == 200 else None
        outcome: ReplayOutcome = "error"
        judged = FAILED
        if other is not None:
            pair.other = other
            outcome, judged = await self._compared(pair, reply)
        return _row(pair, reply, judged, outcome)

    def _errand(self, pair: _Pair) -> Errand:
        sampled, model = pair.sampled, str(pair.asked["model"])
        if sampled.candidate == model:
            raise Skipped("same_model")
        target = sampled.candidate or model
        if not self._allowed(pair, target):
            raise Skipped("not_allowed")
        purpose: Purpose = "replay" if sampled.candidate else "evaluation"
        body = answers.repeated(pair.asked, target, sampled.call.output_tokens)
        return Errand(purpose, target, sampled.path, sampled.call, sampled.headers, body)

    async def _paid(self, sampled: Sampled, errand: Errand) -> Reply:
        """Send what the key's money allows; without an answer in time the reply is empty."""
        try:
            held = await self.allowance.hold(sampled.key_id, errand, self.worst(errand))
        except Refused as refused:
            raise Skipped("unpriced" if refused.code == "unpriced" else "over_cap") from None
        reply = Reply(0)
        try:
            async with asyncio.timeout(self.seconds):
                reply = await self.send(errand)
        except TimeoutError:
            return reply
        finally:
            self.allowance.settle(held, reply)
        return reply

    # -- judging ---------------------------------------------------------------------------------

    async def _compared(self, pair: _Pair, reply: Reply) -> tuple[ReplayOutcome, Judged]:
        if answers.was_cut(reply.body) and not answers.has_limit(pair.asked):
            # The limit was ours: what the candidate would have said is not known.
            return "ok", Judged("", "unsure")
        try:
            judged = await self._judged(pair)
        except Skipped as skipped:
            return ("over_cap" if str(skipped) == "over_cap" else "judge_error"), FAILED
        return ("ok", judged) if judged else ("judge_error", FAILED)

    async def _judged(self, pair: _Pair) -> Judged | None:
        embedding, llm = self.judging.embedding_model or "", self.judging.llm_model or ""
        name = choose(
            pair.asked,
            pair.given,
            embedding=self._allowed(pair, embedding),
            llm=self._allowed(pair, llm),
        )
        if name in JUDGES:
            return JUDGES[name](pair.given, pair.other)
        if name == EMBEDDING:
            return await self._by_embedding(pair, embedding)
        return await self._by_model(pair, llm)

    def _allowed(self, pair: _Pair, model: str) -> bool:
        """Whether there is such a model and the text may go to it."""
        sampled = pair.sampled
        inside = bool(model) and not leaves(sampled, model, self.host_of)
        return inside and self.may_go(sampled, model)

    async def _by_embedding(self, pair: _Pair, model: str) -> Judged | None:
        async def embed(texts: list[str]) -> list[list[float]] | None:
            reply = await self._asked_judge(pair, model, EMBEDDINGS, embeddings_body(model, texts))
            return vectors_of(reply.body) if reply.status == 200 else None

        return await similar(pair.given, pair.other, embed, model)

    async def _by_model(self, pair: _Pair, model: str) -> Judged | None:
        async def ask(prompt: str) -> str | None:
            reply = await self._asked_judge(pair, model, CHAT, judge_body(model, prompt))
            return answers.answer_of(reply.body) if reply.status == 200 else None

        question = answers.question_of(pair.asked)
        return await preferred(question, pair.given, pair.other, ask, model)

    async def _asked_judge(self, pair: _Pair, model: str, path: str, body: bytes) -> Reply:
        sampled = pair.sampled
        errand = Errand("judge", model, path, sampled.call, sampled.headers, body)
        pair.judge_costs.append(None)  # until it is known
        reply = await self._paid(sampled, errand)
        pair.judge_costs[-1] = reply.cost
        return reply


def _pair_of(sampled: Sampled) -> _Pair:
    """What was asked and answered first; `Skipped` where that is nothing to compare with."""
    asked = answers.asked_of(sampled.body)
    if asked is None:
        raise Skipped("not_text")
    if sampled.call.stream:
        given: str | None = sampled.reply.decode("utf-8", "replace")
    else:
        given = answers.answer_of(sampled.reply)
    if not given or not given.strip():
        raise Skipped("no_answer")
    return _Pair(sampled, asked, given)


def _row(pair: _Pair, reply: Reply, judged: Judged, outcome: ReplayOutcome) -> Replayed:
    call, sampled = pair.sampled.call, pair.sampled
    second = reply.call or Call(call_id="", ts=0)
    return Replayed(
        replay_id=uuid7(pair.started),
        call_id=call.call_id,
        ts=pair.started // 1000,
        origin=call.origin,
        key_id=sampled.key_id,
        model=pair.asked["model"],
        candidate=pair.candidate,
        judge=judged.judge or None,
        verdict=judged.verdict,
        score=judged.score,
        model_input_tokens=call.input_tokens,
        model_output_tokens=call.output_tokens,
        candidate_input_tokens=second.input_tokens,
        candidate_output_tokens=second.output_tokens,
        model_cost=_amount(sampled.cost),
        candidate_cost=_amount(reply.cost),
        judge_cost=_amount(_sum(pair.judge_costs)),
        sampling_probability=sampled.probability,
        order_swapped=judged.order_swapped,
        outcome=outcome,
    )


def _sum(costs: list[Decimal | None]) -> Decimal | None:
    """Together; unknown where one of them is."""
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if len(known) == len(costs) else None


def _amount(cost: Decimal | None) -> str | None:
    return None if cost is None else f"{cost:f}"
