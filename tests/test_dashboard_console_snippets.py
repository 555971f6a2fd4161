"""Code to copy asks the same as the console did: each is run, and their rows are compared."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from factories_console import GIVEN, PNG, WAV, model_of
from factories_gateway import SECRET, Running, gateway
from factories_practice import calls
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.dashboard.console.column import Column, Question
from hf_ledger.dashboard.console.fields import data_url
from hf_ledger.dashboard.console.snippets import LANGUAGES, snippet
from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.hook.recording import stop
from hf_ledger.ingest.doors.router.calling import answer
from hf_ledger.ingest.doors.router.pools import Pools
from hf_ledger.ingest.doors.router.seen import Seen
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.tasks import TASKS
from hf_ledger.ingest.errors import Usage

NASTY = "It's \"so\" $HOME `id` \\ ${x} !! {{y}} é 😀\nJSON\n'''\n\"\"\"\n<<'JSON' %s @file@"
PARAMETERS: dict[str, dict[str, Any]] = {
    "chat-completion": {"max_tokens": 9, "temperature": 0.5, "top_k": 3},
    "text-generation": {"max_new_tokens": 9, "top_k": 3},
    "summarization": {"generate_parameters": {"max_length": 20}},
    "zero-shot-classification": {"multi_label": True},
    "feature-extraction": {"normalize": True},
    "automatic-speech-recognition": {"extra_body": {"return_timestamps": True}},
    "text-to-image": {"width": 64, "height": 64},
    "image-segmentation": {"threshold": 0.5},
}
#: hub asks for films at providers alone.
ASKED = sorted(set(TASKS) - {"text-to-video"})
OPENAI = ("chat-completion", "text-generation", "feature-extraction")

RUN_ALL = """
import sys
for name in sys.argv[1:]:
    exec(compile(open(name, encoding="utf-8").read(), name, "exec"), {})
"""


def inputs_of(task: str) -> dict[str, Any]:
    """Its inputs, the text among them being hard to quote."""
    found = {name: GIVEN[kind] for name, kind in TASKS[task].inputs.items()}
    for name, value in found.items():
        if value == GIVEN["text"]:
            found[name] = NASTY
    if task == "chat-completion":
        found["messages"] = [{"role": "user", "content": NASTY}]
    return found


def column_of(task: str, **more: Any) -> Column:
    parameters = PARAMETERS.get(task, {})
    return Column(target="t", model=model_of(task), parameters=parameters, **more)


def question_of(task: str) -> Question:
    return Question(task=task, inputs=inputs_of(task))


def target_of(url: str | None, task: str, **more: Any) -> Target:
    return Target(**{"name": "t", "url": url, "model": model_of(task), **more})


def code_of(language: str, url: str, task: str) -> str:
    return snippet(language, target_of(url, task), column_of(task), question_of(task))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with gateway(tmp_path_factory.mktemp("gateway")) as found:
        yield found
    stop()


@pytest.fixture
def own(running: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    yield running


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with the files that code asks for."""
    (tmp_path / "picture.png").write_bytes(PNG)
    (tmp_path / "recording.wav").write_bytes(WAV)
    return tmp_path


def ask(url: str, tasks: list[str]) -> None:
    """What the console does for these tasks, one after the other."""

    async def all_of_them() -> None:
        pools = Pools()
        for task in tasks:
            target, column = target_of(url, task), column_of(task)
            await answer(
                target,
                task,
                inputs_of(task),
                column.parameters,
                seen=Seen(),
                timeout_s=30,
                pools=pools,
            )
        await pools.close()

    asyncio.run(all_of_them())


def run_python(codes: Mapping[str, str], desk: Path) -> None:
    """Each in a name space of its own, all in one process: hub takes a while to import."""
    for name, code in codes.items():
        (desk / f"code-{name}.py").write_text(code, encoding="utf-8")
    names = [f"code-{name}.py" for name in codes]
    run([sys.executable, "-c", RUN_ALL, *names], desk)


