"""Single facts of replies that anybody may have written: of the right kind and size, or None."""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

LONGEST_NAME = 300
#: No model reads or writes so many tokens; a larger figure is no number of tokens.
MOST_TOKENS = 1_000_000_000
HIGHEST_SPEED = 1e7

_PATH = re.compile(r"^(?:[/\\~.]|[A-Za-z]:[/\\])")


def decoded(body: bytes) -> Any:
    """The JSON of a reply; None where it is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def part(value: Any, name: str) -> dict[str, Any]:
    """An object in an object, empty where there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def name(value: Any) -> str | None:
    told = isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable()
    return value if told else None


def tokens(value: Any) -> int | None:
    """A number of tokens, at least one."""
    told = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_TOKENS
    return value if told else None


def measure(value: Any) -> float | None:
    """A speed or a time: finite and above zero."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value <= HIGHEST_SPEED and math.isfinite(value) else None


def truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def without_folder(model: str) -> str:
    """The file's name alone where a model is named by its path: folders name people."""
    return re.split(r"[/\\]", model)[-1] if _PATH.match(model) else model
