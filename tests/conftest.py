"""Fixtures that every test may want: a ledger folder of its own, and the recorded exchanges."""

from __future__ import annotations

from pathlib import Path

import pytest

from hf_ledger.ingest.places import Places

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """No test ever meets the user's own ledger."""
    root = tmp_path / "ledger"
    monkeypatch.setenv("HF_LEDGER_DIR", str(root))
    return Places(root)


def shared_file(relative: str) -> Path:
    """A file of the development data, or a skip that says what is missing."""
    path = SHARED / "data" / relative
    if not path.exists():
        pytest.skip(f"development data is not beside this checkout: ../shared/data/{relative}")
    return path


@pytest.fixture
def exchanges() -> Path:
    """379 recorded exchanges of the hub client's test cassettes."""
    return shared_file("exchanges/hub_cassettes.jsonl.gz")
