"""The laws of chunks: joined they are the text, none is too large, overlaps are whole sentences."""

from __future__ import annotations

from collections.abc import Callable

from factories_documents import book
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.documents.chunking import Chunk, split
from hf_ledger.ingest.doors.documents.sizing import Sizing

#: What texts are made of that is easily torn, lost or changed on the way.
PIECES = (
    "A short sentence. ",
    "Dr. Smith paid $3.50 at 5 p.m. on Jan. 5th. ",
    "Ist das so? Ja! ",
    "你好。今天天气很好！",
    "「行こう。」と言った。",
    "هل هذا صحيح؟ نعم. ",
    "สวัสดี ครับ ",
    "\n\n",
    "\r\n",
    "\r",
    "\n",
    "# Heading\n",
    "- item one\n- item two\n",
    "1. first\n\n   more of it\n",
    "```python\nprint(1)\n\n\nprint(2)\n```\n",
    "~~~\n",
    "| a | b |\n|---|---|\n| 1 | 2 |\n",
    "Title\n=====\n",
    "\ud800",
    "\udc00",
    "\u200b",
    "\u202e",
    "👩‍👩‍👧‍👦",
    "🇩🇪🇫🇷",
    "e\u0301\u0302",
    "x" * 40,
    "\x0c",
    "\x00",
    "\u2028",
    "\u3000",
    " ",
)
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text()
SIZES = st.integers(1, 200).flatmap(
    lambda size: st.tuples(st.just(size), st.integers(0, size - 1)).map(lambda pair: Sizing(*pair))
)


def whole(text: str, chunks: list[Chunk]) -> bool:
    return "".join(each.core(text) for each in chunks) == text


@given(TEXTS, SIZES)
def test_chunks_joined_are_the_text_and_none_is_too_large(text: str, sizing: Sizing) -> None:
    chunks = split(text, sizing)
    assert whole(text, chunks)
    assert [each.index for each in chunks] == list(range(len(chunks)))
    for each in chunks:
        assert each.overlap_start <= each.start < each.end
        assert len(each.sent(text)) <= sizing.size
        assert each.start - each.overlap_start <= sizing.overlap
    assert all(each.overlap_start == 0 for each in chunks[:1])


def test_an_empty_text_has_no_chunks() -> None:
    assert split("") == []


def test_a_text_that_fits_is_one_chunk() -> None:
    assert split("One. Two.", Sizing(20, 5)) == [Chunk(0, 0, 9, 0)]


def test_a_chunk_ends_with_a_sentence_and_begins_with_whole_ones_before() -> None:
    text = "First one here. Second one here. Third one here. Fourth one here."
    chunks = split(text, Sizing(40, 20))
    assert [each.sent(text) for each in chunks] == [
        "First one here. Second one here. ",
        "Second one here. Third one here. ",
        "Third one here. Fourth one here.",
    ]


def letters(text: str) -> int:
    return len(text)


def words(text: str) -> int:
    """Two that any text has, as a tokenizer's marks, and one for each begun word."""
    return 2 + len(text.split())


def weird(text: str) -> int:
    """Neither additive nor growing: a longer text may have fewer."""
    return (len(text) * 7919) % 13 + len(text) // 9


@given(TEXTS, st.integers(12, 60), st.integers(0, 11), st.sampled_from([letters, words, weird]))
def test_in_tokens_no_chunk_is_larger_by_the_given_counter(
    text: str, size: int, overlap: int, count: Callable[[str], int]
) -> None:
    chunks = split(text, Sizing(size, overlap, "tokens", count))
    assert whole(text, chunks)
    for each in chunks:
        assert count(each.sent(text)) <= size
        assert each.overlap_start == each.start or (
            count(text[each.overlap_start : each.start]) <= overlap
        )


class Counting:
    """A counter of words that says how much it was asked."""

    def __init__(self) -> None:
        self.calls = self.characters = 0

    def __call__(self, text: str) -> int:
        self.calls += 1
        self.characters += len(text)
        return len(text.split())


def test_a_counter_is_asked_about_each_text_a_few_times_only() -> None:
    counters = []
    for text in (book(40_000), book(160_000)):
        counter = Counting()
        chunks = split(text, Sizing(200, 40, "tokens", counter))
        counters.append(counter)
        assert counter.characters < 6 * len(text)
        assert counter.calls < 20 * len(chunks) + text.count(".") + text.count("\n")
    assert counters[1].characters < 5 * counters[0].characters
