"""How many tokens a chunk has: by the model's own tokenizer where it is at hand, else about.

Nothing is fetched.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from hf_ledger.ingest.doors.imports.counting import TokenizerFails, cached_file, guarded, loaded
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.wire.estimate import tokens_of

#: What is added to an estimate, so that a chunk rarely has more tokens than a model takes: a tenth
#: of the texts measured had more than 28 % beside it.
MARGIN = 1.3

_LONE = re.compile("[\ud800-\udfff]")


class Counter(NamedTuple):
    """`count` is what `Sizing` takes; `how` says for people where its figures are from."""

    count: Callable[[str], int]
    exact: bool
    how: str


def estimated(text: str) -> int:
    """By the ratio of each script, and 30 % more."""
    return math.ceil(MARGIN * tokens_of((text,)))


ESTIMATE = Counter(estimated, False, "estimated by script, 30 % added to be safe")


def counter_of_model(model: str | None) -> Counter:
    """By the tokenizer that the local Hugging Face cache has of this model, else the estimate."""
    if model is None or find_spec("huggingface_hub") is None:
        return ESTIMATE
    path = cached_file(model)
    return ESTIMATE if path is None else counter_of_file(path)


def counter_of_file(path: Path) -> Counter:
    """By this tokenizer.json, its special tokens included; the estimate without `tokenizers`.

    Raises Unusable for a file that is none.
    """
    if find_spec("tokenizers") is None:
        return ESTIMATE

    def count(text: str) -> int:
        return _counted(path, text)

    count("a")
    return Counter(count, True, f"counted by {path.name}")


def _counted(path: Path, text: str) -> int:
    try:
        return guarded(lambda: len(loaded(path).encode(_LONE.sub("\ufffd", text)).ids))
    except TokenizerFails as error:
        raise Unusable(
            f"The tokenizer {path} can't be used ({error}): leave it out, and tokens are estimated."
        ) from None
