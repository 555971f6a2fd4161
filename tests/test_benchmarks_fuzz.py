"""The long fuzz run, short: the same mutants for a seed, and it would say what went wrong."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from factories_wire import (
    CHAT_URL,
    ENDPOINT,
    PNG,
    ROUTER,
    chat,
    chat_stream,
    completion,
    mapping_lookup,
    recorded,
)

from benchmarks import fuzz
from hf_ledger.ingest.call import Call

USAGE = {"prompt_tokens": 40, "completion_tokens": 2, "cached_tokens": 3}


def line(identity: str, url: str, body: Any, reply: Any, content_type: str) -> dict[str, Any]:
    """One exchange of a recording (made by hand)."""
    text = reply if isinstance(reply, str) else json.dumps(reply)
    return recorded(
        identity,
        request={
            "method": "POST",
            "url": url,
            "headers": {"Content-Type": "application/json"},
            "body": json.dumps(body),
        },
        response={
            "status": 200,
            "headers": {
                "Content-Type": content_type,
                "X-Compute-Time": "0.5",
                "X-Prompt-Tokens": "4",
                "X-Fal-Billable-Units": "1.5",
            },
            "body": text,
        },
    )


LINES = [
    line("chat", CHAT_URL, chat(), completion(USAGE), "application/json"),
    line("stream", CHAT_URL, chat(), chat_stream(USAGE).decode(), "text/event-stream"),
    line("silent", CHAT_URL, chat(), chat_stream(None).decode(), "text/event-stream"),
    line("tgi", f"{ENDPOINT}/", {"inputs": "x"}, [{"generated_text": "y"}], "application/json"),
    line(
        "job",
        f"{ROUTER}/fal-ai/fal-ai/x?_subdomain=queue",
        {"prompt": "x"},
        {"status": "IN_QUEUE", "request_id": "7a4c"},
        "application/json",
    ),
    line("image", f"{ROUTER}/hf-inference/models/a/b", {"inputs": "x"}, PNG.hex(), "image/png"),
    mapping_lookup("a/b", "novita", "a/b-x", "conversational"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    packed = gzip.compress("\n".join(map(json.dumps, LINES)).encode())
    (tmp_path / "hand.jsonl.gz").write_bytes(packed)
    return tmp_path


def test_nothing_raises_and_no_figure_is_nonsense(folder: Path) -> None:
    done = fuzz.run(fuzz.exchanges_in(folder), rounds=1500, seed=3)
    assert done.failures == []
    assert done.rounds == 1500
    assert set(done.kinds) == {each.__name__ for each in fuzz.MUTATIONS}


def test_a_seed_gives_the_same_mutants(folder: Path) -> None:
    exchanges = fuzz.exchanges_in(folder)
    first, again = (fuzz.run(exchanges, rounds=200, seed=5) for _ in "ab")
    assert (first.calls, first.kinds) == (again.calls, again.kinds)
    assert fuzz.run(exchanges, rounds=200, seed=6).kinds != first.kinds


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"output_tokens": -1}, "output_tokens is -1"),
        ({"latency_ms": float("nan")}, "latency_ms is nan"),
        ({"compute_seconds": float("inf")}, "compute_seconds is inf"),
        ({"units": "-3"}, "units is -3"),
        ({"model": fuzz.MARK}, "text stayed in the call"),
    ],
    ids=["negative", "nan", "endless", "units", "text"],
)
def test_a_wrong_call_is_named(changes: dict[str, Any], said: str) -> None:
    named = {"requested_model" if name == "model" else name: v for name, v in changes.items()}
    assert fuzz.wrong(Call(call_id="", ts=0, **named), tidy=True) == said
    assert fuzz.wrong(Call(call_id="", ts=0, output_tokens=0), tidy=True) is None


def test_a_reader_that_raises_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object) -> None:
        raise KeyError("usage")

    monkeypatch.setattr(fuzz, "read", broken)
    done = fuzz.run(fuzz.exchanges_in(folder), rounds=3, seed=1)
    assert len(done.failures) == 3
    assert "KeyError: 'usage'" in done.failures[0]


def test_the_command_says_its_seed_and_fails_where_something_did(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fuzz.main([str(folder), "50", "9"]) == 0
    assert "seed 9: 50 mutants of 7 exchanges" in capsys.readouterr().out
    monkeypatch.setattr(fuzz, "wrong", lambda call, tidy: "wrong")
    assert fuzz.main([str(folder), "50", "9"]) == 1
    assert fuzz.main([]) == 2
    assert fuzz.main([str(folder / "nowhere")]) == 2
