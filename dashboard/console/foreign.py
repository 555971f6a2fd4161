"""Text that a model wrote: shown as it is, or as Markdown that loads nothing and is no formula.

A picture in Markdown would be fetched from its address, with what the model put into that address;
so it stands there as a link. Fenced code is taken out first and shown as code.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import streamlit as st

MOST_SHOWN = 200_000  # characters; more is downloaded instead

_FENCE = re.compile(r"^\s*(`{3,}|~{3,})\s*([\w+#.-]*)")
_PICTURE = re.compile(r"\\?!\[")
_DOLLAR = re.compile(r"\\?\$")
_TICKS = re.compile(r"`+")


class Piece(NamedTuple):
    """Prose in Markdown, or the inside of a code block with its language."""

    text: str
    language: str | None = None
    code: bool = False


def show_text(text: str, key: str) -> None:
    """Plain, unless the person wants Markdown; very long text is cut and can be downloaded."""
    rich = st.toggle("Markdown", key=f"{key}-markdown")
    shown = text[:MOST_SHOWN]
    if rich:
        show_markdown(shown)
    else:
        st.text(shown)
    if len(text) > MOST_SHOWN:
        st.caption(f"The first {MOST_SHOWN:,} of {len(text):,} characters.")
        download("Whole answer", text.encode("utf-8", "replace"), "answer.txt", f"{key}-whole")


def download(label: str, content: bytes, name: str, key: str) -> None:
    """A button that saves what is shown."""
    st.download_button(
        label,
        content,
        name,
        key=key,
        icon=":material/download:",
        on_click="ignore",
        type="tertiary",
    )


def show_markdown(text: str) -> None:
    for piece in pieces_of(text):
        if piece.code:
            st.code(piece.text, language=piece.language)
        else:
            st.markdown(harmless(piece.text))


def pieces_of(text: str) -> list[Piece]:
    """Prose and code blocks in their order; a block that does not end reaches to the end."""
    found: list[Piece] = []
    lines: list[str] = []
    fence: str | None = None
    language = ""
    for line in text.splitlines():
        opened = _FENCE.match(line)
        if fence is None and opened:
            found.append(Piece("\n".join(lines)))
            lines, fence, language = [], opened[1], opened[2]
        elif fence is not None and closes(line, fence):
            found.append(Piece("\n".join(lines), language or None, code=True))
            lines, fence = [], None
        else:
            lines.append(line)
    found.append(Piece("\n".join(lines), language or None, code=fence is not None))
    return [piece for piece in found if piece.code or piece.text.strip()]


def closes(line: str, fence: str) -> bool:
    mark = line.strip()
    return len(mark) >= len(fence) and set(mark) == {fence[0]}


def harmless(prose: str) -> str:
    """Markdown in which nothing is fetched and dollars are dollars.

    Named characters make no markup, whatever stands before them; in code a dollar is one already.
    """
    prose = _PICTURE.sub("&#33;[", prose)
    found, at = [], 0
    for start, end in code_spans(prose):
        found += [_DOLLAR.sub("&#36;", prose[at:start]), prose[start:end]]
        at = end
    return "".join([*found, _DOLLAR.sub("&#36;", prose[at:])])


def code_spans(prose: str) -> list[tuple[int, int]]:
    """Where code between backticks stands: a run of them ends at the next one as long."""
    runs = [run.span() for run in _TICKS.finditer(prose)]
    later: dict[int, list[int]] = {}
    for place in reversed(range(len(runs))):
        later.setdefault(runs[place][1] - runs[place][0], []).append(place)
    found, place = [], 0
    while place < len(runs):
        same = later[runs[place][1] - runs[place][0]]
        while same and same[-1] <= place:
            same.pop()
        if same:
            found.append((runs[place][0], runs[same[-1]][1]))
        place = same[-1] + 1 if same else place + 1
    return found
