"""Tokens as the model's own tokenizer counts them, where it is at hand; nothing is fetched."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hf_ledger.ingest.wire.estimate import tokens_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer

T = TypeVar("T")

#: How many tokens these texts have for a model; None is one that nobody named.
ModelCount = Callable[[str | None, Iterable[str]], int]

FILE = "tokenizer.json"
#: Some models' files have more than 30 MB; a larger one yet is not worth its memory.
LARGEST_FILE = 64 << 20
MOST_LOADED = 8

_log = logging.getLogger("hf_ledger")


def by_ratio(_model: str | None, texts: Iterable[str]) -> int:
    """The count where no tokenizer is asked: any model's is the same."""
    return tokens_of(texts)


class Tokenizers:
    """Counts by tokenizers of the local Hugging Face cache, else by the ratio.

    One that can't be used is named in the log, once.
    """

    def __init__(self) -> None:
        self._installed = all(map(find_spec, ("tokenizers", "huggingface_hub")))
        self._unusable: set[Path] = set()

    def count(self, model: str | None, texts: Iterable[str]) -> int:
        """A `ModelCount`; special tokens are not added, as a chat's template has its own share."""
        path = cached_file(model) if model and self._installed else None
        if path is None or path in self._unusable:
            return tokens_of(texts)
        read = list(texts)
        try:
            return guarded(lambda: tokens_by(loaded(path), read))
        except TokenizerFails as error:
            self._unusable.add(path)
            _log.warning(UNUSABLE, FILE, model, error)
            return tokens_of(read)


#: Names no message of the library: one could quote a text.
UNUSABLE = "the %s of %s can't be used (%s): its tokens are estimated by their characters"


class TokenizerFails(Exception):  # noqa: N818 - says what it does
    """A tokenizer that can't be used; its text is the kind of error alone."""


def guarded(work: Callable[[], T]) -> T:
    """What a tokenizer's library makes of it. Raises TokenizerFails for whatever it raises."""
    try:
        return work()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - its own are bare, a panic no Exception even
        raise TokenizerFails(type(error).__name__) from None


class TooLarge(Exception):  # noqa: N818 - says what the file is
    """A file that no tokenizer known to us comes near."""


def cached_file(model: str) -> Path | None:
    """Where the hub's cache has a model's tokenizer; None where not, or for what is no model id."""
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(model, FILE)
    except (ValueError, OSError):
        return None
    return Path(found) if isinstance(found, str) else None


@lru_cache(maxsize=MOST_LOADED)
def loaded(path: Path) -> Tokenizer:
    """The tokenizer of a file; raises whatever its makers think of where it is damaged."""
    from tokenizers import Tokenizer

    if path.stat().st_size > LARGEST_FILE:
        raise TooLarge
    tokenizer = Tokenizer.from_file(str(path))
    # Files of embedding models often cut texts short, and fill short ones up.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def tokens_by(tokenizer: Tokenizer, texts: Iterable[str]) -> int:
    """How many tokens the texts have together."""
    return sum(len(tokenizer.encode(text, add_special_tokens=False)) for text in texts)
