"""Lines per second from the spool into the ledger, beside what one would write instead.

Everything is included: CRC, de-duplication, models, sizes, costs, prefixes, commit. The lines are
whole ones, as a recorder writes them; the peers read the same files and keep the same fields.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import duckdb
import msgspec

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import Collected, collect
from hf_ledger.ingest.spool.filling import BATCH_CALLS
from hf_ledger.ingest.spool.segments import Segments

CALLS = 3 * BATCH_CALLS
KNOWN_CALLS = 1_000_000
PEER_CALLS = 100_000
SLOW_PEER_CALLS = 2_000
START_US = 1_783_000_000_000_000  # July 2026, inside the price history
APART_US = 20_000  # 50 calls a second, 4,300,000 a day
ROUTES = (
    ("meta-llama/Llama-3.3-70B-Instruct", "novita"),
    ("meta-llama/Llama-3.1-8B-Instruct", "cerebras"),
    ("Qwen/Qwen3-32B", "groq"),
    ("openai/gpt-oss-120b", "together"),
    ("deepseek-ai/DeepSeek-V3-0324", "fireworks-ai"),
)

FIELDS = [field.name for field in msgspec.structs.fields(Call)]
HOLDERS = ", ".join("?" for _ in FIELDS)

MORE_CALLS = """
insert into calls
select * replace (
    uuid() as call_id,
    ts - to_days($days::integer) as ts,
    bucket15 - 96 * $days as bucket15
)
from calls
where ts >= make_timestamp($start)
limit $most
"""

READ_ALL = """
create table plain as
from read_json($files, format = 'newline_delimited', union_by_name = true)
where kind = 'call'
"""


@dataclass
class Taken:
    """What a step took: seconds, processor seconds, and the most memory while it ran."""

    seconds: float = 0.0
    processor: float = 0.0
    megabytes: float = 0.0


def call(number: int, chance: random.Random) -> Call:
    """One in thirty fails, four in ten are streams; prompts have some 1,800 tokens."""
    model, provider = ROUTES[number % len(ROUTES)]
    failed, stream = chance.random() < 1 / 30, chance.random() < 0.4
    tokens = int(chance.lognormvariate(7, 1)) + 1
    ts = START_US + number * APART_US
    made = Call(
        call_id=str(UUID(int=(ts // 1000 << 80) | 0x7 << 76 | 0x2 << 62 | number)),
        ts=ts,
        app="support-bot",
        environment="production",
        team=f"team-{number % 8}",
        project=f"project-{number % 20}",
        user_id=f"user-{chance.randrange(4000)}",
        tags={"release": "2026.11", "feature": "chat" if number % 3 else "summary"},
        host_kind="router",
        provider=provider,
        routing="auto",
        requested_model=model,
        provider_model=model.lower(),
        task="chat-completion",
        stream=stream,
        input_chars=tokens * 4,
        input_hash=f"{chance.getrandbits(128):032x}",
        template_hash=f"{number % 40:032x}",
        hash_key_id="e7552991",
        prefix=prefix(number % 40, tokens * 4 // 2048, chance) or None,
        shape=shape(tokens, chance),
        latency_ms=chance.random() * 3000,
        request_id=f"Root=1-{number:08x}-{chance.getrandbits(96):024x}",
        session_id=f"session-{number // 7}",
    )
    return failing(made) if failed else answered(made, tokens, chance)


def prefix(template: int, blocks: int, chance: random.Random) -> list[int]:
    """Up to three blocks of one of 40 templates, then the call's own."""
    common = [template * 1000 + depth for depth in range(min(3, blocks))]
    return common + [chance.getrandbits(63) for _ in range(blocks - len(common))]


def shape(tokens: int, chance: random.Random) -> dict[str, int | float]:
    size = min(tokens * 4, 4096)
    names = ("letters", "space", "digits", "lines", "questions")
    counts = {name: chance.randrange(size + 1) for name in names}
    return {"bytes": size, **counts, "foreign": 0, "fences": 0, "texts": 3, "messages": 3}


def failing(made: Call) -> Call:
    return msgspec.structs.replace(made, outcome="error", status=429, error_kind="rate_limited")


def answered(made: Call, tokens: int, chance: random.Random) -> Call:
    return msgspec.structs.replace(
        made,
        status=200,
        uncached_input_tokens=tokens,
        output_tokens=chance.randrange(800),
        tokens_source="usage",
        ttft_ms=chance.random() * 300 if made.stream else None,
        provider_request_id=f"chatcmpl-{chance.getrandbits(128):032x}",
    )


