"""The console in Chromium: a streamed answer beside its figures, and one request a prompt."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from browser import Server, chrome, serving, settled, tab
from playwright.sync_api import Browser, Page, expect

from hf_ledger.analytics.connect import connect
from hf_ledger.ingest.places import Places

pytestmark = pytest.mark.browser

__all__ = ["chrome"]


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    places = Places(tmp_path_factory.mktemp("console") / "ledger")
    with serving(places, "--practice", HF_TOKEN="") as started:
        yield started


def submit(page: Page, server: Server, text: str) -> None:
    page.goto(f"{server.url}/console")
    settled(page)
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(text)
    box.press("Enter")
    expect(page.get_by_role("link", name="Its row in the ledger").last).to_be_visible()


def calls_in(server: Server) -> int:
    with connect(server.places) as session:
        found = session.ask("extent").to_pylist()
    return sum(row["calls"] for row in found)


def test_an_answer_beside_its_figures(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page:
        submit(page, server, "Say hello to the ledger.")
        expect(page.get_by_text("Practice server, no model ran. You wrote")).to_be_visible()
        for name in ("Tokens in", "Tokens out", "First token", "Latency", "Cost", "Basis"):
            expect(page.get_by_text(name, exact=True)).to_be_visible()
        expect(page.get_by_text(re.compile(r"^\$0\.0"))).to_be_visible()


def test_reload_and_second_tab_bill_nothing(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page, tab(chrome) as second:
        submit(page, server, "Once only.")
        assert calls_in(server) == 1
        page.reload()
        settled(page)
        second.goto(f"{server.url}/console")
        settled(second)
        page.wait_for_timeout(1_500)
        assert calls_in(server) == 1


def test_the_link_opens_the_calls_own_row(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page:
        submit(page, server, "Link me.")
        page.get_by_role("link", name="Its row in the ledger").click()
        drawer = page.get_by_role("dialog")
        expect(drawer.get_by_text("How it was priced")).to_be_visible()
        expect(page).to_have_url(re.compile(r"/calls\?.*call=[0-9a-f-]{36}"))


def test_the_prompt_is_gone_with_the_session(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page:
        submit(page, server, "marker-prompt-815")
        page.reload()
        settled(page)
        expect(page.get_by_test_id("stChatInputTextArea")).to_be_visible()
        expect(page.get_by_text("marker-prompt-815")).to_have_count(0)
    for path in server.places.root.rglob("*"):
        assert not path.is_file() or b"marker-prompt-815" not in path.read_bytes()
