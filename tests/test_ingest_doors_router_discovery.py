"""Lists of Hugging Face, and sources that fail, dawdle or lie: bounded, and each alone."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import stat
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from conftest import shared_file
from factories_stub import listing, stubbed, usd
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.router import discovery, refreshing
from hf_ledger.ingest.doors.router.discovery import Ask, Server, discover, latest
from hf_ledger.ingest.doors.router.found import Found, Source
from hf_ledger.ingest.doors.router.listings import read_endpoints, read_router
from hf_ledger.ingest.doors.router.refreshing import ask_of, keep, read, refresh
from hf_ledger.ingest.doors.router.registry import Registry
from hf_ledger.ingest.doors.router.stated import stated
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
ROUTER_LIST = {
    "object": "list",
    "data": [
        {
            "id": LLAMA,
            "providers": [
                {
                    "provider": "novita",
                    "status": "live",
                    "context_length": 131_072,
                    "pricing": {"input": 0.02, "output": 0.05},
                    "supports_tools": True,
                    "supports_structured_output": False,
                    "first_token_latency_ms": 588.4,
                    "throughput": 45.4,
                },
                {"provider": "cerebras", "status": "error", "context_length": 8192},
                {"provider": "featherless-ai", "status": "live"},
            ],
        }
    ],
}
HOST = "abc.us-east-1.aws.endpoints.huggingface.cloud"


def endpoint(name: str, state: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "protected",
        "provider": {"vendor": "aws", "region": "us-east-1"},
        "model": {
            "repository": "o/m",
            "task": "text-generation",
            "image": {"vLLM": {"url": "vllm/vllm-openai", "port": 8000}},
            "secret": {"token": "marker-secret"},
            "env": {"KEY": "marker-secret"},
        },
        "status": {"state": state, "readyReplica": 1, "url": f"https://{HOST}", **more},
    }


def settings(places: Places, text: str) -> Registry:
    places.make()
    places.config.write_text(text)
    return Registry.open(places)


def test_one_target_a_model_and_live_provider_and_no_price() -> None:
    first, second = read_router(ROUTER_LIST)
    assert first == Found(
        kind="router",
        model=LLAMA,
        provider="novita",
        tasks=frozenset({"chat-completion"}),
        context_length=131_072,
        tools=True,
        structured_output=False,
        throughput=45.4,
        first_token_ms=588.4,
    )
    assert second.provider == "featherless-ai"
    assert (second.context_length, second.tools, second.throughput) == (None, None, None)
    assert not [field for field in Found.__struct_fields__ if "usd" in field or "price" in field]


def test_the_router_s_list_as_it_was_captured() -> None:
    body = shared_file("prices/router_v1_models_2026-07-27.json").read_bytes()
    listed = json.loads(body)
    pairs = [(m["id"], p) for m in listed["data"] for p in m["providers"] if p["status"] == "live"]
    found = read_router(listed)
    assert [(each.model, each.provider) for each in found] == [
        (model, offer["provider"]) for model, offer in pairs
    ]
    assert [each.context_length for each in found] == [p.get("context_length") for _, p in pairs]
    assert [each.tools for each in found] == [p.get("supports_tools") for _, p in pairs]


def test_a_list_without_end_is_cut() -> None:
    pairs = [(f"o/m{number}", "novita", usd(1, 2)) for number in range(2500)]
    assert len(read_router(listing(*pairs))) == 2000


async def test_pairs_become_targets_and_fill_in_those_of_the_settings(places: Places) -> None:
    with stubbed() as stub:
        stub.answer("/v1/models", ROUTER_LIST)
        registry = settings(
            places,
            f'router_url = "{stub.url}"\n[targets.mine]\nkind = "router"\nmodel = "{LLAMA}"\n'
            'provider = "novita"\ntools = false\n',
        )
        await refresh(registry, places, environment={})
    mine, other = registry.targets
    assert (mine.name, mine.context_length, mine.tools) == ("mine", 131_072, False)
    assert (mine.throughput, mine.first_token_ms, mine.known) == (45.4, 588.4, "settings")
    assert (other.name, other.known) == (f"{LLAMA}:featherless-ai", "discovered")
    assert (other.kind, other.provider, other.routing, other.url) == (
        "router", "featherless-ai", "explicit", None,
    )  # fmt: skip


async def test_which_provider_the_router_takes_is_not_guessed(places: Places) -> None:
    with stubbed() as stub:
        stub.answer("/v1/models", ROUTER_LIST)
        text = f'router_url = "{stub.url}"\n[targets.any]\nkind = "router"\nmodel = "{LLAMA}"\n'
        registry = settings(places, text)
        await refresh(registry, places, environment={})
    assert registry.named("any").context_length is None


async def test_endpoints_that_run_and_those_that_do_not(places: Places) -> None:
    items = [endpoint("summaries", "running"), endpoint("old", "paused", url=None)]
    items += [endpoint("idle", "scaledToZero", url=f"https://x.{HOST}")]
    with stubbed() as stub:
        stub.answer("/v2/endpoint/acme", {"items": items})
        registry = settings(
            places,
            f'endpoints_url = "{stub.url}"\nendpoint_namespace = "acme"\n'
            f'[targets.mine]\nurl = "https://{HOST}/v1"\nregion = "eu-west-1"\n',
        )
        await refresh(registry, places, environment={"HF_TOKEN": "marker-token"})
    assert stub.asked == [("/v2/endpoint/acme", "Bearer marker-token")]
    mine, old, idle = registry.targets
    assert (mine.name, mine.kind, mine.model, mine.region) == (
        "mine",
        "endpoint",
        "o/m",
        "eu-west-1",
    )
    assert (mine.engine, mine.state) == ("vllm", None)
    assert mine.tasks == {"chat-completion", "text-generation"}
    assert (old.name, old.state, old.url, old.region) == ("o/m:old", "paused", None, "us-east-1")
    assert (idle.name, idle.state) == ("o/m:idle", "scaledToZero")
    assert {old.provider, idle.provider} == {None}
    assert b"marker" not in places.discovered_targets.read_bytes()


def test_an_endpoint_without_name_or_state_is_left_out() -> None:
    assert read_endpoints({"items": [{"name": "x"}, {"status": {"state": "running"}}, 3]}) == ()
    assert read_endpoints([endpoint("x", "running")])[0].provider == "x"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ((401, {"error": "marker-body"}), "the token was refused (401)"),
        ((500, b"marker-body"), "it answered 500"),
        ((200, b"<html>marker-body"), "it answered with no JSON"),
        ((200, b"[" * 100_000), "it answered with no JSON"),
        ((200, {"data": []}), "it named no model"),
        ((200, {"data": "marker-body"}), "it named no model"),
        ((302, b""), "it answered 302"),
        ((200, b" " * (discovery.LARGEST_REPLY + 1)), "it answered with more than 8,388,608 bytes"),
    ],
)
async def test_a_source_that_fails_says_why_in_a_clause_of_our_own(
    reply: tuple[int, Any], why: str
) -> None:
    status, body = reply
    with stubbed() as stub:
        stub.answer("/v1/models", body, status, {"location": f"{stub.url}/elsewhere"})
        (source,) = await discover(Ask(router=stub.url), 5.0)
        (server,) = await discover(Ask(servers=(Server(stub.url),)), 5.0)
    assert (source.name, source.why, source.failed_since, source.seen_at) == (
        "router",
        why,
        5,
        None,
    )
    assert (server.name, server.why) == (stub.url, why)
    assert not [path for path, _ in stub.asked if path == "/elsewhere"], "a redirect was followed"


async def test_a_reply_that_was_packed_unasked_is_not_unpacked() -> None:
    with stubbed() as stub:
        bomb = gzip.compress(b" " * (20 << 20))
        stub.answer("/v1/models", bomb, headers={"content-encoding": "gzip"})
        (source,) = await discover(Ask(router=stub.url), 5.0)
    assert source.why == "it packed its answer, which was not asked for"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "http://[", "http://no such host", "nonsense"]
)
async def test_an_address_where_nobody_is_is_a_clause_too(url: str) -> None:
    (source,) = await discover(Ask(servers=(Server(url, "bad\ntoken"),)), 5.0)
    assert source.why is not None
    assert "token" not in source.why


class Dripping(httpx2.AsyncByteStream):
    """A byte every few milliseconds, for ever."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.005)


