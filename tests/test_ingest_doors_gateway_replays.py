"""Replays from end to end: a gateway before the practice server, a key's cap at the owner."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from factories_gateway import CHAT, TOKEN, Witness, running
from factories_practice import calls, recorded
from factories_replays import chat_reply
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from hf_ledger.ingest.call import Call, Replayed
from hf_ledger.ingest.doors.api.keys import key_hash, make_key
from hf_ledger.ingest.doors.gateway.compliance.policy import Allowed, Policy
from hf_ledger.ingest.doors.gateway.limits.bank import Bank
from hf_ledger.ingest.doors.gateway.limits.transports import Direct
from hf_ledger.ingest.doors.gateway.opening import Gateway, Plan, routes
from hf_ledger.ingest.doors.gateway.state import Budget, Key, Price, Replaying, State
from hf_ledger.ingest.doors.gateway.state_file import publish
from hf_ledger.ingest.doors.replays.caps import caps_of
from hf_ledger.ingest.doors.replays.replaying import Judging
from hf_ledger.ingest.places import Places
from hf_ledger.practice.app import practice_app

STRONG = "meta-llama/Llama-3.3-70B-Instruct:together"
ITS_SMALL = "meta-llama/Llama-3.1-8B-Instruct"
CANDIDATE = f"{ITS_SMALL}:cerebras"
ITS_OWN = "meta-llama/Llama-3.3-70B-Instruct"
MARKER = "amarkerofthereplays"
PRICES = (
    Price(provider="together", model=ITS_OWN, price_id="p1", input="0.88", output="0.88"),
    Price(provider="cerebras", model=ITS_SMALL, price_id="p2", input="0.1", output="2"),
)


@dataclass
class House:
    """A gateway of one key with its bank."""

    places: Places
    bank: Bank
    gateway: Gateway
    key: str
    witness: Witness
    port: int = 0

    def post(self, model: str = STRONG, **more: Any) -> httpx.Response:
        """A chat of few tokens; a stream is read to its end."""
        body = {"model": model, "messages": [{"role": "user", "content": MARKER}], **more}
        reply = httpx.post(
            f"http://127.0.0.1:{self.port}{CHAT}",
            json={"max_tokens": 20, **body},
            headers={"authorization": f"Bearer {self.key}"},
            timeout=20,
        )
        assert reply.status_code == 200, reply.text
        return reply

    def until(self, **counts: int) -> None:
        """Wait until so many drawn calls came to this."""
        deadline = time.monotonic() + 5
        found = self.gateway.replays.counts
        while any(found[name] < count for name, count in counts.items()):
            assert time.monotonic() < deadline, dict(found)
            time.sleep(0.01)

    def ended(self, count: int) -> None:
        """Wait until so many drawn calls are replayed or given up."""
        deadline = time.monotonic() + 5
        found = self.gateway.replays.counts
        while sum(found.values()) - found["sampled"] < count:
            assert time.monotonic() < deadline, dict(found)
            time.sleep(0.01)

    def rows(self) -> list[Replayed]:
        return [line for line in recorded(self.places) if isinstance(line, Replayed)]

    def sent(self) -> list[Call]:
        """What replays sent."""
        return [call for call in calls(self.places) if call.source == "replay"]

    def settled(self, budget_id: str) -> Decimal:
        """What a budget has come to, as the owner knows it once the gateway has told."""
        (found,) = [each for each in self.bank.standings() if each.budget_id == budget_id]
        return Decimal(found.settled).scaleb(-9)


@contextmanager
def house(
    root: Path,
    *,
    share: float = 1.0,
    usd: str = "1",
    budgets: tuple[Budget, ...] = (),
    slow: float = 0.0,
    behind: ASGIApp | None = None,
    prices: tuple[Price, ...] = PRICES,
    **plan: Any,
) -> Iterator[House]:
    places = Places(root / "ledger")
    places.make()
    key, kept = make_key("tests", role="call")
    replaying = Replaying(share=share, candidate=CANDIDATE, usd=usd)
    known = Key(
        key_id=kept.key_id,
        key_hash=key_hash(key),
        name="tests",
        user="u-1",
        team="t-1",
        replaying=replaying,
    )
    state = State(keys=(known,), budgets=(*budgets, *caps_of([known])), prices=prices)
    publish(places, state)
    witness = Witness(slowed(behind or practice_app(), slow))
    with ExitStack() as stack:
        bank = stack.enter_context(contextlib.closing(Bank(places, state)))
        upstream = stack.enter_context(running(witness, "off"))
        told = Plan(upstream=f"http://127.0.0.1:{upstream}", **plan)
        gateway = Gateway(places, told, lambda: TOKEN, Direct(bank))
        # Every drawn call goes to the candidate, none to the model itself again.
        gateway.replays._random = Never()  # type: ignore[assignment]
        made = House(places, bank, gateway, key, witness)
        with running(served(gateway)) as made.port:
            yield made


class Never:
    """Chance that draws every call of share 1, and never for the model itself."""

    def random(self) -> float:
        return 0.999


def served(gateway: Gateway) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        await gateway.start()
        yield
        await gateway.close()

    return Starlette(routes=routes(gateway.door), lifespan=lifespan)


def slowed(app: ASGIApp, seconds: float) -> ASGIApp:
    """The same, but what is asked of it by a replay waits first."""

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        names = dict(scope.get("headers", []))
        if seconds and b"x-hf-ledger-no-replay" in names:
            await asyncio.sleep(seconds)
        await app(scope, receive, send)

    return waiting


def answered(body: bytes) -> Response:
    return Response(body, media_type="application/json")


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    with ExitStack() as stack:
        yield lambda **given: stack.enter_context(house(tmp_path, **given))


Opened = Callable[..., House]


def test_a_call_is_one_row_its_replay_one_more_and_the_verdict_a_line(open_house: Opened) -> None:
    running = open_house()
    reply = running.post()
    running.until(replayed=1)
    first, second = sorted(calls(running.places), key=lambda call: call.source)
    assert (first.source, first.purpose, first.call_id) == (
        "gateway",
        "work",
        reply.headers["x-hf-ledger-call-id"],
    )
    assert (second.source, second.purpose, second.outcome) == ("replay", "replay", "ok")
    assert (second.key_id, second.user_id, second.team) == (first.key_id, "u-1", "t-1")
    assert f"{second.requested_model}:{second.provider}" == CANDIDATE
    (row,) = running.rows()
    assert (row.call_id, row.key_id, row.candidate) == (first.call_id, first.key_id, CANDIDATE)
    assert (row.verdict, row.outcome) == ("same", "ok")
    assert row.candidate_output_tokens == second.output_tokens
    assert row.model_cost == reply.headers["x-hf-ledger-cost-estimate"]
    assert Decimal(row.candidate_cost or 0) > 0


def test_a_stream_is_replayed_as_one_whole_answer(open_house: Opened) -> None:
    running = open_house()
    assert b"[DONE]" in running.post(stream=True).content
    running.until(replayed=1)
    (row,) = running.rows()
    assert (row.verdict, row.outcome) == ("same", "ok")
    (again,) = running.sent()
    assert not again.stream


def test_a_packed_reply_can_be_compared(open_house: Opened) -> None:
    running = open_house()
    running.post("practice/gzip")
    running.until(replayed=1)
    assert running.rows()[0].model == "practice/gzip"


def test_a_key_without_replays_has_none(open_house: Opened) -> None:
    running = open_house(share=0.0)
    running.post()
    running.post(stream=True)
    assert (running.rows(), running.sent(), running.gateway.replays.counts) == ([], [], {})
    assert len(running.witness.seen) == 2


def test_at_the_cap_nothing_more_is_sent_and_calls_go_on(open_house: Opened) -> None:
    # At worst each costs some 0.000075 USD, in fact a tenth of that.
    running = open_house(usd="0.00009")
    for _ in range(8):
        running.post()
    running.ended(8)
    assert running.gateway.replays.counts["over_cap"] >= 1
    cost = sum(Decimal(row.candidate_cost or 0) for row in running.rows())
    assert 0 < cost <= Decimal("0.00009")
    assert len(running.sent()) == len(running.rows())
    running.post()


def test_what_replays_cost_counts_on_the_teams_budget_and_not_on_the_keys(tmp_path: Path) -> None:
    team = Budget(budget_id="team", dimension="team", value="t-1", usd="1")
    with house(tmp_path, budgets=(team,)) as running:
        reply = running.post()
        running.until(replayed=1)
        (row,) = running.rows()
        cap = f"replay:{row.key_id}"
    first = Decimal(reply.headers["x-hf-ledger-cost-estimate"])
    assert running.settled(cap) == Decimal(row.candidate_cost or 0)
    assert running.settled("team") == first + running.settled(cap)


def test_a_candidate_without_a_price_is_not_asked(open_house: Opened) -> None:
    running = open_house(prices=PRICES[:1])
    running.post()
    running.until(unpriced=1)
    assert running.sent() == []


def test_a_class_of_data_keeps_replays_to_where_it_may_go(open_house: Opened) -> None:
    policy = Policy(allowed={"internal": Allowed(models=(ITS_OWN,))})
    running = open_house(policy=policy)
    running.post()
    running.until(not_allowed=1)
    assert running.sent() == []


async def opinions(scope: Scope, receive: Receive, send: Send) -> None:
    """Each model says something else, and the judge that both are equally good."""
    asked = json.loads((await receive())["body"])
    text = f"The model {asked['model']} has a long opinion"
    if "<answer-A>" in asked["messages"][0]["content"]:
        text = "TIE"
    await answered(chat_reply(text))(scope, receive, send)


def test_a_judge_model_is_asked_and_is_a_row_of_its_own(open_house: Opened) -> None:
    running = open_house(behind=opinions, judging=Judging(llm_model=CANDIDATE))
    running.post()
    running.until(replayed=1)
    (row,) = running.rows()
    assert (row.judge, row.verdict, row.order_swapped) == (f"llm/1:{CANDIDATE}", "same", True)
    assert Counter(call.purpose for call in running.sent()) == {"replay": 1, "judge": 2}
    assert {call.key_id for call in running.sent()} == {row.key_id}
    cost = Decimal(row.candidate_cost or 0) + Decimal(row.judge_cost or 0)
    assert cost == sum(row_cost(call) for call in running.sent())


def row_cost(call: Call) -> Decimal:
    """USD as the candidate's price has it."""
    return Decimal((call.input_tokens or 0) * 1 + (call.output_tokens or 0) * 20) / 10**7


