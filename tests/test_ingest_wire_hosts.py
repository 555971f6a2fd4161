"""Which hosts are ours."""

from __future__ import annotations

import pytest

from hf_ledger.ingest.wire.exchange import WireSettings
from hf_ledger.ingest.wire.hosts import (
    PROVIDER_HOSTS,
    known_host,
    provider_of_host,
    without_port,
)

NONE = WireSettings()


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("router.huggingface.co", "router"),
        ("ROUTER.HuggingFace.co", "router"),
        ("router.huggingface.co.", "router"),
        ("router.huggingface.co:443", "router"),
        ("api-inference.huggingface.co", "legacy"),
        ("huggingface.co", "hub"),
        ("hub-ci.huggingface.co", "hub"),
        ("cdn-lfs.huggingface.co", "asset"),
        ("cas-bridge.xethub.hf.co", "asset"),
        ("api.endpoints.huggingface.cloud", "hub"),
        ("w8qtunpthvh1r7a0.us-east-1.aws.endpoints.huggingface.cloud", "endpoint"),
        ("api.together.xyz", "provider"),
        ("queue.fal.run", "provider"),
        ("api.us1.bfl.ai", "provider"),
        ("v3.fal.media", "asset"),
        ("replicate.delivery", "asset"),
    ],
)
def test_known_hosts_have_a_kind(host: str, kind: str) -> None:
    assert known_host(host, NONE) == kind


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "",
        "huggingface.co.evil.example",
        "nothuggingface.co",
        "xfal.run",
        "localhost:8000",
        "endpoints.huggingface.cloud",
        "my-space.hf.space",
        "[::1]:8080",
    ],
)
def test_any_other_host_is_none_of_ours(host: str) -> None:
    assert known_host(host, NONE) is None


def test_settings_name_further_hosts_with_or_without_port() -> None:
    settings = WireSettings(extra_hosts={"127.0.0.1:8089": "router", "llm.internal": "self_hosted"})
    assert known_host("127.0.0.1:8089", settings) == "router"
    assert known_host("127.0.0.1:9999", settings) is None
    assert known_host("llm.internal:8000", settings) == "self_hosted"
    assert known_host("LLM.internal", settings) == "self_hosted"
    assert known_host("router.huggingface.co", settings) == "router"


def test_a_setting_beats_what_is_built_in() -> None:
    settings = WireSettings(extra_hosts={"api.openai.com": "self_hosted"})
    assert known_host("api.openai.com", settings) == "self_hosted"


@pytest.mark.parametrize(("host", "provider"), sorted(PROVIDER_HOSTS.items()))
def test_each_provider_host_has_its_provider(host: str, provider: str) -> None:
    assert known_host(host, NONE) == "provider"
    assert provider_of_host(f"{host}:443") == provider


def test_regional_hosts_belong_to_their_provider() -> None:
    assert provider_of_host("api.eu4.bfl.ai") == "black-forest-labs"
    assert provider_of_host("example.com") is None


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("a.example:80", "a.example"),
        ("a.example", "a.example"),
        ("[::1]:80", "[::1]"),
        ("[::1]", "[::1]"),
        ("a:b", "a:b"),
    ],
)
def test_ports_are_cut_off(host: str, name: str) -> None:
    assert without_port(host) == name
