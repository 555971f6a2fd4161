"""One client for the router, an endpoint and a server of one's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from factories_practice import CHAT_MODEL, Practice, calls, only_call, practice_server
from huggingface_hub.inference._providers._common import AutoRouterConversationalTask

from hf_ledger import HuggingFaceInferenceClient
from hf_ledger.ingest.doors.client import InferenceFailed, Target, target_named
from hf_ledger.ingest.doors.hook.recording import active, stop
from hf_ledger.ingest.errors import LedgerError, Unusable, Usage
from hf_ledger.ingest.places import Places

MESSAGES = [{"role": "user", "content": "one two three"}]


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.fixture
def practice(server: Practice, places: Places) -> Iterator[Practice]:
    yield server
    stop()


def settings(places: Places, text: str) -> None:
    places.make()
    places.config.write_text(text)


def at(practice: Practice, **given: Any) -> HuggingFaceInferenceClient:
    return HuggingFaceInferenceClient(base_url=practice.v1, token="hf_SECRET", **given)


def test_a_call_at_a_server_of_ones_own(practice: Practice, places: Places) -> None:
    client = at(practice, model="acme/model", app="shop", user="u", tags={"k": "v"})
    said = client.chat_completion(MESSAGES)
    call = only_call(places)
    assert said.model == "acme/model"
    assert (call.host_kind, call.endpoint, call.payer) == ("self_hosted", practice.host, "self")
    assert (call.source, call.app, call.user_id, call.tags) == ("client", "shop", "u", {"k": "v"})
    assert call.requested_model == "acme/model"


def test_streams_and_the_openai_spelling(practice: Practice, places: Places) -> None:
    client = at(practice)
    pieces = list(client.chat.completions.create(messages=MESSAGES, model="a/b", stream=True))
    assert len(pieces) > 3
    assert (only_call(places).stream, only_call(places).source) == (True, "client")


def test_any_task_of_hub_is_there(practice: Practice, places: Places) -> None:
    client = HuggingFaceInferenceClient(base_url=practice.url, token="hf_x")
    assert "Practice server" in client.text_generation("once")
    assert only_call(places).task == "text-generation"
    assert {"summarization", "text_to_image", "chat"} <= set(dir(client))
    with pytest.raises(AttributeError):
        client.no_such_task("x")


def test_targets_by_name(
    practice: Practice, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPU_TOKEN", "gpu-secret")
    settings(
        places,
        f'[targets.gpu]\nkind = "self_hosted"\nurl = "{practice.v1}"\nmodel = "acme/big"\n'
        'token_variable = "GPU_TOKEN"\n',
    )
    with HuggingFaceInferenceClient(target="gpu", team="ml") as client:
        client.chat_completion(MESSAGES)
    call = only_call(places)
    assert (call.host_kind, call.requested_model, call.team) == ("self_hosted", "acme/big", "ml")


def test_an_endpoint_is_named_as_one(practice: Practice, places: Places) -> None:
    settings(places, f'[targets.e]\nurl = "{practice.url}"\n')
    HuggingFaceInferenceClient(target="e", token="hf_x").text_generation("once")
    assert only_call(places).host_kind == "endpoint"


def test_the_router_by_model_and_provider(
    practice: Practice, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        AutoRouterConversationalTask, "_prepare_base_url", lambda self, key: practice.url
    )
    monkeypatch.setenv("HF_LEDGER_HOSTS", f"{practice.host}=router")
    client = HuggingFaceInferenceClient(CHAT_MODEL, token="hf_x")
    client.chat_completion(MESSAGES)
    call = only_call(places)
    assert (call.host_kind, call.requested_model, call.provider) == (
        "router",
        CHAT_MODEL,
        "cerebras",
    )


def test_router_targets_need_no_url(places: Places) -> None:
    settings(places, '[targets.fast]\nmodel = "a/b"\nprovider = "groq"\n')
    assert target_named("fast", places) == Target("router", None, "a/b", "groq")
    assert target_named("fast", places).who == "groq"


@pytest.mark.parametrize(
    ("text", "name", "sentence"),
    [
        ("", "gpu", "There is no target 'gpu' in .*; known: none."),
        ('[targets.a]\nurl = "http://x"', "b", "known: a."),
        ('[targets.a]\nkind = "self_hosted"', "a", "Target 'a' needs a url"),
        (
            '[targets.a]\nurl = "http://x"\ntoken_variable = "NOT_SET_ANYWHERE"',
            "a",
            "takes its token from NOT_SET_ANYWHERE, which is not set",
        ),
    ],
)
def test_wrong_targets_are_one_sentence(
    places: Places, text: str, name: str, sentence: str
) -> None:
    settings(places, text)
    with pytest.raises(LedgerError, match=sentence):
        HuggingFaceInferenceClient(target=name)


def test_a_target_or_an_address_but_not_both() -> None:
    with pytest.raises(Usage, match="not both"):
        HuggingFaceInferenceClient(target="a", base_url="http://x")


@pytest.mark.parametrize(
    ("wish", "status", "words"),
    [
        ("401", 401, "refused the token"),
        ("402", 402, "credits are used up"),
        ("403", 403, "permission to call Inference Providers"),
        ("404", 404, "does not know the model"),
        ("410", 410, "no longer serves"),
        ("422", 422, "could not read the request"),
        ("429", 429, "rate limit"),
        ("500", 500, "failed \\(500\\); try again later"),
        ("503", 503, "loading or overloaded"),
        ("504", 504, "took too long"),
    ],
)
def test_failed_calls_say_what_to_do(
    practice: Practice, places: Places, wish: str, status: int, words: str
) -> None:
    with pytest.raises(InferenceFailed, match=words) as raised:
        at(practice).chat_completion(MESSAGES, model=f"practice/{wish}")
    assert raised.value.status == status
    assert isinstance(raised.value, Unusable)
    assert "SECRET" not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__ is not None
    assert only_call(places).status == status


def test_no_answer_in_time(practice: Practice) -> None:
    with pytest.raises(InferenceFailed, match="did not answer in time") as raised:
        at(practice, timeout=0.2).chat_completion(MESSAGES, model="practice/hang")
    assert raised.value.status is None


def test_nobody_there(places: Places) -> None:
    client = HuggingFaceInferenceClient(base_url="http://127.0.0.1:9/v1", token="hf_x")
    with pytest.raises(InferenceFailed, match=r"127\.0\.0\.1:9 cannot be reached"):
        client.chat_completion(MESSAGES)
    assert only_call(places).error_kind == "connection"
    stop()


def test_a_stream_cut_off_is_a_sentence_too(practice: Practice) -> None:
    stream = at(practice).chat_completion(MESSAGES, model="practice/cut", stream=True)
    with pytest.raises(InferenceFailed, match="cannot be reached"):
        list(stream)


def test_no_token_at_all(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.inference._providers._common.get_token", lambda: None)
    client = HuggingFaceInferenceClient("a/b", provider="together")
    with pytest.raises(InferenceFailed, match="No Hugging Face token: set HF_TOKEN"):
        client.chat_completion(MESSAGES)
    assert calls(places) == []
    stop()


def test_the_users_token_is_not_sent_to_ones_own_server(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    import httpx2

    sent: list[str] = []
    original = httpx2.Client._send_single_request

    def watched(self: Any, request: Any) -> Any:
        sent.append(request.headers["authorization"])
        return original(self, request)

    monkeypatch.setenv("HF_TOKEN", "hf_USER")
    monkeypatch.setattr(httpx2.Client, "_send_single_request", watched)
    HuggingFaceInferenceClient(base_url=practice.v1).chat_completion(MESSAGES, model="a/b")
    assert sent == ["Bearer no-token"]


def test_the_callers_own_mistakes_stay_as_they_are(practice: Practice) -> None:
    with pytest.raises(TypeError):
        at(practice).chat_completion()


def test_a_recording_under_way_keeps_its_labels(practice: Practice, places: Places) -> None:
    import hf_ledger

    hf_ledger.record(app="program")
    at(practice).chat_completion(MESSAGES, model="a/b")
    assert only_call(places).app == "program"
    assert active.hook is not None


def test_without_the_extra_it_says_which(places: Places) -> None:
    code = """
import sys
sys.modules["huggingface_hub"] = None
import hf_ledger
try:
    hf_ledger.HuggingFaceInferenceClient("a/b")
except hf_ledger.ingest.errors.LedgerError as error:
    print(error)
"""
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert "pip install 'hf-ledger[client]'" in said
