"""The console calls models when its form is sent, and at no other moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import uvicorn
from factories_console_runs import collected
from factories_dashboard import lay, ledger_of, page, priced, said
from streamlit.testing.v1 import AppTest

from hf_ledger.dashboard.books import Shelf
from hf_ledger.dashboard.console import running
from hf_ledger.dashboard.console.board import Board
from hf_ledger.dashboard.console.long_texts import Sent
from hf_ledger.dashboard.console.offers import offers_of
from hf_ledger.ingest.places import Places
from hf_ledger.practice.app import practice_app
from hf_ledger.practice.serving import bound

SECRET = "the-marker-prompt-4711"
SYSTEM = "the-marker-system-0815"


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
def desk(places: Places, practice: tuple[str, Counted]) -> Iterator[Shelf]:
    with collected(places) as ledger:
        laid = {"yours": ledger, "practice": ledger}
        yield lay(laid, practice_url=practice[0], places=places)
        running.close()


def submit(text: str = SECRET, query: dict[str, str] | None = None, system: str = "") -> AppTest:
    at = page("console", query)
    return ask(at, text, system)


def ask(at: AppTest, text: str, system: str = "") -> AppTest:
    at.text_area(key="console-messages").set_value(text)
    at.text_area(key="console-messages-system").set_value(system)
    button(at, "Send").click()
    at.run()
    assert not at.exception
    return at


def button(at: AppTest, label: str) -> Any:
    return next(each for each in at.button if each.label == label)


def board(at: AppTest) -> Board:
    found: Board = at.session_state["console"]
    return found


def address(at: AppTest) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else value[0]
        for name, value in at.query_params.items()
    }


def tables(at: AppTest) -> list[dict[str, str]]:
    return [dict(zip(each.value["What"], each.value["Figure"], strict=True)) for each in at.table]


def test_opening_the_console_calls_nothing(desk: Shelf, practice: tuple[str, Counted]) -> None:
    page("console")
    page("console", {"model1": "practice/any", "model2": "practice/402"})
    assert practice[1].posts == 0


def test_a_question_is_one_request_a_column(desk: Shelf, practice: tuple[str, Counted]) -> None:
    at = submit()
    assert practice[1].posts == len(board(at).columns) == 2


def test_the_first_columns_differ_in_price(desk: Shelf) -> None:
    at = page("console")
    first, second = board(at).columns.values()
    assert first.model != second.model
    text = said(at)
    assert "About \\$0.00021 to \\$0.00062 by one of 11 providers" in text
    assert "About \\$0.000026 to \\$0.00010 by one of 8 providers" in text
    assert "for 2 calls" in text


def test_reruns_changes_and_a_second_tab_bill_nothing(
    desk: Shelf, practice: tuple[str, Counted]
) -> None:
    at = submit()
    for _ in range(3):
        at.run()
    at.selectbox(key="console-0-provider").select("auto").run()
    at.selectbox(key="console-0-model").select("meta-llama/Llama-3.1-8B-Instruct").run()
    at.selectbox(key="console-task").select("summarization").run()
    button(at, "Add column").click().run()
    page("console")
    page("console", address(at))
    assert practice[1].posts == 2


def test_the_answer_stays_beside_its_figures_over_reruns(desk: Shelf) -> None:
    at = submit()
    at.run()
    text = said(at)
    assert SECRET in text
    assert text.count("Practice server, no model ran. You wrote") == 2
    for shown in tables(at):
        assert shown["Tokens in"] == "1"
        assert shown["Tokens out"] == "4"
        assert shown["Finish"] == "stop"
        assert shown["Cost"].startswith("\\$0.0")


def test_what_is_shown_is_the_row(desk: Shelf) -> None:
    at = submit()
    for shown, run in zip(tables(at), board(at).runs, strict=True):
        assert run.row is not None
        assert shown["Served by"] == run.row["provider"]
        assert shown["Basis"] == run.row["cost_basis"].replace("_", " ")
        assert run.row["source"] == run.row["app"] == "console"
        assert run.row["origin"] == "practice"


def test_each_answer_links_to_its_own_row(desk: Shelf) -> None:
    at = submit()
    links = [each.proto for each in at.get("page_link")]
    queries = [link.query_string for link in links if link.label == "Its row in the ledger"]
    assert len(queries) == 2
    for query, run in zip(queries, board(at).runs, strict=True):
        assert f"call={run.call_id}" in query
        assert "book=Practice" in query


def test_two_questions_are_two_rows_a_column(desk: Shelf, practice: tuple[str, Counted]) -> None:
    at = submit("first")
    ask(at, "second")
    assert len({run.call_id for run in board(at).runs}) == 4
    assert practice[1].posts == 4


def test_questions_and_answers_are_nowhere_on_disk(desk: Shelf, places: Places) -> None:
    at = submit(SECRET, system=SYSTEM)
    sent = board(at).runs[0].sent
    assert sent is not None
    assert SYSTEM in sent
    files = [path for path in places.root.rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        assert SECRET.encode() not in content
        assert SYSTEM.encode() not in content


def test_the_address_has_choices_and_no_word_of_the_question(desk: Shelf) -> None:
    at = submit(SECRET, system=SYSTEM)
    at.number_input(key="console-0-max_tokens").set_value(77).run()
    at.number_input(key="console-1-temperature").set_value(0.5).run()
    told = address(at)
    assert told["max_tokens1"] == "77"
    assert told["temperature2"] == "0.5"
    assert SECRET not in str(told)
    assert SYSTEM not in str(told)


def test_a_link_restores_task_columns_and_parameters(desk: Shelf) -> None:
    query = {
        "task": "text-generation",
        "team": "search",
        "target1": "Practice server",
        "model1": "practice/words=3",
        "provider1": "together",
        "max_new_tokens1": "9",
        "temperature1": "0.7",
        "model2": "practice/words=4",
        "model3": "practice/words=5",
    }
    at = page("console", query)
    assert board(at).task == "text-generation"
    assert at.selectbox(key="console-team").value == "search"
    first = board(at).columns[0]
    assert (first.model, first.provider) == ("practice/words=3", "together")
    assert dict(first.parameters) == {"max_new_tokens": 9, "temperature": 0.7}
    assert [each.model for each in board(at).columns.values()][1:] == [
        "practice/words=4",
        "practice/words=5",
    ]
    assert address(at) == {
        **query,
        "target2": "Practice server",
        "target3": "Practice server",
    }


def test_a_model_that_only_a_link_names_is_shown_and_not_called(
    desk: Shelf, practice: tuple[str, Counted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_not_a_real_token")
    query = {"target1": "Hugging Face", "model1": "acme/dear", "model2": "practice/words=3"}
    at = page("console", {**query, "target2": "Practice server"})
    assert at.selectbox(key="console-0-model").value == "acme/dear"
    assert "is shown and not called" in said(at)
    ask(at, "hello")
    named, called = board(at).runs
    assert (named.state, named.call_id) == ("failed", None)
    assert called.state == "done"
    assert practice[1].posts == 1
    at.button(key="console-0-trust").click().run()
    assert board(at).chosen == {"acme/dear"}
    assert not [each for each in at.button if each.key == "console-0-trust"]


def test_columns_come_and_go_up_to_four(desk: Shelf) -> None:
    at = page("console")
    for _ in range(2):
        button(at, "Add column").click().run()
    assert len(board(at).columns) == 4
    assert button(at, "Add column").disabled
    kept = board(at).columns[3].model
    at.button(key="console-1-remove").click().run()
    assert [*board(at).columns] == [0, 2, 3]
    assert at.selectbox(key="console-3-model").value == kept
    assert address(at)["model3"] == kept


def test_another_task_has_its_own_form_and_models(desk: Shelf) -> None:
    at = page("console")
    at.selectbox(key="console-task").select("text-classification").run()
    assert at.text_area(key="console-text").label == "Text"
    assert address(at)["task"] == "text-classification"
    at.text_area(key="console-text").set_value("good")
    button(at, "Send").click()
    at.run()
    assert not at.exception
    assert [run.state for run in board(at).runs] == ["done", "done"]


def test_a_past_question_comes_back_into_the_form_and_is_not_sent(
    desk: Shelf, practice: tuple[str, Counted]
) -> None:
    at = submit("the first one", system="be brief")
    ask(at, "the second one")
    at.button(key="console-open-0").click().run()
    assert at.text_area(key="console-messages").value == "the first one"
    assert at.text_area(key="console-messages-system").value == "be brief"
    assert "You wrote: the first one" in said(at)
    assert practice[1].posts == 4


def test_what_was_asked_is_forgotten_on_demand(desk: Shelf) -> None:
    at = submit()
    button(at, "Forget all").click().run()
    assert board(at).rounds == []
    assert SECRET not in said(at)


def test_the_team_is_the_calls_label(desk: Shelf) -> None:
    at = page("console", {"team": "search"})
    ask(at, "hello")
    assert {run.row["team"] for run in board(at).runs if run.row} == {"search"}


def test_without_any_target_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    lay({"yours": ledger_of()})
    assert "hf-ledger serve --practice" in said(page("console"))


def test_providers_of_the_routers_list_are_offered_cheapest_first(desk: Shelf) -> None:
    """A provider that has left it may still have a price, in a collection of prices."""
    at = page("console", {"model1": "meta-llama/Llama-3.1-8B-Instruct"})
    options = at.selectbox(key="console-0-provider").options
    assert options[:4] == ["auto", "fastest", "cheapest", "preferred"]
    assert sorted(each.split(" · ")[0] for each in options[4:]) == ["deepinfra", "novita", "nscale"]
    assert all("in, $" in each for each in options[4:])


def test_practice_is_labelled(desk: Shelf) -> None:
    assert "Practice server, no model ran: its answers are made up" in said(page("console"))


def test_a_column_says_what_it_would_cost_at_the_teams_volume(desk: Shelf) -> None:
    now = desk.clock()
    calls = [priced("0.50", team="search", ts=now - timedelta(days=2)) for _ in range(3)]
    lay({"yours": ledger_of(calls)}, practice_url=desk.practice_url, places=desk.places)
    text = said(page("console", {"team": "search"}))
    assert text.count("At search's volume") == 2
    assert "against \\$1.50 spent" in text
    assert "there is no volume to compare with" in said(page("console", {"team": "legal"}))


def test_a_column_copies_its_question_as_code(desk: Shelf) -> None:
    at = submit("How far is the moon?")
    codes = [each.value for each in at.code]
    assert any("InferenceClient" in code and "How far is the moon?" in code for code in codes)


def test_parameters_of_a_saved_prompt_go_into_every_column(desk: Shelf) -> None:
    at = page("console")
    at.number_input(key="console-0-max_tokens").set_value(33).run()
    at.text_area(key="console-messages").set_value("keep me")
    button(at, "Save prompt").click().run()
    at.text_input(key="console-name").set_value("mine")
    button(at, "Save").click().run()
    later = page("console")
    assert later.number_input(key="console-1-max_tokens").value == 512
    button(later, "Load").click().run()
    assert not later.exception
    assert later.text_area(key="console-messages").value == "keep me"
    assert later.number_input(key="console-1-max_tokens").value == 33


def test_a_second_click_while_it_is_answered_asks_nothing_more(
    desk: Shelf, practice: tuple[str, Counted]
) -> None:
    at = page("console", {"model1": "practice/slow=30,words=60"})
    found, offers = board(at), offers_of(desk)
    inputs = {"messages": [{"role": "user", "content": "once"}]}
    (run,) = found.ask(inputs, offers)
    assert found.ask(dict(inputs), offers) == []
    assert len(found.ask({"messages": []}, offers)) == 1
    run.state = "done"
    found.rounds.pop()
    assert len(found.ask(inputs, offers)) == 1
    assert practice[1].posts == 0


def test_the_router_chooses_among_the_settings_targets(places: Places, desk: Shelf) -> None:
    text = "[targets.own]\nkind = 'self_hosted'\nurl = '{}'\nmodel = 'practice/words=4'\n"
    places.config.write_text(text.format(desk.practice_url))
    lay(
        {"yours": ledger_of()},
        practice_url=desk.practice_url,
        places=places,
        targets=("own",),
    )
    at = page("console", {"policy1": "fastest"})
    assert at.selectbox(key="console-0-target").value == "Router policy"
    assert at.selectbox(key="console-0-policy").value == "fastest"
    ask(at, "who answers?")
    (run,) = board(at).runs
    assert (run.state, run.text) == ("done", "word0 word1 word2 word3")
    tried = at.table[-1].value
    assert list(tried["Target"]) == ["own"]
    assert address(at) == {"target1": "Router policy", "policy1": "fastest"}


def test_a_text_that_is_too_long_goes_in_chunks_once_that_was_agreed(
    places: Places, desk: Shelf, practice: tuple[str, Counted]
) -> None:
    text = (
        "[targets.own]\nkind = 'self_hosted'\nurl = '{}'\nmodel = 'practice/words=4'\n"
        "context_length = 1200\n"
    )
    places.config.write_text(text.format(desk.practice_url))
    lay(
        {"yours": ledger_of()},
        practice_url=desk.practice_url,
        places=places,
        targets=("own",),
    )
    link = {"target1": "own", "model1": "practice/words=4", "max_tokens1": "64"}
    at = page("console", link)
    ask(at, "One more sentence of a long report. " * 300)
    assert practice[1].posts == 0
    assert "chunks" in said(at)
    at.button(key="console-chunks").click().run()
    (run,) = board(at).runs
    assert (run.state, run.failure) == ("done", None)
    assert practice[1].posts > 2
    assert run.output_tokens == 4 * practice[1].posts
    assert run.finish_reason == f"{practice[1].posts} calls"
    at.run()
    assert run.output_tokens == 4 * practice[1].posts


def test_what_was_sent_is_not_lost_when_the_run_that_hears_of_it_is_cut_short(
    desk: Shelf, practice: tuple[str, Counted]
) -> None:
    at = page("console")
    at.session_state["console-pending"] = Sent({"messages": [{"role": "user", "content": "kept"}]})
    at.run()
    assert practice[1].posts == 2
    at.run()
    assert practice[1].posts == 2
