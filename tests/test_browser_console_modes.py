"""Blind votes and sets of questions in Chromium: what is clicked becomes a verdict without text."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from browser import Server, chrome, serving, settled, tab
from factories_practice import recorded
from playwright.sync_api import Browser, Page, expect

from hf_ledger.ingest.call import Replayed
from hf_ledger.ingest.places import Places

pytestmark = pytest.mark.browser

__all__ = ["chrome"]

TWO = "model1=meta-llama/Llama-3.3-70B-Instruct&model2=meta-llama/Llama-3.1-8B-Instruct"
MARKER = "marker-question-4711"
SET = f"input,expected\n{MARKER} one,1\n{MARKER} two,2\n".encode()


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    places = Places(tmp_path_factory.mktemp("modes") / "ledger")
    with serving(places, "--practice", HF_TOKEN="") as started:
        yield started


def opened(page: Page, server: Server, mode: str) -> None:
    page.goto(f"{server.url}/console?{TWO}&mode={mode}")
    settled(page)


def verdicts(server: Server, expected: int) -> list[Replayed]:
    """Lines of verdicts in the spool, as soon as there are so many."""
    deadline = time.monotonic() + 20
    while True:
        found = [line for line in recorded(server.places) if isinstance(line, Replayed)]
        if len(found) >= expected or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def nowhere(server: Server, text: str) -> None:
    for path in server.places.root.rglob("*"):
        assert not path.is_file() or text.encode() not in path.read_bytes()


def test_a_blind_vote_shows_the_names_after_it_was_cast(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page:
        opened(page, server, "Vote")
        box = page.get_by_label("Message", exact=True)
        box.fill(f"{MARKER}, which is better?")
        box.press("Control+Enter")
        better = page.get_by_role("button", name=re.compile("A is better"))
        expect(better).to_be_visible(timeout=20_000)
        settled(page)
        main = page.get_by_test_id("stMain")
        assert main.locator("strong", has_text="Llama").count() == 0
        better.click()
        expect(main.locator("strong", has_text="Llama")).to_have_count(2)
        expect(better).to_have_count(0)
    (verdict,) = verdicts(server, 1)
    assert verdict.judge == "human/1"
    assert (verdict.verdict, verdict.score) in (("better", 1.0), ("worse", -1.0))
    assert (verdict.evidence, verdict.origin) == ("vote", "practice")
    assert verdict.sampling_probability is None
    nowhere(server, MARKER)


def test_a_set_of_questions_goes_through_both_columns(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page:
        opened(page, server, "Evaluate")
        chooser = page.get_by_test_id("stFileUploaderDropzoneInput")
        chooser.set_input_files({"name": "set.csv", "mimeType": "text/csv", "buffer": SET})
        page.get_by_role("button", name=re.compile("Evaluate 2 rows in 2 columns")).click()
        expect(page.get_by_text("its verdicts are kept apart")).to_be_visible(timeout=30_000)
        done = page.get_by_role("button", name="Figures as CSV")
        expect(done).to_be_visible(timeout=30_000)
    found = verdicts(server, 2)
    assert len(found) == 2
    assert {each.evidence for each in found} == {"evaluation"}
    assert {each.judge for each in found} == {"normalised/1"}
    assert {each.origin for each in found} == {"practice"}
    nowhere(server, MARKER)
