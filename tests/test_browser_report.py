"""The HTML report in Chromium: it fits every width, asks for nothing, and prints on few pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from browser import chrome, scrolls_sideways
from factories_questions import Row, at, free, on_endpoint, unpriced
from playwright.sync_api import Browser, Page
from test_analytics_savings import call, world

from hf_ledger.analytics.report import weekly
from hf_ledger.dashboard.report.files import save

pytestmark = pytest.mark.browser

__all__ = ["chrome"]

LONG = "an-organisation-with-a-long-name/And-A-Model-With-A-Longer-Name-235B-A22B-Instruct-2507-FP8"


def rows() -> Iterator[Row]:
    """A busy week: long names, unknown prices, failures, and fifteen teams."""
    for number in range(60):
        ts = at("2026-08-10") + timedelta(hours=2.5 * number)
        yield call(100_000 * (number + 1), 200 * number, ts=ts, team=f"team {number % 15}")
        yield unpriced(ts=ts, model=LONG, team="a team with quite a long name, and a comma")
    yield from (free() for _ in range(30))
    yield on_endpoint()


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    now = datetime(2026, 8, 17, 9, tzinfo=UTC)
    report = weekly(world(list(rows())), "2026-W33", now=now)
    (path,) = save(report, tmp_path_factory.mktemp("report"), ["html"])
    return path


def opened(chrome: Browser, document: Path, width: int, scheme: str) -> tuple[Page, list[str]]:
    """The report in a window, and every other address it asked for."""
    dark = scheme == "dark"
    page = chrome.new_page(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
    )
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(document.as_uri())
    return page, [url for url in requests if url != document.as_uri()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 680, 1440])
def test_it_fits_and_asks_for_nothing(
    chrome: Browser, document: Path, width: int, scheme: str
) -> None:
    page, requests = opened(chrome, document, width, scheme)
    assert not scrolls_sideways(page)
    assert requests == []
    assert page.locator("h1").inner_text() == "Hugging Face inference cost, week 33"
    page.close()


def lightness(colour: str) -> float:
    red, green, blue = (int(each) for each in re.findall(r"\d+", colour)[:3])
    return (red + green + blue) / (3 * 255)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_ink_stands_out_from_its_page(chrome: Browser, document: Path, scheme: str) -> None:
    page, _ = opened(chrome, document, 1000, scheme)
    ink, ground = (
        lightness(page.evaluate(f"getComputedStyle(document.body).{name}"))
        for name in ("color", "backgroundColor")
    )
    assert (ink < 0.2 and ground > 0.9) if scheme == "light" else (ink > 0.8 and ground < 0.2)
    page.close()


def test_it_prints_light_on_a_few_pages(chrome: Browser, document: Path) -> None:
    page, _ = opened(chrome, document, 1000, "dark")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 680, "height": 900})
    assert not scrolls_sideways(page)
    assert lightness(page.evaluate("getComputedStyle(document.body).backgroundColor")) > 0.9
    printed = page.pdf(prefer_css_page_size=True)
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 5
    page.close()


def test_charts_are_drawn_to_their_frame(chrome: Browser, document: Path) -> None:
    page, _ = opened(chrome, document, 1000, "light")
    bars = page.locator("svg[role=img]").first.locator("rect.bar")
    assert bars.count() == 7
    assert all(box and box["height"] > 1 for box in (bar.bounding_box() for bar in bars.all()))
    assert page.locator("rect.heat").count() == 168
    page.close()
