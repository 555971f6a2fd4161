"""Mutated real exchanges through the readers: `python -m benchmarks fuzz FOLDER [ROUNDS] [SEED]`.

FOLDER holds recordings (`*.jsonl`, `*.jsonl.gz`). Each round takes one exchange, changes it in one
to four ways, and reads it as the hook and the imports do, in pieces of random size. Nothing may
raise, no figure may be negative, infinite or no number, and no text of prompt or answer may stay in
a call.
"""

from __future__ import annotations

import math
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import msgspec

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.hook.shield import Shield
from hf_ledger.ingest.doors.imports.recordings import Exchange, read_recording
from hf_ledger.ingest.wire import jobs
from hf_ledger.ingest.wire.exchange import Ending, WireSettings
from hf_ledger.ingest.wire.mapping import Routes
from hf_ledger.ingest.wire.reply import ReplyReader
from hf_ledger.ingest.wire.request import read_request

ROUNDS = 20_000
LONGEST = 200_000  # bytes of a body; longer ones are cut first, so that a run stays short
MARK = "zqxMARKzqx"
SETTINGS = WireSettings(any_openai_host=True)

#: Strings of bodies that hold what was asked and answered.
TEXT = re.compile(
    rb'"(content|text|inputs|input|prompt|generated_text|question|context|summary_text|sequence)"'
    rb'(\s*:\s*)"(?=[^"])'
)
NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
NUMBERS = (
    b"-1",
    b"NaN",
    b"Infinity",
    b"-1e400",
    b"1e400",
    b"99999999999999999999",
    b"0.5",
    b"null",
)
VALUES = ("", "-1", "nan", "inf", "1e999", "cache", "\x00", "9" * 40, "gzip", "text/event-stream")
STATUSES = (0, 100, 200, 201, 204, 206, 301, 400, 402, 404, 424, 429, 499, 500, 503, 504, 529, 599)
ENDINGS: tuple[Ending, ...] = ("complete", "closed", "error", "cancelled")


@dataclass(frozen=True)
class Mutant:
    """An exchange changed, and whether its text still stands where text belongs."""

    exchange: Exchange
    tidy: bool = True


@dataclass
class Outcome:
    rounds: int = 0
    calls: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


Mutation = Callable[[Mutant, random.Random], Mutant]


def marked(body: bytes) -> bytes:
    """The body with a mark in each text."""
    return TEXT.sub(rb'"\1"\2"' + MARK.encode(), body)


def change_numbers(mutant: Mutant, chance: random.Random) -> Mutant:
    found = mutant.exchange
    body = NUMBER.sub(
        lambda number: chance.choice(NUMBERS) if chance.random() < 0.2 else number[0],
        found.response_body,
    )
    return replace(mutant, exchange=replace(found, response_body=body))


def change_status(mutant: Mutant, chance: random.Random) -> Mutant:
    return replace(mutant, exchange=replace(mutant.exchange, status=chance.choice(STATUSES)))


def change_headers(mutant: Mutant, chance: random.Random) -> Mutant:
    found = mutant.exchange
    names = list(found.response_headers) or ["content-type"]
    headers = {**found.response_headers, chance.choice(names): chance.choice(VALUES)}
    headers.pop(chance.choice(names), None)
    return replace(mutant, exchange=replace(found, response_headers=headers))


def change_url(mutant: Mutant, chance: random.Random) -> Mutant:
    url = mutant.exchange.url
    at = chance.randrange(len(url) + 1)
    put = chance.choice(["/", "%", "%2F", "?", "#", "[", "\x00", "é", ":", "//", "..", "@", ""])
    return replace(mutant, exchange=replace(mutant.exchange, url=url[:at] + put + url[at + 1 :]))


def swap_types(mutant: Mutant, chance: random.Random) -> Mutant:
    """Objects become lists, strings numbers, and so on, by their brackets."""
    found = mutant.exchange
    old, new = chance.sample([b"{", b"[", b'"', b":", b",", b"}", b"]", b"null", b"true"], 2)
    body = found.response_body.replace(old, new, chance.randrange(1, 4))
    return Mutant(replace(found, response_body=body), tidy=False)


def change_bytes(mutant: Mutant, chance: random.Random) -> Mutant:
    """Flipped, cut out, said twice, or cut off, in the request or in the reply."""
    found = mutant.exchange
    reply = chance.random() < 0.7
    body = bytearray((found.response_body if reply else found.request_body) or b"{}")
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(body) + 1)
        upto = min(len(body), at + chance.randrange(1, 60))
        match chance.randrange(4):
            case 0:
                body[at:upto] = chance.randbytes(upto - at)
            case 1:
                del body[at:upto]
            case 2:
                body[at:at] = body[at:upto]
            case _:
                del body[max(at, 1) :]
    named = "response_body" if reply else "request_body"
    return Mutant(replace(found, **{named: bytes(body)}), tidy=False)


