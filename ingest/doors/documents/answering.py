"""Who answers a document's calls: a route, a target of the settings, or a model at a provider."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from hf_ledger.ingest.doors.documents.job import Answer, Job
from hf_ledger.ingest.doors.hook.labels import current
from hf_ledger.ingest.doors.router.attempts import Watch
from hf_ledger.ingest.doors.router.breakers import Breakers
from hf_ledger.ingest.doors.router.calling import answer as call
from hf_ledger.ingest.doors.router.calling import watched
from hf_ledger.ingest.doors.router.eligibility import not_allowed, why_not
from hf_ledger.ingest.doors.router.metrics import Metrics
from hf_ledger.ingest.doors.router.parts import PricesNow, compliance_of, no_advice
from hf_ledger.ingest.doors.router.pools import Pools
from hf_ledger.ingest.doors.router.registry import Registry
from hf_ledger.ingest.doors.router.routed import Routed
from hf_ledger.ingest.doors.router.router import AsyncRouter
from hf_ledger.ingest.doors.router.seen import Seen
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.wanted import Wanted
from hf_ledger.ingest.errors import Unusable, Usage
from hf_ledger.ingest.places import Places

WHO = "Say who answers: a model (and its provider), a target, or a route; one of the three."
NOT_ALLOWED = "The document may not go to {name}: {why}."


@asynccontextmanager
async def answering(
    job: Job, *, route: str | None = None, places: Places | None = None
) -> AsyncIterator[Answer]:
    """An `Answer` by the job's model or target, or by a route of the settings.

    A model is asked once each time; targets and routes go through the router, within the job's time
    for a call. Raises Usage or Unusable with one sentence.
    """
    where = places or Places.default()
    if (job.model is not None) + (job.target is not None) + (route is not None) != 1:
        raise Usage(WHO)
    if job.model is not None:
        direct = Direct(allowed(model_target(job), job, where), where)
        try:
            yield direct.answer
        finally:
            await direct.pools.close()
        return
    async with AsyncRouter.open(where) as router:
        yield through(router, job, route)


def through(router: AsyncRouter, job: Job, route: str | None = None) -> Answer:
    """The router as an `Answer`: a route by name, else the job's target."""
    limits = {"total_s": job.timeout_s, "attempt_s": job.timeout_s}
    wanted = Wanted(targets=(job.target,) if job.target else ())

    async def answer(
        task: str, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> Routed[Any]:
        return await router.run(route or wanted, inputs, parameters, task=task, **limits)

    return answer


class Direct:
    """One target that is asked without a router in between."""

    def __init__(self, target: Target, places: Places) -> None:
        self.target = target
        self.pools = Pools()
        self._watch = Watch(Metrics(), Breakers(lambda: 0.5), PricesNow(places))
        watched(target, places)

    async def answer(
        self, task: str, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> Routed[Any]:
        """One request, with what the ledger will say of its cost."""
        seen = Seen()
        value = await call(
            self.target, task, inputs, parameters, seen=seen, timeout_s=3600.0, pools=self.pools
        )
        return Routed(
            value=value,
            target=self.target,
            attempts=(),
            operation_id=current.get().operation_id or "",
            cost=self._watch.cost(seen),
        )


def model_target(job: Job) -> Target:
    """A model at a provider of Hugging Face's router, or at whichever it chooses."""
    name = f"{job.model}:{job.provider}" if job.provider else str(job.model)
    return Target(
        name=name,
        model=job.model,
        provider=job.provider,
        routing="explicit" if job.provider else "auto",
        tasks=frozenset({job.task}),
    )


def allowed(target: Target, job: Job, places: Places) -> Target:
    """The target, where the settings let internal data go there. Raises Unusable."""
    why = not_allowed(Wanted(task=job.task), target, compliance_of(places))
    if why is not None:
        raise Unusable(NOT_ALLOWED.format(name=target.name, why=why))
    return target


def possible(job: Job, *, route: str | None = None, places: Places | None = None) -> list[Target]:
    """Everybody who might answer, for an estimate. Raises Usage."""
    where = places or Places.default()
    if job.model is not None:
        return [model_target(job)]
    registry = Registry.open(where)
    if job.target is not None:
        return [registry.named(job.target)]
    if route is None:
        return []
    wanted = replace(registry.route(route), task=job.task)
    compliance, now = compliance_of(where), time.time()
    return [
        each
        for each in registry.targets
        if why_not(wanted, each, compliance, no_advice(), now) is None
    ]
