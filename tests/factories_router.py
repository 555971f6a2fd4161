"""An installation whose targets are all played by one practice server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from factories_practice import CHAT_MODEL, Practice

from hf_ledger.ingest.doors.hook.recording import stop
from hf_ledger.ingest.places import Places

MARKER = "MARKER-0815"
INPUTS = {"messages": [{"role": "user", "content": f"one two {MARKER}"}]}

GOOD = {"model": CHAT_MODEL, "provider": "novita"}
OTHER = {"model": CHAT_MODEL, "provider": "cerebras"}


def wished(words: str) -> dict[str, str]:
    """A target with which something goes wrong."""
    return {"model": f"practice/{words}", "routing": "fastest"}


def installed(
    places: Places, url: str, targets: dict[str, dict[str, Any]], more: str = ""
) -> Places:
    """Settings that name these targets, in this order; servers are asked for nothing."""
    lines = [f'router_url = "{url}"']
    for name, facts in targets.items():
        said = {"kind": "router", "url": url, **facts}
        lines += [f"[targets.{name}]", *(f"{key} = {toml(value)}" for key, value in said.items())]
    places.make()
    places.config.write_text("\n".join([*lines, more]))
    return places


def toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


@contextmanager
def routes(
    practice: Practice, places: Places, targets: dict[str, dict[str, Any]], more: str = ""
) -> Iterator[Places]:
    """The same, and nothing is recorded any more afterwards."""
    try:
        yield installed(places, practice.url, targets, more)
    finally:
        stop()
