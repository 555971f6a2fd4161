"""A provider that nobody can predict: some tokens up to the limit asked for, after some time."""

from __future__ import annotations

import asyncio
import random
import sys

from aiohttp import web

PROVIDER = "stub"
LATENCY_SECONDS = (0.005, 0.05)


class Upstream:
    """Answers with a usage, and adds up what it said."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.calls = 0
        self.output_tokens = 0

    async def post(self, request: web.Request) -> web.Response:
        asked = await request.json()
        wrote = self._random.randint(0, asked["max_tokens"])
        await asyncio.sleep(self._random.uniform(*LATENCY_SECONDS))
        self.calls += 1
        self.output_tokens += wrote
        choice = {"index": 0, "message": {"role": "assistant", "content": ""}}
        usage = {"prompt_tokens": 1, "completion_tokens": wrote}
        return web.json_response(
            {"choices": [choice], "usage": usage}, headers={"x-inference-provider": PROVIDER}
        )

    async def total(self, request: web.Request) -> web.Response:
        return web.json_response({"calls": self.calls, "output_tokens": self.output_tokens})


def main() -> None:
    upstream = Upstream(int(sys.argv[2]))
    app = web.Application()
    app.router.add_post("/v1/chat/completions", upstream.post)
    app.router.add_get("/total", upstream.total)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)


if __name__ == "__main__":
    main()
