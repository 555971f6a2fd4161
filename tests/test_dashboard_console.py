"""The console calls a model when a prompt is submitted, and at no other moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from factories_dashboard import asking, lay, ledger_of, page, said

from hf_ledger.dashboard import talking
from hf_ledger.dashboard.books import Book, Shelf, book_origins
from hf_ledger.dashboard.talking import PRACTICE, Turn
from hf_ledger.ingest.doors.hook import recording
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.polling import CollectorThread
from hf_ledger.practice.app import practice_app
from hf_ledger.practice.serving import bound

MODEL = "meta-llama/Llama-3.3-70B-Instruct"
SECRET = "the-marker-prompt-4711"


class Counted:
    """The practice server, counting the requests that would be billed."""

    def __init__(self) -> None:
        self.app = practice_app()
        self.posts = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.posts += scope["type"] == "http" and scope["method"] == "POST"
        await self.app(scope, receive, send)


@pytest.fixture
def practice() -> Iterator[tuple[str, Counted]]:
    counted, listener = Counted(), bound(0)
    config = uvicorn.Config(counted, log_level="critical", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", counted
    server.should_exit = True
    thread.join(5)


@pytest.fixture
def ledger(places: Places) -> Iterator[Ledger]:
    """A real ledger whose collector runs, as in the server."""
    recording.record(places=places)
    opened = Ledger.open(places)
    collector = CollectorThread(opened, places)
    collector.start()
    yield opened
    collector.stop()
    opened.close()


@pytest.fixture
def desk(ledger: Ledger, places: Places, practice: tuple[str, Counted]) -> Shelf:
    return lay({"yours": ledger, "practice": ledger}, practice_url=practice[0], places=places)


def submit(text: str = SECRET) -> Any:
    at = page("console")
    at.chat_input[0].set_value(text).run()
    assert not at.exception
    return at


def test_opening_the_console_calls_nothing(desk: Shelf, practice: tuple[str, Counted]) -> None:
    page("console")
    assert practice[1].posts == 0


def test_a_submitted_prompt_is_one_request(desk: Shelf, practice: tuple[str, Counted]) -> None:
    submit()
    assert practice[1].posts == 1


def test_reruns_changes_and_a_second_tab_bill_nothing(
    desk: Shelf, practice: tuple[str, Counted]
) -> None:
    at = submit()
    for _ in range(3):
        at.run()
    at.selectbox(key="console-provider").select("auto").run()
    at.selectbox(key="console-model").select("meta-llama/Llama-3.1-8B-Instruct").run()
    page("console")
    assert practice[1].posts == 1


def test_the_answer_stays_beside_its_figures_over_reruns(desk: Shelf) -> None:
    at = submit()
    at.run()
    text = said(at)
    assert SECRET in text
    assert "Practice server, no model ran" in text
    shown = at.table[-1].value
    figures = dict(zip(shown["What"], shown["Figure"], strict=True))
    assert figures["Tokens in"] != "unknown"
    assert figures["Basis"] == "list price tokens"
    assert figures["Cost"].startswith("\\$0.0")


def test_the_turn_links_to_its_own_row(desk: Shelf, ledger: Ledger) -> None:
    at = submit()
    turn = at.session_state["turns"][0]
    links = [each.proto for each in at.get("page_link")]
    row = next(link for link in links if link.label == "Its row in the ledger")
    assert f"call={turn.row['call_id']}" in row.query_string
    assert "book=Practice" in row.query_string


def test_the_row_is_the_consoles_and_practice(desk: Shelf) -> None:
    turn = submit().session_state["turns"][0]
    assert turn.row["source"] == "console"
    assert turn.row["origin"] == "practice"
    assert turn.row["app"] == "console"
    assert turn.row["outcome"] == "ok"
    assert turn.row["stream"] is True


def test_two_prompts_are_two_rows(desk: Shelf, practice: tuple[str, Counted]) -> None:
    at = submit("first")
    at.chat_input[0].set_value("second").run()
    ids = {turn.row["call_id"] for turn in at.session_state["turns"]}
    assert len(ids) == 2
    assert practice[1].posts == 2


def test_prompt_and_answer_are_nowhere_on_disk(desk: Shelf, places: Places) -> None:
    submit()
    files = [path for path in places.root.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


def test_a_refused_call_is_one_sentence_and_still_a_row(desk: Shelf) -> None:
    turn = Turn("hello", "practice/402", "auto", PRACTICE)
    assert list(talking.speak(turn, desk)) == []
    assert turn.failure is not None
    assert turn.failure.startswith("The included credits are used up (402)")
    row = talking.find_row(turn, desk["practice"])
    assert row is not None
    assert (row["outcome"], row["status"]) == ("error", 402)


def test_without_any_target_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    lay({"yours": ledger_of()})
    assert "hf-ledger serve --practice" in said(page("console"))


def test_targets_depend_on_token_practice_and_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert talking.targets(Shelf()) == []
    assert talking.targets(Shelf(practice_url="http://x", targets=("mine",))) == [PRACTICE, "mine"]
    monkeypatch.setenv("HF_TOKEN", "not-a-real-token")
    assert talking.targets(Shelf()) == ["Hugging Face"]


def test_a_target_that_went_away_is_refused() -> None:
    turn = Turn("hello", MODEL, "auto", PRACTICE)
    with pytest.raises(Usage, match="not offered"):
        talking.target_of(turn, Shelf())
    assert list(talking.speak(turn, Shelf())) == []
    assert turn.failure is not None
    assert "choose another target" in turn.failure


def test_a_named_target_comes_from_the_settings(places: Places) -> None:
    places.make()
    places.config.write_text('[targets.mine]\nurl = "http://127.0.0.1:9"\nkind = "self_hosted"\n')
    turn = Turn("hello", MODEL, "auto", "mine")
    found = talking.target_of(turn, Shelf(targets=("mine",), places=places))
    assert (found.kind, found.url) == ("self_hosted", "http://127.0.0.1:9")


def test_the_router_is_told_the_provider() -> None:
    assert talking.routed(Turn("x", MODEL, "together", PRACTICE)) == f"{MODEL}:together"
    assert talking.routed(Turn("x", MODEL, "auto", PRACTICE)) == MODEL


def test_a_row_that_does_not_come_is_not_waited_for_long() -> None:
    ledger = ledger_of()
    book = Book("yours", book_origins("yours"), asking(ledger), lambda: (0,))
    assert talking.find_row(Turn("x", MODEL, "auto", PRACTICE), book, seconds=0.2) is None


def test_leaving_early_closes_the_stream_and_the_row_says_so(desk: Shelf, places: Path) -> None:
    turn = Turn("tell me a long story " * 20, MODEL, "together", PRACTICE)
    words = talking.speak(turn, desk)
    next(words)
    words.close()
    row = talking.find_row(turn, desk["practice"])
    assert row is not None
    assert row["outcome"] in ("interrupted", "cancelled")


def test_only_providers_on_the_routers_list_are_offered(desk: Shelf) -> None:
    """A provider that has left it may still have a price, in a collection of prices."""
    at = page("console")
    at.selectbox(key="console-model").select("meta-llama/Llama-3.1-8B-Instruct").run()
    assert at.selectbox(key="console-provider").options == ["auto", "deepinfra", "novita", "nscale"]
