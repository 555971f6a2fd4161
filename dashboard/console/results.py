"""An answer as its task wants it shown; what has not the form of its task is shown as JSON.

What a model said is foreign: it is never HTML, never a formula, and loads nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from hf_ledger.dashboard.console import findings, media
from hf_ledger.dashboard.console.bars import MOST_ROWS, bars, labels
from hf_ledger.dashboard.console.column import Run
from hf_ledger.dashboard.console.findings import Score
from hf_ledger.dashboard.console.foreign import MOST_SHOWN, download, show_text
from hf_ledger.dashboard.console.marked import Span, grid, legend, marked
from hf_ledger.dashboard.format import plain

#: Draws a value and says whether it had the form that it draws.
Drawer = Callable[[Run], bool]


def show(run: Run) -> None:
    """Draw the answer so far, or the whole result; failure and figures are the page's."""
    if run.value is None:
        if run.text:
            show_text(run.text, run.id)
        return
    draw = DRAWERS.get(run.question.task)
    if draw is None or not draw(run):
        unknown(run.value)


def unknown(value: object) -> None:
    """Anything, as JSON text."""
    st.caption("This result has no form of its own here; this is what came.")
    written = json.dumps(readable(value), indent=2, ensure_ascii=False, default=str)
    st.code(written[:MOST_SHOWN], language="json")


def readable(value: object) -> object:
    """The value with bytes replaced by their number, so that it can be written."""
    if isinstance(value, bytes | bytearray):
        return f"{len(value):,} bytes"
    if isinstance(value, Mapping):
        return {str(name): readable(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [readable(each) for each in list(value)[:MOST_ROWS]]
    return value


# -- texts -------------------------------------------------------------------------------------


def text(run: Run) -> bool:
    said = run.text or findings.text_of(run.value)
    if said is None:
        return False
    show_text(said, run.id)
    return True


# -- places in a text --------------------------------------------------------------------------


def entities(run: Run) -> bool:
    given = str(run.question.inputs.get("text", ""))
    found = findings.entities_of(run.value, len(given))
    if found is None:
        return False
    if not found:
        st.caption("Nothing was found in this text.")
    st.html(legend(found, len(given)) + marked(given, found))
    return True


def answers(run: Run) -> bool:
    """Answers, surest first, each where it stands in the text."""
    found = findings.answers_of(run.value)
    if found is None:
        return False
    for score, _ in found[:MOST_ROWS]:
        scored(score)
    given = str(run.question.inputs.get("context", ""))
    places = [placed for _, span in found if (placed := standing(given, span))]
    if given:
        st.html(marked(given, places))
    return True


def standing(text: str, span: Span | None) -> Span | None:
    """The span, if it lies inside the text."""
    return span if span and 0 <= span.start < span.end <= len(text) else None


def scored(found: Score) -> None:
    share = "" if found.score is None else f"  ({found.score:.1%})"
    st.text((found.label or "No answer.") + share)


def words(run: Run) -> bool:
    """Sentences with the missing word filled in, surest first."""
    found = findings.scores_of(run.value, "sequence")
    if found is None:
        return False
    bars("Sentence", found, "Sentences with the word filled in, surest first")
    return True


def similarities(run: Run) -> bool:
    found = findings.numbers_of(run.value)
    others = run.question.inputs.get("other_sentences", [])
    if found is None or len(found) != len(others):
        return False
    pairs = [Score(str(other), score) for other, score in zip(others, found, strict=True)]
    bars("Sentence", sorted(pairs, key=lambda each: -(each.score or 0)), "Similarity of each")
    return True


# -- tables and numbers ------------------------------------------------------------------------


def table(run: Run) -> bool:
    """The answer, and the table with the cells it stands on."""
    said = findings.field(run.value, "answer")
    if not isinstance(said, str):
        return False
    st.text(said)
    how = findings.field(run.value, "aggregator")
    if isinstance(how, str) and how not in ("", "NONE"):
        st.caption(f"Of the marked cells: {plain(how)}")
    given = run.question.inputs.get("table")
    if isinstance(given, dict):
        st.html(grid(given, findings.cells_of(run.value)))
    return True


def embedding(run: Run) -> bool:
    """How long each vector is, its first numbers, and all of them as a file."""
    found = findings.vectors_of(run.value)
    if found is None:
        return False
    rows = [
        {
            "Dimensions": len(row),
            "Length": math.sqrt(math.fsum(each * each for each in row)),
            "First values": ", ".join(f"{each:.4f}" for each in row[:6]),
        }
        for row in found[:MOST_ROWS]
    ]
    st.dataframe(rows, hide_index=True, alt="Vectors: dimensions, length and first values")
    whole = json.dumps(found if len(found) > 1 else found[0]).encode()
    download("Vectors as JSON", whole, "embedding.json", f"{run.id}-vectors")
    return True


DRAWERS: dict[str, Drawer] = {
    "chat-completion": text,
    "text-generation": text,
    "summarization": text,
    "translation": text,
    "image-to-text": text,
    "text-classification": labels,
    "zero-shot-classification": labels,
    "token-classification": entities,
    "question-answering": answers,
    "fill-mask": words,
    "sentence-similarity": similarities,
    "table-question-answering": table,
    "feature-extraction": embedding,
    **media.DRAWERS,
}
