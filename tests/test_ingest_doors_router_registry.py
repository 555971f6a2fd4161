"""The registry: targets and routes as the files have them now, and the same object till then."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import get_type_hints

import msgspec
import pytest

from hf_ledger.ingest.doors.router.registry import Registry
from hf_ledger.ingest.doors.router.stated import StatedRoute, StatedTarget
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.wanted import Wanted
from hf_ledger.ingest.errors import Unusable, Usage
from hf_ledger.ingest.places import Places
from hf_ledger.settings import Settings
from hf_ledger.targets import Route
from hf_ledger.targets import Target as Setting

SETTINGS = """
zone = "Europe/Berlin"

[targets.cheap]
kind = "router"
model = "meta-llama/Llama-3.1-8B-Instruct"
routing = "cheapest"
data_classes = ["public", "internal"]

[targets.auto]
model = "Qwen/Qwen3-4B"

[targets.own]
kind = "self_hosted"
url = "http://127.0.0.1:8000"
model = "o/m"
tasks = ["chat-completion", "feature-extraction"]
context_length = 8192
max_output_tokens = 1024
tools = true
structured_output = false
region = "eu-west-1"
most_at_once = 8
requests_per_minute = 120
token_variable = "OWN_TOKEN"

[routes.summaries]
policy = "hybrid"
targets = ["own", "cheap"]
models = ["o/*"]
data_class = "confidential"
weights = {price = 2, speed = 1.5}
total_s = 30
attempt_s = 10
attempts = 2
hedge_after_s = 0.5
"""


def write(places: Places, text: str) -> None:
    places.make()
    places.config.write_text(text)


def opened(places: Places, text: str = SETTINGS) -> Registry:
    write(places, text)
    return Registry.open(places)


def test_targets_say_what_the_settings_say(places: Places) -> None:
    registry = opened(places)
    assert [target.name for target in registry.targets] == ["cheap", "auto", "own"]
    assert registry.named("own") == Target(
        name="own",
        kind="self_hosted",
        url="http://127.0.0.1:8000",
        model="o/m",
        tasks=frozenset({"chat-completion", "feature-extraction"}),
        context_length=8192,
        max_output_tokens=1024,
        tools=True,
        structured_output=False,
        region="eu-west-1",
        most_at_once=8,
        requests_per_minute=120,
        token_variable="OWN_TOKEN",
    )
    cheap = registry.named("cheap")
    assert (cheap.kind, cheap.routing, cheap.data_classes) == (
        "router", "cheapest", frozenset({"public", "internal"}),
    )  # fmt: skip
    assert (registry.named("auto").kind, registry.named("auto").routing) == ("router", "auto")


def test_what_is_not_stated_is_unknown(places: Places) -> None:
    auto = opened(places).named("auto")
    unknown = ("context_length", "max_output_tokens", "tools", "structured_output", "data_classes")
    assert [getattr(auto, name) for name in unknown] == [None] * len(unknown)
    assert auto.tasks == {"chat-completion"}


def test_a_route_is_what_a_program_asks_for(places: Places) -> None:
    assert opened(places).route("summaries") == Wanted(
        policy="hybrid",
        targets=("own", "cheap"),
        models=("o/*",),
        data_class="confidential",
        weights={"price": 2, "speed": 1.5},
        total_s=30,
        attempt_s=10,
        attempts=2,
        hedge_after_s=0.5,
    )


def test_an_empty_route_has_the_router_s_defaults(places: Places) -> None:
    assert opened(places, "[routes.plain]").route("plain") == Wanted()


def test_a_name_that_is_not_there_is_answered_with_those_that_are(places: Places) -> None:
    registry = opened(places)
    with pytest.raises(Usage, match=r"no route 'x' .* known: summaries"):
        registry.route("x")
    with pytest.raises(Usage, match=r"no target 'x' .* known: auto, cheap, own"):
        registry.named("x")


def test_nothing_is_known_without_files(places: Places) -> None:
    registry = Registry.open(places)
    assert registry.targets == ()
    with pytest.raises(Usage, match="known: none"):
        registry.named("x")


def test_targets_are_one_object_until_the_file_changes(places: Places) -> None:
    registry = opened(places)
    first = registry.targets
    assert registry.targets is first
    write(places, SETTINGS + '\n[targets.later]\nmodel = "o/later"\n')
    assert registry.targets is not first
    assert registry.named("later").model == "o/later"
    assert registry.targets is registry.targets


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[targets.a]\nkind = 'magic'", "Setting targets.a.kind is wrong: there is no such choice"),
        ("[targets.a]\nkind = 'endpoint'", "Target 'a' needs a url"),
        ("[targets.a]\ncontxt = 1", "There is no setting targets.a.contxt; known are context_len"),
        ("[targets.a]\ncontext_length = 0", "Setting targets.a.context_length is wrong"),
        ("[targets.a]\ncontext_length = '8k'", "Expected `int | null`, got `str`"),
        ("[targets.a]\nmost_at_once = true", "Setting targets.a.most_at_once is wrong"),
        ("[targets.a]\ntasks = []", "Setting targets.a.tasks is wrong"),
        ("[targets.a]\ntasks = ['chat']", "Setting targets.a.tasks is wrong: there is no such"),
        ("[targets.a]\ndata_classes = ['secret']", "Setting targets.a.data_classes is wrong"),
        ("[targets.a]\nprovider = 'x'\nrouting = 'fastest'", "it names a provider already"),
        ("[targets.a]\nurl = 'http://x'\nrouting = 'fastest'", "only Hugging Face's router"),
        ("targets = 3", "Setting targets is wrong: write [targets.NAME]"),
        ("[targets]\na = 3", "Setting targets.a is wrong: Expected `object`, got `int`"),
        ("[routes.a]\npolicy = 'best'", "Setting routes.a.policy is wrong: there is no such"),
        ("[routes.a]\ntask = 'magic'", "Setting routes.a.task is wrong"),
        ("[routes.a]\nattempts = 0", "Setting routes.a.attempts is wrong"),
        ("[routes.a]\ntotal_s = inf", "Setting routes.a.total_s is wrong"),
        ("[routes.a]\nweights = {price = -1}", "Setting routes.a.weights is wrong"),
        ("[routes.a]\nmodel = 'x'", "There is no setting routes.a.model"),
        ("[targets.", "is not valid TOML"),
    ],
)
def test_a_mistake_is_one_sentence(places: Places, text: str, words: str) -> None:
    with pytest.raises(Unusable) as wrong:
        opened(places, text)
    said = str(wrong.value)
    assert words in said
    assert str(places.config) in said
    assert "\n" not in said


@pytest.mark.parametrize("where", ["token", "kind", "tasks"])
def test_a_secret_in_the_wrong_place_is_not_repeated(places: Places, where: str) -> None:
    value = '["marker-secret-815"]' if where == "tasks" else '"marker-secret-815"'
    with pytest.raises(Unusable) as wrong:
        opened(places, f"[targets.a]\n{where} = {value}\n")
    assert "marker-secret-815" not in str(wrong.value)


def test_a_file_that_breaks_under_way_leaves_the_targets_as_they_were(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    registry = opened(places)
    before = registry.targets
    write(places, "[targets.")
    assert registry.targets is before
    assert "keeps to the targets that it knew" in caplog.text
    write(places, '[targets.new]\nmodel = "o/n"')
    assert [target.name for target in registry.targets] == ["new"]


def test_the_server_and_the_router_know_the_same_settings(places: Places) -> None:
    """Programs with the client extra alone have no pydantic, so the tables are read twice."""
    assert set(StatedTarget.__struct_fields__) == set(Setting.model_fields)
    assert set(StatedRoute.__struct_fields__) == set(Route.model_fields)
    assert set(StatedRoute.__struct_fields__) <= set(get_type_hints(Wanted))
    defaults = {name: field.get_default(call_default_factory=True) for name, field in
                Route.model_fields.items()}  # fmt: skip
    assert msgspec.structs.asdict(StatedRoute()) == defaults
    write(places, SETTINGS)
    settings = Settings.load(places)
    assert settings.targets["own"].most_at_once == 8
    assert settings.routes["summaries"].model_dump() == msgspec.structs.asdict(
        Registry.open(places).stated.routes["summaries"]
    )


def test_two_threads_see_whole_files(places: Places) -> None:
    write(places, SETTINGS)
    registry = Registry(places)
    ready = threading.Barrier(8)
    seen: list[int] = []

    def look() -> None:
        ready.wait()
        seen.append(len(registry.targets))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [3] * 8


def test_a_program_with_the_client_extra_alone_can_open_it() -> None:
    heavy = "pydantic pydantic_settings duckdb pandas streamlit httpx2 huggingface_hub"
    code = (
        "import sys; from hf_ledger.ingest.doors.router.registry import Registry;"
        f"Registry.open(); print([m for m in {heavy.split()} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
