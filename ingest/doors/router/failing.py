"""A call that failed, in one sentence: hub's, the client's and the server's errors in one place."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from hf_ledger.ingest.call import ErrorKind
from hf_ledger.ingest.doors import client
from hf_ledger.ingest.doors.client import InferenceFailed, Sentences, status_of
from hf_ledger.ingest.doors.router.seen import Seen
from hf_ledger.ingest.doors.router.target import Target

BROKE_OFF = "{who} broke off in the middle of its answer."
FAILED_WITHIN = "{who} failed in the middle of its answer ({kind})."
UNREADABLE = "{who} answered something that hub's client can't read for this task."
NOT_ASKED = (
    "{who} can't be asked for {task} with the model {model}: "
    "check the inputs, who serves the model, and whether its libraries are installed."
)
TIMED_OUT = "{who} did not answer in time."


class CallFailed(InferenceFailed):
    """One call that failed: its kind as the ledger has it, and how long the server asks to wait.

    `sent` is false where no request left: nothing can have been charged.
    """

    def __init__(
        self,
        sentence: str,
        kind: ErrorKind,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        sent: bool = True,
    ) -> None:
        super().__init__(sentence, status)
        self.kind = kind
        self.retry_after_s = retry_after_s
        self.sent = sent


def failed(error: BaseException, target: Target, task: str, seen: Seen) -> CallFailed:
    """What to say of this error of a call to this target."""
    status = status_of(error) or (seen.status if (seen.status or 0) >= 400 else None)
    who, kind = who_is(target), kind_of(error, seen)
    words = {"who": who, "model": target.model or "asked for", "status": status, "kind": kind}
    sentence = _sentence(error, target, seen, status)
    # Some providers send it with good replies too.
    asked_to_wait = seen.reply_headers.get("retry-after") if status else None
    return CallFailed(
        sentence.format(**words, task=task),
        kind,
        status=status,
        retry_after_s=retry_after_s(asked_to_wait, time.time()),
        sent=seen.call is not None,
    )


def timed_out(target: Target, seen: Seen) -> CallFailed:
    """The call was ended because its time was over."""
    said = TIMED_OUT.format(who=who_is(target))
    return CallFailed(said, "timeout", status=seen.status, sent=seen.call is not None)


def who_is(target: Target) -> str:
    """How sentences name a target."""
    return client.Target(target.kind, target.url, target.model, target.provider).who


def kind_of(error: BaseException, seen: Seen) -> ErrorKind:
    """The kind as the recorder read it off the reply, else by the error's class."""
    if seen.call is not None and seen.call.error_kind is not None:
        return seen.call.error_kind
    names = _names(error)
    if names & {"InferenceTimeoutError", "TimeoutException", "TimeoutError"}:
        return "timeout"
    if "TransportError" in names or isinstance(error, ConnectionError):
        return "connection"
    if seen.call is not None:
        return "other"
    return "auth" if "api_key" in str(error) else "bad_request"


def _sentence(error: BaseException, target: Target, seen: Seen, status: int | None) -> str:
    names = _names(error)
    if status is not None:
        return client.SENTENCES.get(status, client.OTHER_STATUS)
    if "TransportError" in names and seen.status is not None:
        return BROKE_OFF
    known = Sentences(client.Target(target.kind, target.url, target.model, target.provider))
    if said := known.sentence(error):
        return said.replace("{", "{{").replace("}", "}}")
    if seen.call is None:
        return NOT_ASKED
    return FAILED_WITHIN if "TextGenerationError" in names else UNREADABLE


def _names(error: BaseException) -> set[str]:
    return {each.__name__ for each in type(error).__mro__}


def retry_after_s(header: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks to wait, written as a number or as a date."""
    text = (header or "").strip()
    if text.replace(".", "", 1).isdecimal():
        return float(text[:12])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def foreign_errors() -> tuple[type[BaseException], ...]:
    """What hub's client raises, of its own and of what it can't digest."""
    import httpx2

    return (
        httpx2.HTTPError,
        httpx2.StreamError,
        OSError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ImportError,
    )
