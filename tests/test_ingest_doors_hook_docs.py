"""docs/recording.md and docs/practice.md say what the code does."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from pathlib import Path

import pytest

import hf_ledger
from hf_ledger.ingest.doors.hook.hosts import CLIENT_VARIABLES, KINDS
from hf_ledger.ingest.doors.hook.labels import MAX_LENGTH, MAX_TAGS
from hf_ledger.ingest.doors.hook.recording import HOSTS_VARIABLE, LABEL_VARIABLES, TAGS_VARIABLE
from hf_ledger.practice import TITLE, mishaps

DOCS = Path(__file__).resolve().parent.parent / "docs"
RECORDING = (DOCS / "recording.md").read_text(encoding="utf-8")
PRACTICE = (DOCS / "practice.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("variable", [*LABEL_VARIABLES.values(), TAGS_VARIABLE, HOSTS_VARIABLE])
def test_every_variable_is_explained(variable: str) -> None:
    assert f"`{variable}" in RECORDING


@pytest.mark.parametrize("variable", CLIENT_VARIABLES)
def test_variables_of_hub_that_are_read(variable: str) -> None:
    assert f"`{variable}`" in RECORDING


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_host(kind: str) -> None:
    assert re.search(rf"`=?{kind}`", RECORDING)


@pytest.mark.parametrize("function", [hf_ledger.record, hf_ledger.attribute])
def test_every_argument_is_named(function: object) -> None:
    names = list(inspect.signature(function).parameters)  # type: ignore[arg-type]
    missing = [name for name in names if name not in RECORDING]
    assert missing in ([], ["source"]), "source is set by our own pages alone"


def test_bounds_are_the_real_ones() -> None:
    assert f"at most {MAX_TAGS}, {MAX_LENGTH} characters each" in RECORDING


@pytest.mark.parametrize("code", blocks(RECORDING, "python"))
def test_snippets_are_python(code: str) -> None:
    readable = (
        code.replace("…", "...").replace("(...)", "()").replace("digest(): ...", "digest(): 1")
    )
    assert ast.parse(readable).body


@pytest.mark.parametrize("text", blocks(RECORDING, "toml"))
def test_settings_are_toml(text: str) -> None:
    assert set(tomllib.loads(text)["targets"]["gpu"]) == {"kind", "url", "model", "token_variable"}


@pytest.mark.parametrize("word", [*mishaps.FAILURES, *mishaps.DEFAULTS])
def test_every_word_of_the_practice_server(word: str) -> None:
    assert re.search(rf"`{word}(=\w+)?`", PRACTICE)


def test_its_title_is_quoted() -> None:
    assert f"*{TITLE}*" in PRACTICE