def test_a_slow_candidate_does_not_hold_up_calls(open_house: Opened) -> None:
    running = open_house(slow=0.6)
    spans = []
    for _ in range(6):
        started = time.monotonic()
        running.post()
        spans.append(time.monotonic() - started)
    assert max(spans) < 0.5
    running.until(replayed=2)


async def dies(scope: Scope, receive: Receive, send: Send) -> None:
    """Hangs up on every replay."""
    if b"x-hf-ledger-no-replay" in dict(scope["headers"]):
        raise ConnectionError
    await answered(chat_reply("yes"))(scope, receive, send)


def test_a_network_that_fails_is_a_row_and_costs_nothing(tmp_path: Path) -> None:
    with house(tmp_path, behind=dies) as running:
        running.post()
        running.until(replayed=1)
    (row,) = running.rows()
    assert (row.outcome, row.verdict) == ("error", "failed")
    (sent,) = running.sent()
    assert sent.outcome == "error"
    assert running.settled(f"replay:{row.key_id}") == 0


def test_closing_in_the_middle_leaves_rows_whole_and_money_settled(tmp_path: Path) -> None:
    with house(tmp_path, slow=5.0) as running:
        running.post()
        deadline = time.monotonic() + 5
        while len(running.witness.seen) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        started = time.monotonic()
    assert time.monotonic() - started < 3
    assert running.rows() == []
    (sent,) = running.sent()
    assert sent.outcome != "ok"
    # Nobody knows what it cost: its worst case counts.
    assert running.settled(f"replay:{sent.key_id}") > 0


def test_no_text_is_in_any_file(tmp_path: Path) -> None:
    with house(tmp_path) as running:
        running.post()
        running.post(stream=True)
        running.until(replayed=2)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"amarkerof" not in kept
    assert running.key.encode() not in kept
    assert TOKEN.encode() not in kept
