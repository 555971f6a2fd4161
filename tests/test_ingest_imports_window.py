"""The window over a file's text: pages are entered only where they are pages, brackets matched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from factories_imports import read
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.imports import window
from hf_ledger.ingest.doors.imports.window import Incomplete, Window, first_character, opened

#: More than two pieces, so that a page is entered and not read as one value.
MANY = [{"n": n, "pad": "x" * 90} for n in range(8000)]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "a.json"
    path.write_text(text)
    return path


def over(path: Path) -> Window:
    return Window(opened(path))


def test_a_large_page_is_entered_behind_what_stands_before_it(tmp_path: Path) -> None:
    page = {"meta": {"data": [1], "note": 'a "data": ['}, "object": "list", "data": MANY}
    assert read(written(tmp_path, json.dumps(page))) == (MANY, [])


def test_a_large_archive_is_entered_two_levels_down(tmp_path: Path) -> None:
    log = {"creator": {"entries": []}, "pages": [{"entries": [1]}], "entries": MANY, "comment": ""}
    assert read(written(tmp_path, json.dumps({"log": log, "more": 1}))) == (MANY, [])


def test_a_large_record_with_such_a_name_further_in_is_one_record(tmp_path: Path) -> None:
    record = {"resourceSpans": [{"data": MANY}], "text": '"data": ['}
    assert read(written(tmp_path, json.dumps(record))) == ([record], [])


def test_text_that_looks_like_a_page_is_text(tmp_path: Path) -> None:
    record = {"note": '{"data": [{"a": 1}]} ' * 40_000, "a": 1}
    assert read(written(tmp_path, json.dumps(record))) == ([record], [])


def test_a_broken_record_in_a_large_page(tmp_path: Path) -> None:
    text = json.dumps({"data": MANY}).replace('"n": 5,', '"n": broken,', 1)
    good, bad = read(written(tmp_path, text))
    assert good == [row for row in MANY if row["n"] != 5]
    assert [each.line for each in bad] == [6]


def test_a_record_longer_than_any_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "LONGEST_RECORD", 1 << 19)
    with pytest.raises(Incomplete):
        over(written(tmp_path, '{"a": "' + "x" * (4 << 20))).value()


@pytest.mark.parametrize(
    ("text", "behind"),
    [
        ('{"a": [1, {"b": 2}]} rest', 20),
        ('{"a": "}"}x', 10),
        ('{"a": "\\"}"}x', 12),
        ("[[]]x", 4),
    ],
)
def test_brackets_in_strings_do_not_count(tmp_path: Path, text: str, behind: int) -> None:
    found = over(written(tmp_path, text))
    assert found.peek() == text[0]
    assert found.skip_broken()
    assert found.at == behind


@pytest.mark.parametrize("text", ['{"a": 1', '{"a": "}', "[[]"])
def test_brackets_that_never_match(tmp_path: Path, text: str) -> None:
    found = over(written(tmp_path, text))
    assert found.peek() == text[0]
    assert not found.skip_broken()


@pytest.mark.parametrize(
    ("text", "first"), [("  \n {", "{"), ("[1]", "["), ("a,b", "a"), ("", "{"), (" \n", "{")]
)
def test_the_first_character_stays_to_be_read(tmp_path: Path, text: str, first: str) -> None:
    with opened(written(tmp_path, text)) as found:
        assert first_character(found) == first
        assert found.read().strip() == text.strip()


def test_lines_end_where_lines_end(tmp_path: Path) -> None:
    """Not at the other characters that Unicode calls line ends."""
    with opened(written(tmp_path, "a\u2028b\x0cc\nd\n\ne")) as found:
        assert list(found.lines()) == ["a\u2028b\x0cc\n", "d\n", "\n", "e"]


values: st.SearchStrategy[Any] = st.dictionaries(
    st.text(max_size=5), st.text(max_size=20) | st.lists(st.text(max_size=5), max_size=3)
)


@given(values, st.text(max_size=10))
def test_a_values_end_is_its_last_bracket(value: dict[str, Any], rest: str) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert window._matching(text + rest, 0) == len(text)
