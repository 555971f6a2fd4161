"""Tokens of chunks: by a tokenizer's file, or estimated with something to spare."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from factories_documents import book
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.documents.chunking import split
from hf_ledger.ingest.doors.documents.sizing import Sizing
from hf_ledger.ingest.doors.documents.tokens import (
    ESTIMATE,
    MARGIN,
    counter_of_file,
    counter_of_model,
    estimated,
)
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.wire.estimate import tokens_of

tokenizers = pytest.importorskip("tokenizers", reason="the tokenizers package is not installed")


def words() -> Any:
    """A tokenizer to which each word is one token, between two marks of its own."""
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}, unk_token="[UNK]")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    made.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokenizer.json"
    words().save(str(path))
    return path


def test_a_file_counts_with_the_marks_that_the_model_will_see(file: Path) -> None:
    counter = counter_of_file(file)
    assert counter.exact
    assert counter.count("one two three") == 5


def test_a_lone_surrogate_is_counted_as_something(file: Path) -> None:
    assert counter_of_file(file).count("one \ud800") == 4


def test_chunks_by_a_file_fill_their_size_and_no_more(file: Path) -> None:
    text = book(20_000)
    count = counter_of_file(file).count
    sizes = [count(each.sent(text)) for each in split(text, Sizing(120, 20, "tokens", count))]
    assert max(sizes) <= 120
    assert sum(sizes) / len(sizes) > 60


@pytest.mark.parametrize("content", ["", "{}", "no JSON", '{"model": {"type": "What"}}'])
def test_a_file_that_is_none_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(Unusable, match=r"tokenizer\.json can't be used"):
        counter_of_file(path)


def test_a_text_that_a_tokenizer_fails_on_is_not_quoted(tmp_path: Path) -> None:
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0}, unk_token="[UNK]"))
    path = tmp_path / "tokenizer.json"
    made.save(str(path))
    with pytest.raises(Unusable) as raised:
        counter_of_file(path).count("secret-marker")
    assert "secret-marker" not in str(raised.value)


@given(st.text())
def test_an_estimate_has_something_to_spare(text: str) -> None:
    assert MARGIN * tokens_of([text]) <= estimated(text) <= MARGIN * tokens_of([text]) + 1


def test_a_model_that_the_cache_has_not_is_estimated() -> None:
    assert counter_of_model(None) is ESTIMATE
    assert counter_of_model("nobody/has-this") is ESTIMATE
    assert not ESTIMATE.exact


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    program = (
        "import sys; import hf_ledger.ingest.doors.documents.chunking;"
        "import hf_ledger.ingest.doors.documents.tokens;"
        "print(sorted({'tokenizers', 'sentencex', 'huggingface_hub', 'duckdb'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
