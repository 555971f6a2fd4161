"""The Overview and its neighbours in Chromium, on a real server with a small sample ledger."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from browser import Server, chrome, scrolls_sideways, serving, settled, tab
from playwright.sync_api import Browser, Locator, Page, expect

from hf_ledger.ingest.doors.sample.making import make_sample
from hf_ledger.ingest.places import Places

pytestmark = pytest.mark.browser

__all__ = ["chrome"]

PAGES = ("", "calls", "peaks", "models", "savings", "reports", "console", "connect")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    places = Places(tmp_path_factory.mktemp("overview") / "ledger")
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    make_sample(places, seed=1, calls=1_500, days=70, last=yesterday)
    with serving(places) as started:
        yield started


def opened(page: Page, server: Server, path: str = "/") -> None:
    page.goto(server.url + path)
    settled(page)


def headline(page: Page, label: str) -> Locator:
    """The value of the figure with exactly this label."""
    card = page.get_by_test_id("stMetric").filter(has=page.get_by_text(label, exact=True))
    return card.get_by_test_id("stMetricValue")


def test_charts_are_drawn(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page:
        opened(page, server)
        expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
        expect(page.locator(".js-plotly-plot")).to_have_count(3)
        expect(page.get_by_text("Sample data:")).to_be_visible()


def test_headline_words_and_age(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page:
        opened(page, server)
        expect(page.get_by_test_id("stMetricValue").first).to_have_text(re.compile(r"^at least \$"))
        expect(page.get_by_text("before credits and tax").first).to_be_visible()
        expect(page.get_by_text(re.compile(r"days old\)")).first).to_be_visible()


def test_the_period_is_put_into_the_url_and_back(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page:
        opened(page, server)
        calls = headline(page, "Calls")
        before = calls.inner_text()
        page.get_by_role("radio", name="7d").click()
        # By its label: while cards are drawn anew, the first one on the page may be another's.
        expect(calls).not_to_have_text(before)
        settled(page)
        expect(page).to_have_url(re.compile(r"period=7d"))
        first = calls.inner_text()
        page.reload()
        settled(page)
        expect(calls).to_have_text(first)
        expect(page).to_have_url(re.compile(r"period=7d"))


def test_the_period_survives_a_change_of_page(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page:
        opened(page, server, "/?period=Last+week")
        expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
        page.get_by_test_id("stSidebarNavLink").filter(has_text="Peaks").click()
        expect(page.get_by_role("heading", name="Peaks", level=1)).to_be_visible()
        settled(page)
        expect(page).to_have_url(re.compile(r"period=Last(\+|%20)week"))


def test_a_total_opens_its_calls(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page:
        opened(page, server, "/?period=7d&book=Sample")
        calls = headline(page, "Calls").inner_text()
        page.get_by_test_id("stMain").get_by_role("link", name="Calls").first.click()
        expect(page.get_by_role("heading", name="Calls", level=1)).to_be_visible()
        settled(page)
        expect(headline(page, "Calls")).to_have_text(calls)
        expect(page).to_have_url(re.compile(r"/calls\?.*period=7d"))


def test_how_was_this_computed(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page:
        opened(page, server)
        page.get_by_role("button", name="How?").first.click()
        shown = page.get_by_test_id("stPopoverBody")
        expect(shown.get_by_text("How was this computed?")).to_be_visible()
        expect(shown.get_by_text("Sum over calls of list price")).to_be_visible()


def test_a_csv_holds_what_is_shown_and_says_it_is_a_sample(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page:
        opened(page, server, "/?book=Sample")
        teams = page.locator(".st-key-csv-by-team").get_by_role("button")
        with page.expect_download() as download:
            teams.click()
        lines = download.value.path().read_text().splitlines()
        assert lines[0].startswith("team,calls,")
        assert all("Sample data" in line for line in lines[1:])
        assert download.value.suggested_filename.startswith("hf-ledger-sample-")


def test_a_row_opens_the_drawer(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page:
        opened(page, server, "/calls?book=Sample")
        table = page.get_by_test_id("stDataFrame").locator("canvas").first
        table.click(position={"x": 15, "y": 52}, force=True)
        drawer = page.get_by_role("dialog")
        expect(drawer.get_by_text("How it was priced")).to_be_visible()
        page.get_by_role("button", name="Close").click()
        expect(drawer).to_have_count(0)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_scrolls_sideways_on_a_phone(
    chrome: Browser, server: Server, path: str, scheme: str
) -> None:
    with tab(chrome, width=390, scheme=scheme) as page:
        opened(page, server, f"/{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert not scrolls_sideways(page)


def test_dark_and_light_have_their_own_colours(chrome: Browser, server: Server) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        with tab(chrome, scheme=scheme) as page:
            opened(page, server)
            page.locator(".js-plotly-plot .main-svg").first.wait_for()
            style = (
                "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
            )
            grounds[scheme] = page.evaluate(style)
    assert grounds == {"light": "rgb(255, 255, 255)", "dark": "rgb(14, 17, 23)"}


def test_nothing_is_fetched_from_another_host(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page:
        answered: list[str] = []
        page.on("response", lambda reply: answered.append(reply.url))
        opened(page, server)
        page.locator(".js-plotly-plot .main-svg").first.wait_for()
        assert answered
        assert all(url.startswith((server.url, "data:", "blob:")) for url in answered)


def test_inter_is_used(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page:
        opened(page, server)
        assert page.evaluate("document.fonts.ready.then(() => document.fonts.check('16px Inter'))")
        family = page.evaluate("getComputedStyle(document.querySelector('h1')).fontFamily")
        assert family.startswith("Inter")