MUTATIONS: tuple[Mutation, ...] = (
    change_numbers,
    change_status,
    change_headers,
    change_url,
    swap_types,
    change_bytes,
)


def mutated(exchange: Exchange, chance: random.Random) -> tuple[Mutant, list[str]]:
    chosen = chance.choices(MUTATIONS, k=chance.randrange(1, 5))
    mutant = Mutant(exchange)
    for mutation in chosen:
        mutant = mutation(mutant, chance)
    return mutant, [mutation.__name__ for mutation in chosen]


def pieces(body: bytes, chance: random.Random) -> Iterator[bytes]:
    size = chance.choice([1 << 20, 4096, 100, 7, 1 if len(body) < 5000 else 64])
    for at in range(0, len(body), size):
        yield body[at : at + size]


def read(exchange: Exchange, routes: Routes, chance: random.Random) -> Call | None:
    """The whole way of an exchange: request, reply, estimate, and a poll for what was promised."""
    headers, body = exchange.request_headers, exchange.request_body
    said = read_request(exchange.method, exchange.url, headers, body, SETTINGS, routes=routes)
    if not isinstance(said, Call):
        routes.read(exchange.url, exchange.response_body, 0)
        return None
    reader = ReplyReader(said, exchange.status or 0, exchange.response_headers, 0, lambda: 1)
    for piece in pieces(exchange.response_body, chance):
        reader.feed(piece)
    reader.finish(chance.choice(ENDINGS))
    reader.estimate(body)
    poll = jobs.Polled(
        exchange.url, exchange.status or 0, exchange.response_headers, exchange.response_body
    )
    jobs.read_poll(said, reader.promised or jobs.Job("x"), poll)
    return said


def wrong(call: Call, tidy: bool) -> str | None:
    """What must not be in a call."""
    for name in call.__struct_fields__:
        value = getattr(call, name)
        if isinstance(value, int | float) and not 0 <= value < math.inf:
            return f"{name} is {value}"
    for name in ("units", "reported_cost"):
        stated = getattr(call, name)
        if stated is not None and not 0 <= Decimal(stated) < math.inf:
            return f"{name} is {stated}"
    line = msgspec.json.encode(call)
    if msgspec.json.decode(line, type=Call).outcome != call.outcome:
        return "the line reads back differently"
    return "text stayed in the call" if tidy and MARK.encode() in line else None


class Witness(Shield):
    """The hook's own guard, which remembers what it kept from the caller."""

    last: str | None = None

    def failed(self, work: Callable[..., object], error: Exception) -> None:
        self.last = f"{type(error).__name__}: {error}"

    def heard(self) -> str | None:
        last, self.last = self.last, None
        return last


def run(exchanges: list[Exchange], rounds: int, seed: int) -> Outcome:
    """So many rounds; the same seed gives the same mutants."""
    chance, routes, done, witness = random.Random(seed), Routes(), Outcome(), Witness()
    for number in range(rounds):
        mutant, names = mutated(chance.choice(exchanges), chance)
        done.rounds += 1
        done.kinds.update(names)
        call = witness(read, mutant.exchange, routes, chance)
        problem = wrong(call, mutant.tidy) if call is not None else witness.heard()
        done.calls += call is not None
        if problem is not None:
            where = f"{mutant.exchange.id} after {', '.join(names)}"
            done.failures.append(f"round {number}, {where}: {problem}")
    return done


def exchanges_in(folder: Path) -> list[Exchange]:
    """Every exchange of the folder's recordings, with marks in its texts."""
    found = []
    for path in sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz")]):
        found += [line for line in read_recording(path) if isinstance(line, Exchange)]
    return [
        replace(
            each,
            request_body=marked(each.request_body[:LONGEST]) if each.request_body else None,
            response_body=marked(each.response_body[:LONGEST]),
        )
        for each in found
    ]


def main(given: list[str]) -> int:
    """Exit code 1 where anything failed; the seed is printed, so that it can be seen again."""
    if not given:
        print("usage: python -m benchmarks fuzz FOLDER [ROUNDS] [SEED]")
        return 2
    exchanges = exchanges_in(Path(given[0]))
    rounds = int(given[1]) if len(given) > 1 else ROUNDS
    seed = int(given[2]) if len(given) > 2 else time.time_ns() % 1_000_000
    if not exchanges:
        print(f"no recorded exchanges in {given[0]}")
        return 2
    begun = time.perf_counter()
    done = run(exchanges, rounds, seed)
    taken = time.perf_counter() - begun
    print(
        f"seed {seed}: {done.rounds:,} mutants of {len(exchanges):,} exchanges in {taken:.0f} s, "
        f"{done.calls:,} became calls, {len(done.failures)} failures"
    )
    print("changes:", ", ".join(f"{name} {times:,}" for name, times in done.kinds.most_common()))
    for failure in done.failures[:20]:
        print(failure)
    return 1 if done.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
