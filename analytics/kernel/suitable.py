"""The smallest model class that a call's task and lengths call for, as a CASE over stored columns.

The rule is that of the analyzer this product began from (task family × input length), with one
addition for chat and text generation: an answer of a few tokens is a classification, whatever
endpoint it came through. It is a rule of thumb and no evidence of quality, so what follows from it
is an observation ("untested").
"""

from __future__ import annotations

#: From small to large; the order in which tables list them.
CLASSES = ("small", "medium", "large", "xl")

#: Input tokens below which a prompt is of low, then of medium complexity.
LOW_BELOW, MEDIUM_BELOW = 256, 2048

#: Answers of at most so many tokens are labels, not texts.
LABEL_TOKENS = 16

LABELLING = (
    "text-classification",
    "zero-shot-classification",
    "token-classification",
    "fill-mask",
    "feature-extraction",
    "sentence-similarity",
)
REWRITING = ("summarization", "translation", "question-answering", "table-question-answering")
GENERATING = ("text-generation", "chat-completion")

#: Smallest suitable class by task family at low, medium and high complexity.
FAMILIES: tuple[tuple[tuple[str, ...], tuple[str, str, str]], ...] = (
    (LABELLING, ("small", "small", "medium")),
    (REWRITING, ("small", "medium", "large")),
    (GENERATING, ("medium", "large", "xl")),
)


def quoted(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def by_length(classes: tuple[str, str, str]) -> str:
    """A CASE over input tokens; an unknown length has no suitable class."""
    low, medium, high = classes
    return (
        f"case when input_tokens < {LOW_BELOW} then '{low}' "
        f"when input_tokens < {MEDIUM_BELOW} then '{medium}' "
        f"when input_tokens >= {MEDIUM_BELOW} then '{high}' end"
    )


def by_task() -> str:
    return " ".join(f"when task in ({quoted(t)}) then {by_length(c)}" for t, c in FAMILIES)


#: The original rule: task and input length only.
FLAT_CLASS = f"case {by_task()} end"

#: The rule of the present questions: only calls that were answered, and short answers are labels.
SUITABLE_CLASS = (
    "case when outcome <> 'ok' then null "
    f"when task in ({quoted(GENERATING)}) and output_tokens between 1 and {LABEL_TOKENS} "
    f"then {by_length(FAMILIES[0][1])} {by_task()} end"
)


def rank(size_class: str | None) -> int | None:
    """0 for small … 3 for xl; None where unknown."""
    return CLASSES.index(size_class) if size_class in CLASSES else None


def classes_over(used: str | None, suitable: str | None) -> int | None:
    """By how many classes the used one is bigger than the suitable one; None where unknown."""
    upper, lower = rank(used), rank(suitable)
    return None if upper is None or lower is None else upper - lower
