"""Where sentences end."""

from __future__ import annotations

import re

_END = re.compile(r"[.!?…؟۔।]+[\"'”’»)\]]*\s+|[。！？]+[」』”）]*\s*")


def sentence_ends(text: str) -> list[int]:
    """Offsets after each sentence and the space behind it; the last is the text's length."""
    ends = [each.end() for each in _END.finditer(text)]
    if text and (not ends or ends[-1] != len(text)):
        ends.append(len(text))
    return ends
