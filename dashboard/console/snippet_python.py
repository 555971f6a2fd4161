"""A call in Python, by hub's client or by OpenAI's. Every text stands there as `repr` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hf_ledger.dashboard.console.wording import (
    ROUTER,
    Asked,
    file_name,
    replaced,
    type_of_url,
    urls_in,
)
from hf_ledger.ingest.doors.client import NO_TOKEN
from hf_ledger.ingest.doors.router.tasks import task_named
from hf_ledger.ingest.doors.router.wanted import CHAT
from hf_ledger.ingest.errors import Usage

#: What is done with the answer, where printing it would not do.
_SHOWN = {
    CHAT: "print(answer.choices[0].message.content)",
    "summarization": "print(answer.summary_text)",
    "translation": "print(answer.translation_text)",
    "automatic-speech-recognition": "print(answer.text)",
    "image-to-text": "print(answer.generated_text)",
    "feature-extraction": "print(answer.shape)",
    "text-to-image": 'answer.save("answer.png")',
    "image-to-image": 'answer.save("answer.png")',
    "text-to-speech": 'Path("answer.wav").write_bytes(answer)',
    "text-to-video": 'Path("answer.mp4").write_bytes(answer)',
}
#: Arguments of OpenAI's own; the rest goes into its `extra_body`.
_OPENAI = frozenset(
    {
        "dimensions", "encoding_format", "frequency_penalty", "logprobs", "max_tokens", "n",
        "presence_penalty", "response_format", "seed", "stop", "temperature", "tool_choice",
        "tools", "top_logprobs", "top_p",
    }
)  # fmt: skip
_OPENAI_CALLS = {
    CHAT: ("chat.completions.create", "print(answer.choices[0].message.content)"),
    "text-generation": ("completions.create", "print(answer.choices[0].text)"),
    "feature-extraction": ("embeddings.create", "print(len(answer.data[0].embedding))"),
}


class Bare:
    """Code that stands in code without quotes."""

    def __init__(self, code: str) -> None:
        self._code = code

    def __repr__(self) -> str:
        return self._code


def literal(value: object) -> Any:
    """The value, ready for `repr`: files are their names, a picture in a chat is `picture`."""
    return replaced(value, file_name, lambda url: Bare("picture") if type_of_url(url) else url)


def call(opening: str, given: Mapping[str, Any]) -> str:
    """A call with one argument a line."""
    lines = [f"    {name}={literal(value)!r},\n" for name, value in given.items()]
    return f"{opening}(\n{''.join(lines)})"


def hub(asked: Asked) -> str:
    """By `huggingface_hub.InferenceClient`."""
    given = {**asked.inputs, **asked.parameters}
    if asked.task == CHAT and asked.target.url:
        given["model"] = asked.model
    known = {name: value for name, value in asked.where.client.items() if value is not None}
    return program(
        "from huggingface_hub import InferenceClient",
        [
            *picture_lines(asked),
            call("client = InferenceClient", {**known, "api_key": key_of(asked)}),
            call(f"answer = client.{task_named(asked.task).method}", given),
            _SHOWN.get(asked.task, "print(answer)"),
        ],
    )


def openai(asked: Asked) -> str:
    """By OpenAI's client, which has chat, text and embeddings."""
    if asked.task not in _OPENAI_CALLS:
        raise Usage(f"Not possible: OpenAI's client has no {asked.task} as Hugging Face has it.")
    if asked.task != CHAT and not asked.target.url:
        raise Usage("Not possible: Hugging Face's router has only chat for OpenAI's client.")
    method, shown = _OPENAI_CALLS[asked.task]
    client = {"base_url": base_of(asked), "api_key": key_of(asked)}
    return program(
        "from openai import OpenAI",
        [
            *picture_lines(asked),
            call("client = OpenAI", client),
            call(f"answer = client.{method}", openai_arguments(asked)),
            shown,
        ],
    )


def base_of(asked: Asked) -> str:
    """Where OpenAI's paths begin."""
    return (asked.target.url or ROUTER).rstrip("/").removesuffix("/v1") + "/v1"


def openai_arguments(asked: Asked) -> dict[str, Any]:
    """Its own names for what is asked; parameters that it has not go along in `extra_body`."""
    flat, inputs = asked.flat, dict(asked.inputs)
    if "max_new_tokens" in flat:
        flat["max_tokens"] = flat.pop("max_new_tokens")
    if asked.task == "feature-extraction":
        inputs = {"input": inputs["text"]}
        flat["encoding_format"] = "float"
    known = {name: value for name, value in flat.items() if name in _OPENAI}
    extra = {name: value for name, value in flat.items() if name not in _OPENAI}
    found = {"model": asked.model or "default", **inputs, **known}
    return {**found, "extra_body": extra} if extra else found


def key_of(asked: Asked) -> object:
    name = asked.token_variable
    return Bare(f"os.environ[{name!r}]") if name else NO_TOKEN


def picture_lines(asked: Asked) -> list[str]:
    """How the address of a picture in a chat is made of its file."""
    kind = next((found for url in urls_in(asked.inputs) if (found := type_of_url(url))), None)
    if kind is None:
        return []
    return [
        'encoded = base64.b64encode(Path("picture.png").read_bytes()).decode()\n'
        f'picture = "data:{kind};base64," + encoded'
    ]


def program(client: str, parts: list[str]) -> str:
    """Parts below the imports that they need."""
    body = "\n\n".join(parts)
    needed = {
        "import base64": "base64." in body,
        "import os": "os.environ[" in body,
        "from pathlib import Path": "Path(" in body,
    }
    standard = "\n".join(line for line, wanted in needed.items() if wanted)
    return "\n\n".join([*([standard] if standard else []), client, body]) + "\n"
