"""docs/wire.md is a contract: its vectors, names and bounds are those of the code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from hf_ledger.cli.imports import REASONS
from hf_ledger.ingest.call import Call, ErrorKind, Outcome
from hf_ledger.ingest.doors.imports.explain import explain
from hf_ledger.ingest.fingerprint import (
    BLOCK_BYTES,
    CONTENT,
    EXCLUDED,
    MOST_BLOCKS,
    SHAPE_BYTES,
    TEMPLATE,
    VERSION,
    HashKey,
    canonical,
    fingerprint,
    shape,
)
from hf_ledger.ingest.wire.exchange import AsideReason

DOCUMENT = (Path(__file__).resolve().parent.parent / "docs" / "wire.md").read_text(encoding="utf-8")
KEY = HashKey(bytes(range(32)))


def vectors() -> list[list[str]]:
    rows = [line for line in DOCUMENT.splitlines() if line.startswith('| `{"')]
    return [[cell.strip().strip("`") for cell in row.strip("|").split(" | ")] for row in rows]


def test_there_are_vectors() -> None:
    assert len(vectors()) == 4


@pytest.mark.parametrize("row", vectors(), ids=lambda row: row[2])
def test_the_vectors_are_what_the_code_makes(row: list[str]) -> None:
    request, form, input_hash, template_hash = row
    call = Call(call_id="", ts=0)
    fingerprint(call, request.encode(), "application/json", KEY)
    assert call.input_hash == input_hash
    assert (call.template_hash or "none") == template_hash
    made = (VERSION + b"".join(canonical(json.loads(request)))).decode()
    for byte, sign in (("\x1f", "␟"), ("\x1e", "␞"), ("\n", "⏎")):
        made = made.replace(byte, sign)
    assert made == form


def test_the_key_id_is_stated() -> None:
    assert f"`{KEY.id}`" in DOCUMENT


@pytest.mark.parametrize("name", sorted({*EXCLUDED, *TEMPLATE, *CONTENT}))
def test_each_field_of_the_canonical_form_is_named(name: str) -> None:
    assert f"`{name}`" in DOCUMENT


@pytest.mark.parametrize("reason", get_args(AsideReason))
def test_each_reason_is_explained_in_the_document_and_by_the_command(reason: str) -> None:
    assert f"| `{reason}` |" in DOCUMENT
    assert reason in REASONS


@pytest.mark.parametrize("kind", get_args(ErrorKind))
def test_each_kind_of_error_is_explained(kind: str) -> None:
    assert kind in DOCUMENT


def test_outcomes_the_readers_give_are_explained() -> None:
    given = [outcome for outcome in get_args(Outcome) if outcome not in ("lost", "refused")]
    assert [outcome for outcome in given if f"`{outcome}`" not in DOCUMENT] == []


@pytest.mark.parametrize("name", [*explain(Call(call_id="", ts=0)), "reason"])
def test_each_field_of_an_explanation_is_named(name: str) -> None:
    assert f"`{name}`" in DOCUMENT


@pytest.mark.parametrize("name", [*shape({"messages": [], "tools": [], "max_tokens": 1}, ["x"])])
def test_each_count_of_the_shape_is_named(name: str) -> None:
    assert f"`{name}`" in DOCUMENT


def test_the_sizes_are_stated() -> None:
    assert f"{BLOCK_BYTES:,} bytes" in DOCUMENT
    assert f"at most {MOST_BLOCKS}" in DOCUMENT
    assert f"{SHAPE_BYTES:,}" in DOCUMENT
