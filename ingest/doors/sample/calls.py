"""The sample's calls, service by service: columns drawn with numpy, then one `Call` each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.sample.company import ENDPOINT, Route, Service, Team, company
from hf_ledger.ingest.doors.sample.fates import FATES, Fate, fates
from hf_ledger.ingest.doors.sample.shapes import draw
from hf_ledger.ingest.doors.sample.traffic import Period, arrivals

ENVIRONMENTS = ("production", "staging", "development")
ENVIRONMENT_SHARES = (0.88, 0.08, 0.04)
HASH_KEY = "sample"
CHARS_PER_TOKEN = 4.2
TOKENS_SILENT = 0.015  # share of streams whose provider states no usage
ANOTHER_TRY = 0.85
CACHED_REPLY = 0.4  # of inputs that hf-inference has seen before


@dataclass
class Columns:
    """What is drawn for all calls of a service at once; arrays of equal length."""

    start: np.ndarray
    route: np.ndarray
    input_tokens: np.ndarray
    output_tokens: np.ndarray
    cache_read: np.ndarray
    reasoning: np.ndarray
    stream: np.ndarray
    silent: np.ndarray
    cached_reply: np.ndarray
    fate: np.ndarray
    part: np.ndarray  # of the answer that came before a stream was cut
    ttft_ms: np.ndarray
    latency_ms: np.ndarray
    compute_seconds: np.ndarray
    user: np.ndarray
    project: np.ndarray
    environment: np.ndarray
    again: np.ndarray  # whether a failed call is tried on the next route
    hashes: list[str]
    noise: str  # 96 hex digits a call, for ids


def sample_calls(seed: int, calls: int, period: Period) -> Iterator[Call]:
    """Exactly `calls` calls; the same seed, number and period give the same calls."""
    services = [(team, service) for team in company().teams for service in team.services]
    sizes = apportioned(calls, [service.share for _, service in services])
    for number, ((team, service), size) in enumerate(zip(services, sizes, strict=True)):
        rng = np.random.default_rng([seed, number])
        yield from service_calls(rng, team, service, period, size)


def apportioned(calls: int, shares: list[float]) -> list[int]:
    """Whole numbers in proportion to the shares that add up to `calls` (largest remainder)."""
    exact = [calls * share / sum(shares) for share in shares]
    sizes = [int(each) for each in exact]
    order = sorted(range(len(shares)), key=lambda i: (sizes[i] - exact[i], i))
    for index in order[: calls - sum(sizes)]:
        sizes[index] += 1
    return sizes


def service_calls(
    rng: np.random.Generator, team: Team, service: Service, period: Period, size: int
) -> Iterator[Call]:
    """The calls of one service; a second try takes the place of a first call elsewhere."""
    if not size:
        return
    columns = drawn(rng, team, service, period, size)
    seconds = [i for i in range(size) if columns.again[i]]
    spare = rng.permutation([i for i in range(size) if not columns.again[i]])[: len(seconds)]
    left_out = set(spare.tolist())
    for index in range(size):
        if index in left_out:
            continue
        call = first_call(team, service, columns, index)
        yield call
        if columns.again[index] and len(left_out) == len(seconds):
            yield second_call(service, columns, index, call)


def drawn(
    rng: np.random.Generator, team: Team, service: Service, period: Period, size: int
) -> Columns:
    start = arrivals(rng, team, service, period, size)
    chances = np.array([route.weight for route in service.routes])
    route = rng.choice(len(service.routes), size, p=chances / chances.sum())
    inputs, outputs = draw(rng, service.tokens, size)
    hashes, repeated = repeats(rng, service, inputs)
    stream = rng.random(size) < service.stream
    providers = np.array([each.provider or "" for each in service.routes])[route]
    fate = fates(rng, service, period, starts=start, providers=providers, streams=stream)
    ttft, latency, compute = times(rng, service, route, inputs, outputs)
    worth = np.array([each.worth_another_try for each in FATES])[fate]
    return Columns(
        start=start,
        route=route,
        input_tokens=inputs,
        output_tokens=outputs,
        cache_read=cache_reads(rng, service, inputs),
        reasoning=(outputs * service.reasoning * rng.random(size)).astype(np.int64),
        stream=stream,
        silent=stream & (rng.random(size) < TOKENS_SILENT),
        cached_reply=repeated & (rng.random(size) < CACHED_REPLY) & (service.compute is not None),
        fate=fate,
        part=rng.random(size),
        ttft_ms=ttft,
        latency_ms=latency,
        compute_seconds=compute,
        user=rng.choice(len(team.users), size, p=falling(len(team.users))),
        project=rng.choice(len(team.projects), size, p=falling(len(team.projects))),
        environment=rng.choice(len(ENVIRONMENTS), size, p=ENVIRONMENT_SHARES),
        again=worth & (rng.random(size) < ANOTHER_TRY) & service.falls_back,
        hashes=hashes,
        noise=rng.bytes(48 * size).hex(),
    )


def falling(size: int) -> np.ndarray:
    """Some use it more than others: shares as 1, 1/2, 1/3 …"""
    shares = 1 / np.arange(1, size + 1)
    return np.asarray(shares / shares.sum())


def repeats(
    rng: np.random.Generator, service: Service, inputs: np.ndarray
) -> tuple[list[str], np.ndarray]:
    """Input hashes, and which inputs were seen before: a few popular ones come again and again."""
    size = len(inputs)
    noise = rng.bytes(16 * size).hex()
    hashes = [noise[32 * i : 32 * i + 32] for i in range(size)]
    popular = max(1, size // 60)
    source = np.minimum(rng.zipf(1.3, size), popular) - 1
    repeated = (rng.random(size) < service.repeats) & (np.arange(size) >= popular)
    for index in np.flatnonzero(repeated):
        hashes[index] = hashes[source[index]]
        inputs[index] = inputs[source[index]]
    return hashes, repeated


def cache_reads(rng: np.random.Generator, service: Service, inputs: np.ndarray) -> np.ndarray:
    """Tokens read from a prompt cache, in blocks of 64; most calls have none."""
    share = np.where(
        rng.random(len(inputs)) < service.cached, rng.uniform(0.3, 0.9, len(inputs)), 0
    )
    return np.asarray((inputs * share).astype(np.int64) // 64 * 64)


def times(
    rng: np.random.Generator,
    service: Service,
    route: np.ndarray,
    inputs: np.ndarray,
    outputs: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Time to first token (ms), latency (ms) and compute time (s)."""
    size = len(inputs)
    if service.kind == "image":
        return np.zeros(size), rng.lognormal(np.log(3100), 0.3, size), np.zeros(size)
    if service.compute:
        compute = rng.lognormal(np.log(service.compute.seconds), 0.35, size)
        return np.zeros(size), compute * 1000 + rng.lognormal(np.log(70), 0.4, size), compute
    first = np.array([each.first_ms for each in service.routes])[route]
    speed = np.array([each.tokens_per_second for each in service.routes])[route]
    ttft = first * rng.lognormal(0, 0.35, size) + inputs * 0.02
    return ttft, ttft + outputs / speed * 1000 * rng.lognormal(0, 0.22, size), np.zeros(size)


