"""A gateway put together: what it must be told, its checks in order, its start and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import SystemRandom
from typing import Literal

from starlette.routing import Route
from starlette.types import ASGIApp

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.asking import Asking, Check, Outcome
from hf_ledger.ingest.doors.gateway.audit.trail import Trail
from hf_ledger.ingest.doors.gateway.checks.audit import Audit
from hf_ledger.ingest.doors.gateway.checks.authentication import Authentication
from hf_ledger.ingest.doors.gateway.checks.bounds import Bounds
from hf_ledger.ingest.doors.gateway.checks.budget import BudgetCheck
from hf_ledger.ingest.doors.gateway.checks.compliance import Compliance
from hf_ledger.ingest.doors.gateway.checks.concurrency import Concurrency
from hf_ledger.ingest.doors.gateway.checks.idempotency import Idempotency, tidy
from hf_ledger.ingest.doors.gateway.checks.rate import Rate
from hf_ledger.ingest.doors.gateway.checks.scope import Scope
from hf_ledger.ingest.doors.gateway.compliance.policy import Policy
from hf_ledger.ingest.doors.gateway.door import Door, Limits
from hf_ledger.ingest.doors.gateway.failures import Failures
from hf_ledger.ingest.doors.gateway.limits.exchanging import Transport
from hf_ledger.ingest.doors.gateway.limits.leases import OwnerLost, Purse
from hf_ledger.ingest.doors.gateway.limits.pricing import cost_of
from hf_ledger.ingest.doors.gateway.paths import GETS, POSTS, PROVIDERS
from hf_ledger.ingest.doors.gateway.recording import Recorder
from hf_ledger.ingest.doors.gateway.state_file import Watched
from hf_ledger.ingest.doors.gateway.unread import Unread
from hf_ledger.ingest.doors.gateway.upstream import Token, Upstream, proxy_of
from hf_ledger.ingest.doors.hook.hosts import netloc_of
from hf_ledger.ingest.doors.replays.allowance import Allowance
from hf_ledger.ingest.doors.replays.replaying import Judging, Replayer
from hf_ledger.ingest.doors.replays.replays import Replays
from hf_ledger.ingest.doors.replays.sending import Sender
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.wire.exchange import WireSettings

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
TIDY_SECONDS = 3_600.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a gateway must be told, from the settings."""

    upstream: str = "https://router.huggingface.co"
    bill_to: str | None = None
    silent_s: float = 300.0
    body_bytes: int = 16 << 20
    default_max_tokens: int = 4_096
    owner_lost: OwnerLost = "within_lease"
    audit_lost: Literal["refuse", "go_on"] = "refuse"
    own_key_providers: frozenset[str] = frozenset()
    policy: Policy = field(default_factory=Policy)
    judging: Judging = field(default_factory=Judging)
    targets: Mapping[str, str] = field(default_factory=dict)  # name → base URL
    tokens: Mapping[str, str] = field(default_factory=dict)  # name → that server's own token


