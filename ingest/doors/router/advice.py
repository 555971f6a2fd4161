"""The policy file: which model is proven for a task, for what share of it, and until when.

`policy.json` at the ledger's root is written by analysis and read by routers, and described in
docs/routing-policies.md; what a certificate proves stands in the ledger.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.errors import Unusable, Usage
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.private_files import replace_private
from hf_ledger.ingest.watched_file import WatchedFile

VERSION = 1
HISTORY = "policy.history"

KEPT = "hf-ledger keeps to the advice that it had: %s can't be understood (%s)"
UNREADABLE = "hf-ledger routes without advice: %s can't be understood (%s)"

_log = logging.getLogger("hf_ledger")

#: With its offset: a time of no zone would be another one on each machine.
Moment = Annotated[datetime, Meta(tz=True)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Segment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part of a task's requests that a rule is for; what is None is not asked about."""

    template_hash: str | None = None
    team: str | None = None
    app: str | None = None

    def fits(self, wanted: str | None) -> bool:
        """Whether a request of that segment is in it. One word can't prove two conditions."""
        named = [each for each in (self.template_hash, self.team, self.app) if each is not None]
        return not named or named == [wanted]


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A share of a task's requests may go from one model to another, as a certificate says."""

    task: str
    segment: Segment = Segment()
    from_model: str  # Hugging Face id; the strong one, which has the rest of the requests
    from_provider: str | None = None  # None: any
    to_model: str
    to_provider: str | None = None
    share: Share  # of the requests
    target_quality: Share | None = None  # of the answers that had to be as good, as certified
    certificate_id: str
    certified_at: Moment
    expires_at: Moment

    def holds(self, now: float) -> bool:
        """Whether the certificate is in force (seconds since 1970)."""
        return self.certified_at.timestamp() <= now < self.expires_at.timestamp()


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the file."""

    version: int  # of the format
    number: int  # of this content; grows by one with each change, also with one that is taken back
    created_at: Moment
    rules: tuple[Rule, ...] = ()

    def rules_for(self, task: str, segment: str | None) -> Iterator[Rule]:
        """Rules for a request, in force or not: those for its segment before those for all."""
        fitting = [each for each in self.rules if each.task == task and each.segment.fits(segment)]
        yield from sorted(fitting, key=_later_first)

    def rule_for(self, task: str, segment: str | None, now: float) -> Rule | None:
        """The rule that counts for a request: the first that is in force, else the first of all."""
        found = list(self.rules_for(task, segment))
        return next((each for each in found if each.holds(now)), next(iter(found), None))


def _later_first(rule: Rule) -> tuple[bool, float, str]:
    return rule.segment == Segment(), -rule.certified_at.timestamp(), rule.certificate_id


def is_of(target: Target, model: str, provider: str | None) -> bool:
    """Whether the target is that model, at that provider where one is named."""
    same = (target.model or "").lower() == model.lower()
    return same and (provider is None or (target.provider or "").lower() == provider.lower())


# -- the file --------------------------------------------------------------------------------------

DECODER = msgspec.json.Decoder(Advice)
ENCODER = msgspec.json.Encoder()


def decoded(content: bytes) -> Advice:
    """The advice of a file. Raises `Unusable` for a version of later than ours."""
    advice = DECODER.decode(content)
    if advice.version != VERSION:
        raise Unusable(f"version {advice.version} of the policy file is not known, {VERSION} is.")
    return advice


class AdviceNow:
    """The advice that holds now, and the same object for as long as it does; for `Ranker`.

    A file that can't be understood leaves the last good one in force, and is one line in the log.
    """

    def __init__(self, places: Places) -> None:
        self._file: WatchedFile[Advice | None] = WatchedFile(places.policy, decoded, None, KEPT)

    def __call__(self) -> Advice | None:
        return self._file.now()


def read(path: Path) -> Advice | None:
    """The file as it is; None, and a line in the log, where it can't be understood."""
    try:
        return decoded(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, ValueError, Unusable) as error:
        _log.error(UNREADABLE, path, type(error).__name__)
        return None


def write(places: Places, rules: Sequence[Rule], now: datetime) -> Advice:
    """Put these rules in force, as the next number; what held before goes into the history.

    Raises `Unusable` where the folder can't be written.
    """
    path = places.policy
    advice = Advice(
        version=VERSION,
        number=last_number(path) + 1,
        created_at=now.astimezone(UTC),
        rules=tuple(rules),
    )
    try:
        places.make(path.with_name(HISTORY))
        keep(path)
        replace_private(path, msgspec.json.format(ENCODER.encode(advice)) + b"\n")
    except OSError as error:
        raise Unusable(f"{path} can't be written: {error.strerror}.") from error
    return advice


def restore(places: Places, number: int, now: datetime) -> Advice:
    """Put the rules of a former version in force again, as a new one. Raises `Usage`."""
    found = dict(history(places.policy)).get(number)
    before = read(found) if found else None
    if before is None:
        known = ", ".join(str(each) for each, _ in history(places.policy)) or "none"
        raise Usage(f"There is no former version {number} of the policy file; known: {known}.")
    return write(places, before.rules, now)


def keep(path: Path) -> None:
    """Copy the file into the history, by its number; a broken one under 0, so that it is seen."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    advice = read(path)
    replace_private(kept_as(path, advice.number if advice else 0), content)


def kept_as(path: Path, number: int) -> Path:
    return path.with_name(HISTORY) / f"{number:06}.json"


def history(path: Path) -> list[tuple[int, Path]]:
    """Former versions by number, the oldest first."""
    files = sorted(path.with_name(HISTORY).glob("*.json"))
    return [(int(each.stem), each) for each in files if each.stem.isdecimal()]


def last_number(path: Path) -> int:
    """The highest number that was ever used."""
    advice = read(path)
    return max([advice.number if advice else 0, *(number for number, _ in history(path))])
