"""A real llama.cpp server, where one is installed: found as it is, and its calls recorded.

python -m venv .venv-engines && .venv-engines/bin/pip install xllamacpp gguf
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import engine_program
import pytest
from factories_practice import calls, only_call

from hf_ledger import HuggingFaceInferenceClient
from hf_ledger.ingest.doors.client import InferenceFailed
from hf_ledger.ingest.doors.hook.recording import stop
from hf_ledger.ingest.doors.router.refreshing import refresh
from hf_ledger.ingest.doors.router.registry import Registry
from hf_ledger.ingest.places import Places

CHECKOUT = Path(__file__).resolve().parent.parent
MISSING = (
    "no real engine here: python -m venv .venv-engines && "
    ".venv-engines/bin/pip install xllamacpp gguf"
)
MESSAGES = [{"role": "user", "content": "hi there"}]


def interpreter() -> str:
    """A Python that has the engine, or a skip that says how to get one."""
    own = CHECKOUT / ".venv-engines" / "bin" / "python"
    if own.exists():
        return str(own)
    if find_spec("xllamacpp") and find_spec("gguf"):
        return sys.executable
    pytest.skip(MISSING)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its base address."""
    command = [interpreter(), engine_program.__file__, str(tmp_path_factory.mktemp("engine"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            address = running.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:"), "the engine did not start"
            yield address
        finally:
            running.stdin.close()
            try:
                running.wait(timeout=20)
            except subprocess.TimeoutExpired:
                running.kill()


@pytest.fixture(autouse=True)
def _off_again() -> Iterator[None]:
    yield
    stop()


async def test_it_is_found_as_what_it_is(llama: str, places: Places) -> None:
    places.make()
    places.config.write_text(f'[targets.own]\nkind = "self_hosted"\nurl = "{llama}"\n')
    registry = Registry.open(places)
    (source,) = await refresh(registry, places, environment={})
    own = registry.named("own")
    assert source.why is None
    assert (own.engine, own.model) == ("llama.cpp", "tiny.gguf")
    assert own.context_length == engine_program.CONTEXT, "not what it was trained with"


def test_its_chats_are_rows(llama: str, places: Places) -> None:
    client = HuggingFaceInferenceClient("o/tiny", base_url=f"{llama}/v1")
    said = client.chat_completion(MESSAGES, max_tokens=5)
    list(
        client.chat_completion(
            MESSAGES, max_tokens=3, stream=True, stream_options={"include_usage": True}
        )
    )
    plain, streamed = calls(places)
    assert (plain.outcome, plain.host_kind, plain.requested_model) == (
        "ok",
        "self_hosted",
        "o/tiny",
    )
    assert plain.input_tokens == said.usage.prompt_tokens
    assert plain.output_tokens == said.usage.completion_tokens == 5
    assert (streamed.outcome, streamed.stream, streamed.output_tokens) == ("ok", True, 3)
    assert streamed.input_tokens == plain.input_tokens
    assert streamed.cache_read_tokens, "llama.cpp says how much of the prompt it still knew"


def test_a_prompt_that_is_too_long_is_the_caller_s(llama: str, places: Places) -> None:
    long = [{"role": "user", "content": "word " * engine_program.CONTEXT}]
    client = HuggingFaceInferenceClient("o/tiny", base_url=f"{llama}/v1")
    with pytest.raises(InferenceFailed):
        client.chat_completion(long, max_tokens=5)
    call = only_call(places)
    assert (call.outcome, call.status, call.error_kind) == ("error", 400, "bad_request")
