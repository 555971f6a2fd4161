"""What a text is made of, by the marks of Markdown."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.documents.blocks import blocks

LINES = st.sampled_from(
    [
        *(
            "text",
            "",
            " ",
            "# h",
            "---",
            "===",
            "- a",
            "  more",
            "1. b",
            "    code",
            "\t",
            "x\x0cy",
        ),
        *("```", "````", "~~~", "```py", "| a | b |", "|---|---|", "a | b", "--- | ---", "|", "-"),
    ]
)


def found(text: str) -> list[tuple[str, str]]:
    return [(each.kind, text[each.start : each.end]) for each in blocks(text)]


@given(st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r\n", "\r", "\n\n"]))))
def test_blocks_together_are_the_text(lines: list[tuple[str, str]]) -> None:
    text = "".join(line + end for line, end in lines)
    assert "".join(each for _, each in found(text)) == text


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("one\ntwo\n\nthree\n", ["paragraph", "paragraph"]),
        ("# one\ntext\n", ["heading", "paragraph"]),
        ("one\n===\ntext\n", ["heading", "paragraph"]),
        ("#no heading\n", ["paragraph"]),
        ("text\n# one\n", ["paragraph", "heading"]),
        ("```\na\n\n# b\n```\nc\n", ["fence", "paragraph"]),
        ("````\n```\n\n````\nc\n", ["fence", "paragraph"]),
        ("~~~ py\na\n~~~\n", ["fence"]),
        ("```\nnever closed\n\ntext\n", ["paragraph", "paragraph"]),
        ("```\na\n``` x\n```\n", ["fence"]),
        ("a | b\n--- | ---\n1 | 2\n\nc\n", ["table", "paragraph"]),
        ("text\n| a |\n|---|\n| 1 |\n", ["paragraph", "table"]),
        ("a | b\nc | d\n", ["paragraph"]),
        ("- a\n- b\n\n  more of b\n\n- c\n\ntext\n", ["list", "paragraph"]),
        ("1. a\n   2) b\n", ["list"]),
        ("2026 was good.\n", ["paragraph"]),
        ("\n\ntext\n", ["paragraph", "paragraph"]),
    ],
)
def test_each_is_told_by_how_it_begins(text: str, kinds: list[str]) -> None:
    assert [kind for kind, _ in found(text)] == kinds


@pytest.mark.parametrize("line", ["```x\n", "~~~\n````\n", "- a\n\n", "|\n", "\n", "a\n---\n"])
def test_a_hundred_thousand_such_lines_take_no_time_that_grows_with_the_square(line: str) -> None:
    def took(count: int) -> float:
        began = time.process_time()
        assert sum(1 for _ in blocks(line * count)) > 0
        return time.process_time() - began

    took(100)
    # Ten times as much takes ten times as long, a hundred with the square; the machine may be busy.
    assert took(50_000) < 40 * max(took(5_000), 0.01)
