"""Sets out of files: what can be asked, and one sentence for each row that can't."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.evaluation import sets
from hf_ledger.ingest.doors.evaluation.sets import Item, Uploaded, read_set
from hf_ledger.ingest.errors import LedgerError, Usage

CHAT = "chat-completion"


def read(text: str, task: str = CHAT, name: str = "set.csv") -> Uploaded:
    return read_set(name, text.encode(), task)


def lines(*objects: object) -> str:
    return "\n".join(json.dumps(each) for each in objects)


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def test_a_csv_of_prompts() -> None:
    found = read("id,prompt,expected\na,2+2?,4\nb,3+3?,\n")
    assert found == Uploaded(
        (
            Item("Row 2", "a", {"messages": [user("2+2?")]}, "4"),
            Item("Row 3", "b", {"messages": [user("3+3?")]}, None),
        ),
        (),
        (),
    )


def test_instructions_stand_before_the_prompt() -> None:
    (item,) = read("system,input\nBe short.,Hello?\n").items
    assert item.inputs["messages"] == [{"role": "system", "content": "Be short."}, user("Hello?")]


def test_a_jsonl_may_hold_whole_conversations_and_values_that_are_no_text() -> None:
    talk = [user("Hi"), {"role": "assistant", "content": "Hello"}, user("Sum?")]
    found = read(lines({"messages": talk, "expected": 4}, {"messages": talk}), name="x.jsonl")
    assert [item.expected for item in found.items] == ["4", None]
    assert found.items[0].inputs == {"messages": talk}
    assert [item.place for item in found.items] == ["Line 1", "Line 2"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_spreadsheets_of_any_country(separator: str) -> None:
    text = separator.join(("Prompt", "Expected")) + "\r\n" + separator.join(("Hi", "Ho")) + "\r\n"
    found = read_set("set.csv", b"\xef\xbb\xbf" + text.encode(), CHAT)
    assert [(i.inputs["messages"][0]["content"], i.expected) for i in found.items] == [("Hi", "Ho")]


@pytest.mark.parametrize(
    ("task", "header", "row", "inputs"),
    [
        ("summarization", "text", "Long.", {"text": "Long."}),
        ("summarization", "input", "Long.", {"text": "Long."}),
        ("text-generation", "prompt", "Once", {"prompt": "Once"}),
        (
            "question-answering",
            "question,context",
            "Who?,Ann.",
            {"question": "Who?", "context": "Ann."},
        ),
        (
            "question-answering",
            "input,context",
            "Who?,Ann.",
            {"question": "Who?", "context": "Ann."},
        ),
        (
            "zero-shot-classification",
            "text,candidate_labels",
            '"Rain","dry, wet"',
            {"text": "Rain", "candidate_labels": ["dry", "wet"]},
        ),
        (
            "sentence-similarity",
            "sentence,other_sentences",
            'a,"[""b, c"", ""d""]"',
            {"sentence": "a", "other_sentences": ["b, c", "d"]},
        ),
        (
            "table-question-answering",
            "query,table",
            'n?,"{""n"": [""1""]}"',
            {"query": "n?", "table": {"n": ["1"]}},
        ),
    ],
)
def test_any_tasks_inputs_by_name(
    task: str, header: str, row: str, inputs: dict[str, object]
) -> None:
    (item,) = read(f"{header}\n{row}\n", task).items
    assert item.inputs == inputs


def test_each_row_that_cannot_be_asked_has_one_sentence_with_its_place() -> None:
    long = "x" * (sets.MOST_CHARS + 1)
    found = read(f"id,prompt\na,\nb,ok\nb,also ok\nc,{long}\nd,   \n")
    assert found.problems == (
        "Row 2: prompt is empty.",
        "Row 5: prompt has more than 100,000 characters.",
        "Row 6: prompt is empty.",
        "Row 4: its id is that of row 3 too.",
    )
    assert [item.place for item in found.items] == ["Row 3", "Row 4"]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"prompt": 5}, "prompt is no text"),
        ({"messages": "[{"}, "messages is no JSON"),
        ({"messages": []}, "messages is no list of messages"),
        ({"messages": [{"role": "user"}]}, "messages is no list of messages with role and content"),
        ({"messages": {"role": "user"}}, "messages is no list of messages"),
    ],
)
def test_values_of_the_wrong_kind(cells: dict[str, object], said: str) -> None:
    found = read(lines(cells, {next(iter(cells)): "[]"}), name="x.jsonl")
    assert found.problems[0].startswith(f"Line 1: {said}")


def test_lists_and_tables_of_the_wrong_kind() -> None:
    labels = lines({"text": "a", "candidate_labels": [1]}, {"text": "a", "candidate_labels": ","})
    found = read(labels, "zero-shot-classification", "x.jsonl")
    assert found.problems == (
        "Line 1: candidate_labels is no list of texts.",
        "Line 2: candidate_labels is empty.",
    )
    found = read(lines({"query": "q", "table": [1]}), "table-question-answering", "x.jsonl")
    assert found.problems == ("Line 1: table is no JSON object of lists, one a column.",)


def test_columns_that_mean_nothing_are_named() -> None:
    assert read("prompt,difficulty,expected\na,1,b\n").unused == ("difficulty",)
    assert read("text,system\na,b\n", "summarization").unused == ("system",)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "The file has no rows."),
        (b"prompt\n", "The file has no rows."),
        (
            b"question,answer\na,b\n",
            "needs input or prompt, or messages as a column; it has question",
        ),
        (b"prompt\n\xff\xfe\n", "The file is not UTF-8"),
        (b'prompt\n"a\n', "no CSV that can be read"),
        (b'prompt\n"a"b\n', "no CSV that can be read"),
        (b"prompt,prompt\na,b\n", "The header names 'prompt' twice."),
        (b"prompt\na,b,c\n", "Row 2 has 3 cells, the header 1."),
        (b"{\n", "Line 1 is not JSON"),
        (b'{"prompt": "a"}\n[1]\n', "Line 2 is no JSON object"),
        (b"x" * (sets.MOST_BYTES + 1), "larger than 5 MB"),
        (b"prompt\n" + b"a\n" * 2001, "The file has 2,001 rows; at most 2,000 can be asked."),
    ],
)
def test_files_that_are_no_set(body: bytes, said: str) -> None:
    with pytest.raises(Usage, match=said.replace("(", "\\(")):
        read_set("set.csv", body, CHAT)


def test_a_missing_input_of_several_is_named() -> None:
    with pytest.raises(Usage, match=r"needs context as a column; it has question\."):
        read("question\nWho?\n", "question-answering")


def test_a_file_without_header_is_not_quoted_in_full() -> None:
    with pytest.raises(Usage) as refused:
        read("secret " * 1000 + "\nb\n")
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("task", ["image-to-text", "automatic-speech-recognition"])
def test_pictures_and_sound_do_not_fit_in_a_file_of_rows(task: str) -> None:
    with pytest.raises(Usage, match="which a file of rows can't hold"):
        read("input\na\n", task)


# -- laws ------------------------------------------------------------------------------------------

cells = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30).filter(
    lambda text: text.strip() != ""
)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=20))
def test_what_is_written_as_csv_is_read(rows: list[tuple[str, str]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([("prompt", "expected"), *rows])
    found = read(out.getvalue())
    assert [(i.inputs["messages"], i.expected) for i in found.items] == [
        ([user(prompt)], expected) for prompt, expected in rows
    ]
    assert found.problems == ()


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=20))
def test_csv_and_jsonl_of_the_same_rows_are_the_same_set(rows: list[tuple[str, str]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([("prompt", "expected"), *rows])
    objects = lines(*({"prompt": prompt, "expected": expected} for prompt, expected in rows))
    one, other = read(out.getvalue()), read(objects, name="x.jsonl")
    assert [item[1:] for item in one.items] == [item[1:] for item in other.items]


@given(st.binary(max_size=300), st.sampled_from(["a.csv", "a.jsonl"]))
def test_no_bytes_break_it(body: bytes, name: str) -> None:
    try:
        found = read_set(name, body, CHAT)
    except LedgerError as refused:
        assert "\n" not in str(refused)
    else:
        assert all(item.inputs for item in found.items)
