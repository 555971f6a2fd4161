"""Fixtures of the browser tests: the real server in a process of its own, and Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from hf_ledger.ingest.places import Places

START_SECONDS = 60.0

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--force-color-profile=srgb",
]

NO_BROWSER = (
    "The browser tests need Chromium: install your system's package chromium, "
    "or run: python -m playwright install chromium"
)


def chromium() -> str | None:
    """An installed Chromium or Chrome; None where there is none but perhaps Playwright's own."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for found in map(shutil.which, names) if found), None)


@dataclass
class Server:
    """A running `hf-ledger serve` and what it has printed."""

    places: Places
    process: subprocess.Popen[str]
    log: Path
    lines: list[str] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def printed(self) -> str:
        return "".join(self.lines)

    @property
    def url(self) -> str:
        return next(line.split()[-1] for line in self.lines if "hf-ledger is at" in line)


@contextmanager
def serving(places: Places, *options: str, **environment: str) -> Iterator[Server]:
    """The server on a free port, ended with the block; fails with its own words if it can't."""
    places.make()
    log = places.root / "server.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "hf_ledger.cli", "serve", "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "HF_LEDGER_DIR": str(places.root), **environment},
        )
    server = Server(places, process, log)
    threading.Thread(target=listen_to, args=(server,), daemon=True).start()
    try:
        wait_for(server)
        yield server
    finally:
        process.terminate()
        process.wait(20)


def listen_to(server: Server) -> None:
    assert server.process.stdout
    for line in server.process.stdout:
        server.lines.append(line)


def wait_for(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while "Stop with Ctrl-C" not in server.printed:
        ended = server.process.poll() is not None
        assert not ended and time.monotonic() < deadline, server.log.read_text()
        time.sleep(0.05)


def executable(playwright: Playwright) -> str | None:
    """Chromium to start: the system's, else Playwright's own (None); without either a failure."""
    installed = chromium()
    if installed is None and not Path(playwright.chromium.executable_path).exists():
        pytest.fail(NO_BROWSER, pytrace=False)
    return installed


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """One browser a module; Playwright's loop must not outlive it, other tests have loops too."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(playwright), args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def tab(chrome: Browser, width: int = 1440, scheme: str = "light") -> Iterator[Page]:
    """A fresh session at this width; errors that a page shows fail the test when it ends."""
    context = chrome.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="UTC",
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield page
    assert page.get_by_test_id("stException").count() == 0
    context.close()


def settled(page: Page) -> None:
    """Wait until the script has run, as Streamlit's own tests do."""
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


def scrolls_sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1"))
