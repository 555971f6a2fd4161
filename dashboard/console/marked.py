"""Text with places marked in it, as HTML: the text is foreign, so all of it is escaped.

A mark has a tint and a line below it in its kind's colour, and the kind's name behind it: it is
read without seeing colours, on light and on dark pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

#: Lines of these colours stand out from white and from black alike (3:1 and more).
COLOURS = ("#4F6BED", "#0E8A7D", "#B8651B", "#C2417C", "#7A5AE0", "#4B8B1F", "#6B7686", "#C0392B")

_MARK = (
    '<mark style="background:{colour}2E;border-bottom:2px solid {colour};color:inherit;'
    'border-radius:3px;padding:1px 2px">{text}{name}</mark>'
)
_NAME = '<span style="font-size:.72em;font-weight:600;opacity:.85;margin-left:.35em">{name}</span>'
_WHOLE = '<div style="white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.7">{inside}</div>'


class Span(NamedTuple):
    """From where to where in the text, in characters, and what it is there."""

    start: int
    end: int
    kind: str = ""


def marked(text: str, spans: Iterable[Span]) -> str:
    """The whole text with its spans marked; of spans that overlap the earlier, longer one stays."""
    kept = apart(spans, len(text))
    colours = colours_of(kept)
    pieces, at = [], 0
    for span in kept:
        pieces += [safe(text[at : span.start]), mark(text, span, colours[span.kind])]
        at = span.end
    return _WHOLE.format(inside="".join([*pieces, safe(text[at:])]))


def mark(text: str, span: Span, colour: str) -> str:
    name = _NAME.format(name=safe(span.kind)) if span.kind else ""
    return _MARK.format(colour=colour, text=safe(text[span.start : span.end]), name=name)


def safe(text: str) -> str:
    """Text that HTML shows as it is; a page cleans out what a browser can't show."""
    return escape(text.replace("\0", "\ufffd"))


def apart(spans: Iterable[Span], length: int) -> list[Span]:
    """Spans inside the text, in its order, none over another."""
    inside = [span for span in spans if 0 <= span.start < span.end <= length]
    found: list[Span] = []
    for span in sorted(inside, key=lambda each: (each.start, -each.end)):
        if not found or span.start >= found[-1].end:
            found.append(span)
    return found


def colours_of(spans: Sequence[Span]) -> dict[str, str]:
    """A colour for each kind, in the order of the text; they repeat after the last."""
    kinds = dict.fromkeys(span.kind for span in spans)
    return {kind: COLOURS[place % len(COLOURS)] for place, kind in enumerate(kinds)}


def legend(spans: Iterable[Span], length: int) -> str:
    """Each kind with how often it was found."""
    kept = apart(spans, length)
    counts = {kind: sum(span.kind == kind for span in kept) for kind in colours_of(kept)}
    marks = [
        _MARK.format(colour=colour, text=safe(kind), name=_NAME.format(name=counts[kind]))
        for kind, colour in colours_of(kept).items()
    ]
    return f'<div style="line-height:2">{" ".join(marks)}</div>'


def grid(columns: dict[str, list[str]], cells: Iterable[tuple[int, int]]) -> str:
    """A table whose cells at these (row, column) places are marked."""
    chosen = set(cells)
    head = "".join(f'<th scope="col" style="text-align:left">{safe(each)}</th>' for each in columns)
    rows = zip(*columns.values(), strict=True)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td>{cell_of(cell, (row, column) in chosen)}</td>" for column, cell in enumerate(each)
        )
        + "</tr>"
        for row, each in enumerate(rows)
    )
    style = 'style="width:100%;border-spacing:8px 2px;border-collapse:separate"'
    return f"<table {style}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def cell_of(text: str, chosen: bool) -> str:
    return _MARK.format(colour=COLOURS[0], text=safe(text), name="") if chosen else safe(text)