async def test_a_source_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "SOURCE_S", 0.1)
    drip = httpx2.MockTransport(lambda _: httpx2.Response(200, stream=Dripping()))
    (source,) = await discover(Ask(router="http://x"), 5.0, drip)
    assert source.why == "it did not answer in time"


async def test_a_source_that_hangs_holds_nobody_up(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "SOURCE_S", 0.2)
    with stubbed() as stub, socket.create_server(("127.0.0.1", 0)) as hung:
        stub.answer("/v1/models", ROUTER_LIST)
        silent = f"http://127.0.0.1:{hung.getsockname()[1]}"
        sources = await discover(Ask(router=stub.url, servers=(Server(silent),)), 5.0)
    assert [(each.name, each.why) for each in sources] == [
        ("router", None),
        (silent, "it did not answer in time"),
    ]


def look(moment: float, *, good: bool) -> Source:
    if not good:
        return discovery.failed("router", moment, "it answered 500")
    found = (Found(kind="router", model=f"o/m{moment}", provider="p"),)
    return Source(name="router", asked_at=moment, seen_at=moment, found=found)


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=6))
def test_the_newest_look_counts_in_any_order_and_no_good_copy_is_lost(
    looks: list[tuple[int, bool]],
) -> None:
    known: dict[str, Source] = {}
    for moment, good in looks:
        known["router"] = latest(known, look(moment, good=good))
    kept = known["router"]
    seen = max((moment for moment, good in looks if good), default=None)
    assert kept.asked_at == max(moment for moment, _ in looks)
    assert kept.seen_at == seen
    assert kept.found == (() if seen is None else look(seen, good=True).found)
    assert (kept.why is None) == (kept.failed_since is None)


