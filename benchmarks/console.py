"""How soon a first token that has come stands on the console's page: Chromium, 1 and 3 columns.

Both ends are measured by this process' clock: a server of one's own notes when it hands out the
first piece, and an observer in the page when the words appear. All that is between counts: client,
recorder, engine, Streamlit, browser.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.dashboard import ARGUMENTS, server, settled

QUESTIONS = 20
BAR_MS = 150
PIECES = 40
PIECE_SECONDS = 0.025
FIRST_SECONDS = 0.3
COLUMNS = (1, 3)

#: Notes, for each marker `#…#`, when the page first had it.
OBSERVE = """
() => {
  window.seen = {};
  new MutationObserver(() => {
    const now = performance.timeOrigin + performance.now();
    for (const [mark] of document.body.innerText.matchAll(/#[0-9]+-[0-9]+#/g))
      window.seen[mark] ??= now;
  }).observe(document.body, {subtree: true, childList: true, characterData: true});
}
"""


class Upstream:
    """Streams a marker after a while and then words; notes when the marker was handed out."""

    def __init__(self) -> None:
        self.handed: dict[str, float] = {}
        self._count = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        question = json.loads(body)["messages"][-1]["content"]
        self._count += 1
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"text/event-stream")],
            }
        )
        async for piece in self.pieces(f"#{question}-{self._count}#"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    async def pieces(self, mark: str) -> AsyncIterator[bytes]:
        await asyncio.sleep(FIRST_SECONDS)
        self.handed[mark] = time.time() * 1000
        yield event(mark)
        for number in range(PIECES):
            await asyncio.sleep(PIECE_SECONDS)
            yield event(f" word{number}")


def event(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}}
    return b"data: " + json.dumps({"id": "x", "choices": [choice]}).encode() + b"\n\n"


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """An ASGI application on a free loopback port."""
    import uvicorn

    from hf_ledger.practice.serving import bound

    listener = bound(0)
    config = uvicorn.Config(app, log_level="critical", lifespan="off", ws="none")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join(5)


def asked(page: Any, address: str, columns: int, upstream: Upstream) -> list[float]:
    """Milliseconds from the first token's arrival to the page, for each column of each question."""
    upstream.handed.clear()
    chosen = "&".join(f"target{each}=bench&model{each}=a/b" for each in range(1, columns + 1))
    page.goto(f"{address}/console?{chosen}")
    settled(page)
    page.evaluate(OBSERVE)
    for number in range(QUESTIONS):
        box = page.get_by_label("Message", exact=True)
        box.fill(str(number))
        box.press("Control+Enter")
        deadline = time.monotonic() + 30
        while len(upstream.handed) < columns * (number + 1) and time.monotonic() < deadline:
            page.wait_for_timeout(50)
        page.get_by_text(f"word{PIECES - 1}").nth(columns - 1).wait_for()
        settled(page)
    shown = page.evaluate("window.seen")
    return [shown[mark] - at for mark, at in upstream.handed.items()]


def measure(browser: Any, columns: int) -> list[float]:
    upstream = Upstream()
    with tempfile.TemporaryDirectory() as made, serving(upstream) as url:
        folder = Path(made)
        target = f'[targets.bench]\nkind = "self_hosted"\nurl = "{url}"\n'
        (folder / "hf-ledger.toml").write_text(target)
        os.environ.pop("HF_TOKEN", None)
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        with server(folder) as (_, address):
            found = asked(page, address, columns, upstream)
        page.close()
    return sorted(found)


def main() -> None:
    from playwright.sync_api import sync_playwright

    print(f"first token, from the network to the screen, {QUESTIONS} questions each")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=ARGUMENTS
        )
        for columns in COLUMNS:
            times = measure(browser, columns)
            median, p95 = statistics.median(times), times[int(0.95 * len(times))]
            said = f"{columns} column{'s' if columns > 1 else ''}"
            print(f"{said:12} median {median:4.0f} ms   p95 {p95:4.0f} ms   (bar {BAR_MS} ms)")
        browser.close()
