"""Send segments to a ledger on another host, exactly once end to end, and remove what it has.

A segment goes when its process is gone or has left it and every line was acknowledged. Calls that
were under way when their process died become `lost` here: only this host can see that it is gone.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hf_ledger.ingest.call import Call, OpenCall, Recorder
from hf_ledger.ingest.hashing import KEY_BYTES, KEY_FILE, HashKey, replace_key
from hf_ledger.ingest.keyring import put_in_force
from hf_ledger.ingest.spool.lines import Damaged, decode, encode
from hf_ledger.ingest.spool.outbox import Outbox, State, is_waiting, whole_lines
from hf_ledger.ingest.spool.posting import Answer, Target, fetch_hash_key, post_lines
from hf_ledger.ingest.spool.process import is_gone

#: A process leaves a segment after an hour; a little later nobody writes to it any more.
LEFT_SECONDS = 3600 + 600
#: What nobody can tell the end of (another container's, a torn tail) goes after this.
FORGET_SECONDS = 7 * 86400
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
TRY_AGAIN = (429, 503)
TOO_LARGE = 413
#: What the server answers to a batch that it took, or all lines of which it named as bad.
READ = (200, 422)

OPEN, CALL = b'{"kind":"open"', b'{"kind":"call"'


class Stopped(Exception):  # noqa: N818 - no mistake
    """The server did not acknowledge: the rest waits for a later round."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.said)
        self.answer = answer


@dataclass
class Sent:
    """What one round brought: lines acknowledged, and the answer that ended it, if one did."""

    lines: int = 0
    stopped: Answer | None = None


class Round:
    """One pass over all segments, for the process whose turn it is."""

    def __init__(self, outbox: Outbox, target: Target, stop: Callable[[], bool]) -> None:
        self._outbox = outbox
        self._target = target
        self._stop = stop
        self._state = outbox.load()
        self._sent = Sent()

    def run(self) -> Sent:
        """Send until nothing waits, the server says no, or `stop` does."""
        try:
            for name in self._outbox.segments():
                self._segment(name)
                if self._stop():
                    break
        except Stopped as stopped:
            self._sent.stopped = stopped.answer
            self._note(stopped.answer)
        self._forget()
        return self._sent

    # -- one segment -----------------------------------------------------------------------------

    def _segment(self, name: str) -> None:
        path = self._outbox.places.spool / name
        with suppress(FileNotFoundError):
            # Asked before reading: what it wrote until then is read below.
            over = is_over(path)
            while lines := whole_lines(path, self._state.taken.get(name, 0)):
                self._send(name, lines)
                self._acknowledged(name, lines)
                if self._stop():
                    return
            if over:
                self._finish(path)

    def _send(self, name: str, lines: bytes) -> None:
        """Post lines until each is acknowledged or refused for good; `Stopped` otherwise."""
        answer = post_lines(self._target, name, lines)
        if is_read(answer):
            self._refuse(lines, answer)
        elif answer.status == TOO_LARGE and lines.count(b"\n") > 1:
            self._halve(name, lines)
        else:
            raise Stopped(answer)

    def _halve(self, name: str, lines: bytes) -> None:
        each = lines.splitlines(keepends=True)
        middle = len(each) // 2
        self._send(name, b"".join(each[:middle]))
        self._send(name, b"".join(each[middle:]))

    def _refuse(self, lines: bytes, answer: Answer) -> None:
        """Put aside the lines that the server named as bad, by their place from 1."""
        rejected = answer.body.get("rejected") or ()
        places = {each["line"] for each in rejected}
        if places:
            each = lines.split(b"\n")
            self._keep_refused([line for n, line in enumerate(each, 1) if n in places])

    def _keep_refused(self, lines: list[bytes]) -> None:
        self._outbox.keep_refused(lines)
        self._state.refused += len(lines)

    def _acknowledged(self, name: str, lines: bytes) -> None:
        state = self._state
        state.taken[name] = state.taken.get(name, 0) + len(lines)
        state.failures, state.wait_until = 0, 0.0
        self._sent.lines += lines.count(b"\n")
        self._remember("200: taken")

    # -- the end of a segment --------------------------------------------------------------------

    def _finish(self, path: Path) -> None:
        """Remove a segment that is over and acknowledged, its open calls told as lost first."""
        age = time.time() - path.stat().st_mtime
        torn = path.stat().st_size > self._state.taken.get(path.name, 0)
        lost = under_way(path)
        if lost and is_process_gone(path):
            self._send(path.name, b"".join(map(encode, lost)))
        elif lost and age < FORGET_SECONDS:
            return
        if not torn or age > FORGET_SECONDS:
            path.unlink(missing_ok=True)

    # -- what is remembered ----------------------------------------------------------------------

    def _note(self, answer: Answer) -> None:
        """A failure: wait as long as the server says, else longer and longer."""
        state = self._state
        state.failures += 1
        state.wait_until = time.time() + pause_after(answer, state.failures)
        self._remember(answer.said)

    def _remember(self, said: str) -> None:
        self._state.last, self._state.last_at = said, time.time()
        self._outbox.save(self._state)

    def _forget(self) -> None:
        """Drop the offsets of segments that are gone."""
        there = self._outbox.segments()
        gone = [name for name in self._state.taken if name not in there]
        for name in gone:
            del self._state.taken[name]
        if gone:
            self._outbox.save(self._state)


