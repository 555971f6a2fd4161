"""Words that connect a program, targets of the console, and options of the server: as values."""

from __future__ import annotations

import pytest

from hf_ledger.dashboard import connecting, talking
from hf_ledger.dashboard.books import Shelf
from hf_ledger.dashboard.talking import AUTO, HUGGING_FACE, PRACTICE, Turn
from hf_ledger.dashboard.web import options
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.places import Places


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:8123"])
def test_every_python_snippet_is_python_and_shows_no_key(url: str | None) -> None:
    for title, (text, language) in connecting.snippets(url).items():
        assert "hf_" not in text.replace("hf_ledger", "")
        if language == "python":
            compile(text, title, "exec")


def test_practice_is_offered_only_where_it_runs() -> None:
    assert "Without a token" not in connecting.snippets(None)
    text, _ = connecting.snippets("http://127.0.0.1:8123")["Without a token"]
    assert 'hosts=["127.0.0.1:8123=router"]' in text
    assert 'base_url="http://127.0.0.1:8123/v1"' in text
    assert "Practice server, no model runs" in text


def test_a_path_without_spaces_needs_no_quotes() -> None:
    assert connecting.install("/src/hf-ledger") == "pip install -e /src/hf-ledger"


def test_a_practice_turn_needs_no_token_and_is_in_the_practice_book(places: Places) -> None:
    shelf = Shelf(practice_url="http://127.0.0.1:8123", places=places)
    turn = Turn("hi", "org/m", "novita", PRACTICE)
    target = talking.target_of(turn, shelf)
    assert turn.book == "practice"
    assert target.model == "org/m:novita"
    assert target.token == "practice"


def test_hugging_face_gets_the_provider_apart(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "t")
    for provider, asked in (("novita", "novita"), (AUTO, None)):
        turn = Turn("hi", "org/m", provider, HUGGING_FACE)
        target = talking.target_of(turn, Shelf(places=places))
        assert (turn.book, target.model, target.provider) == ("yours", "org/m", asked)


def test_without_a_token_hugging_face_is_refused_in_a_sentence(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(Usage, match="choose another target"):
        talking.target_of(Turn("hi", "org/m", AUTO, HUGGING_FACE), Shelf(places=places))


def test_two_turns_are_never_one() -> None:
    assert Turn("hi", "m", AUTO, PRACTICE).id != Turn("hi", "m", AUTO, PRACTICE).id


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [("http://127.0.0.1:8501", "127.0.0.1", 8501), ("http://[::1]:80", "::1", 80)],
)
def test_the_server_listens_where_it_is_told(address: str, host: str, port: int) -> None:
    found = options(address, ["localhost"])
    assert (found["server.address"], found["server.port"]) == (host, port)
    assert found["server.allowedHosts"] == ["localhost"]
    assert found["browser.gatherUsageStats"] is False
