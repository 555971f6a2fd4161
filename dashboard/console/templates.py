"""Prompts with places to fill in: `{{name}}`, where a name is letters, digits, `_`, `-` and spaces.

All else, other braces included, is text and stays as it is; what is filled in is never read again,
so a value with braces in it is a text too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hf_ledger.ingest.errors import Usage

_PLACE = re.compile(r"\{\{\s*(\w[\w -]{0,60}?)\s*\}\}")


def variables(template: str) -> list[str]:
    """Names to be filled in, in their order, each once."""
    return list(dict.fromkeys(found[1] for found in _PLACE.finditer(template)))


def render(template: str, values: Mapping[str, str]) -> str:
    """The text with every place filled. Raises Usage that names what is missing or unknown."""
    names = variables(template)
    missing = [name for name in names if not values.get(name, "").strip()]
    unknown = [name for name in values if name not in names]
    if missing:
        raise Usage(f"Nothing was sent: fill in {', '.join(missing)} first.")
    if unknown:
        known = ", ".join(names) or "none"
        raise Usage(f"The template has no place for {', '.join(unknown)}; it has: {known}.")
    return _PLACE.sub(lambda found: values[found[1]], template)
