"""Where a text is cut: what holds together is kept, and the rest torn where it hurts least."""

from __future__ import annotations

import pytest
from factories_documents import LANGUAGES, book, labelled
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.documents.chunking import split
from hf_ledger.ingest.doors.documents.sizing import Sizing

FENCE = "```python\nfirst = 1\n\nsecond = 2\n```\n\n"
TABLE = "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\n"
LIST = "- first item here\n- second item here\n- third item here\n\n"
PROSE = "One sentence is here. Another one follows it. "


def cores(text: str, size: int, overlap: int = 0) -> list[str]:
    return [each.core(text) for each in split(text, Sizing(size, overlap))]


@pytest.mark.parametrize("block", [FENCE, TABLE, LIST])
@pytest.mark.parametrize("before", range(1, 8))
def test_what_fits_into_a_chunk_is_not_torn(block: str, before: int) -> None:
    text = PROSE * before + "\n\n" + block + PROSE * 3
    for size in range(len(block), 200, 7):
        assert any(block in each for each in cores(text, size))


def test_the_overlap_gives_way_to_what_would_be_torn() -> None:
    text = "Short one. Short two.\n\n" + FENCE
    chunks = split(text, Sizing(len(FENCE) + 5, 30))
    assert chunks[-1].core(text) == FENCE
    assert chunks[-1].overlap_start == chunks[-1].start


def test_a_sentence_that_fits_alone_is_not_torn_for_an_overlap() -> None:
    long = "This one is " + "rather " * 10 + "long. "
    text = "Short one. " + long + "Short two."
    for chunk in split(text, Sizing(len(long) + 2, 15)):
        assert "long" not in chunk.core(text) or long in chunk.core(text)


def test_a_fence_larger_than_a_chunk_is_torn_at_lines() -> None:
    text = "```\n" + "line of code here\n" * 20 + "```\n"
    assert all(each.endswith("\n") for each in cores(text, 60))


def test_a_table_larger_than_a_chunk_is_torn_at_rows_and_nothing_is_repeated() -> None:
    text = "| a | b |\n|---|---|\n" + "| some | more |\n" * 20
    pieces = cores(text, 60)
    assert all(each.endswith("|\n") for each in pieces)
    assert sum(each.count("|---|") for each in pieces) == 1


def test_a_list_larger_than_a_chunk_is_torn_between_items() -> None:
    text = "- an item. It goes on\n  and on here\n" * 9
    assert all(each.startswith("- ") for each in cores(text, 90))


@pytest.mark.parametrize("size", range(40, 160, 9))
def test_a_heading_stays_with_what_follows(size: int) -> None:
    text = (PROSE + "\n\n## Heading\n\n" + PROSE * 2 + "\n\n") * 4
    for each in cores(text, size):
        assert not each.rstrip().endswith("## Heading")


def test_a_heading_is_left_by_what_fits_only_alone() -> None:
    assert cores("## Heading\n\n" + FENCE, len(FENCE) + 3) == ["## Heading\n\n", FENCE]


def test_a_paragraphs_end_is_preferred_where_it_fills_half() -> None:
    text = "A" * 60 + ".\n\nOne. Two. Three. Four. Five. Six. Seven."
    assert cores(text, 100)[0] == "A" * 60 + ".\n\n"
    assert cores("Ah.\n\n" + PROSE * 4, 100)[0] == "Ah.\n\n" + PROSE * 2


def test_lines_without_sentences_are_cut_between_lines_and_overlap_by_lines() -> None:
    text = "".join(f"2026-11-{day:02} level info what happened\n" for day in range(1, 31))
    chunks = split(text, Sizing(200, 80))
    assert all(each.sent(text).startswith("2026") for each in chunks)
    assert all(each.core(text).endswith("\n") for each in chunks)
    assert all(each.overlap_start < each.start for each in chunks[1:])


def test_what_has_no_sentence_is_cut_between_words() -> None:
    assert cores("word " * 30, 33) == ["word " * 6] * 5


@pytest.mark.parametrize(
    "cluster",
    [
        "e\u0301\u0302",
        "👩‍👩‍👧‍👦",
        "🇩🇪",
        "👍🏽",
        "\r\n",
        "กำ",
        "\ud83d\ude00",
        "🏴\U000e0067\U000e007f",
    ],
)
def test_what_is_one_letter_to_its_reader_is_not_torn(cluster: str) -> None:
    for size in range(len(cluster), 40):
        for each in cores(cluster * 20, size):
            assert len(each) % len(cluster) == 0


def test_letters_under_endless_accents_are_cut_somewhere() -> None:
    text = "a" + "\u0301" * 5_000
    assert "".join(cores(text, 100)) == text


@pytest.mark.parametrize("language", LANGUAGES)
def test_in_each_language_chunks_end_and_overlaps_begin_with_sentences(language: str) -> None:
    text = "\n\n".join(each.text for each in labelled(language))
    longest = max(len(each.text) for each in labelled(language))
    chunks = split(text, Sizing(longest + 10, 40))
    assert "".join(each.core(text) for each in chunks) == text
    for each in chunks[:-1]:
        assert text[each.end - 1].isspace() or text[each.end - 1] in "。！？」』”）…!"
    assert any(each.overlap_start < each.start for each in chunks)


@given(st.integers(0, 3_000), st.integers(60, 400), st.integers(0, 50))
def test_an_overlap_begins_where_a_sentence_does(length: int, size: int, overlap: int) -> None:
    text = book(3_000)[:length]
    for each in split(text, Sizing(size, overlap)):
        before = text[: each.overlap_start].rstrip(" ")
        assert not before or before[-1] in ".\n"


def test_what_was_cut_within_a_sentence_is_not_repeated_in_part() -> None:
    text = "One ends here. " + "this one goes on and on " * 9 + "until here."
    for each in split(text, Sizing(30, 25))[2:]:
        assert each.overlap_start == each.start


@given(st.integers(0, 4_000), st.integers(20, 400))
def test_a_chunk_split_again_is_itself(length: int, size: int) -> None:
    text = book(4_000)[:length]
    for each in split(text, Sizing(size, 0)):
        assert len(split(each.core(text), Sizing(size, 0))) == 1


def test_a_book_of_a_million_characters_is_restored() -> None:
    text = book(1_000_000)
    chunks = split(text)
    assert "".join(each.core(text) for each in chunks) == text
    assert max(len(each.sent(text)) for each in chunks) <= 1_000
    assert sum(len(each.sent(text)) for each in chunks) / len(chunks) > 600