class Gateway:
    """Everything that one gateway process holds; `start` it in the loop that serves it."""

    def __init__(self, places: Places, plan: Plan, token: Token, transport: Transport) -> None:
        self.plan = plan
        self.token = token
        self.once = places.root / "run" / "once"
        self.recorder = recorder_of(places, plan)
        self.trail = Trail(places)
        self.purse = Purse(transport, owner_lost=plan.owner_lost)
        self.audit = Audit(self.trail, plan.audit_lost)
        self.strangers = Failures()
        self.unread = Unread()
        self.budget = BudgetCheck(self.purse, plan.default_max_tokens)
        self.door = Door(
            limits=Limits(
                plan.upstream.rstrip("/"),
                body_bytes=plan.body_bytes,
                default_max_tokens=plan.default_max_tokens,
            ),
            state=Watched(places.gateway_state).now,
            who=Authentication(),
            checks=self._checks(),
            recorder=self.recorder,
            cost_of=self._cost_of,
            bounds=self.budget.needs_bounds,
            refused=self._note_refusal,
            unread=self.unread,
            tokens={plan.targets[name]: token for name, token in plan.tokens.items()},
        )
        self.replays = self._replays()
        self.door.tap = self.replays.tap
        self._behind: list[asyncio.Task[None]] = []

    def _checks(self) -> tuple[Check, ...]:
        """In their order: who may, what, whether again, what stands in it, how often, how much."""
        return (
            Scope(),
            Bounds(self.plan.body_bytes),
            Idempotency(self.once, self.unread),
            Compliance(self.plan.policy, self.plan.targets),
            Concurrency(),
            Rate(self.purse),
            self.budget,
            self.audit,
        )

    def _replays(self) -> Replays:
        """Replays through this gateway's own way, purse and recorder."""
        door = self.door
        sender = Sender(
            url=door.limits.upstream,
            upstream=lambda: door.upstream,
            recorder=self.recorder,
            state=door.state,
            prices=self.budget.prices,
            policy=self.plan.policy,
        )
        replayer = Replayer(
            send=sender.send,
            worst=sender.worst,
            allowance=Allowance(self.purse, door.state, sender.labels),
            host_of=sender.host_of,
            may_go=sender.may_go,
            judging=self.plan.judging,
        )
        return Replays(replayer, self.recorder.segments.write, SystemRandom())

    async def start(self) -> None:
        """Open the way upstream and to the owner."""
        self.door.upstream = Upstream(
            self.token,
            bill_to=self.plan.bill_to,
            silent_s=self.plan.silent_s,
            proxy=proxy_of(self.plan.upstream),
        )
        self.purse.start()
        behind = (tidied(self.once), self.replays.run())
        self._behind = [asyncio.create_task(each) for each in behind]

    async def close(self) -> None:
        """Return what is leased, and write what is under way; nothing is left open."""
        await self.replays.close()
        for task in self._behind:
            task.cancel()
        await asyncio.gather(*self._behind, return_exceptions=True)
        if self.door.upstream is not None:
            await self.door.upstream.close()
        await self.purse.close()
        await asyncio.to_thread(self.recorder.close)
        await asyncio.to_thread(self.trail.close)

    def _cost_of(self, asking: Asking, call: Call) -> Decimal | None:
        return cost_of(call, self.budget.prices(asking.state))

    def _note_refusal(self, asking: Asking, outcome: Outcome, by: str) -> None:
        """Who shows no good key is answered each time, and noted so often only: else anybody who
        reaches the port could fill the disk."""
        if asking.key is not None or not self.strangers.count(asking.address):
            self.audit.refused(asking, outcome, by or "door")


def routes(door: ASGIApp) -> list[Route]:
    """Every path of the gateway, to stand before any that takes the rest."""
    own = [Route(path, door, methods=METHODS) for path in (*POSTS, *GETS)]
    below = [Route(f"/{provider}/{{rest:path}}", door, methods=METHODS) for provider in PROVIDERS]
    return [*own, Route("/v1/models/{rest:path}", door, methods=METHODS), *below]


def prefixes() -> tuple[str, ...]:
    """Where replies are passed on as they are."""
    return tuple(f"/{provider}/" for provider in PROVIDERS)


def recorder_of(places: Places, plan: Plan) -> Recorder:
    """The recorder, which reads the exchanges with the router and with servers of one's own."""
    hosts = {netloc_of(plan.upstream): "router"}
    hosts |= {netloc_of(url): "self_hosted" for url in plan.targets.values()}
    settings = WireSettings(own_key_providers=plan.own_key_providers, extra_hosts=hosts)
    return Recorder(places.spool, places.keys, settings)


async def tidied(folder: Path) -> None:
    """Every hour, forget the idempotency keys of yesterday."""
    while True:
        await asyncio.to_thread(tidy, folder)
        await asyncio.sleep(TIDY_SECONDS)
