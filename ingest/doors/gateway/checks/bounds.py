"""How large: bytes of the body, tokens asked for, choices."""

from __future__ import annotations

from typing import Any

from hf_ledger.ingest.doors.gateway.asking import Asking, Outcome
from hf_ledger.ingest.doors.gateway.limits.pricing import asked_tokens
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import Limits

BODY_BYTES = 32 * 2**20
MOST_CHOICES = 16


class Bounds:
    """Refuses what is larger than the key's limits: 413 `body_too_large`, 400 for the rest."""

    name = "bounds"

    def __init__(self, body_bytes: int = BODY_BYTES, choices: int = MOST_CHOICES) -> None:
        self._body_bytes = body_bytes
        self._choices = choices

    def check(self, asking: Asking) -> None:
        own = asking.key.limits if asking.key else Limits()
        team = asking.state.teams.get((asking.key and asking.key.team) or "", Limits())
        most = first(own.body_bytes, team.body_bytes) or self._body_bytes
        if len(asking.body) > most:
            raise Refused(
                413,
                "body_too_large",
                f"the body has {len(asking.body)} bytes, the limit is {most}: send less at once.",
            )
        if isinstance(asking.asked, dict):
            self._tokens(asking.asked, first(own.max_tokens, team.max_tokens))
            self._number(asking.asked.get("n"))

    def finish(self, asking: Asking, outcome: Outcome) -> None:
        """Nothing is held."""

    def _tokens(self, asked: dict[str, Any], most: int | None) -> None:
        wanted = asked_tokens(asked)
        if most is not None and wanted is not None and wanted > most:
            raise Refused(
                400,
                "max_tokens_too_large",
                f"the request asks for up to {wanted} tokens, the limit is {most}: "
                "lower max_tokens.",
            )

    def _number(self, n: Any) -> None:
        if type(n) is int and n > self._choices:
            raise Refused(
                400,
                "too_many_choices",
                f"the request asks for n={n} choices, the limit is {self._choices}: lower n.",
            )


def first(own: int | None, team: int | None) -> int | None:
    return own if own is not None else team
