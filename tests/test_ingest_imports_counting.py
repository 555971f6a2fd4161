"""Tokens that nobody stated: counted by the model's own tokenizer where the local cache has it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from factories_practice import CHAT_MODEL, only_call, practice_server
from factories_wire import SSE, chat, chat_stream, completion, delta, event, recorded

from hf_ledger.ingest.call import Call, Line
from hf_ledger.ingest.doors.imports import counting
from hf_ledger.ingest.doors.imports.counting import Tokenizers, cached_file
from hf_ledger.ingest.doors.imports.exchanges import Importer
from hf_ledger.ingest.doors.imports.recordings import read_line
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.wire.estimate import TOKENS_PER_MESSAGE, tokens_of
from hf_ledger.ingest.wire.exchange import WireSettings

tokenizers = pytest.importorskip("tokenizers", reason="the tokenizers package is not installed")

#: The model that `chat()` asks, what it asks and what `completion()` answers: 4 and 7 words.
MODEL = "meta-llama/Llama-3.3-70B-Instruct"
ASKED, ANSWERED = "What is deep learning?", "It is a subset of machine learning."
BY_RATIO = (tokens_of([ASKED]) + TOKENS_PER_MESSAGE, tokens_of([ANSWERED]))
BY_WORDS = (4 + TOKENS_PER_MESSAGE, 7)
BROKEN = {
    "no JSON": "{",
    "no tokenizer": "{}",
    # The library panics over this one, which is no Exception in Python.
    "a panic": json.dumps(
        {
            "normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"},
            "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"},
        }
    ),
    "no word for the unknown": json.dumps(
        {"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "[UNK]"}}
    ),
}


def words() -> Any:
    """A tokenizer to which each word is one token, whichever."""
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    return made


def keep(cache: Path, text: str, model: str = MODEL, commit: str = "c0ffee") -> Path:
    """Put a tokenizer.json where the hub keeps a downloaded one; the file itself."""
    folder = cache / f"models--{model.replace('/', '--')}"
    for part in ("refs", "blobs", f"snapshots/{commit}"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text(commit)
    (folder / "blobs" / "b10b").write_text(text)
    link = folder / "snapshots" / commit / "tokenizer.json"
    link.symlink_to(Path("../../blobs/b10b"))
    return link


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, in place of the one that the user has."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def imported(*lines: dict[str, Any]) -> list[Call]:
    """Recorded exchanges as one import reads them."""
    written: list[Line] = []
    importer = Importer(written.append, WireSettings(), count=Tokenizers().count)
    importer.read(read_line(n, json.dumps(each).encode()) for n, each in enumerate(lines, 1))
    return [line for line in written if isinstance(line, Call)]


def answered(body: str, content_type: str = "application/json", **asked: Any) -> dict[str, Any]:
    """A recorded chat and its reply."""
    line = recorded(
        response={"status": 200, "headers": {"Content-Type": content_type}, "body": body}
    )
    line["request"]["body"] = json.dumps(chat(**asked))
    return line


UNSTATED = answered(json.dumps(completion()))


def counts(call: Call) -> tuple[tuple[int | None, int | None], str]:
    return (call.input_tokens, call.output_tokens), call.tokens_source


def test_the_models_own_tokenizer_counts_what_nobody_stated(cache: Path) -> None:
    assert not set(BY_WORDS) & set(BY_RATIO)
    keep(cache, words().to_str())
    [call] = imported(UNSTATED)
    assert counts(call) == (BY_WORDS, "estimated")


def test_without_it_the_ratio_counts(cache: Path) -> None:
    keep(cache, words().to_str(), model="somebody/else")
    [call] = imported(UNSTATED)
    assert counts(call) == (BY_RATIO, "estimated")


def test_an_importer_that_was_given_no_count_asks_no_cache(cache: Path) -> None:
    keep(cache, words().to_str())
    written: list[Line] = []
    Importer(written.append, WireSettings()).read([read_line(1, json.dumps(UNSTATED).encode())])
    assert [counts(call) for call in written if isinstance(call, Call)] == [(BY_RATIO, "estimated")]


def test_stated_tokens_load_no_tokenizer(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    keep(cache, BROKEN["no JSON"])
    [call] = imported(recorded())
    assert counts(call) == ((40, 2), "usage")
    assert caplog.records == []


def test_a_streams_words_are_joined_before_they_are_counted(cache: Path) -> None:
    keep(cache, words().to_str())
    pieces = ["ma", "chi", "ne lear", "ning"]
    body = b"".join([*map(event, map(delta, pieces)), event(delta("", "stop")), event("[DONE]")])
    [call] = imported(answered(body.decode(), SSE["content-type"], stream=True))
    assert call.output_tokens == 2


def test_several_answers_of_one_stream_stay_apart(cache: Path) -> None:
    keep(cache, words().to_str())
    said = []
    for piece in ("ma", "chine"):
        for index in (0, 1):
            said.append(delta(piece))
            said[-1]["choices"][0]["index"] = index
    body = b"".join([*map(event, said), event(delta("", "stop")), event("[DONE]")])
    [call] = imported(answered(body.decode(), SSE["content-type"], stream=True, n=2))
    assert call.output_tokens == 2


def test_an_answer_has_no_more_tokens_than_were_allowed(cache: Path) -> None:
    keep(cache, words().to_str())
    body = chat_stream(None, words=9).decode()
    [call] = imported(answered(body, SSE["content-type"], stream=True, max_tokens=5))
    assert call.output_tokens == 5


def test_a_picture_is_as_unknown_as_before(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    keep(cache, words().to_str())
    picture = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    messages = [{"role": "user", "content": [picture]}]
    [call] = imported(answered(json.dumps(completion()), messages=messages))
    assert counts(call) == ((None, None), "none")
    assert caplog.records == []


def test_texts_are_neither_cut_short_nor_filled_up(cache: Path) -> None:
    made = words()
    made.enable_truncation(2)
    made.enable_padding(length=100)
    keep(cache, made.to_str())
    assert Tokenizers().count(MODEL, ["one two three", "four"]) == 4


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named_once_and_the_ratio_counts(
    cache: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    keep(cache, text)
    calls = imported(UNSTATED, {**UNSTATED, "id": "x-2"})
    assert [counts(call) for call in calls] == [(BY_RATIO, "estimated")] * 2
    [said] = caplog.records
    assert (said.name, said.levelno) == ("hf_ledger", logging.WARNING)
    assert f"the tokenizer.json of {MODEL} can't be used" in said.getMessage()
    assert not [word for word in ("deep", "learning", "subset") if word in said.getMessage()]


def test_a_huge_file_is_not_loaded(
    cache: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = words().to_str()
    monkeypatch.setattr(counting, "LARGEST_FILE", len(text) - 1)
    keep(cache, text)
    [call] = imported(UNSTATED)
    assert counts(call) == (BY_RATIO, "estimated")
    assert ["TooLarge" in each.getMessage() for each in caplog.records] == [True]


def test_a_file_is_loaded_once_and_only_so_many_stay(cache: Path) -> None:
    counting.loaded.cache_clear()
    count = Tokenizers().count
    for number in range(counting.MOST_LOADED + 2):
        keep(cache, words().to_str(), model=f"maker/model-{number}")
        assert [count(f"maker/model-{number}", ["a b"]) for _ in range(3)] == [2] * 3
    known = counting.loaded.cache_info()
    assert (known.misses, known.currsize) == (counting.MOST_LOADED + 2, counting.MOST_LOADED)


@pytest.mark.parametrize(
    "model",
    ["a/b/c", "../../etc", "", "a b", "x" * 5000, "nul\0", "gpt2", None],
    ids=["parts", "path", "empty", "space", "long", "nul", "not here", "none"],
)
def test_an_odd_name_is_no_models(cache: Path, model: str | None) -> None:
    assert Tokenizers().count(model, ["four"]) == tokens_of(["four"])


def test_a_file_known_not_to_exist_is_not_there(cache: Path) -> None:
    keep(cache, words().to_str()).unlink()
    missing = cache / "models--meta-llama--Llama-3.3-70B-Instruct" / ".no_exist" / "c0ffee"
    missing.mkdir(parents=True)
    (missing / "tokenizer.json").touch()
    assert cached_file(MODEL) is None


def test_without_the_package_the_ratio_counts(
    cache: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(cache, words().to_str())
    monkeypatch.setattr(counting, "find_spec", lambda name: None)
    [call] = imported(UNSTATED)
    assert counts(call) == (BY_RATIO, "estimated")
    assert caplog.records == []


# -- as programs of their own ---------------------------------------------------------------------

#: Stops the program where it would reach for the network; the ledger's own socket is a path.
OFFLINE = """
import os, sys
def look(event, given):
    if event == "socket.getaddrinfo" or (event == "socket.connect" and type(given[1]) is tuple):
        os._exit(9)
