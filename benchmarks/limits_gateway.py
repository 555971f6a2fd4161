"""A gateway with nothing but its limits: buckets, budgets, and a call passed on."""

from __future__ import annotations

import sys
import time
import uuid
from pathlib import Path

import msgspec
from aiohttp import ClientSession, web

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.asking import Asking, Check, Outcome
from hf_ledger.ingest.doors.gateway.checks.budget import BudgetCheck
from hf_ledger.ingest.doors.gateway.checks.rate import Rate
from hf_ledger.ingest.doors.gateway.leases import Purse
from hf_ledger.ingest.doors.gateway.pricing import Prices, cost_of
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import State
from hf_ledger.ingest.doors.gateway.transports import OverSocket
from hf_ledger.ingest.places import Places

#: When a request was let pass, on the clock that all processes of a host share.
ADMITTED_HEADER = "x-limits-admitted-ns"


class Gateway:
    """One process: its purse, its checks, and where calls go."""

    def __init__(self, places: Places, upstream: str) -> None:
        raw = (places.root / "run" / "gateway.json").read_bytes()
        self.state = msgspec.json.decode(raw, type=State)
        self.prices = Prices(self.state)
        self.upstream = upstream
        self.places = places

    async def begin(self, app: web.Application) -> None:
        self.purse = Purse(OverSocket(self.places))
        self.purse.start()
        self.checks: tuple[Check, ...] = (Rate(self.purse), BudgetCheck(self.purse))
        self.session = ClientSession()

    async def end(self, app: web.Application) -> None:
        await self.purse.close()
        await self.session.close()

    async def post(self, request: web.Request) -> web.Response:
        asking = await asking_of(request, self.state)
        passed: list[Check] = []
        outcome = Outcome(refused="refused")
        try:
            for check in self.checks:
                wait = check.check(asking)
                if wait is not None:
                    await wait
                passed.append(check)
            admitted = time.monotonic_ns()
            outcome = await self.passed_on(asking)
        except Refused as error:
            body = error.body(asking.request_id)
            return web.Response(status=error.status, body=body, headers=error.headers)
        finally:
            for check in passed:
                check.finish(asking, outcome)
        return web.json_response({}, headers={ADMITTED_HEADER: str(admitted), **asking.answer})

    async def passed_on(self, asking: Asking) -> Outcome:
        async with self.session.post(self.upstream, data=asking.body) as reply:
            usage = (await reply.json())["usage"]
        call = asking.call
        assert call
        call.uncached_input_tokens = usage["prompt_tokens"]
        call.output_tokens = usage["completion_tokens"]
        return Outcome(call=call, cost=cost_of(call, self.prices), status=200)


async def asking_of(request: web.Request, state: State) -> Asking:
    body = await request.read()
    asked = msgspec.json.decode(body)
    now = time.time_ns() // 1000
    call = Call(
        call_id=str(uuid.uuid4()),
        ts=now,
        provider="stub",
        host_kind="router",
        routing="explicit",
        requested_model=asked["model"],
        task="chat-completion",
    )
    return Asking(
        request_id=call.call_id,
        ts=now,
        method="POST",
        path=request.path,
        address="127.0.0.1",
        headers={},
        body=body,
        state=state,
        asked=asked,
        key=state.keys[0],
        call=call,
    )


def main() -> None:
    gateway = Gateway(Places(Path(sys.argv[1])), sys.argv[3])
    app = web.Application()
    app.on_startup.append(gateway.begin)
    app.on_cleanup.append(gateway.end)
    app.router.add_post("/v1/chat/completions", gateway.post)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[2]), print=None)


if __name__ == "__main__":
    main()
