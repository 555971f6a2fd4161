"""Words that connect a program, and options of the server: as values."""

from __future__ import annotations

import pytest

from hf_ledger.dashboard import connecting
from hf_ledger.dashboard.web import options


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:8123"])
def test_every_python_snippet_is_python_and_shows_no_key(url: str | None) -> None:
    for title, (text, language) in connecting.snippets(url).items():
        assert "hf_" not in text.replace("hf_ledger", "")
        if language == "python":
            compile(text, title, "exec")


def test_practice_is_offered_only_where_it_runs() -> None:
    assert "Without a token" not in connecting.snippets(None)
    text, _ = connecting.snippets("http://127.0.0.1:8123")["Without a token"]
    assert 'hosts=["127.0.0.1:8123=router"]' in text
    assert 'base_url="http://127.0.0.1:8123/v1"' in text
    assert "Practice server, no model runs" in text


def test_a_path_without_spaces_needs_no_quotes() -> None:
    assert connecting.install("/src/hf-ledger") == "pip install -e /src/hf-ledger"


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [("http://127.0.0.1:8501", "127.0.0.1", 8501), ("http://[::1]:80", "::1", 80)],
)
def test_the_server_listens_where_it_is_told(address: str, host: str, port: int) -> None:
    found = options(address, ["localhost"])
    assert (found["server.address"], found["server.port"]) == (host, port)
    assert found["server.allowedHosts"] == ["localhost"]
    assert found["browser.gatherUsageStats"] is False
