"""The same exchange as other recorders keep it: headers, bodies and addresses read alike."""

from __future__ import annotations

import base64
import copy
import gzip
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from factories_wire import (
    CHAT_URL,
    ENDPOINT,
    ROUTER,
    chat,
    chat_stream,
    completion,
    mapping_lookup,
    recorded,
)

from hf_ledger.ingest.doors.imports.exchanges import Importer
from hf_ledger.ingest.doors.imports.recordings import read_line
from hf_ledger.ingest.wire.exchange import WireSettings

Line = dict[str, Any]
PICTURE = "<base64:264148 chars:head=iVBORw0KGgoAAAAN:sha256=5a70acee2237c21d>"
USAGE = {"prompt_tokens": 40, "completion_tokens": 2, "cached_tokens": 3}


def posted(identity: str, url: str, body: Any, reply: str, **headers: str) -> Line:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return recorded(
        identity,
        request={
            "method": "POST",
            "url": url,
            "headers": {"Content-Type": "application/json"},
            "body": json.dumps(body),
        },
        response={"status": 200, "headers": named, "body": reply},
    )


LINES = [
    mapping_lookup("a/B", "novita", "a/b-x", "conversational"),
    posted(
        "chat",
        f"{ROUTER}/novita/v3/openai/chat/completions",
        chat("a/b-x"),
        json.dumps(completion(USAGE, "a/b-x")),
        Content_Type="application/json",
        Inference_Id="0-1",
        Retry_After="2",
    ),
    posted(
        "stream",
        CHAT_URL,
        chat(stream=True),
        chat_stream(USAGE).decode(),
        Content_Type="text/event-stream; charset=utf-8",
        X_Inference_Provider="groq",
    ),
    posted(
        "picture",
        f"{ROUTER}/hf-inference/models/openai/clip",
        {"inputs": PICTURE, "parameters": {"candidate_labels": ["cat"]}},
        json.dumps([{"score": 0.9, "label": "cat"}]),
        Content_Type="application/json",
        X_Compute_Type="cache",
        X_Compute_Time="0.593",
    ),
    posted(
        "tgi",
        f"{ENDPOINT}/generate",
        {"inputs": "x"},
        json.dumps({"generated_text": "y"}),
        Content_Type="application/json",
        X_Prompt_Tokens="4",
        X_Generated_Tokens="7",
    ),
]


def both(line: Line, change: Callable[[Line], None]) -> Line:
    for half in ("request", "response"):
        change(line[half])
    return line


def loud_headers(half: Line) -> None:
    half["headers"] = {name.upper(): value for name, value in half["headers"].items()}


def listed_headers(half: Line) -> None:
    half["headers"] = {name: [value] for name, value in half["headers"].items()}


def paired_headers(half: Line) -> None:
    half["headers"] = [[name, value] for name, value in half["headers"].items()]


def parsed_body(half: Line) -> None:
    if (half["body"] or "").startswith(("{", "[")):
        half["body"] = json.loads(half["body"])


def packed_body(half: Line) -> None:
    if half["body"] and "<base64:" not in half["body"]:
        half["body"] = {"base64": base64.b64encode(half["body"].encode()).decode()}


def zipped_body(half: Line) -> None:
    if half["body"] and "<base64:" not in half["body"]:
        zipped = gzip.compress(half["body"].encode())
        half["body"] = {"base64": base64.b64encode(zipped).decode()}
        half["headers"] = {**half["headers"], "Content-Encoding": "gzip"}


def unzipped_body_with_its_header(half: Line) -> None:
    half["headers"] = {**half["headers"], "Content-Encoding": "gzip"}


def other_line_ends(half: Line) -> None:
    if (half["body"] or "").startswith("data:"):
        half["body"] = half["body"].replace("\n", "\r\n")


def with_port(half: Line) -> None:
    if "url" in half:
        split = urlsplit(half["url"])
        half["url"] = split._replace(netloc=f"{split.netloc}:443").geturl()


def with_slashes(half: Line) -> None:
    if half.get("method") == "POST":
        split = urlsplit(half["url"])
        half["url"] = split._replace(path=split.path.replace("/", "//") + "/").geturl()


def with_query(half: Line) -> None:
    if "url" in half:
        half["url"] += ("&" if "?" in half["url"] else "?") + "utm=1"


FORMS = [
    loud_headers,
    listed_headers,
    paired_headers,
    parsed_body,
    packed_body,
    zipped_body,
    unzipped_body_with_its_header,
    other_line_ends,
    with_port,
    with_slashes,
    with_query,
]


def explained(lines: list[Line]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    importer = Importer(lambda line: None, WireSettings(), explained=found.append)
    importer.read(
        [read_line(number, json.dumps(each).encode()) for number, each in enumerate(lines)]
    )
    return found


def test_the_exchanges_are_what_they_are() -> None:
    look_up, plain, stream, picture, tgi = explained(LINES)
    assert look_up["reason"] == "mapping"
    assert (plain["requested_model"], plain["input_tokens"], plain["request_id"]) == (
        "a/B",
        40,
        "0-1",
    )
    assert (stream["provider"], stream["output_tokens"], stream["stream"]) == ("groq", 2, True)
    assert (picture["task"], picture["cached_reply"]) == ("zero-shot-image-classification", True)
    assert (tgi["input_tokens"], tgi["output_tokens"], tgi["tokens_source"]) == (4, 7, "header")


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_each_form_reads_alike(form: Callable[[Line], None]) -> None:
    changed = [both(copy.deepcopy(line), form) for line in LINES]
    assert explained(changed) == explained(LINES)
