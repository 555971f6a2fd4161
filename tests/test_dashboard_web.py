"""The guard in front of the pages, as an ASGI application of its own, and the theme it serves."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from hf_ledger.dashboard.web import SCRIPT, Guarded

LONG = "all work and no play " * 200
CONFIG = SCRIPT.parent / ".streamlit" / "config.toml"


async def text(_request: Request) -> PlainTextResponse:
    return PlainTextResponse(LONG)


async def events(_request: Request) -> StreamingResponse:
    def pieces() -> Iterator[str]:
        for each in range(3):
            yield f"data: {each} {'x' * 2000}\n\n"

    return StreamingResponse(pieces(), media_type="text/event-stream")


@pytest.fixture
def client() -> TestClient:
    paths = ("/", "/page", "/healthz", "/v1/x", "/api/x", "/_stcore/metrics", "/_stcore/health")
    routes = [Route(path, text) for path in paths]
    routes += [Route("/v1/events", events), Route("/events", events)]
    return TestClient(Guarded(Starlette(routes=routes)))


def asked(client: TestClient, path: str) -> Any:
    return client.get(path, headers={"accept-encoding": "gzip"})


@pytest.mark.parametrize("path", ["/", "/page", "/_stcore/health"])
def test_pages_are_compressed(client: TestClient, path: str) -> None:
    reply = asked(client, path)
    assert reply.headers["content-encoding"] == "gzip"
    assert reply.text == LONG


@pytest.mark.parametrize("path", ["/v1/x", "/api/x", "/healthz"])
def test_api_replies_never_are(client: TestClient, path: str) -> None:
    reply = asked(client, path)
    assert "content-encoding" not in reply.headers
    assert reply.text == LONG


def test_streams_of_the_api_pass_untouched(client: TestClient) -> None:
    reply = asked(client, "/v1/events")
    assert "content-encoding" not in reply.headers
    assert reply.text.count("data:") == 3


def test_metrics_are_hidden(client: TestClient) -> None:
    reply = asked(client, "/_stcore/metrics")
    assert reply.status_code == 404
    assert LONG not in reply.text


def theme() -> dict[str, Any]:
    return tomllib.loads(CONFIG.read_text(encoding="utf-8"))


def test_streamlit_knows_every_option_of_the_config() -> None:
    from streamlit import config

    known = set(config._config_options_template)
    for section, options in theme().items():
        for name, value in options.items():
            if not isinstance(value, dict):
                assert f"{section}.{name}" in known, f"{section}.{name}"


def test_nothing_is_sent_or_shown_that_should_not_be() -> None:
    options = theme()
    assert options["browser"]["gatherUsageStats"] is False
    assert options["client"]["showErrorDetails"] == "none"
    assert options["client"]["toolbarMode"] == "minimal"
    assert options["server"]["fileWatcherType"] == "none"
    assert "http" not in CONFIG.read_text(encoding="utf-8")


def luminance(colour: str) -> float:
    """Relative luminance of "#RRGGBB" (WCAG 2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "name", ["textColor", "primaryColor", "linkColor", "redColor", "greenColor", "grayColor"]
)
def test_text_colours_can_be_read(scheme: str, name: str) -> None:
    colours = theme()["theme"][scheme]
    for ground in ("backgroundColor", "secondaryBackgroundColor"):
        assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_chart_colours_stand_out_from_the_ground(scheme: str) -> None:
    colours = theme()["theme"][scheme]
    palette = colours["chartCategoricalColors"]
    assert len(palette) == len(set(palette)) == 6
    for colour in palette:
        assert contrast(colour, colours["backgroundColor"]) >= 2.5, colour


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_scale_has_ten_steps_away_from_the_ground(scheme: str) -> None:
    colours = theme()["theme"][scheme]
    scale = colours["chartSequentialColors"]
    away = [contrast(colour, colours["backgroundColor"]) for colour in scale]
    assert len(scale) == 10
    assert away == sorted(away)


def test_the_font_ships_with_its_licence() -> None:
    static = SCRIPT.parent / "static"
    assert (static / "inter-latin-wght.woff2").read_bytes()[:4] == b"wOF2"
    assert "SIL OPEN FONT LICENSE" in (static / "inter-LICENSE.txt").read_text(encoding="utf-8")
    assert theme()["theme"]["fontFaces"][0]["url"] == "app/static/inter-latin-wght.woff2"


def test_no_page_brings_markup_or_styles_of_its_own() -> None:
    sources = [*Path(SCRIPT.parent).glob("*.py"), *(SCRIPT.parent / "views").glob("*.py")]
    assert len(sources) > 15
    for source in sources:
        code = source.read_text(encoding="utf-8")
        assert "unsafe_allow_html" not in code
        assert "st.html(" not in code


def test_a_page_is_short() -> None:
    for source in (SCRIPT.parent / "views").glob("*.py"):
        assert len(source.read_text(encoding="utf-8").splitlines()) <= 180, source.name