def test_a_failure_keeps_the_copy_and_the_first_moment() -> None:
    found = (Found(kind="router", model="o/m", provider="p"),)
    known = {"router": Source(name="router", asked_at=10, seen_at=10, found=found)}
    for moment in (20.0, 30.0):
        known["router"] = latest(known, discovery.failed("router", moment, f"reason {moment}"))
    assert known["router"] == Source(
        name="router", asked_at=30, seen_at=10, failed_since=20, why="reason 30.0", found=found
    )
    again = Source(name="router", asked_at=40, seen_at=40, found=found)
    assert latest(known, again) == again


def test_a_look_of_a_clock_that_ran_ahead_does_not_last() -> None:
    ahead = Source(name="router", asked_at=1e9, seen_at=1e9)
    now = Source(name="router", asked_at=1e6, seen_at=1e6)
    assert latest({"router": ahead}, now) == now


def test_hugging_face_is_asked_only_where_something_goes_there(places: Places) -> None:
    def asked(text: str, **environment: str) -> Ask:
        return ask_of(stated(text.encode(), places.config), environment)

    own = '[targets.own]\nkind = "self_hosted"\nurl = "http://127.0.0.1:1"\n'
    assert asked(own).router is None
    assert asked("").router == "https://router.huggingface.co"
    assert asked(own + '[targets.hf]\nmodel = "o/m"\n').router is not None
    assert asked(own + '[routes.x]\nmodels = ["o/*"]\n').router is not None
    assert asked("", HF_LEDGER_ROUTER_URL="http://x/").router == "http://x"
    assert asked('endpoint_namespace = "acme"').endpoints is None, "there is no token"
    there = asked('endpoint_namespace = "acme"', HF_TOKEN="t")
    assert there.endpoints == "https://api.endpoints.huggingface.cloud/v2/endpoint/acme"
    assert there.endpoints_token == "t"


def test_an_endpoint_is_never_asked_itself(places: Places) -> None:
    text = '[targets.e]\nurl = "https://abc.endpoints.huggingface.cloud"\n'
    assert ask_of(stated(text.encode(), places.config), {}) == Ask()


async def test_the_file_is_its_user_s_alone_and_another_process_sees_it(places: Places) -> None:
    with stubbed() as stub:
        stub.answer("/v1/models", ROUTER_LIST)
        registry = settings(places, f'router_url = "{stub.url}"\n')
        other = Registry.open(places)
        assert other.targets == ()
        assert other.is_stale(1000.0)
        await refresh(registry, places, environment={}, clock=lambda: 1000.0)
    assert stat.S_IMODE(places.discovered_targets.stat().st_mode) == 0o600
    assert len(other.targets) == 2
    assert other.targets is other.targets
    assert other.seen(f"{LLAMA}:novita") == 1000.0
    assert not other.is_stale(1000.0 + 899)
    assert other.is_stale(1000.0 + 900)
    assert [path.name for path in places.discovered_targets.parent.iterdir()] == ["targets.json"]


async def test_a_look_that_could_not_be_kept_is_not_taken_again_at_once(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(refreshing, "publish_file", refuse)
    registry = settings(places, '[targets.e]\nurl = "https://x.example"\n')
    with pytest.raises(Unusable, match="can't be kept"):
        await refresh(registry, places, environment={}, clock=lambda: 1000.0)
    assert not registry.is_stale(1001.0)


def test_a_server_that_the_settings_name_no_more_is_forgotten(places: Places) -> None:
    found = (Found(kind="self_hosted", model="o/m", url="http://gone"),)
    gone = Source(name="http://gone", asked_at=1, seen_at=1, found=found)
    nothing = stated(b"", places.config)
    keep(places, [gone], nothing)
    assert set(read(places)) == {"http://gone"}
    keep(places, [], nothing)
    assert read(places) == {}


def test_many_at_once_leave_a_whole_file_with_the_newest_look(places: Places) -> None:
    nothing = stated(b"", places.config)
    found = (Found(kind="router", model="o/m", provider="p"),)

    def put(moment: float) -> None:
        keep(places, [Source(name="router", asked_at=moment, seen_at=moment, found=found)], nothing)

    threads = [threading.Thread(target=put, args=(float(n),)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    put(5.0)
    assert read(places)["router"].asked_at >= 5.0
    assert read(places)["router"].found == found


def test_a_file_that_is_broken_is_as_none(places: Places) -> None:
    registry = settings(places, '[targets.a]\nmodel = "o/m"\n')
    places.discovered_targets.parent.mkdir(parents=True)
    places.discovered_targets.write_bytes(b'{"sources": 3}')
    assert [target.name for target in registry.targets] == ["a"]
    keep(places, [discovery.failed("router", time.time(), "it answered 500")], registry.stated)
    assert registry.sources["router"].why == "it answered 500"