sys.addaudithook(look)
from hf_ledger.cli import main
sys.exit(main())
"""
ENTRY = {
    "startedDateTime": "2026-08-01T12:00:00Z",
    "time": 5,
    "request": {
        **UNSTATED["request"],
        "headers": [],
        "postData": {"text": UNSTATED["request"]["body"]},
    },
    "response": {
        "status": 200,
        "headers": [{"name": "Content-Type", "value": "application/json"}],
        "content": {"text": UNSTATED["response"]["body"]},
    },
}
FILES = {"exchanges": UNSTATED, "har": {"log": {"version": "1.2", "entries": [ENTRY]}}}


@pytest.mark.parametrize("kind", FILES)
def test_the_command_finds_the_tokenizer_under_hf_home(tmp_path: Path, kind: str) -> None:
    keep(tmp_path / "home" / "hub", words().to_str())
    file, out = tmp_path / "file", tmp_path / "out.jsonl"
    file.write_text(json.dumps(FILES[kind]))
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home")}
    environment.pop("HF_HUB_CACHE", None)
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, "import", kind, str(file), "--explain", str(out)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(out.read_text())
    assert (said["estimated_input_tokens"], said["estimated_output_tokens"]) == BY_WORDS
    assert (said["tokens_source"], said["tokens_known"]) == ("estimated", False)


RECORDING = """
import sys
import hf_ledger
hf_ledger.record(hosts=["PRACTICE=router"])
import httpx2
body = {"model": "MODEL", "stream": True, "messages": [{"role": "user", "content": "one two"}]}
wish = {"x-practice": "no-usage,words=40"}
httpx2.post("PRACTICE/v1/chat/completions", json=body, headers=wish)
from hf_ledger.ingest.doors.hook.recording import stop
stop()
print(sorted({"tokenizers", "huggingface_hub", "COUNTING"} & sys.modules.keys()))
"""


def test_a_recorded_program_is_spared_the_tokenizer(tmp_path: Path, places: Places) -> None:
    keep(tmp_path / "home" / "hub", words().to_str(), model=CHAT_MODEL)
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home")}
    with practice_server() as server:
        code = RECORDING.replace("PRACTICE", server.url).replace("MODEL", CHAT_MODEL)
        loaded = subprocess.check_output(
            [sys.executable, "-c", code.replace("COUNTING", counting.__name__)],
            env=environment,
            text=True,
            timeout=60,
        )
    assert loaded.strip() == "[]"
    call = only_call(places)
    written = " ".join(f"word{number}" for number in range(40))
    assert (call.output_tokens, call.tokens_source) == (round(len(written) * 0.24), "estimated")
