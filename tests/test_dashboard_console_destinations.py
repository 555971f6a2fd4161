"""Where a column's call goes, and what is not offered."""

from __future__ import annotations

import pytest

from hf_ledger.dashboard.books import Shelf
from hf_ledger.dashboard.console.column import PRACTICE, Column
from hf_ledger.dashboard.console.destinations import ROUTER, destination, targets
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.places import Places

MODEL = "meta-llama/Llama-3.3-70B-Instruct"


def test_targets_depend_on_token_practice_and_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert targets(Shelf()) == []
    offered = targets(Shelf(practice_url="http://x", targets=("mine",)))
    assert offered == [PRACTICE, "mine", ROUTER]
    monkeypatch.setenv("HF_TOKEN", "not-a-real-token")
    assert targets(Shelf()) == ["Hugging Face"]


def test_a_target_that_went_away_is_refused() -> None:
    with pytest.raises(Usage, match="choose another target"):
        destination(Column(target=PRACTICE, model=MODEL), Shelf())


def test_without_a_model_nothing_is_called() -> None:
    with pytest.raises(Usage, match="Choose a model"):
        destination(Column(target=PRACTICE, model=""), Shelf(practice_url="http://x"))


def test_a_named_target_comes_from_the_settings(places: Places) -> None:
    places.make()
    places.config.write_text('[targets.mine]\nurl = "http://127.0.0.1:9"\nkind = "self_hosted"\n')
    shelf = Shelf(targets=("mine",), places=places)
    found = destination(Column(target="mine", model=""), shelf)
    assert (found.kind, found.url, found.model) == ("self_hosted", "http://127.0.0.1:9", None)
    assert destination(Column(target="mine", model=MODEL), shelf).model == MODEL


@pytest.mark.parametrize(
    ("provider", "named", "routing"),
    [("together", "together", "explicit"), ("auto", None, "auto"), ("cheapest", None, "cheapest")],
)
def test_the_router_is_told_provider_or_policy(
    provider: str, named: str | None, routing: str
) -> None:
    column = Column(target=PRACTICE, model=MODEL, provider=provider)
    found = destination(column, Shelf(practice_url="http://x"))
    assert (found.model, found.provider, found.routing) == (MODEL, named, routing)
