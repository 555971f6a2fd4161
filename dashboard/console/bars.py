"""Labels with their scores as bars."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from hf_ledger.dashboard.console import findings
from hf_ledger.dashboard.console.column import Run
from hf_ledger.dashboard.console.findings import Score

#: Rows of a result that are shown; the rest is no longer read by anybody.
MOST_ROWS = 200


def bars(heading: str, found: Sequence[Score], alt: str) -> None:
    """A bar for each; in per cent where they are shares of one, else as numbers."""
    rows = [{heading: each.label, "Score": each.score} for each in found[:MOST_ROWS]]
    known = [each.score for each in found if each.score is not None]
    shares = all(0 <= score <= 1 for score in known)
    number = (
        st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
        if shares
        else st.column_config.NumberColumn(format="%.4f")
    )
    st.dataframe(rows, column_config={"Score": number}, hide_index=True, alt=alt, placeholder="–")


def labels(run: Run) -> bool:
    found = findings.scores_of(run.value)
    if found is None:
        return False
    bars("Label", found, "Labels and how sure the model is of each, surest first")
    return True