def run(command: list[str], desk: Path) -> str:
    kept = {"PATH", "HOME", "HF_TOKEN", "HF_LEDGER_DIR"}
    environment = {name: value for name, value in os.environ.items() if name in kept}
    done = subprocess.run(
        command, cwd=desk, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def rows_since(running: Running, before: int) -> list[Call]:
    return calls(running.places)[before:]


def shape(call: Call) -> tuple[Any, ...]:
    """What must be the same however it was asked."""
    return (
        call.task,
        call.requested_model,
        call.provider,
        call.outcome,
        call.uncached_input_tokens,
        call.output_tokens,
    )


def compare(running: Running, before: int, tasks: list[str]) -> None:
    rows = rows_since(running, before)
    assert len(rows) == 2 * len(tasks)
    for task, one, other in zip(tasks, rows[: len(tasks)], rows[len(tasks) :], strict=True):
        assert one.outcome == "ok", task
        assert shape(one) == shape(other), task


def test_hubs_code_becomes_the_same_row(own: Running, desk: Path) -> None:
    before = len(calls(own.places))
    ask(own.url, ASKED)
    codes = {
        task: snippet(
            "huggingface_hub", target_of(own.url, task), column_of(task), question_of(task)
        )
        for task in ASKED
    }
    run_python(codes, desk)
    compare(own, before, ASKED)
    assert (desk / "answer.png").exists()
    assert (desk / "answer.wav").exists()


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curls_code_becomes_the_same_row_by_the_same_request(own: Running, desk: Path) -> None:
    before, seen = len(calls(own.places)), len(own.witness.seen)
    ask(own.url, ASKED)
    for task in ASKED:
        run(["bash", "-c", code_of("curl", own.url, task)], desk)
    compare(own, before, ASKED)
    exchanges = own.witness.seen[seen:]
    half = len(ASKED)
    for task, one, other in zip(ASKED, exchanges[:half], exchanges[half:], strict=True):
        assert one.path == other.path, task
        assert body_of(one.asked) == body_of(other.asked), task


def body_of(sent: bytes) -> Any:
    """The request's JSON without what says nothing; a file as it is."""
    try:
        found = json.loads(sent)
    except ValueError:
        return sent
    found.pop("stream", None)
    # For table questions hub sends the model's address as a parameter too.
    found.get("parameters", {}).pop("model", None)
    if not found.get("parameters", True):
        del found["parameters"]
    return found


def test_openais_code_becomes_the_same_row(own: Running, desk: Path) -> None:
    """Text and embeddings have a path of their own there, so that the provider is another."""
    before = len(calls(own.places))
    ask(own.url, list(OPENAI))
    codes = {task: code_of("openai", own.url, task) for task in OPENAI}
    run_python(codes, desk)
    rows = rows_since(own, before)
    chat, *others = zip(rows[:3], rows[3:], strict=True)
    assert shape(chat[0]) == shape(chat[1])
    for one, other in others:
        assert (one.task, one.requested_model) == (other.task, other.requested_model)
        assert other.outcome == "ok"
    assert others[0][0].output_tokens == others[0][1].output_tokens


@pytest.mark.parametrize("language", ["huggingface_hub", "openai", "curl"])
def test_a_picture_in_a_chat_is_taken_from_its_file(
    own: Running, desk: Path, language: str
) -> None:
    content = [
        {"type": "text", "text": NASTY},
        {"type": "image_url", "image_url": {"url": data_url(PNG)}},
    ]
    asked = Question(
        task="chat-completion", inputs={"messages": [{"role": "user", "content": content}]}
    )
    code = snippet(language, target_of(own.url, asked.task), column_of(asked.task), asked)
    assert data_url(PNG) not in code
    before = len(own.witness.seen)
    if language == "curl":
        run(["bash", "-c", code], desk)
    else:
        run_python({language: code}, desk)
    sent = json.loads(own.witness.seen[before].asked)
    assert sent["messages"] == asked.inputs["messages"]


# Without running anything ----------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_code_holds_a_token(task: str, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_MARKER_4711")
    target = target_of(None, task, provider="hf-inference")
    try:
        code = snippet(language, target, column_of(task), question_of(task))
    except Usage as wrong:
        assert "Not possible" in str(wrong)
        return
    assert "hf_MARKER_4711" not in code
    assert "HF_TOKEN" in code


def test_only_three_tasks_are_openais() -> None:
    for task in set(TASKS) - set(OPENAI) - {"text-to-video"}:
        with pytest.raises(Usage, match="Not possible: OpenAI's client has no"):
            snippet("openai", target_of("http://h", task), column_of(task), question_of(task))


def test_hugging_faces_router_has_chat_alone_for_openai() -> None:
    code = snippet(
        "openai",
        target_of(None, "chat-completion", provider="novita"),
        column_of("chat-completion"),
        question_of("chat-completion"),
    )
    assert "base_url='https://router.huggingface.co/v1'" in code
    assert ":novita'" in code
    with pytest.raises(Usage, match="only chat"):
        task = "text-generation"
        snippet("openai", target_of(None, task), column_of(task), question_of(task))


def test_a_providers_own_form_is_hubs_to_know() -> None:
    task = "text-to-image"
    with pytest.raises(Usage, match="fal-ai has a form of its own"):
        target = target_of(None, task, provider="fal-ai")
        snippet("curl", target, column_of(task), question_of(task))
    served = target_of(None, task, provider="hf-inference")
    code = snippet("curl", served, column_of(task), question_of(task))
    assert f"https://router.huggingface.co/hf-inference/models/{model_of(task)} " in code


def test_what_a_policy_chooses_is_no_code() -> None:
    task = "chat-completion"
    with pytest.raises(Usage, match="the router chooses by cheapest"):
        snippet(
            "curl", target_of(None, task), column_of(task, policy="cheapest"), question_of(task)
        )


def test_ones_own_server_needs_no_token() -> None:
    target = target_of("http://h", "chat-completion", kind="self_hosted")
    asked = target, column_of("chat-completion"), question_of("chat-completion")
    assert "api_key='no-token'" in snippet("huggingface_hub", *asked)
    assert "Authorization" not in snippet("curl", *asked)


def test_a_target_names_its_own_variable() -> None:
    target = target_of("http://h", "chat-completion", token_variable="MINE")
    asked = target, column_of("chat-completion"), question_of("chat-completion")
    assert "os.environ['MINE']" in snippet("huggingface_hub", *asked)
    assert "Bearer $MINE" in snippet("curl", *asked)


TEXTS = st.text(min_size=1, max_size=80)


@given(TEXTS, TEXTS)
def test_any_text_is_quoted_in_python(text: str, system: str) -> None:
    """The code is compiled, and its arguments read back."""
    messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    asked = Question(task="chat-completion", inputs={"messages": messages})
    for language in ("huggingface_hub", "openai"):
        target = target_of("http://h", asked.task)
        code = snippet(language, target, column_of(asked.task), asked)
        line = next(each for each in code.split("\n") if each.startswith("    messages="))
        assert eval(line.strip().removeprefix("messages=").removesuffix(",")) == messages
        compile(code, "it", "exec")


@settings(max_examples=20)
@given(TEXTS)
def test_any_text_is_quoted_for_the_shell(text: str) -> None:
    """The shell runs it with a curl that gives back what it is sent."""
    asked = Question(task="fill-mask", inputs={"text": text})
    code = snippet("curl", target_of("http://h", asked.task), column_of(asked.task), asked)
    done = subprocess.run(
        ["bash", "-c", f"curl() {{ cat; }}\n{code}"], capture_output=True, timeout=30, check=True
    )
    assert json.loads(done.stdout)["inputs"] == text


def test_a_text_that_looks_like_a_picture_is_a_text() -> None:
    text = "data:image/png;base64,iVBO"
    asked = Question(task="fill-mask", inputs={"text": text})
    target = target_of("http://h", asked.task)
    assert f"text='{text}'" in snippet("huggingface_hub", target, column_of(asked.task), asked)
