"""The one guard between the recorder and the program it lives in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

Result = TypeVar("Result")
Given = TypeVarTuple("Given")

logger = logging.getLogger("hf_ledger")


class Shield:
    """Runs the recorder's own work so that no mistake in it reaches the caller.

    Failures are counted; the first one is logged, by type and place only, since a message could
    quote a prompt. Interrupts and cancellations are the caller's and pass through.
    """

    def __init__(self) -> None:
        self.failures = 0

    def __call__(self, work: Callable[[*Given], Result], *given: *Given) -> Result | None:
        """The work's result, or None where it failed."""
        try:
            return work(*given)
        except Exception as error:  # noqa: BLE001 - a recorder must never break the call it records
            self.failed(work, error)
            return None

    def failed(self, work: Callable[..., object], error: Exception) -> None:
        self.failures += 1
        if self.failures == 1:
            name = getattr(work, "__qualname__", type(work).__name__)
            logger.warning(
                "hf-ledger could not record a call (%s in %s); calls go on, failures are counted",
                type(error).__name__,
                name,
            )
