"""The policy file: which model is proven for a task, for what share of it, and until when.

`policy.json` at the ledger's root is written by analysis and read by routers, and described in
docs/routing-policies.md; what a certificate proves stands in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from hf_ledger.ingest.doors.router.target import Target

VERSION = 1


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
    share: float = msgspec.field(default=1.0)  # of the requests, from 0 to 1
    target_quality: float | None = None  # the least share of answers as good, as certified
    certificate_id: str
    certified_at: datetime
    expires_at: datetime

    def holds(self, now: float) -> bool:
        """Whether the certificate is in force (seconds since 1970)."""
        return self.certified_at.timestamp() <= now < self.expires_at.timestamp()


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the file."""

    version: int  # of the format
    number: int  # of this content; grows by one with each change, also with one that is taken back
    created_at: datetime
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
