"""Is recording in order? What `hf-ledger doctor` finds with the base install alone."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, NamedTuple

from hf_ledger.ingest.call import Call, Line, Noticed, Recorder
from hf_ledger.ingest.doors.hook.clients import LIBRARIES, OTHERS, PRIVATE, PUBLIC, method_of, other
from hf_ledger.ingest.fingerprint import HashKey
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.lines import Damaged, decode
from hf_ledger.ingest.spool.process import is_gone

State = Literal["ok", "note", "problem"]

#: What rides on the hooked libraries → the oldest release it was tried with.
RIDERS = {
    "huggingface-hub": (0, 36),
    "openai": (2, 54),
    "litellm": (1, 110),
    "langchain-huggingface": (1, 2),
    "smolagents": (1, 26),
}
#: How people talk to Hugging Face past all of these.
UNSEEN = ("urllib3", "niquests", "pycurl", "curl-cffi")

NEWEST = 50
TAIL_BYTES = 1 << 20


class Finding(NamedTuple):
    """One thing looked at; a problem has its remedy in `value`."""

    name: str
    value: str
    state: State = "ok"


def examine(places: Places) -> list[Finding]:
    """Everything that concerns recording, in the order a person would look."""
    recent = list(recent_lines(places))
    return [
        directory(places),
        *libraries(),
        *riders(),
        hash_key(places),
        running(places),
        last_call(recent),
        not_counted(recent),
    ]


def directory(places: Places) -> Finding:
    """Whether lines can be kept where they belong."""
    root = places.root
    if not root.exists():
        parent = next(each for each in root.parents if each.exists())
        if not os.access(parent, os.W_OK | os.X_OK):
            return Finding("directory", f"{root} cannot be made; set HF_LEDGER_DIR", "problem")
        return Finding("directory", f"{root} (made with the first call)", "note")
    blocked = [each for each in (root, places.spool) if each.exists() and not _usable(each)]
    if blocked:
        return Finding("directory", f"{blocked[0]} is not writable; set HF_LEDGER_DIR", "problem")
    return Finding("directory", str(root))


def _usable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def libraries() -> Iterator[Finding]:
    """The client libraries here, and by which method their calls are seen."""
    found = {name: installed(name) for name in LIBRARIES}
    for name, release in found.items():
        if release is not None:
            yield covered(name, release)
    if not any(found.values()):
        said = f"none of {', '.join(LIBRARIES)} is installed in this environment"
        yield Finding("clients", said, "note")


def covered(name: str, release: str) -> Finding:
    library = import_module(name)
    if name in OTHERS:
        if other(library).method_owner(library) is None:
            said = f"{release} is not covered; update it, or hf-ledger"
            return Finding(name, said, "problem")
        return Finding(name, f"{release}, covered")
    method = method_of(library.Client)
    if method == PRIVATE:
        return Finding(name, f"{release}, covered")
    if method == PUBLIC:
        return Finding(name, f"{release}, covered by its public send", "note")
    return Finding(name, f"{release} is not known to this version; update hf-ledger", "problem")


def riders() -> Iterator[Finding]:
    """Libraries that are covered because they use the hooked ones, and such as are not."""
    for name, oldest in RIDERS.items():
        release = installed(name)
        if release is None:
            continue
        if numbers(release) < oldest:
            tried = ".".join(map(str, oldest))
            yield Finding(name, f"{release} is older than what was tried ({tried})", "note")
        else:
            yield Finding(name, f"{release}, covered")
    unseen = [name for name in UNSEEN if installed(name)]
    if unseen:
        yield Finding("not covered", f"calls made directly with {', '.join(unseen)}", "note")


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def numbers(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split(".")[:2] if part.isdecimal())


def hash_key(places: Places) -> Finding:
    """Whether prompts can be hashed; the key is made with the first call."""
    if not places.keys.exists():
        return Finding("hash key", "made with the first call", "note")
    key = HashKey.load(places.keys)
    if key is None:
        said = f"not readable in {places.keys}; calls are kept without hashes until it is"
        return Finding("hash key", said, "problem")
    return Finding("hash key", f"readable, id {key.id}")


def running(places: Places) -> Finding:
    """Which living processes have written to the spool."""
    seen = [line for path in newest(places) if isinstance(line := first_line(path), Recorder)]
    alive = {
        (each.pid, each.process_start): each
        for each in seen
        if not is_gone(each.host, each.pid, each.process_start)
    }
    if not alive:
        return Finding("hook", "no running process has recorded a call yet", "note")
    named = [f"{each.app or 'no app'} (pid {each.pid})" for each in alive.values()]
    return Finding("hook", f"on in {', '.join(named)}")


def last_call(recent: Iterable[Line]) -> Finding:
    calls = [line for line in recent if isinstance(line, Call)]
    if not calls:
        return Finding("last call", "none yet", "note")
    last = max(calls, key=lambda call: call.ts)
    when = datetime.fromtimestamp(last.ts / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    model = last.requested_model or last.provider_model or "unknown model"
    return Finding("last call", f"{when}, {model}, {last.outcome}")


def not_counted(recent: Iterable[Line]) -> Finding:
    """What recorders saw and left out, and what they could not keep."""
    counts: Counter[str] = Counter()
    for line in recent:
        if isinstance(line, Noticed):
            counts.update(line.counts)
    said = ", ".join(f"{reason} {times}" for reason, times in counts.most_common()) or "nothing"
    suffered = counts["recorder_error"] + counts["not_spooled"]
    return Finding("seen, no call", said, "problem" if suffered else "ok")


def newest(places: Places) -> list[Path]:
    """The newest segments, oldest of them first; their names begin with their time."""
    if not places.spool.is_dir():
        return []
    return sorted(places.spool.glob("*.ndjson"), key=started)[-NEWEST:]


def started(path: Path) -> int:
    stamp = path.name.partition("-")[0]
    return int(stamp) if stamp.isdecimal() else 0


def first_line(path: Path) -> Line | None:
    try:
        with path.open("rb") as file:
            return decode(file.readline(TAIL_BYTES))
    except (OSError, Damaged):
        return None


def recent_lines(places: Places) -> Iterator[Line]:
    """Whole lines at the end of the newest segments."""
    for path in newest(places):
        try:
            with path.open("rb") as file:
                file.seek(max(path.stat().st_size - TAIL_BYTES, 0))
                lines = file.read().splitlines()
        except OSError:
            continue
        for line in lines:
            try:
                yield decode(line)
            except Damaged:
                continue
