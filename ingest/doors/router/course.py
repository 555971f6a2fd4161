"""The course of one operation: what was tried, who is left, and what follows a failure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, NamedTuple

from hf_ledger.ingest.doors.hook.labels import Labels
from hf_ledger.ingest.doors.router.deciding import Decision, decide
from hf_ledger.ingest.doors.router.failing import CallFailed
from hf_ledger.ingest.doors.router.ranked import Ranking
from hf_ledger.ingest.doors.router.routed import Attempt, Next, Routed, RouteFailed
from hf_ledger.ingest.doors.router.seen import Seen
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.wanted import Wanted

NOTHING = Ranking((), (), "")
NOBODY = "No target can be asked for {task}: {why}."
NONE_KNOWN = "none is known; name one in the settings, or say which models it may be"
NO_ANSWER = "No target answered for {task}: {why}."
#: Reasons that a sentence gives; all of them stand in the attempts and in `explain`.
TOLD = 6


class Try(NamedTuple):
    """An attempt that has begun. Times are of the event loop, in seconds."""

    target: Target
    number: int  # from 1, over all targets
    of_target: int  # likewise, of this one
    began: float
    limit_s: float
    seen: Seen


class Ended(NamedTuple):
    """How it ended: with a value, a failure, or taken back (neither)."""

    tried: Try
    took_s: float
    cost: Decimal | None
    value: Any = None
    failure: CallFailed | None = None
    ok: bool = False


@dataclass
class Course:
    """One operation from its start to its answer. `draw` gives random numbers in [0, 1)."""

    wanted: Wanted
    began: float
    labels: Labels
    ranking: Ranking = NOTHING
    attempts: list[Attempt] = field(default_factory=list)
    under_way: list[Try] = field(default_factory=list)
    _left: list[Target] = field(default_factory=list)
    _times: Counter[str] = field(default_factory=Counter)
    _started: int = 0
    _gone: set[str] = field(default_factory=set)
    _refused: dict[str, str] = field(default_factory=dict)
    _too_short: Target | None = None  # only a target with a longer context can do it
    _before: str | None = None  # call_id of the attempt that the next one replaces

    @property
    def deadline(self) -> float:
        return self.began + self.wanted.total_s

    @property
    def operation_id(self) -> str:
        return self.labels.operation_id or ""

    # -- who may be tried --------------------------------------------------------------------------

    def rank(self, ranking: Ranking) -> None:
        """Take this order; targets that are done with don't come back."""
        self.ranking = ranking
        self._left = [each.target for each in ranking.ranked if self._may_be(each.target)]

    def others(self, target: Target) -> bool:
        """Whether there is another target to go to."""
        return any(each.name != target.name for each in self._left)

    def _may_be(self, target: Target) -> bool:
        if target.name in self._gone:
            return False
        return self._too_short is None or is_larger(target, self._too_short)

    def may_begin(self, now: float) -> bool:
        """Whether one more attempt may be begun: neither time nor attempts are used up."""
        return self._started < self.wanted.attempts and now < self.deadline

    @property
    def candidates(self) -> tuple[Target, ...]:
        """Who may be tried next, in order; nobody twice at once."""
        busy = {each.target.name for each in self.under_way}
        return tuple(each for each in self._left if each.name not in busy)

    def refused(self, target: Target, why: str) -> None:
        """It can't be tried now, whatever its rank."""
        self.waits_for(target, why)
        self._drop(target)

    def waits_for(self, target: Target, why: str) -> None:
        """It would be tried, if it were not for this."""
        self._refused[target.name] = why

    def begin(self, target: Target, now: float, *, hedge: bool = False) -> Try:
        """Number an attempt that begins now."""
        self._started += 1
        self._times[target.name] += 1
        before = self.under_way[-1].seen.call if hedge and self.under_way else None
        seen = Seen(
            attempt=self._started,
            fallback_of=before.call_id if before else self._before,
            purpose="hedge" if hedge else None,
        )
        limit_s = min(self.wanted.attempt_s, self.deadline - now)
        begun = Try(target, self._started, self._times[target.name], now, limit_s, seen)
        self.under_way.append(begun)
        return begun

    # -- what became of an attempt -----------------------------------------------------------------

    def after(self, ended: Ended, now: float, draw: float) -> float | None:
        """Note a failed attempt; seconds to wait before the next, None to give up."""
        decision = self._decided(ended, now, draw)
        if decision.action != "retry":
            self._drop(ended.tried.target)
        if decision.larger_context:
            self._too_short = ended.tried.target
            self._left = [each for each in self._left if self._may_be(each)]
        action, why = self._possible(decision, now)
        self.note(ended, action, why)
        if action == "retry":
            # First again, whoever the policy would take now.
            again = ended.tried.target
            self._left = [again, *(each for each in self._left if each.name != again.name)]
        return None if action == "give_up" else decision.wait_s

    def note(self, ended: Ended, then: Next, why: str) -> None:
        """Write an attempt down."""
        tried = ended.tried
        if tried in self.under_way:
            self.under_way.remove(tried)
        if tried.seen.call is not None and not ended.ok:
            self._before = tried.seen.call.call_id
        self.attempts.append(
            Attempt(
                target=tried.target,
                number=tried.number,
                began_s=tried.began - self.began,
                took_s=ended.took_s,
                then=then,
                why=why,
                call=tried.seen.call,
                cost=ended.cost,
            )
        )

    def give_way(self, ended: Ended) -> None:
        """Note an attempt that failed while another was under way: nothing follows from it."""
        self._drop(ended.tried.target)
        assert ended.failure is not None
        self.note(ended, "hedged", said_of(ended.failure))

    def _decided(self, ended: Ended, now: float, draw: float) -> Decision:
        failure, tried = ended.failure, ended.tried
        assert failure is not None
        if not failure.sent:
            theirs = failure.kind == "bad_request"
            return Decision("give_up" if theirs else "next", 0.0, "it could not be asked")
        return decide(
            # Where we ended it, its row says that it was cancelled; it was its time that was over.
            None if failure.kind == "timeout" else tried.seen.call,
            TimeoutError() if failure.kind == "timeout" else failure,
            failure.retry_after_s,
            tried.of_target,
            self.wanted,
            self.deadline - now,
            only=not self.others(tried.target),
            draw=draw,
        )

    def _possible(self, decision: Decision, now: float) -> tuple[Next, str]:
        """What is done of what was decided, by the attempts and targets that are left."""
        if decision.action == "give_up":
            return "give_up", decision.why
        if self._started >= self.wanted.attempts:
            return "give_up", f"{decision.why}; {self._started} attempts are the most"
        if now >= self.deadline:
            return "give_up", f"{decision.why}; no time is left"
        if decision.action == "next" and not self._left:
            return "give_up", f"{decision.why}; there is no other target"
        return decision.action, decision.why

    def _drop(self, target: Target) -> None:
        self._gone.add(target.name)
        self._left = [each for each in self._left if each.name != target.name]

    # -- the end -----------------------------------------------------------------------------------

    def routed(self, value: Any, target: Target) -> Routed[Any]:
        attempts = tuple(sorted(self.attempts, key=lambda each: each.number))
        return Routed(
            value=value,
            target=target,
            attempts=attempts,
            operation_id=self.operation_id,
            cost=total(each.cost for each in attempts),
            excluded=tuple((each.target.name, each.why) for each in self.ranking.excluded),
        )

    def failed(self) -> RouteFailed:
        """One sentence on why nobody answered."""
        attempts = sorted(self.attempts, key=lambda each: each.number)
        if attempts and attempts[-1].then in ("retry", "next"):
            # Nothing came of it: nobody was left, or no time.
            attempts[-1] = replace(attempts[-1], then="give_up")
        said = NO_ANSWER if attempts else NOBODY
        reasons = [f"{each.target.name}: {each.why}" for each in attempts]
        others = {each.target.name: each.why for each in self.ranking.excluded}
        unasked = (others if not attempts else {}) | self._refused
        reasons += [f"{name}: {why}" for name, why in unasked.items()]
        why = shortened(reasons) or NONE_KNOWN
        return RouteFailed(said.format(task=self.wanted.task, why=why), tuple(attempts))


def said_of(failure: CallFailed) -> str:
    """A failure in few words."""
    words = failure.kind.replace("_", " ")
    return f"{words}, {failure.status}" if (failure.status or 0) >= 400 else words


def is_larger(target: Target, than: Target) -> bool:
    """Whether its context may be longer; what is not known may be."""
    if target.context_length is None or than.context_length is None:
        return True
    return target.context_length > than.context_length


def total(costs: Iterable[Decimal | None]) -> Decimal | None:
    """Their sum, None where one is unknown."""
    known = list(costs)
    return None if None in known else sum((each for each in known if each), Decimal(0))


def shortened(reasons: Sequence[str]) -> str:
    more = len(reasons) - TOLD
    told = "; ".join(reasons[:TOLD])
    return f"{told}; and {more} more" if more > 0 else told