def first_call(team: Team, service: Service, columns: Columns, index: int) -> Call:
    route = service.routes[columns.route[index]]
    fate = FATES[columns.fate[index]]
    noise = columns.noise[96 * index : 96 * index + 96]
    start = int(columns.start[index])
    call = Call(
        call_id=uuid7(start, noise[:32]),
        ts=start,
        source="client" if service.kind == "pipeline" else "hook",
        origin="sample",
        operation=service.name,
        operation_id=uuid7(start, noise[32:64]) if service.falls_back else None,
        app=service.name,
        environment=ENVIRONMENTS[columns.environment[index]],
        team=team.name,
        project=team.projects[columns.project[index]],
        user_id=team.users[columns.user[index]],
        task=service.task,
        stream=bool(columns.stream[index]),
        input_hash=columns.hashes[index],
        hash_key_id=HASH_KEY,
        outcome=fate.outcome,
        status=fate.status,
        error_kind=fate.error_kind,
        request_id=noise[64:88] if fate.status else None,
    )
    addressed(call, service, route)
    if fate.outcome == "error":
        return msgspec.structs.replace(call, latency_ms=slowness(fate, columns, index))
    return answered(call, service, columns, index)


def addressed(call: Call, service: Service, route: Route) -> Call:
    """The call with who serves it and which model it asks for."""
    call.host_kind = "endpoint" if service.kind == "endpoint" else "router"
    call.provider = route.provider
    call.requested_model = route.model
    if service.kind == "endpoint":
        call.endpoint = ENDPOINT
    else:
        call.routing = "explicit"
    return call


