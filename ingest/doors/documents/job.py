"""What is to be done with a document: the task, how it is cut, how it is called, what if it fails.

Pure values and the rules between them; nothing here reads a file or calls anybody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from hf_ledger.ingest.doors.documents.parts import Part
from hf_ledger.ingest.doors.documents.sizing import Sizing, Unit
from hf_ledger.ingest.doors.router.routed import Routed
from hf_ledger.ingest.doors.router.tasks import task_named
from hf_ledger.ingest.errors import Usage

#: Task, inputs and parameters in; the answer out. `AsyncRouter.run` behind a lambda fits, and so
#: does any function of one's own: what is no `Routed` is an answer whose cost is unknown.
Answer = Callable[[str, Mapping[str, Any], Mapping[str, Any]], Awaitable[Routed[Any] | Any]]
#: Parts in order and the text they are of; what comes out is the document's value.
Combine = Callable[[Sequence[Part], str], Any]
OnFailure = Literal["retry", "skip", "fail"]

CHAT = "chat-completion"
GENERATION = "text-generation"
#: Which of the task's inputs the chunk is.
CHUNK_INPUT: dict[str, str] = {
    CHAT: "messages",
    GENERATION: "prompt",
    "summarization": "text",
    "translation": "text",
    "text-classification": "text",
    "token-classification": "text",
    "zero-shot-classification": "text",
    "question-answering": "context",
    "feature-extraction": "text",
}
#: Tasks whose answers get better where a chunk begins with the end of the one before.
OVERLAPPED = frozenset({"summarization", "token-classification", "question-answering"})
#: Tasks whose answers are joined: what overlaps would stand in the result twice.
JOINED = frozenset({CHAT, GENERATION, "translation"})
OVERLAP_SHARE = 5  # a fifth of the size, 200 of 1,000

NOT_JOINED = (
    "overlap must be 0 for {task}: the answers are joined, and what overlaps would be there twice."
)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One task over a whole document.

    `inputs` are what each call gets beside the chunk (question, candidate_labels), `instruction`
    what a chat or generation is told to do with it. `on_failure`: `fail` gives up with the first
    failure, `retry` tries a chunk `retries` times more before, `skip` marks it then and goes on.
    `target`, `model` and `provider` say who answers: for the cache and the estimate.
    """

    task: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    instruction: str | None = None
    size: int = 1000
    overlap: int | None = None  # None: a fifth of the size where the task profits, else 0
    unit: Unit = "characters"
    count: Callable[[str], int] | None = None  # tokens of a text, for unit="tokens"
    at_once: int = 10
    timeout_s: float = 10.0
    on_failure: OnFailure = "retry"
    retries: int = 2
    backoff_s: float = 0.5
    combine: Combine | Literal["tree"] | None = None  # None: the task's own
    target: str | None = None
    model: str | None = None
    provider: str | None = None
    version: str = ""  # of whatever else changes the answer, so that the cache knows
    name: str | None = None  # the operation's in the ledger, after "document"
    pay_again: bool = False  # ask again for what a gateway of ours has paid and not kept

    def __post_init__(self) -> None:
        task_named(self.task)
        if self.task not in CHUNK_INPUT:
            known = ", ".join(CHUNK_INPUT)
            raise Usage(f"{self.task} takes no long text; tasks over documents are {known}.")
        if self.instruction is not None and self.task not in (CHAT, GENERATION):
            raise Usage(f"{self.task} takes no instruction; chat-completion does.")
        if self.on_failure not in ("retry", "skip", "fail"):
            raise Usage(f"on_failure is retry, skip or fail, not {self.on_failure!r}.")
        for name, least in (("size", 1), ("at_once", 1), ("retries", 0)):
            if getattr(self, name) < least:
                raise Usage(f"{name} must be at least {least}, not {getattr(self, name)}.")
        if self.timeout_s <= 0 or self.backoff_s < 0:
            raise Usage("timeout_s must be above 0 and backoff_s not below it.")
        if self.overlap and self.task in JOINED:
            raise Usage(NOT_JOINED.format(task=self.task))

    @property
    def sizing(self) -> Sizing:
        """How the document is cut; raises Usage where it can't be."""
        return Sizing(self.size, self.overlapping, self.unit, self.count)

    @property
    def overlapping(self) -> int:
        if self.overlap is not None:
            return self.overlap
        return self.size // OVERLAP_SHARE if self.task in OVERLAPPED else 0

    @property
    def tries(self) -> int:
        return 1 if self.on_failure == "fail" else 1 + self.retries

    @property
    def label(self) -> str:
        """How the ledger names the operation."""
        return f"document {self.name or self.task}"

    @property
    def answered_by(self) -> tuple[str | None, ...]:
        """Who answers, as far as it is said: answers of another are others."""
        return (self.target, self.model, self.provider)

    def inputs_of(self, sent: str) -> dict[str, Any]:
        """What a call for this text is given."""
        if self.task == CHAT:
            told = [{"role": "system", "content": self.instruction}] if self.instruction else []
            return {**self.inputs, "messages": [*told, {"role": "user", "content": sent}]}
        if self.task == GENERATION and self.instruction:
            return {**self.inputs, "prompt": f"{self.instruction}\n\n{sent}"}
        return {**self.inputs, CHUNK_INPUT[self.task]: sent}
