"""What to do after an attempt that failed: try it again, go on to the next target, or give up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from hf_ledger.ingest.call import Call, ErrorKind
from hf_ledger.ingest.doors.hook.flight import is_given_up, kind_of
from hf_ledger.ingest.doors.router.wanted import Wanted

Action = Literal["retry", "next", "give_up"]

BACKOFF_S = 0.25
#: A longer Retry-After is not waited for while another target could answer.
SHORT_S = 5.0
#: How long a model that loads is waited for, where it is the only one and does not say.
LOADING_S = 10.0

#: How servers say that a request is longer than a model's context. Read in memory, never kept.
TOO_LONG = (
    "context_length_exceeded",
    "context length",
    "context window",
    "maximum context",
    "max_model_len",
    "input is too long",
    "prompt is too long",
    "`inputs` tokens + `max_new_tokens`",
    "`inputs` must have less than",
)


class Decision(NamedTuple):
    """`why` is one clause. `larger_context`: only a target with a longer context can do it."""

    action: Action
    wait_s: float
    why: str
    larger_context: bool = False


class Failure(NamedTuple):
    """What is known of an attempt that failed."""

    kind: ErrorKind
    said: str
    retry_after_s: float | None
    attempt: int  # of this target, from 1
    only: bool  # there is no other target to go to
    draw: float  # a random number in [0, 1)


def decide(  # noqa: PLR0917 - told of a failure in the order in which it is learnt
    call: Call | None,
    error: BaseException | None,
    retry_after_s: float | None,
    attempt_of_target: int,
    wanted: Wanted,
    left_s: float,
    *,
    only: bool = False,
    draw: float = 0.5,
) -> Decision:
    """What follows an attempt that failed; nothing is planned beyond the time that is left.

    `call` is its row, None where nothing was sent; `attempt_of_target` counts from 1. `only`: there
    is no other target to go to. `draw` is a random number in [0, 1) for the wait.
    """
    if is_given_up(error) or (call is not None and call.outcome == "cancelled"):
        return Decision("give_up", 0.0, "cancelled")
    kind, said = failure_of(call, error)
    failure = Failure(kind, said, retry_after_s, attempt_of_target, only, draw)
    if kind in ("bad_request", "other") and is_too_long(error):
        planned = Decision("next", 0.0, f"{said}: longer than its context", larger_context=True)
    else:
        planned = PLANS[kind](failure)
    return in_time(planned, only, wanted, left_s)


def in_time(planned: Decision, only: bool, wanted: Wanted, left_s: float) -> Decision:
    """The plan, or another one where its wait would outlast the time that is left."""
    if left_s > 0 and planned.wait_s < left_s:
        return planned
    if left_s <= 0 or only:
        return Decision("give_up", 0.0, f"{planned.why}; no time is left of {wanted.total_s:g} s")
    return Decision("next", 0.0, f"{planned.why}; too little time to wait")


def after_mistake(failure: Failure) -> Decision:
    """Paid for once is enough."""
    return Decision("give_up", 0.0, f"{failure.said}: the next target would not accept it either")


def after_refusal(failure: Failure) -> Decision:
    return Decision("next", 0.0, failure.said)


def after_limit(failure: Failure) -> Decision:
    """As long as it asked, where that is short or there is nobody else."""
    asked_s, attempt = failure.retry_after_s, failure.attempt
    if asked_s is None:
        wait_s = backoff(attempt + 2, failure.draw)
        return Decision("retry", wait_s, failure.said) if failure.only else after_refusal(failure)
    said = f"{failure.said}, asked to wait {asked_s:g} s"
    if failure.only or (asked_s <= SHORT_S and attempt == 1):
        return Decision("retry", asked_s, said)
    return Decision("next", 0.0, said)


def after_loading(failure: Failure) -> Decision:
    """A model that loads takes long; another answers now."""
    wait_s = LOADING_S if failure.retry_after_s is None else failure.retry_after_s
    return Decision("retry", wait_s, failure.said) if failure.only else after_refusal(failure)


def after_mishap(failure: Failure) -> Decision:
    """Once more, since most pass by themselves; then elsewhere."""
    wait_s = max(backoff(failure.attempt, failure.draw), failure.retry_after_s or 0.0)
    if failure.attempt > 1 or (wait_s > SHORT_S and not failure.only):
        return after_refusal(failure)
    return Decision("retry", wait_s, failure.said)


PLANS: dict[ErrorKind, Callable[[Failure], Decision]] = {
    "auth": after_refusal,
    "quota": after_refusal,
    "rate_limited": after_limit,
    "bad_request": after_mistake,
    "not_found": after_refusal,
    "model_loading": after_loading,
    "overloaded": after_mishap,
    "server_error": after_mishap,
    "timeout": after_mishap,
    "connection": after_mishap,
    "other": after_refusal,
}


def backoff(attempt: int, draw: float) -> float:
    """Seconds before the attempt after this one: doubled each time, with half of it by chance."""
    return float(BACKOFF_S * 2 ** (attempt - 1) * (0.5 + draw))


def failure_of(call: Call | None, error: BaseException | None) -> tuple[ErrorKind, str]:
    """The kind of a failure and the words for it, from the row, else from what was raised."""
    kind = (call.error_kind if call else None) or kind_of(error)
    if call is not None and call.outcome == "interrupted":
        return "connection", "the answer broke off"
    status = call.status if call else None
    words = WORDS[kind]
    return kind, f"{words} ({status})" if status and status >= 400 else words


WORDS: dict[ErrorKind, str] = {
    "auth": "not allowed",
    "quota": "credits used up",
    "rate_limited": "rate limited",
    "bad_request": "not accepted",
    "not_found": "not found",
    "model_loading": "the model is loading",
    "overloaded": "overloaded",
    "server_error": "server error",
    "timeout": "timed out",
    "connection": "no connection",
    "other": "failed",
}


def is_too_long(error: BaseException | None) -> bool:
    """Whether the server said that the request is longer than the model's context."""
    texts = (str(each).lower() for each in chain_of(error))
    return any(words in text for text in texts for words in TOO_LONG)


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those behind it."""
    for _ in range(5):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__
