"""How fast documents are split and read: a made book of a million characters, and a web page.

A splitter of another library is measured beside ours where the environment happens to have it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec

from hf_ledger.ingest.doors.documents.chunking import split
from hf_ledger.ingest.doors.documents.sizing import Sizing
from hf_ledger.ingest.doors.documents.tokens import estimated
from hf_ledger.ingest.doors.documents.webpage import markdown_of

CHARACTERS = 1_000_000
ROUNDS = 5

PROSE = {
    "English": "Dr. Smith paid $3.50 on Jan. 5, and nobody minded. “Is it so?” she asked. Yes. ",
    "German": "Am 3. Mai traf Dr. Müller den Kanzler. Das Gespräch dauerte ca. 2,5 Stunden. ",
    "Chinese": "今天天气很好。我们去公园散步吧！他说：“我明天来。”然后他就走了。",
    "Thai": "วันนี้อากาศดีมาก เราไปเดินเล่นที่สวนกันเถอะ คุณอยากไปไหม ",
}


def book(prose: str) -> str:
    """Chapters of paragraphs, a list and a table each."""
    page = f"## Chapter\n\n{(prose * 4).strip()}\n\n{(prose * 9).strip()}\n\n"
    page += "- one item\n- another item\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
    return (page * (CHARACTERS // len(page) + 1))[:CHARACTERS]


def best(work: Callable[[], Sequence[object]]) -> float:
    """Seconds of the fastest of several rounds: the others say what else the machine did."""
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return min(took)


def line(name: str, text: str, work: Callable[[], Sequence[object]]) -> None:
    size, seconds = len(text.encode()) / 1e6, best(work)
    print(f"| {name} | {seconds * 1e3:,.0f} | {size / seconds:,.1f} | {len(work()):,} |")


def main() -> None:
    print("| what | ms | MB/s | pieces |\n|---|---|---|---|")
    for language, prose in PROSE.items():
        text = book(prose)
        assert "".join(each.core(text) for each in split(text)) == text
        line(f"{language}, 1,000 characters", text, partial(split, text))
    text = book(PROSE["English"])
    tokens = Sizing(250, 50, "tokens", estimated)
    line("English, 250 tokens, estimated", text, partial(split, text, tokens))
    page = "".join(f"<h2>{n}</h2><p>{text[:400]}" for n in range(2_500))
    line("HTML to Markdown", page, lambda: [markdown_of(page, "page", tidy=True)])
    if find_spec("semantic_text_splitter"):
        beside(text)


def beside(text: str) -> None:
    splitters = import_module("semantic_text_splitter")
    for kind in ("TextSplitter", "MarkdownSplitter"):
        splitter = getattr(splitters, kind)(1_000, overlap=200, trim=False)
        line(f"semantic-text-splitter, {kind}", text, partial(splitter.chunks, text))
