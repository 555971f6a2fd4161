"""Replays for tests: lines and rows, finished calls, and models on a loopback server."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from factories_calls import NOON, make_call, micros
from factories_limits import purses

from hf_ledger.ingest.call import Call, Replayed
from hf_ledger.ingest.doors.gateway.asking import Asking, Outcome
from hf_ledger.ingest.doors.gateway.limits.bank import Bank
from hf_ledger.ingest.doors.gateway.limits.matching import Labels
from hf_ledger.ingest.doors.gateway.state import Key, Replaying, State
from hf_ledger.ingest.doors.replays.allowance import Allowance
from hf_ledger.ingest.doors.replays.caps import caps_of
from hf_ledger.ingest.doors.replays.errand import Errand, Reply
from hf_ledger.ingest.doors.replays.replaying import Replayer
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.segments import Segments
from hf_ledger.ingest.wire.exchange import WireSettings
from hf_ledger.ingest.wire.reply import ReplyReader
from hf_ledger.ingest.wire.request import read_request

STRONG, CANDIDATE = "meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.1-8B-Instruct"
JUDGE, EMBEDDER = "openai/gpt-oss-120b", "BAAI/bge-m3"

ROWS = "select * from replays order by ts, replay_id"


def make_replayed(**overrides: Any) -> Replayed:
    """A judged replay; `ts` may be a datetime."""
    given = {
        "replay_id": str(uuid.uuid4()),
        "call_id": str(uuid.uuid4()),
        "ts": NOON,
        "key_id": "k1",
        "model": STRONG,
        "candidate": CANDIDATE,
        "judge": "exact/1",
        "verdict": "same",
        "sampling_probability": 0.05,
        **overrides,
    }
    return Replayed(**{**given, "ts": micros(given["ts"])})


def replay_rows(ledger: Ledger) -> list[dict[str, Any]]:
    """The table `replays`, oldest first."""
    cursor = ledger.cursor()
    found = cursor.execute(ROWS)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


# -- a call that came through the gateway ----------------------------------------------------------


def make_key(
    share: float = 1.0, candidate: str | None = CANDIDATE, usd: str = "1", **more: Any
) -> Key:
    replaying = Replaying(share=share, candidate=candidate, usd=usd)
    return Key(key_id="k1", key_hash="0" * 64, name="shop", replaying=replaying, **more)


def make_asking(text: str = "Is it raining?", **overrides: Any) -> Asking:
    """A finished request for one chat answer; `asked` adds to its body."""
    body = {"model": STRONG, "messages": [{"role": "user", "content": text}]}
    body |= overrides.pop("asked", {})
    given = {
        "request_id": "r1",
        "ts": micros(NOON),
        "method": "POST",
        "path": "/v1/chat/completions",
        "address": "127.0.0.1",
        "headers": {},
        "body": json.dumps(body).encode(),
        "state": State(),
        "key": make_key(),
        "upstream": "http://models.test",
        **overrides,
    }
    return Asking(**given)


def make_outcome(**overrides: Any) -> Outcome:
    call = overrides.pop("call", None) or make_call(provider="together")
    return Outcome(**{"call": call, "cost": Decimal("0.0001"), "status": 200, **overrides})


def chat_reply(text: str, **message: Any) -> bytes:
    """A chat reply's JSON; `usage` counts words."""
    choice = {"index": 0, "finish_reason": message.pop("finish_reason", "stop")}
    said = {"role": "assistant", "content": text, **message}
    usage = {"prompt_tokens": 10, "completion_tokens": max(len(text.split()), 1)}
    return json.dumps({"choices": [{**choice, "message": said}], "usage": usage}).encode()


# -- models on a loopback server, and the gateway's way to them ------------------------------------

Answer = Callable[[dict[str, Any]], web.Response | Awaitable[web.Response]]


def says(text: str, **message: Any) -> Answer:
    """A model that always says this."""
    return lambda _: raw_reply(chat_reply(text, **message))


def raw_reply(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json")


@dataclass
class Models:
    """A server of models by name, what it was asked, and the recording client in front of it."""

    answers: dict[str, Answer]
    segments: Segments
    url: str = ""
    session: ClientSession = field(init=False)
    allowance: Allowance = field(init=False)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    errands: list[Errand] = field(default_factory=list)
    prices: dict[str, Decimal | None] = field(default_factory=dict)  # by model; None: unknown

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append((request.path, body))
        answered = self.answers[body["model"]](body)
        return await answered if isinstance(answered, Awaitable) else answered

    async def send(self, errand: Errand) -> Reply:
        """As the gateway does it: a request to the upstream that becomes a row."""
        self.errands.append(errand)
        started = time.time_ns()
        url = self.url + errand.path
        settings = WireSettings(extra_hosts={self.url.removeprefix("http://"): "router"})
        call = read_request("POST", url, errand.headers, errand.body, settings)
        assert isinstance(call, Call)
        call.call_id, call.ts = str(uuid.uuid4()), started // 1000
        call.source, call.purpose, call.key_id = "replay", errand.purpose, errand.of.key_id
        async with self.session.post(url, data=errand.body, headers=errand.headers) as got:
            body = await got.read()
            reader = ReplyReader(call, got.status, {}, started, time.time_ns)
        reader.feed(body)
        reader.finish("complete")
        assert self.segments.write(call)
        return Reply(got.status, body, call, self.prices.get(errand.model, Decimal("0.001")))

    def replayer(self, **given: Any) -> Replayer:
        """Every request costs a tenth of a cent, or what `prices` says, and a cent at most."""
        standard = {
            "send": self.send,
            "worst": lambda errand: Decimal("0.01"),
            "allowance": self.allowance,
            "host_of": lambda model: self.url,
        }
        return Replayer(**{**standard, **given})


@asynccontextmanager
async def models(places: Places, usd: str = "1", **answers: Answer) -> AsyncIterator[Models]:
    """Serve `candidate`, `strong`, `judge` and `embedder` as given, behind a real session.

    Replays of the key "k1" may cost so many USD, which a bank in `places` lends.
    """
    names = {"candidate": CANDIDATE, "strong": STRONG, "judge": JUDGE, "embedder": EMBEDDER}
    segments = Segments(places.spool)
    made = Models({names[name]: answer for name, answer in answers.items()}, segments)
    app = web.Application()
    app.router.add_post("/v1/{rest:.*}", made.answer)
    state = State(budgets=caps_of([make_key(usd=usd)]))
    bank = Bank(places, state)
    async with TestServer(app) as server, ClientSession() as session, purses(bank) as (purse,):
        made.url, made.session = str(server.make_url("")).rstrip("/"), session
        made.allowance = Allowance(purse, lambda: state, lambda errand: Labels())
        yield made
    bank.close()
    segments.close()