def slowness(fate: Fate, columns: Columns, index: int) -> float:
    return round(fate.slow_ms * (0.7 + 0.6 * float(columns.part[index])), 1)


def answered(call: Call, service: Service, columns: Columns, index: int) -> Call:
    """The call with what its answer tells: times always, tokens where the form has them."""
    call.latency_ms = round(float(columns.latency_ms[index]), 1)
    if service.kind == "image":
        call.images = 1
    elif service.compute:
        computed(call, service.compute.type, columns, index)
    else:
        counted(call, columns, index)
    return call


def computed(call: Call, kind: str, columns: Columns, index: int) -> None:
    call.cached_reply = bool(columns.cached_reply[index])
    call.compute_type = "cache" if call.cached_reply else kind
    call.compute_seconds = round(float(columns.compute_seconds[index]), 4)
    call.input_chars = int(columns.input_tokens[index] * CHARS_PER_TOKEN)


def counted(call: Call, columns: Columns, index: int) -> None:
    """Tokens as the reply states them; a stream that was cut, or is silent, states none."""
    inputs, outputs = int(columns.input_tokens[index]), int(columns.output_tokens[index])
    call.input_chars = int(inputs * CHARS_PER_TOKEN)
    if call.stream:
        call.ttft_ms = round(float(columns.ttft_ms[index]), 1)
    if columns.silent[index] or call.outcome == "cancelled":
        return
    if call.outcome == "interrupted":
        outputs = int(outputs * columns.part[index])
    read = int(columns.cache_read[index])
    call.uncached_input_tokens = inputs - read
    call.cache_read_tokens = read
    call.output_tokens = outputs
    call.reasoning_tokens = min(outputs, int(columns.reasoning[index])) or None
    call.tokens_source = "estimated" if call.outcome == "interrupted" else "usage"


def second_call(service: Service, columns: Columns, index: int, failed: Call) -> Call:
    """The same request on the next route, after the first has failed."""
    route = service.routes[(columns.route[index] + 1) % len(service.routes)]
    noise = columns.noise[96 * index + 40 : 96 * index + 96]
    start = failed.ts + int((failed.latency_ms or 0) * 1000) + 30_000
    call = msgspec.structs.replace(
        failed,
        call_id=uuid7(start, noise[:32]),
        ts=start,
        attempt=2,
        fallback_of=failed.call_id,
        outcome="ok",
        status=200,
        error_kind=None,
        request_id=noise[32:56],
    )
    return answered(addressed(call, service, route), service, columns, index)


def uuid7(micros: int, noise: str) -> str:
    """A UUIDv7 of the given time with random bits from 32 hex digits."""
    ms = f"{micros // 1000:012x}"
    variant = "89ab"[int(noise[3], 16) & 3]
    return f"{ms[:8]}-{ms[8:]}-7{noise[:3]}-{variant}{noise[4:7]}-{noise[7:19]}"