def is_read(answer: Answer) -> bool:
    """Whether a ledger's server has read the batch; any other server may say 200 too."""
    return answer.status in READ and isinstance(answer.body.get("accepted"), int)


def pause_after(answer: Answer, failures: int) -> float:
    """Seconds to wait after so many failures in a row."""
    grown = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 16), LONGEST_PAUSE)
    spread = grown * (0.5 + random.random())
    if answer.status in TRY_AGAIN and answer.retry_after is not None:
        return answer.retry_after + random.random()
    return spread


def is_over(path: Path) -> bool:
    """Whether nobody writes to this segment any more."""
    return is_process_gone(path) or time.time() - path.stat().st_mtime > LEFT_SECONDS


def is_process_gone(path: Path) -> bool:
    writer = writer_of(path)
    return writer is not None and is_gone(writer.host, writer.pid, writer.process_start)


def writer_of(path: Path) -> Recorder | None:
    """The process that wrote a segment, of its first line."""
    try:
        with path.open("rb") as file:
            first = decode(file.readline(1 << 16))
    except (OSError, Damaged):
        return None
    return first if isinstance(first, Recorder) else None


def under_way(path: Path) -> list[Call]:
    """Calls with a start mark in this segment and no end in any, as they would be if lost."""
    marks = dict(open_marks(path))
    over = ended(path) if marks else set()
    return [call for call_id, call in marks.items() if call_id not in over]


def open_marks(path: Path) -> Iterator[tuple[str, Call]]:
    """Calls that a segment has a start mark of, as they would be if they were lost."""
    for mark in _lines(path, OPEN):
        if isinstance(mark, OpenCall):
            yield mark.call.call_id, msgspec.structs.replace(mark.call, outcome="lost")


def ended(path: Path) -> set[str]:
    """Ids of the calls that the process of this segment has ended, in any segment still here."""
    writer = writer_of(path)
    pattern = f"*-{writer.pid}-*.ndjson" if writer else path.name
    return {
        call.call_id
        for each in path.parent.glob(pattern)
        for call in _lines(each, CALL)
        if isinstance(call, Call)
    }


def _lines(path: Path, beginning: bytes) -> Iterator[object]:
    with suppress(FileNotFoundError), path.open("rb") as file:
        for line in file:
            if line.startswith(beginning):
                with suppress(Damaged):
                    yield decode(line)


def send(
    outbox: Outbox,
    target: Target,
    stop: Callable[[], bool] = bool,
    *,
    eager: bool = False,
) -> Sent | None:
    """One round; None where another process has the turn, or the server asked to wait.

    `eager` does not wait after failures.
    """
    with outbox.turn() as ours:
        if not ours or (not eager and is_waiting(outbox.load())):
            return None
        return Round(outbox, target, stop).run()


# -- the workspace's key -------------------------------------------------------------------------


def adopt_hash_key(outbox: Outbox, target: Target) -> bool:
    """Take over the key of that ledger, so that hashes of all hosts compare; whether it changed."""
    stated = fetch_hash_key(target).body.get("key")
    try:
        secret = bytes.fromhex(stated) if isinstance(stated, str) else b""
    except ValueError:
        return False
    folder = outbox.places.make(outbox.places.keys)
    known = HashKey.load(folder) if (folder / KEY_FILE).exists() else None
    if len(secret) != KEY_BYTES or (known is not None and known.secret == secret):
        return False
    if known is None:
        replace_key(folder, secret)
    else:
        put_in_force(folder, secret)
    return True


__all__ = ["Outbox", "Sent", "State", "adopt_hash_key", "pause_after", "send"]
