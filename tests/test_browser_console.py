"""The console in Chromium: columns stream side by side, stop, open from a link, and bill once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from browser import Server, chrome, scrolls_sideways, serving, settled, tab
from playwright.sync_api import Browser, Locator, Page, expect

from hf_ledger.analytics.connect import connect
from hf_ledger.analytics.scope import Scope
from hf_ledger.ingest.places import Places

pytestmark = pytest.mark.browser

__all__ = ["chrome"]

ROW = "Its row in the ledger"
SLOW = "&".join(f"model{each}=practice/slow=2,words={59 + each}" for each in (1, 2, 3))
ENDLESS = "model1=practice/slow=50,words=100&model2=practice/words=3"


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    places = Places(tmp_path_factory.mktemp("console") / "ledger")
    with serving(places, "--practice", HF_TOKEN="") as started:
        yield started


def opened(page: Page, server: Server, query: str = "") -> None:
    page.goto(f"{server.url}/console?{query}")
    settled(page)


def send(page: Page, text: str) -> None:
    box = page.get_by_label("Message", exact=True)
    box.fill(text)
    box.press("Control+Enter")


def badge(page: Page, text: str) -> Locator:
    return page.locator(".stMarkdownBadge", has_text=text)


def answered(page: Page, columns: int) -> None:
    expect(page.get_by_role("link", name=ROW)).to_have_count(columns)
    settled(page)


def rows(server: Server) -> list[dict[str, Any]]:
    """All calls of the ledger, with when they began and ended."""
    with connect(server.places) as session:
        found: list[dict[str, Any]] = session.ask("calls", everything(), limit=50).to_pylist()
    return found


def everything() -> Scope:
    now = datetime.now(UTC)
    return Scope(now - timedelta(days=1), now + timedelta(days=1), "UTC", ("practice", "live"), {})


def overlap(calls: list[dict[str, Any]]) -> bool:
    begun = [row["ts"].timestamp() for row in calls]
    ended = [row["ts"].timestamp() + row["latency_ms"] / 1000 for row in calls]
    return max(begun) < min(ended)


def test_three_models_stream_side_by_side(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page:
        opened(page, server, SLOW)
        send(page, "All at once, please.")
        expect(badge(page, "answering")).to_have_count(3)
        expect(page.get_by_text("word2")).to_have_count(3)
        answered(page, 3)
        for name in ("Tokens in", "First token", "Latency", "Cost", "Basis", "Served by"):
            expect(page.get_by_text(name, exact=True)).to_have_count(3)
        expect(page.get_by_text("word59")).to_have_count(3)
    calls = rows(server)
    assert len(calls) == 3
    assert overlap(calls)


def test_stopping_one_leaves_the_other_and_escape_stops_all(
    chrome: Browser, server: Server
) -> None:
    with tab(chrome) as page:
        opened(page, server, ENDLESS)
        send(page, "Too long.")
        expect(page.get_by_text("word1 word2").first).to_be_visible()
        expect(page.get_by_role("link", name=ROW)).to_have_count(1)
        page.get_by_role("button", name="Stop 1").click()
        answered(page, 2)
        expect(badge(page, "stopped")).to_have_count(1)
        send(page, "Once more.")
        expect(badge(page, "answering")).to_have_count(1)
        page.keyboard.press("Escape")
        answered(page, 2)
    outcomes = sorted(row["outcome"] for row in rows(server))
    assert outcomes[-2:] == ["ok", "ok"]
    assert set(outcomes[:2]) <= {"cancelled", "interrupted"}


def test_a_rerun_and_a_second_tab_attach_and_bill_nothing(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page, tab(chrome) as second:
        opened(page, server, SLOW)
        send(page, "Once only.")
        expect(page.get_by_text("word2").first).to_be_visible()
        page.get_by_role("button", name="Add column").click()
        expect(page.get_by_label("Model 4")).to_be_visible()
        opened(second, server, SLOW)
        answered(page, 3)
        expect(page.get_by_text("word59")).to_have_count(3)
        expect(second.get_by_text("Nothing asked yet")).to_be_visible()
    assert len(rows(server)) == 3


def test_what_nobody_looks_at_any_more_is_stopped(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page:
        opened(page, server, ENDLESS)
        send(page, "marker-prompt-815")
        expect(page.get_by_role("link", name=ROW)).to_have_count(1)
        page.reload()
        settled(page)
        expect(page.get_by_text("Nothing asked yet")).to_be_visible()
        expect(page.get_by_text("marker-prompt-815")).to_have_count(0)
        for _ in range(60):
            if len(rows(server)) == 2:
                break
            page.wait_for_timeout(250)
    assert sorted(row["outcome"] for row in rows(server))[0] in ("cancelled", "interrupted")
    for path in server.places.root.rglob("*"):
        assert not path.is_file() or b"marker-prompt-815" not in path.read_bytes()


def test_the_link_opens_the_calls_own_row(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page:
        opened(page, server)
        send(page, "Link me.")
        answered(page, 2)
        page.get_by_role("link", name=ROW).first.click()
        drawer = page.get_by_role("dialog")
        expect(drawer.get_by_text("How it was priced")).to_be_visible()
        expect(page).to_have_url(re.compile(r"/calls\?.*call=[0-9a-f-]{36}"))


def test_an_address_opens_the_same_columns_elsewhere(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page, tab(chrome) as second:
        opened(page, server, f"{SLOW}&max_tokens2=33")
        second.goto(page.url)
        settled(second)
        expect(second.get_by_label("Model 3")).to_have_value("practice/slow=2,words=62")
        second.get_by_role("button", name="Column 2").click()
        expect(second.get_by_label("Most tokens")).to_have_value("33")
    assert rows(server) == []


def test_a_phone_shows_it_all_without_scrolling_sideways(chrome: Browser, server: Server) -> None:
    with tab(chrome, width=390) as page:
        opened(page, server)
        send(page, "Small.")
        answered(page, 2)
        assert not scrolls_sideways(page)
