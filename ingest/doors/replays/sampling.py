"""Which calls are replayed, and against whom: a draw first, then what must never be sent again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.asking import Asking, Outcome
from hf_ledger.ingest.doors.gateway.compliance.policy import highest, stated
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import DataClass, Replaying

NO_REPLAY_HEADER = "x-hf-ledger-no-replay"
SECRET = frozenset({"confidential", "restricted"})
#: The check whose verdict says that something was found, and how it begins where nothing was.
SCREENING, CLEAN = "compliance", frozenset({"nothing found", "not screened"})

#: So much of the sampled calls goes to the same model again: how far it agrees with itself is the
#: noise of model and judge.
AGAINST_ITSELF = 0.1
#: None of the client's, who can't choose who is billed; no gateway on the way replays a replay.
HEADERS = {"content-type": "application/json", NO_REPLAY_HEADER: "1"}
MOST_BYTES = 256 << 10

#: Base URL to which requests for a model go, None where it is not known.
HostOf = Callable[[str], str | None]
#: Whether the gateway's other rules let a call's text go to this model.
MayGo = Callable[["Sampled", str], bool]


@dataclass(frozen=True, slots=True)
class Draw:
    """A call that was drawn, and with which probability calls like it are."""

    itself: bool
    probability: float


@dataclass(frozen=True, slots=True)
class Sampled:
    """A drawn call with all that its replay needs; its texts are never shown or written."""

    call: Call  # the finished one
    cost: Decimal | None
    key_id: str
    candidate: str | None  # None: the model itself
    probability: float
    path: str
    upstream: str
    data_class: DataClass
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    reply: bytes = field(repr=False)

    @property
    def secret(self) -> bool:
        """Whether the text may go only where it has been."""
        return self.data_class in SECRET

    @property
    def size(self) -> int:
        return len(self.body) + len(self.reply)


def draw(replaying: Replaying, random: Random) -> Draw | None:
    """Whether this call is replayed: by chance alone, so that every call counts alike.

    A hash of the input would take all repeats of an input or none; savings are made on each.
    """
    share = min(replaying.share, 1.0)
    if not (share > 0 and replaying.candidate):
        return None
    drawn = random.random()
    if drawn >= share:
        return None
    itself = drawn < share * AGAINST_ITSELF
    return Draw(itself, share * (AGAINST_ITSELF if itself else 1 - AGAINST_ITSELF))


def why_not(asking: Asking, outcome: Outcome, size: int) -> str | None:
    """Why a drawn call must not or need not be sent again; None where it may be.

    Where it is sent decides about secret texts: `leaves`.
    """
    call = outcome.call
    if call is None or outcome.refused or outcome.status != 200 or call.outcome != "ok":
        return "no_answer"
    if call.purpose != "work" or call.cached_reply:
        return "no_work"
    if asking.headers.get(NO_REPLAY_HEADER, "0").strip().lower() not in ("", "0", "false"):
        return "asked_not_to"
    screened = asking.verdicts.get(SCREENING)
    if screened is not None and screened.partition(";")[0] not in CLEAN:
        return "found"
    return "too_large" if size > MOST_BYTES else None


def class_of(asking: Asking) -> DataClass:
    """What the key and the request's header say; a class that nobody knows is the strictest."""
    known: DataClass = asking.key.screening.data_class if asking.key else "restricted"
    try:
        return highest(known, stated(asking.headers))
    except Refused:
        return "restricted"


def anywhere(sampled: Sampled, model: str) -> bool:
    """No further rules."""
    return True


def leaves(sampled: Sampled, model: str, host_of: HostOf) -> bool:
    """Whether sending to this model shows a secret text to anybody new.

    Behind a router other providers serve other models: there every model is somebody new.
    """
    if not sampled.secret:
        return False
    own = sampled.call.host_kind in ("self_hosted", "endpoint")
    return not own or host_of(model) != sampled.upstream


def sampled_of(asking: Asking, outcome: Outcome, reply: bytes, drawn: Draw) -> Sampled:
    """What is kept of a drawn call, in memory, until it has been replayed."""
    assert asking.key is not None
    assert outcome.call is not None
    replaying = asking.key.replaying
    return Sampled(
        call=outcome.call,
        cost=outcome.cost,
        key_id=asking.key.key_id,
        candidate=None if drawn.itself else replaying.candidate,
        probability=drawn.probability,
        path=asking.path,
        upstream=asking.upstream,
        data_class=class_of(asking),
        headers=dict(HEADERS),
        body=asking.body,
        reply=reply,
    )