def fill(places: Places, first: int, count: int) -> None:
    """Write lines as a recorder does, and say how fast."""
    segments, chance = Segments(places.spool), random.Random(first)
    with measured() as taken:
        for number in range(first, first + count):
            segments.write(call(number, chance))
    segments.close()
    size = sum(path.stat().st_size for path in places.spool.iterdir())
    print(
        f"write: {count:,} lines built and kept in {taken.seconds:.1f} s; spool {size >> 20:,} MB"
    )


def resident() -> float:
    """Megabytes of this process in memory now."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def measured() -> Iterator[Taken]:
    taken, over = Taken(), threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            taken.megabytes = max(taken.megabytes, resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    begun, used = time.perf_counter(), time.process_time()
    try:
        yield taken
    finally:
        taken.seconds, taken.processor = time.perf_counter() - begun, time.process_time() - used
        over.set()
        watcher.join()


def report(name: str, calls: int, taken: Taken) -> None:
    print(
        f"| {name} | {calls:,} | {calls / taken.seconds:,.0f} | "
        f"{taken.processor / calls * 1e6:.1f} | {taken.megabytes:,.0f} |",
        flush=True,
    )


def collecting(name: str, ledger: Ledger, places: Places) -> Collected:
    with measured() as taken:
        done = collect(ledger, places)
    report(name, done.new or 1, taken)
    return done


def enlarge(ledger: Ledger) -> None:
    """Let the ledger hold a million calls of the days before."""
    cursor = ledger.cursor()
    days = 0
    while (missing := KNOWN_CALLS - rows(cursor)) > 0:
        days += 1
        cursor.execute(MORE_CALLS, {"days": days, "start": START_US, "most": missing})
    cursor.execute("checkpoint")


def rows(cursor: duckdb.DuckDBPyConnection) -> int:
    (count,) = cursor.execute("select count(*) from calls").fetchone() or (0,)
    return int(count)


def read_json(files: list[Path], _count: int, folder: Path) -> None:
    """DuckDB alone, guessing the columns: no CRC, no de-duplication, no costs."""
    with duckdb.connect(folder / "plain.duckdb") as connection:
        connection.execute(READ_ALL, {"files": [str(file) for file in files]})


def fields_of(files: list[Path], count: int) -> list[list[object]]:
    """What `json` reads of the first lines, in the order of the columns."""
    found: list[list[object]] = []
    for file in files:
        for line in file.read_bytes().splitlines():
            said = json.loads(line)
            if said["kind"] == "call" and len(found) < count:
                found.append([plain(said.get(name)) for name in FIELDS])
    return found


def plain(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict | list) else value


def sqlite(files: list[Path], count: int, folder: Path) -> None:
    """`json` and sqlite in WAL mode with a primary key: no CRC, no costs."""
    connection = sqlite3.connect(folder / "plain.sqlite")
    connection.execute("pragma journal_mode = wal")
    connection.execute(f"create table calls ({', '.join(FIELDS)}, primary key (call_id, ts))")
    with connection:
        connection.executemany(
            f"insert or ignore into calls values ({HOLDERS})", fields_of(files, count)
        )
    connection.close()


def duckdb_executemany(files: list[Path], count: int, folder: Path) -> None:
    """`json` and DuckDB row by row in one transaction: no CRC, no de-duplication, no costs."""
    with duckdb.connect(folder / "rows.duckdb") as connection:
        columns = ", ".join(f"{name} varchar" for name in FIELDS)
        connection.execute(f"create table calls ({columns})")
        connection.execute("begin")
        connection.executemany(f"insert into calls values ({HOLDERS})", fields_of(files, count))
        connection.execute("commit")


def peer(
    name: str,
    load: Callable[[list[Path], int, Path], None],
    places: Places,
    count: int,
) -> None:
    files = sorted(places.spool.glob("*.ndjson"))
    with tempfile.TemporaryDirectory() as folder, measured() as taken:
        load(files, count, Path(folder))
    report(name, count, taken)


def main() -> None:
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as folder:
        places = Places(Path(folder))
        fill(places, 0, CALLS)
        print(
            "| into | calls | calls/s | processor µs a call | at most MB |\n|---|---|---|---|---|"
        )
        with Ledger.open(places) as ledger:
            collecting("a new ledger", ledger, places)
            collecting("the same again, nothing new", ledger, places)
            enlarge(ledger)
            fill(places, CALLS, CALLS)
            collecting("a ledger of a million calls", ledger, places)
        peer("DuckDB `read_json`, no CRC, twice, costs", read_json, places, 2 * CALLS)
        peer("`json` and sqlite, WAL", sqlite, places, PEER_CALLS)
        peer("`json` and DuckDB `executemany`", duckdb_executemany, places, SLOW_PEER_CALLS)


if __name__ == "__main__":
    main()
