"""Answers that are text: joined with the spaces that stood between the chunks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hf_ledger.ingest.doors.documents.failing import Unreadable
from hf_ledger.ingest.doors.documents.parts import Part

#: Where the tasks keep their text.
FIELDS = ("summary_text", "translation_text", "generated_text", "text")
MISSING = "[part {number} of {total} is missing: {why}]"


def text_of(answer: Any) -> str:
    """The text of an answer in hub's shapes, or of one that is text itself. Raises Unreadable."""
    found = answer[0] if isinstance(answer, list) and answer else answer
    if isinstance(found, dict):
        choice = first_choice(found)
        found = (
            (choice.get("message") or {}).get("content")
            if choice
            else next((found[name] for name in FIELDS if name in found), None)
        )
    if not isinstance(found, str) or not found.strip():
        raise Unreadable("the answer holds no text")
    return found


def was_cut(answer: Any) -> bool:
    """Whether a chat's answer ended at its limit of tokens."""
    return isinstance(answer, dict) and first_choice(answer).get("finish_reason") == "length"


def first_choice(answer: dict[str, Any]) -> dict[str, Any]:
    choices = answer.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}


def joined(parts: Sequence[Part], text: str) -> str:
    """Each answer between the spaces that stood around its chunk; a mark where one is missing."""
    return "".join(_placed(part, text[part.start : part.end], len(parts)) for part in parts)


def _placed(part: Part, core: str, total: int) -> str:
    if part.blank:
        return core
    before = core[: len(core) - len(core.lstrip())]
    after = core[len(core.rstrip()) :]
    said = mark_of(part, total) if part.failed is not None else str(part.value).strip()
    return before + said + after


def mark_of(part: Part, total: int) -> str:
    """What stands where an answer would."""
    return MISSING.format(number=part.index + 1, total=total, why=part.failed)
