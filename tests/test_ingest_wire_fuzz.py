"""No input of any kind raises, and the readers never make up what nobody stated."""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
from factories_wire import Clock
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call, ErrorKind, Outcome, TokensSource
from hf_ledger.ingest.wire.exchange import Aside, AsideReason, WireSettings
from hf_ledger.ingest.wire.hosts import HOSTS, PROVIDER_HOSTS
from hf_ledger.ingest.wire.mapping import Routes
from hf_ledger.ingest.wire.reply import ReplyReader
from hf_ledger.ingest.wire.request import read_request

ENDPOINT = "x.us-east-1.aws.endpoints.huggingface.cloud"
hosts = st.sampled_from([*HOSTS, *PROVIDER_HOSTS, ENDPOINT, "example.com"])
words = st.sampled_from(
    [
        "v1",
        "models",
        "chat",
        "completions",
        "pipeline",
        "hf-inference",
        "fal-ai",
        "a",
        "%2f",
        "..",
        "api",
        "",
    ]
)
paths = st.lists(words | st.text(max_size=8), max_size=6).map("/".join)
urls = st.builds(lambda host, path: f"https://{host}/{path}", hosts, paths)
methods = st.sampled_from(["POST", "GET", "put", "HEAD", "", "PÖST"])
names = st.sampled_from(
    [
        "model",
        "messages",
        "inputs",
        "input",
        "parameters",
        "prompt",
        "stream",
        "usage",
        "choices",
        "error",
        "details",
        "generated_text",
        "delta",
        "prompt_tokens",
        "completion_tokens",
        "data",
        "output",
        "image",
        "candidate_labels",
        "response",
        "id",
        "type",
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5),
    max_leaves=15,
)
objects = st.dictionaries(names, values, max_size=6)
bodies = st.none() | st.binary(max_size=60) | objects.map(lambda body: json.dumps(body).encode())
headers = st.dictionaries(
    st.sampled_from(["content-type", "accept", "x-hf-bill-to", "x-amzn-trace-id"]),
    st.text(max_size=20),
)
streams = st.lists(
    st.binary(max_size=40)
    | objects.map(lambda said: b"data: " + json.dumps(said).encode() + b"\n\n")
    | st.just(b"data: [DONE]\n\n"),
    max_size=8,
)
types = st.sampled_from(["application/json", "text/event-stream", "image/png", "text/plain", ""])


@given(methods, urls, headers, bodies, st.booleans())
@settings(max_examples=200, deadline=None)
def test_no_request_raises(
    method: str, url: str, given_headers: dict[str, str], body: bytes | None, any_host: bool
) -> None:
    said = read_request(
        method, url, given_headers, body, WireSettings(any_openai_host=any_host), routes=Routes()
    )
    if isinstance(said, Aside):
        assert said.reason in get_args(AsideReason)
    elif said is not None:
        assert method.upper() == "POST"
        assert msgspec.json.decode(msgspec.json.encode(said), type=Call).host_kind


@given(st.text(max_size=60))
def test_no_url_raises(url: str) -> None:
    assert read_request("POST", url, {}, None, WireSettings()) is None or "hugging" in url


@given(bodies, types, st.integers(100, 599), streams)
@settings(max_examples=200, deadline=None)
def test_no_reply_raises_and_none_makes_up_numbers(
    body: bytes | None, content_type: str, status: int, chunks: list[bytes]
) -> None:
    url = "https://router.huggingface.co/hf-inference/models/a/b"
    call = read_request("POST", url, {"content-type": "application/json"}, body, WireSettings())
    assert isinstance(call, Call)
    reader = ReplyReader(call, status, {"content-type": content_type}, 0, Clock())
    for chunk in chunks:
        reader.feed(chunk)
    reader.finish("complete")
    assert call.outcome in get_args(Outcome)
    assert call.error_kind is None or call.error_kind in get_args(ErrorKind)
    assert call.tokens_source in get_args(TokensSource)
    if not any(b"tokens" in chunk for chunk in chunks):
        assert (call.input_tokens, call.output_tokens) == (None, None)
    line = msgspec.json.encode(call)
    assert msgspec.json.decode(line, type=Call).outcome == call.outcome


@given(
    st.text(alphabet=st.characters(codec="utf-8"), min_size=12, max_size=60).filter(
        lambda text: text.strip() == text
    )
)
def test_no_text_of_prompt_or_answer_stays_in_the_call(secret: str) -> None:
    secret = f"MARKER{secret}MARKER"
    body = json.dumps({"model": "a/b", "messages": [{"role": "user", "content": secret}]}).encode()
    url = "https://router.huggingface.co/v1/chat/completions"
    call: Any = read_request(
        "POST", url, {"content-type": "application/json"}, body, WireSettings()
    )
    reader = ReplyReader(call, 200, {"content-type": "application/json"}, 0, Clock())
    reader.feed(
        json.dumps({"id": "x", "choices": [{"message": {"content": secret}}], "usage": {}}).encode()
    )
    reader.finish("complete")
    assert b"MARKER" not in msgspec.json.encode(call)
