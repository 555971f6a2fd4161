"""docs/replays.md says what the code does: every judge, word and figure stands in it."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from hf_ledger.ingest.call import ReplayOutcome, Verdict
from hf_ledger.ingest.doors.gateway.compliance.policy import CLASS_HEADER
from hf_ledger.ingest.doors.gateway.state import Replaying
from hf_ledger.ingest.doors.replays import answers, judges, replays, sampling, similarity
from hf_ledger.ingest.doors.replays.preference import TEMPLATE

TEXT = (Path(__file__).parent.parent / "docs" / "replays.md").read_text(encoding="utf-8")

NAMED = [
    *judges.JUDGES,
    f"{judges.EMBEDDING}:MODEL",
    f"{judges.LLM}:MODEL",
    *get_args(Verdict),
    *get_args(ReplayOutcome),
    *Replaying.__struct_fields__,
    sampling.NO_REPLAY_HEADER,
    CLASS_HEADER,
]
FIGURES = [
    f"{sampling.AGAINST_ITSELF:.0%}".replace("%", " %"),
    f"{sampling.MOST_BYTES >> 10} kB",
    f"{similarity.SAME:.2f}",
    f"{similarity.DIFFERENT:.2f}",
    f"{answers.LEAST_LIMIT:,}",
    f"{replays.MOST_WAITING} sampled calls",
    f"{replays.MOST_WAITING_BYTES >> 20} MiB",
    f"{judges.MOST_LABEL_WORDS} words and {judges.LONGEST_LABEL} characters",
]


@pytest.mark.parametrize("name", NAMED)
def test_every_word_is_explained(name: str) -> None:
    assert name in TEXT.replace("`", " ") or f"`{name}`" in TEXT


@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_is_the_codes(figure: str) -> None:
    assert figure in TEXT


def test_the_judges_wording_belongs_to_its_version() -> None:
    """Whoever changes the template gives the judge a new version, and this test its hash."""
    from hashlib import sha256

    assert (judges.LLM, sha256(TEMPLATE.encode()).hexdigest()[:8]) == ("llm/1", "29028cd6")
