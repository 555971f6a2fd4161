"""Connect in Chromium: an empty ledger waits, and a program's call shows within two seconds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from browser import Server, chrome, serving, settled, tab
from playwright.sync_api import Browser, expect

from hf_ledger.ingest.places import Places
from hf_ledger.practice.serving import bound

pytestmark = pytest.mark.browser

__all__ = ["chrome"]

PROGRAM = """
import sys, time, httpx, hf_ledger
hf_ledger.record(app="search", team="search", hosts={sys.argv[1]: "router"})
body = {"model": "meta-llama/Llama-3.3-70B-Instruct:together",
        "messages": [{"role": "user", "content": "hello"}]}
reply = httpx.post(f"http://{sys.argv[1]}/v1/chat/completions", json=body)
assert reply.status_code == 200
print(time.time(), flush=True)
"""

#: A server that answers as Hugging Face's router does and is not the practice server: its calls
#: are the user's own.
ROUTER = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def chat(request):
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    message = {"role": "assistant", "content": "hi"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    said = {"id": "x", "object": "chat.completion", "created": 1, "choices": [choice],
            "model": "meta-llama/Llama-3.3-70B-Instruct-Turbo", "usage": usage}
    return JSONResponse(said, headers={"x-inference-provider": "together"})

app = Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical")
"""


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(Places(tmp_path_factory.mktemp("connect") / "ledger")) as started:
        yield started


@pytest.fixture
def router() -> Iterator[str]:
    with bound(0) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", ROUTER, str(port)])
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


def call(server: Server, router: str) -> float:
    """Run the program; when its reply was there."""
    for _ in range(50):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, router],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "HF_LEDGER_DIR": str(server.places.root)},
        )
        if done.returncode == 0:
            return float(done.stdout)
        assert "ConnectError" in done.stderr, done.stderr
        time.sleep(0.2)
    raise AssertionError(done.stderr)


def test_an_empty_ledger_leads_to_connect(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page:
        page.goto(server.url)
        settled(page)
        page.get_by_test_id("stMain").get_by_role("link", name="Connect a program").click()
        expect(page.get_by_role("heading", name="Connect a program", level=1)).to_be_visible()
        expect(page.get_by_text("Waiting for the first call")).to_be_visible()


def test_the_three_lines_can_be_copied(chrome: Browser, server: Server) -> None:
    with tab(chrome) as page:
        page.goto(f"{server.url}/connect")
        settled(page)
        lines = page.get_by_test_id("stCode")
        expect(lines.nth(0)).to_contain_text("pip install -e")
        expect(lines.nth(1)).to_contain_text("nothing to set")
        expect(lines.nth(2)).to_contain_text("hf_ledger.record(")
        lines.nth(2).hover()
        expect(lines.nth(2).get_by_role("button")).to_be_visible()


def test_the_first_call_is_on_the_page_two_seconds_after_its_reply(
    chrome: Browser, server: Server, router: str
) -> None:
    with tab(chrome) as page:
        page.goto(f"{server.url}/connect")
        expect(page.get_by_text("Waiting for the first call")).to_be_visible()
        replied = call(server, router)
        expect(page.get_by_text(re.compile(r"First call received \d+ s ago"))).to_be_visible()
        # Starting the browser's look and the program's exit count against us, not for us.
        assert time.time() - replied <= 2.0
        expect(page.get_by_text("search asked Llama").first).to_be_visible()


def test_an_open_overview_shows_a_new_call_by_itself(
    chrome: Browser, server: Server, router: str
) -> None:
    with tab(chrome) as page:
        page.goto(server.url)
        expect(page.get_by_text("No calls in this period")).to_be_visible()
        call(server, router)
        expect(page.get_by_test_id("stMetricValue").first).to_be_visible()
        expect(
            page.get_by_text("price unknown").first.or_(page.get_by_text("$").first)
        ).to_be_visible()


def test_a_practice_call_is_told_and_is_not_the_first_call(
    chrome: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    places = Places(tmp_path_factory.mktemp("practising") / "ledger")
    with serving(places, "--practice") as started, tab(chrome) as page:
        page.goto(f"{started.url}/connect")
        settled(page)
        page.get_by_role("tab", name="Without a token").click()
        code = page.get_by_test_id("stCode").filter(has_text="Practice server, no model runs")
        found = re.search(r"http://(127\.0\.0\.1:\d+)/v1", code.inner_text())
        assert found
        call(started, found[1])
        expect(
            page.get_by_text(re.compile(r"First practice call received \d+ s ago"))
        ).to_be_visible()
        expect(page.get_by_text("Waiting for the first call")).to_be_visible()
        expect(page.get_by_text("Practice server, no model ran").first).to_be_visible()
